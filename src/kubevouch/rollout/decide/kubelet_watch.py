"""The script that checks on the node whether a kubelet stays up after a restart, and its answer. Pure."""

from typing import Literal

import msgspec

from kubevouch.evidence.survey import script_text
from kubevouch.node.script import Script, assigned

LIMIT = 10
"""How long a kubelet may be down at a time, in seconds, in addition to its unit's RestartSec."""
LONGEST_PAUSE = 40
"""The longest RestartSec that we allow for, in seconds.

A unit with a longer RestartSec gets only this time. kubeadm's unit has 10 s.
"""

_LINES = 5
_LONGEST = 200


class WatchedKubelet(msgspec.Struct, frozen=True):
    """The output of watch.sh. Texts are base64, which msgspec decodes."""

    ended: Literal["time", "steady", "inactive", "restarts"]
    seconds: int
    inactive: int
    """The longest time in seconds for which the unit was not active."""

    active: bytes
    log: bytes = b""
    """The last lines of the kubelet's log, if the kubelet did not stay up."""

    @property
    def trouble(self) -> str:
        """Why the kubelet does not stay up, with the last lines of its log; empty if it does."""
        match self.ended:
            case "inactive":
                state = plain_line(self.active.decode(errors="replace")) or "not known"
                why = f"the kubelet was not active for {self.inactive} s (state: {state})"
            case "restarts":
                why = "the kubelet has exited twice"
            case _:
                return ""
        lines = [plain_line(line) for line in self.log.decode(errors="replace").splitlines()]
        last = [line for line in lines if line][-_LINES:]
        return why + (f"; the end of its log: {' | '.join(last)}" if last else "")


def plain_line(text: str) -> str:
    """A node's text on one line, truncated and without invisible characters."""
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
    """The script that watches a kubelet.

    Args:
        seconds: the longest time to watch.
        steady: end with success once the same process was active for this many seconds. 0: never.
        first: the PID that the run started; 0 for the PID that the script sees first. Any other PID counts as a restart.
        pause: seconds between two checks.
        proc: the machine's /proc.
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
    text = assigned(words) + script_text("watch.sh", "kubevouch.rollout")
    return Script(name="watch", text=text, answer=WatchedKubelet, takes=steady or seconds)
