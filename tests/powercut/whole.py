"""What an image of a node must hold. Pure; what the scripts say of themselves is not asked.

A node is *whole* if it is as before the run, or committed with a certificate to serve. What its next start runs may be
needed to make it so, once. A kubelet may be started before that, so a half-written file is never right.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RUNS = ".kubevouch"
STATES = ("prepared", "armed", "written", "restarted", "verified", "committed", "undone")


@dataclass(frozen=True)
class File:
    """A file, folder or link. what: content, or where the link leads; modified: not of folders."""

    mode: int
    user: int
    group: int
    modified: int
    what: bytes


Files = Mapping[str, File]
"""By path, from the kubelet's folder or from the folder of units."""


@dataclass(frozen=True)
class Seen:
    """An image, mounted and read."""

    kubelet: Files
    units: Files

    @property
    def own(self) -> Files:
        """The kubelet's own files, without the folder of runs."""
        return {path: each for path, each in self.kubelet.items() if path.split("/")[0] != RUNS}

    def states(self, run: str) -> list[str]:
        """In which states the run is: one, or none."""
        return [each for each in STATES if f"{RUNS}/{run}/{each}" in self.kubelet]

    def content(self, path: str) -> bytes | None:
        """Of a file of the kubelet's."""
        found = self.kubelet.get(path)
        return None if found is None else found.what


@dataclass(frozen=True)
class Known:
    """What was on the node when the power was on. seed, issued: PEM files as the kubelet would load them."""

    run: str
    root: str
    before: Seen
    new: bytes
    seed: tuple[bytes, bytes]
    issued: bytes


def at_start(seen: Seen) -> list[tuple[list[str], list[str]]]:
    """Of each unit that the next start runs: paths that must exist for it, and its command.

    A unit without a byte is masked (systemd.unit(5)), and a link that leads nowhere starts nothing.
    """
    wanted = [path for path in seen.units if path.startswith("multi-user.target.wants/")]
    found = []
    for name in sorted(path.rsplit("/", 1)[1] for path in wanted):
        unit = seen.units.get(name)
        lines = [] if unit is None else unit.what.decode(errors="replace").splitlines()
        said = [line.split("=", 1) for line in lines if "=" in line]
        paths = [value.replace("%%", "%") for key, value in said if key == "ConditionPathExists"]
        found += [(paths, _words(value)) for key, value in said if key == "ExecStart"]
    return found


def _words(command: str) -> list[str]:
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command)]


def wrong_as_found(seen: Seen, known: Known) -> list[str]:
    """What is not right before anything of ours has run."""
    wrong = []
    config = seen.content("config.yaml")
    if config not in (known.before.content("config.yaml"), known.new):
        wrong.append(f"config.yaml is neither the old one nor the new one: {config!r}")
    states = seen.states(known.run)
    if len(states) > 1:
        wrong.append(f"the run is in several states: {', '.join(states)}")
    return wrong


def wrong_after_start(seen: Seen, known: Known, told: str) -> list[str]:
    """What is not right once the node has started. told: what a call has answered before the power failed."""
    states = seen.states(known.run)
    as_before = seen.own == known.before.own
    if states == ["committed"]:
        wrong = _wrong_when_committed(seen, known)
        if told == "undone":
            wrong.append("the call answered undone, and the run is committed")
        return wrong
    wrong = [] if as_before else _differences(seen, known)
    if told == "committed":
        wrong.append(f"the call answered committed, and the run is {' '.join(states) or 'unknown'}")
    if [state for state in states if state not in {"undone", "prepared"}]:
        wrong.append(f"the run is still {', '.join(states)}")
    return wrong


def _wrong_when_committed(seen: Seen, known: Known) -> list[str]:
    wrong = []
    if seen.content("config.yaml") != known.new:
        wrong.append("committed, and config.yaml is not the new one")
    served = _loaded(seen)
    if served not in ((known.issued,), known.seed):
        wrong.append(f"committed, and there is no certificate to serve: {served!r}")
    return wrong


def _loaded(seen: Seen) -> tuple[bytes | None, ...]:
    """What a kubelet loads (client-go, util/certificate/certificate_store.go, Current)."""
    current = seen.kubelet.get("pki/kubelet-server-current.pem")
    if current is not None:
        name = current.what.decode().rsplit("/", 1)[1]
        if f"pki/{name}" in seen.kubelet:
            return (seen.content(f"pki/{name}"),)
    return tuple(seen.content(f"pki/kubelet-server.{each}") for each in ("crt", "key"))


def _differences(seen: Seen, known: Known) -> list[str]:
    was, now = known.before.own, seen.own
    found = [
        f"{path} {_kind_of_change(was.get(path), now.get(path))}"
        for path in sorted({*was, *now})
        if was.get(path) != now.get(path)
    ]
    return [f"not as before: {', '.join(found)}"]


def _kind_of_change(was: File | None, now: File | None) -> str:
    if now is None:
        return "is gone"
    if was is None:
        return "is new"
    if was.what != now.what:
        return f"has other content ({now.what[-80:]!r})"
    return f"has the same content, and otherwise {now}, not {was}"


def described(seen: Seen, known: Known) -> str:
    """The parts of an image that explain what became of it."""
    record = f"{RUNS}/{known.run}/"
    own = [
        f"{path} ({len(each.what)} bytes)" for path, each in seen.own.items() if "server" in path
    ]
    units = [f"{path} ({len(each.what)} bytes)" for path, each in seen.units.items()]
    config = seen.content("config.yaml")
    kind = {known.new: "new", known.before.content("config.yaml"): "old"}.get(config, "neither")
    kept = [path.removeprefix(record) for path in seen.kubelet if path.startswith(record)]
    return (
        f"run: {' '.join(seen.states(known.run)) or 'no state'}; config.yaml: {kind}; pairs: {', '.join(own) or 'none'}; "
        f"units: {', '.join(units) or 'none'}; record: {', '.join(kept) or 'none'}"
    )


def told_by(marks: Sequence[str]) -> str:
    """The answer of the last call, unless another one has begun since."""
    for mark in reversed(marks):
        if mark.startswith("call "):
            return ""
        if mark.startswith("answer "):
            return mark.removeprefix("answer ")
    return ""
