"""Whether a kubelet stays up after a restart: the script that watches it on its node, and what its answer means. Pure."""

import shlex
from importlib.resources import files
from typing import Literal

import msgspec

from kubevouch.node.script import Script

LIMIT = 10
"""Seconds at a stretch for which a kubelet may be down, besides the pause after which its unit starts it again."""
LONGEST_PAUSE = 40
"""Seconds of that pause (RestartSec) that are waited for; kubeadm's unit has 10. A port that is dark must not stay so for long."""

_LINES = 5
_LONGEST = 200


class WatchedKubelet(msgspec.Struct, frozen=True):
    """The output of watch.sh. Texts are sent in base64, which msgspec decodes."""

    ended: Literal["time", "steady", "inactive", "restarts"]
    seconds: int
    inactive: int
    """For how long it was not active, at the longest stretch."""

    active: bytes
    log: bytes = b""
    """The last lines of its log, where it did not stay up."""

    @property
    def trouble(self) -> str:
        """Why it does not stay up, with the last lines of its log, for a person; empty if it did stay up."""
        match self.ended:
            case "inactive":
                state = plain_line(self.active.decode(errors="replace")) or "not known"
                why = f"the kubelet was not active for {self.inactive} s (it is {state})"
            case "restarts":
                why = "the kubelet has ended twice"
            case _:
                return ""
        lines = [plain_line(line) for line in self.log.decode(errors="replace").splitlines()]
        last = [line for line in lines if line][-_LINES:]
        return why + (f"; the last lines of its log: {' | '.join(last)}" if last else "")


def plain_line(text: str) -> str:
    """What a node says, on one line, without what could not be seen, and not too long."""
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."


def watch_script(
    seconds: int,
    *,
    steady: int = 0,
    first: int = 0,
    pause: int = 1,
    proc: str = "/proc",
) -> Script[WatchedKubelet]:
    """The script.

    Args:
        seconds: for how long it watches at most.
        steady: it ends well once the kubelet has been active for so many seconds as one process; 0: it watches on.
        first: the process from which on others are counted; 0: the first that is seen.
        pause: seconds between two looks.
        proc: where that machine shows its processes.
    """
    words = {
        "proc": proc,
        "seconds": seconds,
        "steady": steady,
        "limit": LIMIT,
        "longest": LONGEST_PAUSE,
        "first": first,
        "pause": pause,
    }
    text = files("kubevouch.rollout").joinpath("watch.sh").read_text(encoding="utf-8")
    head = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in words.items())
    takes = steady or seconds
    return Script(name="watch", text=head + text, answer=WatchedKubelet, takes=takes)
