"""What `status` says after its table: who carries a run out, and which command comes next. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote
from types import MappingProxyType

from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.before_a_resume import after_switch, next_for_under_way, too_late
from kubevouch.rollout.decide.reaching import WayToNodes, said_again, showing_why_silent
from kubevouch.rollout.decide.run_status import PUT_BACK, RunOnNode, Standing
from kubevouch.rollout.decide.stopped_undo import StoppedUndo
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_BY_SSH = WayToNodes()
_NOBODY: Mapping[str, str] = MappingProxyType({})
_NO_TIMES: Mapping[str, RolloutTimeouts] = MappingProxyType({})
_PUT_BACK = frozenset(PUT_BACK)


def exit_code_of(statuses: Iterable[RunOnNode]) -> ExitCode:
    """0: no run is armed anywhere. 1: one is. 3: of some node that could not be told."""
    standings = {each.standing for each in statuses}
    codes = [ExitCode.FINDINGS] if Standing.ARMED in standings else []
    codes += [ExitCode.COULD_NOT_TELL] if Standing.UNKNOWN in standings else []
    return combined_exit_code(codes)


def who_writes(holder: RunHolder | None, statuses: Iterable[RunOnNode], doubt: str) -> str:
    """Who carries a run out now, for a person: by the Lease, and of one that was cut off by the nodes, too. doubt: as below."""
    if holder is None:
        return f"not known: {doubt}" if doubt else "nobody"
    if holder.is_alive:
        return str(holder)
    statuses = tuple(statuses)
    own = [each for each in statuses if each.run == holder.run]
    armed = len({each.node for each in own if each.standing is Standing.ARMED})
    told = all(each.standing is not Standing.UNKNOWN for each in statuses)
    answered = "these nodes" if told else "the nodes that could be asked"
    left = f"{armed} of {answered}" if armed else f"none of {answered}"
    done = len({each.node for each in own if each.standing is Standing.DONE})
    rest = f", and the run is still done on {done}" if holder.undoes and done else ""
    put_back = len({each.node for each in statuses if holder.run in each.put_back})
    if put_back and not (armed or done or holder.undoes) and told:
        return (
            f"nobody: {holder} was cut off ({holder.cut_off_by}), and what it had begun is put back, "
            f"on {put_back} of these nodes"
        )
    what = f"it has left {left} armed{rest}"
    if statuses and all(each.standing is Standing.UNKNOWN for each in statuses):
        what = "it is not known whether it has left any of these nodes armed: none of them could be asked"
    return f"nobody any more: {holder} was cut off ({holder.cut_off_by}); {what}"


def next_for_status(
    statuses: Iterable[RunOnNode],
    run: str,
    holder: RunHolder | None,
    kept: frozenset[str],
    *,
    doubt: str = "",
    away: str = "",
    undo: StoppedUndo | None = None,
    nodes: Sequence[str] = (),
    way: WayToNodes = _BY_SSH,
    file: str = "",
    reached: Mapping[str, str] = _NOBODY,
    times: Mapping[str, RolloutTimeouts] = _NO_TIMES,
    through: frozenset[str] = frozenset(),
) -> tuple[str, str]:
    """The command that comes next, and what else may be done. run: that was asked for. kept: runs whose plans are kept here.

    doubt: why it is not known who holds the Lease. away: where that is since the API server did not answer, the command that shows
    whether it does again: what needs it comes after that. undo: that was stopped in order here. nodes: only these were asked for.
    way: how they were asked. file: of the plan of `run`, where it was given by that and is not kept here. reached: by node that could
    not be asked so, the run whose plan goes there in another way. times: by run, those that it was last carried out with. through:
    runs that ended here with all nodes of their plans done: where one has no record, the node needed nothing of it.
    """
    statuses = tuple(statuses)
    words = _Words({run: file} if file else {}, times, through)
    kept |= words.files.keys()
    every = [each for each in statuses if each.standing is Standing.ARMED]
    armed = sorted(every, key=lambda each: each.run != run)  # that was asked for comes first
    if holder is not None and holder.is_alive:
        return next_for_under_way(holder, words.status(run or holder.run, nodes))
    if (
        holder is not None
        and holder.undoes
        and (run in ("", holder.run) or any(each.run == holder.run for each in armed))
    ):
        return _next_for_cut_off_undo(holder, kept, words)
    if undo is not None and all(each.run == undo.run for each in armed):
        return _once_it_answers(away, undo.again, "what it has put back stays so")
    if armed:
        return _next_for_armed(armed, holder, kept, words, nodes, doubt=doubt, away=away)
    silent = _first_silent(statuses, reached)
    if silent is not None:
        return _next_for_silent(silent, words.status(run, nodes), way, nodes, reached)
    return _once_it_answers(away, *_next_for_unarmed(statuses, run, holder, kept, words))


def _once_it_answers(away: str, command: str, note: str) -> tuple[str, str]:
    """The command and its note; while the API server is away, which refuses that command, what shows whether it is back comes first."""
    if not away:
        return command, note
    return away, "; ".join(filter(None, (f"once the API server answers: `{command}`", note)))


@dataclass(frozen=True)
class _Words:
    """Commands about a run, by its name or by the file of its plan. files: by run, of those whose plans were given so.

    times: by run, those that it was last carried out with, where this is known. through: see `next_for_status`.
    """

    files: Mapping[str, str]
    times: Mapping[str, RolloutTimeouts]
    through: frozenset[str]

    def resume(self, run: str) -> str:
        times = self.times[run].words if run in self.times else ()
        return join(["kubevouch", "resume", self.files.get(run, run), *times])

    def undo(self, run: str, nodes: Sequence[str] = ()) -> str:
        some = ["--nodes", ",".join(nodes)] if nodes else []
        return join(["kubevouch", "undo", self.files.get(run, run), *some])

    def status(self, run: str, nodes: Sequence[str]) -> str:
        some = ["--nodes", ",".join(nodes)] if nodes else []
        given = self.files.get(run)
        return join(["kubevouch", "status", given, *some]) if given else status_of(run, nodes)


def _next_for_armed(
    armed: Sequence[RunOnNode],
    holder: RunHolder | None,
    kept: frozenset[str],
    words: _Words,
    nodes: Sequence[str],
    *,
    doubt: str,
    away: str,
) -> tuple[str, str]:
    """holder: who was cut off, if anybody. The rest is that of `next_for_status`."""
    here = next((each.run for each in armed if each.run in kept), "")
    if not here:
        return _next_for_armed_elsewhere(armed, holder, nodes)
    hand = [each for each in armed if each.run == here]
    is_watched = holder is not None or bool(doubt)
    late = too_late(words.resume(here), hand, is_watched=is_watched)
    if late:
        return after_switch(hand, words.status(here, nodes)), late
    unknown = doubt and not away  # once it answers, the resume asks for the Lease itself
    first = "if nobody carries it out any more, which is not known here; " if unknown else ""
    instead = f"{first}to put its nodes back instead: `{words.undo(here)}`"
    return _once_it_answers(away, words.resume(here), instead)


def _next_for_armed_elsewhere(
    armed: Sequence[RunOnNode], holder: RunHolder | None, nodes: Sequence[str]
) -> tuple[str, str]:
    """Nothing can be done from here until the last switch has gone off, or somebody has ended the run where it was begun."""
    run, left = quote(armed[0].run), max((each.fires_in or 0 for each in armed), default=0)
    switch = (
        f"wait until the switch puts the node back, in {left} s"
        if left > 0
        else "wait until the switch puts the node back"
    )
    where = f", by {holder.where}" if holder is not None and holder.run == run else ""
    note = (
        f"the plan of run {run} is not kept on this machine, or cannot be read. Where it was begun{where}: `kubevouch resume {run}`. "
        f"Else copy the file {run}.json from there (in ~/.local/state/kubevouch/runs) and give its path to resume or "
        f"to `kubevouch undo`; or {switch}"
    )
    return after_switch(armed, status_of(armed[0].run, nodes)), note


def _first_silent(statuses: Iterable[RunOnNode], reached: Mapping[str, str]) -> RunOnNode | None:
    """The node that could not be asked and is to be looked at first: one that was known to be armed, or that a plan reaches."""
    silent = [each for each in statuses if each.standing is Standing.UNKNOWN]

    def order(each: RunOnNode) -> tuple[bool, bool]:
        return not each.last_known_armed, each.node not in reached

    return min(silent, key=order, default=None)


def _next_for_silent(
    silent: RunOnNode,
    again: str,
    way: WayToNodes,
    nodes: Sequence[str],
    reached: Mapping[str, str],
) -> tuple[str, str]:
    """again: to be run once that node can be asked. nodes, reached: see `next_for_status`."""
    if run := reached.get(silent.node, ""):
        some = [each for each in nodes if reached.get(each) == run]
        note = f"nobody has said here how {silent.node} is reached; the plan of run {run}, which is kept on this machine, does"
        return status_of(run, some), note
    if silent.other_key:
        note = f"that asks {silent.node} without the plan, whichever key your own ssh knows it by"
        return f"{status_of('', [silent.node])} {join(said_again(way))}".rstrip(), note
    if not silent.host:
        return again, "once the nodes that did not answer can be asked"
    if way.via == "local":
        # without a run, whose plan would only go where it went before
        note = f"`--via local` asks this machine only, and {silent.node} is another one: go by ssh, or run it there"
        return f"{status_of('', nodes)} --via ssh", note
    shows = showing_why_silent(
        silent.node,
        silent.host,
        way,
        lacks_root=silent.lacks_root,
        lacks_answer=silent.lacks_answer,
    )
    return shows, f"once {silent.node} can be asked: `{again}`"


def _next_for_cut_off_undo(
    silent: RunHolder, kept: frozenset[str], words: _Words
) -> tuple[str, str]:
    """What it was to take back is not to be gone on with, whichever nodes are armed."""
    again = words.undo(silent.run, silent.undone_nodes)
    if silent.run in kept:
        return (
            again,
            "this goes on with the undo that was cut off; what that has put back stays so",
        )
    note = (
        f"that undo goes on where it was begun, by {silent.where}: `{again}`; elsewhere with the run's "
        "plan, copied from there, in place of the run's name"
    )
    return status_of(silent.run), note


def status_of(run: str, nodes: Sequence[str] = ()) -> str:
    """The command that asks for that run: on these nodes only, if some are named.

    A Lease or a node may say anything: only the name of a run gets into a command line.
    """
    named = [run] if re.fullmatch(RUN_NAME, run) else []
    some = ["--nodes", ",".join(nodes)] if nodes else []
    return join(["kubevouch", "status", *named, *some])


def _next_for_unarmed(
    statuses: tuple[RunOnNode, ...],
    run: str,
    silent: RunHolder | None,
    kept: frozenset[str],
    words: _Words,
) -> tuple[str, str]:
    """silent: who holds the Lease and does not renew it: its run has not come to its end, even if all that it has begun is done."""
    standings = {each.standing for each in statuses}
    cut_off = silent is not None and run in ("", silent.run)
    asked = run or (silent.run if silent is not None else "")
    of_it = {each.standing if each.run == asked else Standing.NONE for each in statuses}
    found = None
    if asked in kept:
        found = _next_for_kept(asked, of_it, words, cut_off=cut_off)
    elif silent is not None and cut_off and not of_it & _PUT_BACK:
        goes_on = f"`kubevouch resume {quote(asked)}`"
        found = (
            "kubevouch doctor",
            f"that run goes on where it was begun, by {silent.where}: {goes_on}",
        )
    if found is not None:
        return found
    is_done = Standing.DONE in standings and not standings & _PUT_BACK
    return ("kubevouch verify --wait 2m" if is_done else "kubevouch doctor"), ""


def _next_for_kept(
    run: str, standings: set[Standing], words: _Words, *, cut_off: bool
) -> tuple[str, str] | None:
    """What comes next for a run whose plan is kept here and that is armed nowhere; None if it is at its end."""
    if standings & _PUT_BACK:
        some_left = cut_off or Standing.DONE in standings
        rest = f"; to put back what it has not: `{words.undo(run)}`" if some_left else ""
        return (
            "kubevouch doctor",
            f"what this run has put back it does not change again: that takes a new plan{rest}",
        )
    if cut_off:
        return (
            words.resume(run),
            f"no node is in its hand; to put back instead what it has changed: `{words.undo(run)}`",
        )
    if standings & {Standing.NONE, Standing.NOT_BEGUN} and run not in words.through:
        return (
            words.resume(run),
            "it has not begun on every node of its plan, or needed nothing there",
        )
    return None
