"""Where runs stand on a node, read there by status.sh, and what it means for an operator. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from importlib.resources import files
from shlex import quote
from typing import Annotated

import msgspec

from kubevouch.evidence.survey import ARMED_STATES, Moment, check_run_name, script_text
from kubevouch.node.script import Script, node_text

_WHOSE = {
    "other": "was edited by somebody else",
    "before": "is as before the run",
    "run": "is as the run wrote it",
}


class RunFound(msgspec.Struct, frozen=True):
    """What one run has left on a node. Texts are sent in base64, which msgspec decodes."""

    run: bytes
    state: bytes
    fires: Moment
    """When its switch goes off, by the node's clock; 0 where the record does not say."""

    timer: bytes
    """What `systemctl is-active` says of the switch's timer."""

    boot: bool
    """A restart of the machine would end the run, too."""

    config: bytes
    """The config.yaml that it is about; empty where it wrote none."""

    whose: bytes
    """Whose content it has now: `run`, `before` (the run) or `other`; empty where that cannot be told."""

    strays: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=100)]
    """Names of the files that an undo took out of the way and kept."""

    rewritten: bool = False
    """The config.yaml was written since the run's last state there; its content may be the same."""

    def __post_init__(self) -> None:
        check_run_name(self.run)
        if self.whose.decode(errors="replace") not in ("", *_WHOSE):
            raise ValueError(f"{self.whose[:20]!r} says whose no content is")


class RunsFound(msgspec.Struct, frozen=True):
    """What status.sh answers."""

    machine_id: bytes
    clock: Moment
    root: bytes
    unsafe: bytes
    """Why the records are not read: others than root could have written them."""

    active: bytes
    """kubelet.service, as systemd says."""

    runs: Annotated[tuple[RunFound, ...], msgspec.Meta(max_length=100)]
    """The newest first."""


def status_script(
    root: str, proc: str = "/proc", units: str = "/etc/systemd/system"
) -> Script[RunsFound]:
    """Reads them. root: the kubelet's folder by the run's plan, for a kubelet that is down; empty for the default."""
    words = {"proc": proc, "units": units, "root_said": root}
    text = "".join(f"{name}={quote(value)}\n" for name, value in words.items())
    text += "".join(map(script_text, ("root_owned.sh", "run_marker.sh", "kubelet_process.sh")))
    text += files("kubevouch.rollout").joinpath("status.sh").read_text(encoding="utf-8")
    return Script(name="status", text=text, answer=RunsFound)


class Standing(StrEnum):
    """What a run's state on a node comes to."""

    NONE = "no run"
    NOT_BEGUN = "not begun"
    """Cut off before anything was changed."""

    ARMED = "armed"
    """Changed and not proven, or proven and the end of it cut off: its switch ends it."""

    DONE = "done"
    UNDONE = "undone"
    BARRED = "barred"
    """Undone before it began: it does not begin there any more."""

    UNKNOWN = "not known"


PUT_BACK = (Standing.UNDONE, Standing.BARRED)
"""How a node stands on which a run does not begin any more."""

_STANDING = {
    "unfinished": Standing.NOT_BEGUN,
    "prepared": Standing.NOT_BEGUN,
    **dict.fromkeys(ARMED_STATES, Standing.ARMED),
    "committed": Standing.DONE,
    "undone": Standing.UNDONE,
    "barred": Standing.BARRED,
}
_MEANS = {
    "": "",
    "unfinished": "nothing was changed",
    "prepared": "nothing was changed",
    "armed": "its files are being changed",
    "written": "its files are changed, the kubelet was not restarted yet",
    "restarted": "changed and restarted, not proven yet",
    "verified": "proven; the commit is not finished",
    "committed": "",
    "undone": "",
    "barred": "undone before it began here; it does not begin any more",
}


_TRIES = "tries again every 15 s until that is done"  # undo.sh, transaction.sh (RestartSec)
_CUT_OFF = {
    False: f"its undo was cut off: the node goes on with it by itself, and {_TRIES}",
    True: f"its undo was cut off: once its switch is due, the node goes on with it by itself, and from then on {_TRIES}",
}
"""By whether the switch waits still."""
LONG_AT_WORK = 60
"""Seconds for which a switch may be at work before somebody is to look at it: it restarts the kubelet, and sees it stay up."""
_LONGEST_NAME = 255
"""Characters of a file's name, or of a state, that are shown."""


class RunOnNode(msgspec.Struct, frozen=True):
    """Where one run stands on one node, in words for a person."""

    node: str
    run: str
    standing: Standing
    state: str = ""
    """As the run's folder on the node says."""

    fires_in: int | None = None
    """Seconds until its switch goes off; below zero if it was due before. None if the run is not armed, or its record does not say."""

    switch: str = ""
    boot_net: str = ""
    notes: tuple[str, ...] = ()
    """What the state means, stray edits, a kubelet that is down."""

    host: str = ""
    """That was asked in vain; empty if somebody has answered there."""

    lacks_root: bool = False
    """It lets us in, and nobody there is root."""

    lacks_answer: bool = False
    """A shell there ran our script, and gave no answer that can be read."""

    other_key: bool = False
    """Who answers there has another ssh host key than in the run's plan."""

    later_run: str = ""
    """The run that has begun there since; empty if none has."""

    put_back: tuple[str, ...] = ()
    """Every run that was put back there, or barred."""

    last_known_armed: str = ""
    """The run by which a node that cannot be asked was armed when this machine last heard of it; empty if none is known."""


def statuses_of(
    node: str, found: RunsFound, run: str, *, others: bool = False
) -> tuple[RunOnNode, ...]:
    """Of one run, if it is named, and with `others` of each other that is armed; else of all that are armed, or the newest one."""
    if found.unsafe:
        why = node_text(found.unsafe)
        return (
            RunOnNode(node, run, Standing.UNKNOWN, notes=(f"its records are not read: {why}",)),
        )
    down = _down(found)
    armed = [each for each in found.runs if _standing(each) is Standing.ARMED]
    if not run:
        chosen = armed or _newest(found)
        none = RunOnNode(node, "", Standing.NONE, notes=down)
        return tuple(_status(node, each, found, down) for each in chosen) or (none,)
    own = [each for each in found.runs if each.run == run.encode()]
    rows = tuple(_status(node, each, found, down) for each in own)
    besides = [each for each in armed if each not in own] if others else []
    none = RunOnNode(node, run, Standing.NONE, notes=("this run has no record here", *down))
    return (*(rows or (none,)), *(_status(node, each, found, down) for each in besides))


def _newest(found: RunsFound) -> list[RunFound]:
    """The mark that an undo leaves of a run that had not begun is no run, as long as there is one."""
    begun = [each for each in found.runs if _standing(each) is not Standing.BARRED]
    return (begun or list(found.runs))[:1]


def _later(run: RunFound, found: RunsFound) -> str:
    """A run that has begun since this one: any of those that are newer has, but for one that was cut off before it changed anything."""
    newer = found.runs[: found.runs.index(run)]
    never = (Standing.BARRED, Standing.NOT_BEGUN)
    begun = [each for each in newer if _standing(each) not in never]
    return begun[0].run.decode(errors="replace") if begun else ""


def _standing(run: RunFound) -> Standing:
    return _STANDING.get(run.state.decode(errors="replace"), Standing.UNKNOWN)


def _down(found: RunsFound) -> tuple[str, ...]:
    state = node_text(found.active, _LONGEST_NAME)
    return () if state == "active" else (f"its kubelet is {state or 'not known to systemd'}",)


def _status(node: str, run: RunFound, found: RunsFound, down: tuple[str, ...]) -> RunOnNode:
    standing, state = _standing(run), node_text(run.state, _LONGEST_NAME)
    left = run.fires - found.clock if standing is Standing.ARMED and run.fires else None
    means = _MEANS.get(state, "a state that this version does not know")
    newest = run in _newest(found)  # what a later run has made of the file is nobody's edit
    edits = _edits(run, standing, found.root) if newest or standing is Standing.ARMED else ()
    notes = (*filter(None, [means, _of_the_switch(state, left)]), *edits, *down)
    put_back = [each for each in found.runs if _standing(each) in PUT_BACK]
    return RunOnNode(
        node=node,
        run=run.run.decode(errors="replace"),
        standing=standing,
        state=state,
        fires_in=left,
        switch=_switch(run, left) if standing is Standing.ARMED else "",
        boot_net=("set" if run.boot else "missing") if standing is Standing.ARMED else "",
        notes=notes,
        later_run=_later(run, found),
        put_back=tuple(each.run.decode(errors="replace") for each in put_back),
    )


def _switch(run: RunFound, left: int | None) -> str:
    if run.timer != b"active" and (left is None or left > 0):
        return "no timer"
    if left is None:
        return "set"
    return f"in {left} s" if left >= 0 else f"at work for {-left} s"


def _of_the_switch(state: str, left: int | None) -> str:
    """What a switch does that has gone off; empty if none has."""
    if left is None or left >= 0:
        return ""
    does = "finishes the commit" if state == "verified" else "puts it back"
    look = "; see `systemctl status 'kubevouch-undo-*'` there" if left < -LONG_AT_WORK else ""
    return f"its switch {does} now, and {_TRIES}{look}"


def while_it_is_undone(
    statuses: Iterable[RunOnNode], run: str, *, under_way: bool
) -> tuple[RunOnNode, ...]:
    """The rows; what is armed by a run that is being undone says so. run: that an undo takes back; empty if none does. under_way: not cut off."""

    def told(each: RunOnNode) -> RunOnNode:
        if not run or each.run != run or each.standing is not Standing.ARMED:
            return each
        waits = each.fires_in is not None and each.fires_in > 0
        means = "the undo that is under way puts it back" if under_way else _CUT_OFF[waits]
        said = (_MEANS.get(each.state, ""), _of_the_switch(each.state, each.fires_in))
        kept = [note for note in each.notes if note not in said]
        return msgspec.structs.replace(each, notes=(means, *kept))

    return tuple(map(told, statuses))


def _edits(run: RunFound, standing: Standing, root: bytes) -> tuple[str, ...]:
    """What others have edited meanwhile, as far as the digests in the run's record tell."""
    config = node_text(run.config)
    expected = {
        Standing.DONE: {"run"},
        Standing.UNDONE: {"before"},
        Standing.ARMED: {"run", "before"},
    }.get(standing, set())
    whose = run.whose.decode(errors="replace")
    edits = []
    if whose and expected and whose not in expected:
        edits.append(f"{config} {_WHOSE[whose]}")
    elif whose == "run" and run.rewritten:
        edits.append(f"{config} was written again since, with the same content")
    if run.strays:
        names = ", ".join(node_text(each, _LONGEST_NAME) for each in run.strays)
        folder = f"{node_text(root)}/.kubevouch/{run.run.decode(errors='replace')}"
        edits.append(f"set aside in {folder}/strays: {names}")
    return tuple(edits)
