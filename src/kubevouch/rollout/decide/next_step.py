"""The command that comes next after a run or a plan, by what came of it, or by why it was refused. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from shlex import join

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import CredentialError, Forbidden, KubeError, Unauthorized
from kubevouch.rollout.decide.next_for_status import status_of
from kubevouch.rollout.decide.plan import LeadsOn, LeftOut, Plan
from kubevouch.rollout.decide.reaching import (
    WayToNodes,
    becoming_root,
    logging_in,
    reaching,
    seeing_its_answer,
    showing_its_status,
    showing_why_silent,
    way_of,
)
from kubevouch.rollout.decide.result import AS_BEFORE, NodeOutcome, RunResult
from kubevouch.rollout.errors import NothingApplicable, NotTheHolder, StoppedBefore, WayOn

_DOCTOR = "kubevouch doctor"
_ROLES = "kubevouch apply --print-role"
_BY_SSH = WayToNodes()


@dataclass(frozen=True)
class NextStep:
    """A command line, and the one after it; empty where nothing is to be run."""

    command: str
    then: str = ""


@dataclass(frozen=True)
class Commands:
    """The commands of this plan. again: carries it out once more. anew: makes a new plan; by_ssh: the same by ssh.

    kept: of another run, the command that goes on with it; empty where its plan is not kept on this machine. looks: shows where
    another run stands, by the same way to the nodes. way: that one.
    """

    again: str
    anew: str
    kept: Callable[[str], str]
    looks: Callable[[str], str] = status_of
    way: WayToNodes = _BY_SSH
    by_ssh: str = ""


def next_after(result: RunResult, commands: Commands) -> NextStep:
    """What comes after `apply`. A run does not begin again on a node where it was undone: that takes a new plan."""
    outcomes = {each.outcome for each in result.nodes}
    lost = result.lost_lease
    on = _after_loss(lost.run, result.run, commands) if lost else NextStep(commands.again)
    if any(each.armed for each in result.nodes):
        return on
    only_begun = outcomes <= {NodeOutcome.DONE, NodeOutcome.UNTOUCHED}
    canary_fell_ill = result.stopped and only_begun and not lost
    unapproved = any(each.unapproved for each in result.nodes)
    if outcomes & {NodeOutcome.UNDONE, NodeOutcome.DOWN} or canary_fell_ill or unapproved:
        return NextStep(_DOCTOR, commands.anew)
    through = outcomes <= {NodeOutcome.DONE} and not result.config_map_failed
    if result.interrupted or (lost and not through):
        return on
    if not through:
        return NextStep(commands.anew)
    if result.left_out:
        return next_for_left_out(result.left_out, commands)
    return NextStep("kubevouch verify --wait 2m")


def beyond_the_plan(plan: Plan, result: RunResult) -> str:
    """What a run that is through says of nodes that its plan does not look at, for a person; empty where it looks at all."""
    if not plan.only or not result.is_through:
        return ""
    return "the plan was made with --nodes: other nodes were not looked at; `kubevouch verify` looks at them, too"


def _after_loss(taken_by: str, run: str, commands: Commands) -> NextStep:
    """taken_by: the run that has the Lease now; empty where nobody is known to."""
    if not taken_by:
        return NextStep(commands.again)
    return NextStep(commands.looks(taken_by), "" if taken_by == run else commands.again)


def next_after_undo(result: RunResult, again: str, is_kept: Callable[[str], bool]) -> NextStep:
    """What comes after `undo`: the same again only as long as that may come to something else.

    is_kept: whether the plan of that run is here, without which it cannot be undone here.
    """
    left = [each for each in result.nodes if each.outcome not in AS_BEFORE]
    may_change = result.config_map_failed and not result.config_map_settled
    lost = result.lost_lease
    if lost and lost.run and (left or may_change):  # until that run has ended, this is refused
        return NextStep(status_of(lost.run), "" if lost.run == result.run else again)
    if result.config_map_forbidden:
        return NextStep(_ROLES, again)
    if may_change or not all(each.settled for each in left):
        return NextStep(again)
    if later := next((each.later_run for each in left if each.later_run), ""):
        # Its other nodes are nobody's business here.
        nodes = ",".join(each.node for each in left if each.later_run == later)
        put_back = join(["kubevouch", "undo", later, "--nodes", nodes])
        return NextStep(put_back if is_kept(later) else status_of(later))
    return NextStep(status_of(result.run) if left else _DOCTOR)


def next_for_left_out(left_out: Iterable[LeftOut], commands: Commands) -> NextStep:
    """What helps nodes that a plan leaves out: the run that is armed on one, what doctor sees of them, why one does not answer, or what a person does."""
    unwell = [each for each in left_out if not each.is_well]
    if goes_on := next(filter(None, (commands.kept(each.armed_run) for each in unwell)), ""):
        return NextStep(goes_on)
    if elsewhere := next((each.armed_run for each in unwell if each.armed_run), ""):
        return NextStep(commands.looks(elsewhere), commands.anew)
    if any(each.seen_outside for each in unwell):
        return NextStep(_DOCTOR, commands.anew)
    return _to_unreached(unwell, commands)


def _to_unreached(unwell: Sequence[LeftOut], commands: Commands) -> NextStep:
    """What shows why one of these could not be asked; if they all were, what leads on from a reason."""
    unreached = [each for each in unwell if each.unreached]
    if not unreached:
        return _as_the_reason_says(unwell, commands)
    if commands.way.via == "local":
        # If one of them has answered, this machine is that node.
        return NextStep(commands.by_ssh if len(unreached) == len(unwell) else commands.anew)
    first = unreached[0]
    shows = showing_why_silent(
        first.node,
        first.unreached,
        commands.way,
        lacks_root=first.lacks_root,
        lacks_answer=first.lacks_answer,
    )
    return NextStep(shows, commands.anew)


def _as_the_reason_says(unwell: Sequence[LeftOut], commands: Commands) -> NextStep:
    """Where a person does what the reason says, before a new plan: that alone would leave out the same nodes."""
    first: dict[LeadsOn, LeftOut] = {}
    for each in unwell:
        first.setdefault(each.leads_on, each)
    if LeadsOn.SSH in first:
        return NextStep(commands.by_ssh)
    there = first.get(LeadsOn.NODE)
    if there is not None and commands.way.via == "ssh":
        return NextStep(logging_in(there.host or there.node, commands.way), commands.anew)
    if claims := first.get(LeadsOn.STATUS):
        return NextStep(showing_its_status(claims.node), commands.anew)
    return NextStep(_DOCTOR if set(first) == {LeadsOn.NOTHING} else commands.anew)


_UNTIL_IT_ANSWERS = {
    Forbidden: _ROLES,
    Unauthorized: "kubectl auth whoami",
    CredentialError: "kubectl auth whoami",
    KubeError: "kubectl get --raw /readyz",
}
"""What shows that it does, or what is needed for that. The same command once more comes after it."""


def next_after_refusal(
    error: KubevouchError, plan: Plan, commands: Commands, at_its_cluster: str, armed: Iterable[str]
) -> NextStep | None:
    """What leads on from why a plan was not carried out; None where no command does.

    at_its_cluster: the command at the plan's own cluster, or the one that shows which clusters there are. armed: nodes on
    which the plan's run is known to be armed.
    """
    if isinstance(error, StoppedBefore):
        begun = {*error.begun, *armed}
        return _after_stop(error, plan, commands, at_its_cluster, begun)
    if isinstance(error, NothingApplicable):
        return next_for_left_out(plan.left_out, commands)
    return next_without_answer(error, commands.again)


def shows_an_answer(error: KubeError) -> str:
    """The command that shows whether the API server answers by now; empty where it has, and did not allow it."""
    step = next_without_answer(error, "")
    return step.command if step and not isinstance(error, Forbidden) else ""


def next_without_answer(error: KubevouchError, again: str) -> NextStep | None:
    """What leads on from a request that the API server has not answered, or not as it was to; None for another error."""
    shows = (command for kind, command in _UNTIL_IT_ANSWERS.items() if isinstance(error, kind))
    return next((NextStep(command, again) for command in shows), None)


def _after_stop(
    error: StoppedBefore, plan: Plan, commands: Commands, at_its_cluster: str, begun: set[str]
) -> NextStep:
    """begun: nodes on which the plan's run is armed. A new plan leaves out what it has in hand, so that is put back first."""
    put_back = begun
    if isinstance(error, NotTheHolder):
        return NextStep(commands.looks(error.run))
    if error.way is WayOn.OTHER_RUN:
        if error.run != plan.run:
            return NextStep(commands.kept(error.run) or commands.looks(error.run))
        put_back = {error.where}
    elif error.way is not WayOn.NEW_PLAN:
        host = _host(error.where, plan)
        leads_on = {
            WayOn.ITS_CLUSTER: NextStep(at_its_cluster),
            WayOn.RIGHTS: NextStep(_ROLES),
            WayOn.REACH: NextStep(reaching(error.where, host, way_of(plan))),
            WayOn.ANSWER: NextStep(
                seeing_its_answer(error.where, host, way_of(plan)), commands.again
            ),
            WayOn.ROOT: NextStep(becoming_root(host, way_of(plan)), commands.again),
            WayOn.LOOK: NextStep(_DOCTOR),
            WayOn.THIS_MACHINE: NextStep(error.shown_by, commands.again),
        }
        return leads_on[error.way]
    if not put_back:
        return NextStep(commands.anew)
    named = ",".join(sorted(put_back))
    return NextStep(join(["kubevouch", "undo", plan.run, "--nodes", named]), commands.anew)


def _host(node: str, plan: Plan) -> str:
    return next((each.host for each in plan.nodes if each.node == node), node)
