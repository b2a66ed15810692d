"""Chooses the advice after a plan, a run, an undo or a refusal. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import CredentialError, Forbidden, KubeError, Unauthorized
from kubevouch.rollout.decide.advice import (
    APPLY,
    BY_SSH,
    CONTEXTS,
    DOCTOR,
    PLAN,
    RESUME,
    ROLES,
    STATUS,
    UNDO,
    VERIFY,
    Argv,
    NextStep,
    next_step,
    of_run,
    shows_why,
    some,
)
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.plan import LeftOut, NodeOptions, Plan
from kubevouch.rollout.decide.result import AS_BEFORE, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import LeadsOn, NothingApplicable, NotTheHolder, StoppedBefore

_THERE = (LeadsOn.REACH, LeadsOn.ROOT, LeadsOn.NODE)
"""Reasons that can only be examined on the node."""
_WORD = "at a terminal, plan asks whether these addresses are right; elsewhere add --addresses FILE, with lines NODE ADDRESS"
_REFUSED = {
    LeadsOn.CLUSTER: CONTEXTS,
    LeadsOn.RIGHTS: ROLES,
    LeadsOn.DOCTOR: DOCTOR,
}


@dataclass(frozen=True)
class Commands:
    """Commands for this plan. again: carries the plan out again. anew: makes a new plan. by_ssh: makes a plan that uses ssh.

    is_kept: whether this machine has a run's plan, so that the run can continue. there: flags to
    reach the nodes of a run whose plan is not on this machine.
    """

    again: Argv
    anew: Argv
    is_kept: Callable[[str], bool]
    there: Argv = ()
    way: NodeOptions = BY_SSH
    by_ssh: Argv = ()

    def look(self, run: str, then: Argv = ()) -> NextStep:
        """The step that shows another run's state. Uses that run's plan, or this plan's transport."""
        way = () if self.is_kept(run) else self.there
        return next_step([*of_run(STATUS, run), *way], then)


def commands_of(
    plan: Plan,
    path: str,
    word: OperatorWord,
    is_kept: Callable[[str], bool],
    *,
    asked: Argv = (),
    gone: Iterable[str] = (),
    vouched: Argv = (),
) -> Commands:
    """The commands for the plan in the file `path`.

    If the plan has only some nodes, a new plan gets the same nodes, except those in `gone`.

    asked: the command line that the operator used; empty for `apply FILE`. vouched: the flags with
    which the operator confirmed addresses. Once a run has begun, kubevouch keeps its plan, so the
    commands name the run instead of the file.
    """
    said, there, left = [*words_of(word)], [*_way_there(plan)], set(gone)
    only = some([each for each in plan.only if each not in left])

    def anew(via: str) -> Argv:
        return [*PLAN, path, "--via", via, *there, *only, *vouched, *said]

    begun = is_kept(plan.run)
    again = [*RESUME, plan.run] if begun else [*APPLY, path]
    via = ["--via", plan.via] if plan.via != "ssh" else []
    return Commands(
        again=asked if asked and not (begun and tuple(asked[:2]) == APPLY) else [*again, *said],
        anew=anew(plan.via),
        is_kept=is_kept,
        there=[*via, *there],
        way=plan,
        by_ssh=anew("ssh"),
    )


def _way_there(plan: Plan) -> Iterator[str]:
    yield from plan.flags
    if plan.ask_sudo_password:
        yield "--ask-sudo-password"
    if plan.pods:
        yield from ("--image", plan.pods.image, "--pod-namespace", plan.pods.namespace)


def words_of(word: OperatorWord) -> Iterator[str]:
    """The command-line flags for this OperatorWord."""
    for domain in word.domains:
        yield from ("--cluster-domain", domain)
    for network in word.service_networks:
        yield from ("--service-cidr", str(network))
    if word.without_credential_id:
        yield "--without-credential-id"


def next_after(result: RunResult, commands: Commands) -> NextStep:
    """The step after a run. A node where the run was undone needs a new plan."""
    states = {each.state for each in result.nodes}
    on = next_step(commands.again)
    if result.lost_to:
        itself = result.lost_to == result.run
        on = commands.look(result.lost_to, () if itself else commands.again)
    if NodeState.ARMED in states:
        return on
    through = states <= {NodeState.DONE} and not result.config_map.failed
    is_cut = result.interrupted or result.lost_to is not None
    if is_cut and not through and not states & {NodeState.UNDONE, NodeState.FAILED}:
        return on
    if not through or (result.stopped and result.lost_to is None):
        all_done = states <= {NodeState.DONE}
        return next_step(commands.anew) if all_done else next_step(DOCTOR, commands.anew)
    if result.left_out:
        return next_for_left_out(result.left_out, commands)
    return next_step(VERIFY)


def next_after_undo(result: RunResult, again: Argv) -> NextStep:
    """The step after `undo`. Repeats the command only if that may change something."""
    left = [each for each in result.nodes if each.state not in AS_BEFORE]
    may_change = result.config_map.failed and not result.config_map.settled
    lost_to = result.lost_to
    if lost_to and (left or may_change):  # refused until that run has ended
        return next_step(of_run(STATUS, lost_to), () if lost_to == result.run else again)
    if result.config_map.forbidden:
        return next_step(ROLES, again)
    if may_change or not all(each.settled for each in left):
        return next_step(again)
    return next_step(of_run(STATUS, result.run) if left else DOCTOR)


def next_for_left_out(left_out: Iterable[LeftOut], commands: Commands) -> NextStep:
    """The next step if a plan leaves out nodes: resume a run whose switch is armed on one of them, or follow the advice for the first reason."""
    unwell = [each for each in left_out if not each.is_well]
    armed = [each.armed_run for each in unwell if each.armed_run]
    anew = commands.anew
    if here := next(filter(commands.is_kept, armed), ""):
        return next_step(of_run(RESUME, here), anew)
    if armed:
        return commands.look(armed[0], anew)
    first = {each.leads_on: each for each in reversed(unwell)}
    why = next((each for each in LeadsOn if each in first), LeadsOn.NEW_PLAN)
    if why in (*_THERE, LeadsOn.STATUS):
        node = first[why]
        return next_step(shows_why(why, node.node, node.host or node.node, commands.way), anew)
    if why in (LeadsOn.DOCTOR, LeadsOn.NOTHING):
        return next_step(DOCTOR, anew if why is LeadsOn.DOCTOR else ())
    if why is LeadsOn.BY_SSH:
        return next_step(commands.by_ssh)
    return next_step(anew, note=_WORD if why is LeadsOn.WORD else "")


def next_after_refusal(error: KubevouchError, plan: Plan, commands: Commands) -> NextStep | None:
    """The step after a refusal to carry out a plan; None if no command helps."""
    if isinstance(error, StoppedBefore):
        return _after_stop(error, plan, commands)
    if isinstance(error, NothingApplicable):
        return next_for_left_out(plan.left_out, commands)
    return next_without_answer(error, commands.again)


def shows_an_answer(error: KubeError) -> str:
    """The command that shows whether the API server answers now; empty if it refused the request."""
    found = next_without_answer(error, ())
    return found.command if found and not isinstance(error, Forbidden) else ""


def next_without_answer(error: KubevouchError, again: Argv) -> NextStep | None:
    """The step after a failed request to the API server; None for other errors."""
    if isinstance(error, Forbidden):
        return next_step(ROLES, again)
    if isinstance(error, Unauthorized | CredentialError):
        return next_step(["kubectl", "auth", "whoami"], again)
    if isinstance(error, KubeError):
        return next_step(["kubectl", "get", "--raw", "/readyz"], again)
    return None


def _after_stop(error: StoppedBefore, plan: Plan, commands: Commands) -> NextStep:
    """The step after a stop. If this run is armed on nodes, undo comes first, since a new plan would leave them out."""
    if isinstance(error, NotTheHolder):
        return commands.look(error.run)
    if error.run not in ("", plan.run):
        resumes = next_step(of_run(RESUME, error.run), commands.anew)
        return resumes if commands.is_kept(error.run) else commands.look(error.run)
    if shows := _what_shows(error, plan):
        return next_step(shows, commands.again)
    if error.way in _REFUSED:
        return next_step(_REFUSED[error.way])
    if put_back := [error.where] if error.run else sorted(error.begun):
        return next_step([*UNDO, plan.run, *some(put_back)], commands.anew)
    return next_step(commands.anew)


def _what_shows(error: StoppedBefore, plan: Plan) -> Argv:
    if error.way not in _THERE:
        return error.shown_by
    host = next((each.host for each in plan.nodes if each.node == error.where), error.where)
    return shows_why(error.way, error.where, host, plan)
