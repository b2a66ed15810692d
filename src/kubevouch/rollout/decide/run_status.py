"""The state of runs on a node, as status.sh reports it, and what that means for the operator. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec

from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.survey import Moment, check_run_name, script_text
from kubevouch.node.script import Script, assigned, node_text
from kubevouch.outcome import Explained
from kubevouch.rollout.errors import LeadsOn

_WHOSE = {
    "other": "was edited by somebody else",
    "before": "has its content from before the run",
    "run": "has the content that the run wrote",
}


class RunFound(msgspec.Struct, frozen=True):
    """One run's record on a node. msgspec decodes the texts from base64."""

    run: bytes
    state: bytes
    fires: Moment
    """When the run's dead-man's switch fires, by the node's clock; 0 if unknown."""

    timer: bytes
    """What `systemctl is-active` prints for the timer of the dead-man's switch."""

    boot: bool
    """Whether a systemd unit would end the run at the node's next boot."""

    config: bytes
    """The path of the config.yaml in the run's record; empty if the record has none."""

    whose: bytes
    """Whose content config.yaml has now: `run` (the run's), `before` (from before the run) or `other`.

    Empty if unknown, or if the run does not change config.yaml.
    """

    strays: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=100)]
    """The names of the files that an undo moved aside."""

    def __post_init__(self) -> None:
        check_run_name(self.run)
        if self.whose.decode(errors="replace") not in ("", *_WHOSE):
            raise ValueError(f"expected {', '.join(_WHOSE)}, got {self.whose[:20]!r}")


class RunsFound(msgspec.Struct, frozen=True):
    """The answer of status.sh."""

    machine_id: bytes
    clock: Moment
    root: bytes
    unsafe: bytes
    """Why status.sh did not read the records: users other than root could have written them.

    Empty if it read them.
    """

    active: bytes
    """The ActiveState of kubelet.service."""

    runs: Annotated[tuple[RunFound, ...], msgspec.Meta(max_length=100)]
    """The runs on the node, newest first."""


def status_script(
    root: str, proc: str = "/proc", units: str = "/etc/systemd/system"
) -> Script[RunsFound]:
    """The script that reads the state of runs.

    root: the kubelet folder to read if no kubelet runs; empty for the default folder.
    """
    words = {"proc": proc, "units": units, "root_said": root}
    text = assigned(words)
    text += "".join(map(script_text, ("root_owned.sh", "run_marker.sh", "kubelet_process.sh")))
    text += script_text("status.sh", "kubevouch.rollout")
    return Script(name="status", text=text, answer=RunsFound)


class NodeState(Explained):
    """A run's progress on a node. All commands use these states."""

    UNTOUCHED = "untouched", "not begun, or interrupted before any change"
    ARMED = (
        "armed",
        "changed (or possibly changed) but not committed: the dead-man's switch undoes an unverified change",
    )
    DONE = "done", "verified and committed, or healthy without a change"
    UNDONE = "undone", "restored, or undone before the run began; the run cannot begin again"
    FAILED = "failed", "the dead-man's switch is overdue, the Node is not Ready, or an undo failed"
    UNKNOWN = "unknown", "cannot be determined; NOTES has the reason"


BEGUN = (NodeState.ARMED, NodeState.FAILED)
"""States of a run that has begun and is neither committed nor undone."""

_RECORDS = {
    "": (NodeState.UNTOUCHED, ""),
    "unfinished": (NodeState.UNTOUCHED, "nothing was changed"),
    "prepared": (NodeState.UNTOUCHED, "nothing was changed"),
    "armed": (NodeState.ARMED, "the files are being changed"),
    "written": (NodeState.ARMED, "the files are changed, but the kubelet is not restarted yet"),
    "restarted": (NodeState.ARMED, "changed and restarted, not verified yet"),
    "verified": (NodeState.ARMED, "verified; the commit is not finished"),
    "committed": (NodeState.DONE, ""),
    "undone": (NodeState.UNDONE, ""),
    "barred": (NodeState.UNDONE, "undone before the run began here"),
}
"""For each state in a run's folder (run_state.sh): the node's state, and a message about it."""
_NO_RECORD = (NodeState.UNKNOWN, "a state unknown to this version")

_OVERDUE = "the dead-man's switch retries every 15 s; see `systemctl status 'kubevouch-undo-*'` on the node"  # undo.sh (RestartSec)
_CUT_OFF = "the undo was interrupted; the node finishes it when the dead-man's switch fires"
LONG_AT_WORK = 60
"""Seconds that a dead-man's switch may take to restart the kubelet and check that it stays up. Afterwards the
switch counts as overdue."""
_LONGEST_NAME = 255
"""The maximum length of a file's name or a state that is shown."""


class RunOnNode(msgspec.Struct, frozen=True, rename="camel"):
    """The state of one run on one node, for `status`."""

    node: str
    run: str
    state: NodeState
    record: str = ""
    """The state in the run's folder on the node (run_state.sh)."""

    fires_in: int | None = None
    """Seconds until the dead-man's switch fires; negative if it is overdue. None if unknown, or if the run is not
    armed."""

    switch: str = ""
    boot_net: str = ""
    notes: tuple[str, ...] = ()
    """Messages about the run's record, files that somebody else changed, and a kubelet that is down."""

    leads_on: LeadsOn = LeadsOn.NOTHING
    """The advice if the node did not answer; NOTHING if the node answered."""

    host: str = ""
    """The host to look at if the node did not answer; else empty."""


def statuses_of(
    node: str, found: RunsFound, run: str, *, others: bool = False
) -> tuple[RunOnNode, ...]:
    """The status of one run on a node. With `others`, also of all other armed runs.

    An empty `run` selects all armed runs, or the newest run if none is armed.
    """
    if found.unsafe:
        why = node_text(found.unsafe)
        return (
            RunOnNode(
                node, run, NodeState.UNKNOWN, notes=(f"the node's records were not read: {why}",)
            ),
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
    none = RunOnNode(
        node, run, NodeState.UNTOUCHED, notes=("this node has no record of the run", *down)
    )
    return (*(rows or (none,)), *(_status(node, each, found, down) for each in besides))


def _newest(found: RunsFound) -> list[RunFound]:
    """The newest run that has begun on the node.

    If there is none, the newest that was undone before it began.
    """
    begun = [each for each in found.runs if each.state != b"barred"]
    return (begun or list(found.runs))[:1]


def stands_by(record: str) -> NodeState:
    """Converts the state in a run's folder (run_state.sh) to the node's state.

    record: empty if there is no folder.
    """
    return _RECORDS.get(record, _NO_RECORD)[0]


def _state(run: RunFound, found: RunsFound) -> NodeState:
    state = stands_by(run.state.decode(errors="replace"))
    overdue = run.fires and found.clock - run.fires > LONG_AT_WORK
    return NodeState.FAILED if state is NodeState.ARMED and overdue else state


def _down(found: RunsFound) -> tuple[str, ...]:
    state = node_text(found.active, _LONGEST_NAME)
    return () if state == "active" else (f"the kubelet is {state or 'not known to systemd'}",)


def _status(node: str, run: RunFound, found: RunsFound, down: tuple[str, ...]) -> RunOnNode:
    state, record = _state(run, found), node_text(run.state, _LONGEST_NAME)
    is_begun = state in BEGUN
    left = run.fires - found.clock if is_begun and run.fires else None
    means = _RECORDS.get(record, _NO_RECORD)[1]
    newest = run in _newest(found)  # a later run's change of the file is not an edit
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
    """Marks nodes as armed, with a note, if the Lease lists them and their own state is unknown.

    now: the API server's time.
    """
    known = {each.node: each for each in armed}

    def noted(status: RunOnNode) -> RunOnNode:
        found = known.get(status.node)
        if found is None or status.state is not NodeState.UNKNOWN:
            return status
        note = f"the Lease lists the node as armed until {found.due:%H:%M:%S} UTC"
        return msgspec.structs.replace(
            status,
            run=found.run,
            state=NodeState.ARMED,
            fires_in=round((found.due - now).total_seconds()),
            notes=(note, *status.notes),
        )

    return tuple(map(noted, statuses))


def while_it_is_undone(
    statuses: Iterable[RunOnNode], run: str, *, alive: bool
) -> tuple[RunOnNode, ...]:
    """Adds a note to each node that an undo is restoring.

    run: the run that is being undone; empty if none is. alive: False if the undo was interrupted.
    """

    def noted(each: RunOnNode) -> RunOnNode:
        if not run or each.run != run or each.state not in BEGUN:
            return each
        means = "the undo in progress restores the node" if alive else _CUT_OFF
        kept = [
            note
            for note in each.notes
            if note not in (_RECORDS.get(each.record, _NO_RECORD)[1], _OVERDUE)
        ]
        return msgspec.structs.replace(each, notes=(means, *kept))

    return tuple(map(noted, statuses))


def _edits(run: RunFound, state: NodeState, root: bytes) -> tuple[str, ...]:
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
