"""The state of runs on a node, as status.sh reads it there, and what it means for an operator.

Pure.
"""

from collections.abc import Iterable
from datetime import datetime
from importlib.resources import files
from shlex import quote
from typing import Annotated

import msgspec

from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.survey import ARMED_STATES, Moment, check_run_name, script_text
from kubevouch.node.script import Script, node_text
from kubevouch.outcome import Explained
from kubevouch.rollout.errors import LeadsOn

_WHOSE = {
    "other": "was edited by somebody else",
    "before": "is as before the run",
    "run": "is as the run wrote it",
}


class RunFound(msgspec.Struct, frozen=True):
    """What one run has left on a node. msgspec decodes the texts from base64."""

    run: bytes
    state: bytes
    fires: Moment
    """When its switch fires, by the node's clock; 0 if the record does not say."""

    timer: bytes
    """The answer of `systemctl is-active` for the switch's timer."""

    boot: bool
    """Whether a restart of the machine would end the run too."""

    config: bytes
    """The config.yaml of this run; empty if it wrote none."""

    whose: bytes
    """Whose content the file has now: `run`, `before` (the run) or `other`; empty if unknown."""

    strays: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=100)]
    """Names of the files that an undo moved out of the way and kept."""

    def __post_init__(self) -> None:
        check_run_name(self.run)
        if self.whose.decode(errors="replace") not in ("", *_WHOSE):
            raise ValueError(f"{self.whose[:20]!r} is not a known owner of the file's content")


class RunsFound(msgspec.Struct, frozen=True):
    """The answer of status.sh."""

    machine_id: bytes
    clock: Moment
    root: bytes
    unsafe: bytes
    """Why the records are not read: others than root could have written them."""

    active: bytes
    """The state of kubelet.service by systemd."""

    runs: Annotated[tuple[RunFound, ...], msgspec.Meta(max_length=100)]
    """The newest first."""


def status_script(
    root: str, proc: str = "/proc", units: str = "/etc/systemd/system"
) -> Script[RunsFound]:
    """Reads the state of runs. root: the kubelet's folder by the run's plan, for a kubelet that is down; empty for the default."""
    words = {"proc": proc, "units": units, "root_said": root}
    text = "".join(f"{name}={quote(value)}\n" for name, value in words.items())
    text += "".join(map(script_text, ("root_owned.sh", "run_marker.sh", "kubelet_process.sh")))
    text += files("kubevouch.rollout").joinpath("status.sh").read_text(encoding="utf-8")
    return Script(name="status", text=text, answer=RunsFound)


class NodeState(Explained):
    """The state of a run on a node: as found there, as a run or an undo leaves it, and as `status` shows it."""

    UNTOUCHED = "untouched", "not begun, or cut off before anything was changed"
    ARMED = "armed", "changed and not proven yet, or perhaps so: its switch undoes it"
    DONE = "done", "proven and committed, or well without a change"
    UNDONE = "undone", "put back, or undone before it began: it does not begin there again"
    FAILED = "failed", "its switch is overdue, its Node is not Ready, or an undo failed"
    UNKNOWN = "unknown", "the node could not be asked"


BEGUN = (NodeState.ARMED, NodeState.FAILED)
"""Begun, and neither committed nor undone."""

_STATES = {
    "": NodeState.UNTOUCHED,
    "unfinished": NodeState.UNTOUCHED,
    "prepared": NodeState.UNTOUCHED,
    **dict.fromkeys(ARMED_STATES, NodeState.ARMED),
    "committed": NodeState.DONE,
    "undone": NodeState.UNDONE,
    "barred": NodeState.UNDONE,
}
_MEANS = {
    "": "",
    "unfinished": "nothing was changed",
    "prepared": "nothing was changed",
    "armed": "its files are being changed",
    "written": "its files are changed, but the kubelet is not restarted yet",
    "restarted": "changed and restarted, not proven yet",
    "verified": "proven; the commit is not finished",
    "committed": "",
    "undone": "",
    "barred": "undone before it began here; it will not begin again",
}


_OVERDUE = "its switch tries again every 15 s; see `systemctl status 'kubevouch-undo-*'` there"  # undo.sh (RestartSec)
_CUT_OFF = "its undo was interrupted: once its switch is due, the node finishes the undo by itself"
LONG_AT_WORK = 60
"""Seconds that a switch may work before somebody should look at it: it restarts the kubelet, and
checks that it stays up."""
_LONGEST_NAME = 255
"""Characters of a file's name, or of a state, that are shown."""


class RunOnNode(msgspec.Struct, frozen=True, rename="camel"):
    """The state of one run on one node, in words for a person."""

    node: str
    run: str
    state: NodeState
    record: str = ""
    """The state in the run's folder on the node (run_state.sh)."""

    fires_in: int | None = None
    """Seconds until its switch fires; below zero if it is overdue. None if the run is not armed,
    or its record does not say."""

    switch: str = ""
    boot_net: str = ""
    notes: tuple[str, ...] = ()
    """What the record means, edits by others, and a kubelet that is down."""

    leads_on: LeadsOn = LeadsOn.NOTHING
    """What helps if it could not be asked; NOTHING if it answered."""

    host: str = ""
    """The host that did not answer; empty if somebody answered there."""


def statuses_of(
    node: str, found: RunsFound, run: str, *, others: bool = False
) -> tuple[RunOnNode, ...]:
    """The statuses of one run if named, and with `others` also of each other armed run.

    Otherwise of all armed runs, or the newest one.
    """
    if found.unsafe:
        why = node_text(found.unsafe)
        return (
            RunOnNode(node, run, NodeState.UNKNOWN, notes=(f"its records are not read: {why}",)),
        )
    down = _down(found)
    armed = [each for each in found.runs if _state(each, found) in BEGUN]
    if not run:
        chosen = armed or _newest(found)
        none = RunOnNode(node, "", NodeState.UNTOUCHED, notes=down)
        return tuple(_status(node, each, found, down) for each in chosen) or (none,)
    own = [each for each in found.runs if each.run == run.encode()]
    rows = tuple(_status(node, each, found, down) for each in own)
    besides = [each for each in armed if each not in own] if others else []
    none = RunOnNode(node, run, NodeState.UNTOUCHED, notes=("this run has no record here", *down))
    return (*(rows or (none,)), *(_status(node, each, found, down) for each in besides))


def _newest(found: RunsFound) -> list[RunFound]:
    """The newest run.

    The mark that an undo leaves for a run that had not begun counts only if there is no run.
    """
    begun = [each for each in found.runs if each.state != b"barred"]
    return (begun or list(found.runs))[:1]


def stands_by(record: str) -> NodeState:
    """The state of a run on a node, by the record in its folder there (run_state.sh); empty if it has none."""
    return _STATES.get(record, NodeState.UNKNOWN)


def _state(run: RunFound, found: RunsFound) -> NodeState:
    state = stands_by(run.state.decode(errors="replace"))
    overdue = run.fires and found.clock - run.fires > LONG_AT_WORK
    return NodeState.FAILED if state is NodeState.ARMED and overdue else state


def _down(found: RunsFound) -> tuple[str, ...]:
    state = node_text(found.active, _LONGEST_NAME)
    return () if state == "active" else (f"its kubelet is {state or 'not known to systemd'}",)


def _status(node: str, run: RunFound, found: RunsFound, down: tuple[str, ...]) -> RunOnNode:
    state, record = _state(run, found), node_text(run.state, _LONGEST_NAME)
    is_begun = state in BEGUN
    left = run.fires - found.clock if is_begun and run.fires else None
    means = _MEANS.get(record, "a state that this version does not know")
    newest = run in _newest(found)  # a later run's change of the file is nobody's edit
    edits = _edits(run, state, found.root) if newest or is_begun else ()
    overdue = _OVERDUE if state is NodeState.FAILED else ""
    return RunOnNode(
        node=node,
        run=run.run.decode(errors="replace"),
        state=state,
        record=record,
        fires_in=left,
        switch=_switch(run, left) if is_begun else "",
        boot_net=("set" if run.boot else "missing") if is_begun else "",
        notes=(*filter(None, [means, overdue]), *edits, *down),
    )


def _switch(run: RunFound, left: int | None) -> str:
    if run.timer != b"active" and (left is None or left > 0):
        return "no timer"
    if left is None:
        return "set"
    return f"in {left} s" if left >= 0 else f"at work for {-left} s"


def with_the_lease(
    statuses: Iterable[RunOnNode], armed: Iterable[ArmedNode], now: datetime
) -> tuple[RunOnNode, ...]:
    """The rows, with a note for each unreachable node that may be armed by the Lease. now: by the API server's clock."""
    known = {each.node: each for each in armed}

    def told(status: RunOnNode) -> RunOnNode:
        found = known.get(status.node)
        if found is None or status.state is not NodeState.UNKNOWN:
            return status
        note = f"may be armed until {found.due:%H:%M:%S} UTC, by the cluster's Lease"
        return msgspec.structs.replace(
            status,
            run=found.run,
            state=NodeState.ARMED,
            fires_in=round((found.due - now).total_seconds()),
            notes=(note, *status.notes),
        )

    return tuple(map(told, statuses))


def while_it_is_undone(
    statuses: Iterable[RunOnNode], run: str, *, under_way: bool
) -> tuple[RunOnNode, ...]:
    """The rows, with a note on each node that an undo takes back.

    run: that the undo takes back; empty if there is no undo. under_way: it was not interrupted.
    """

    def told(each: RunOnNode) -> RunOnNode:
        if not run or each.run != run or each.state not in BEGUN:
            return each
        means = "the undo that is under way puts it back" if under_way else _CUT_OFF
        kept = [note for note in each.notes if note not in (_MEANS.get(each.record), _OVERDUE)]
        return msgspec.structs.replace(each, notes=(means, *kept))

    return tuple(map(told, statuses))


def _edits(run: RunFound, state: NodeState, root: bytes) -> tuple[str, ...]:
    """What others have edited meanwhile, as far as the record's digests tell."""
    config = node_text(run.config)
    expected = {
        NodeState.DONE: {"run"},
        NodeState.UNDONE: {"before"},
        NodeState.ARMED: {"run", "before"},
        NodeState.FAILED: {"run", "before"},
    }.get(state, set())
    whose = run.whose.decode(errors="replace")
    edits = []
    if whose and expected and whose not in expected:
        edits.append(f"{config} {_WHOSE[whose]}")
    if run.strays:
        names = ", ".join(node_text(each, _LONGEST_NAME) for each in run.strays)
        folder = f"{node_text(root)}/.kubevouch/{run.run.decode(errors='replace')}"
        edits.append(f"set aside in {folder}/strays: {names}")
    return tuple(edits)
