"""Chooses the advice after a plan, a run, an undo or a refusal. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import CredentialError, Forbidden, KubeError, Unauthorized
from kubevouch.rollout.decide.advice import (
    APPLY,
    BY_SSH,
    PLAN,
    RESUME,
    Argv,
    Case,
    NextStep,
    run_word,
    shows_why,
    some,
    step,
)
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.plan import LeftOut, NodeOptions, Plan
from kubevouch.rollout.decide.result import AS_BEFORE, RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import LeadsOn, NothingApplicable, NotTheHolder, StoppedBefore

_THERE = (LeadsOn.REACH, LeadsOn.ROOT, LeadsOn.NODE)
"""Reasons that can only be examined on the node."""
_LEFT_OUT = {
    **dict.fromkeys((*_THERE, LeadsOn.STATUS), Case.SHOWS_THEN_ANEW),
    LeadsOn.DOCTOR: Case.DOCTOR_THEN_ANEW,
    LeadsOn.WORD: Case.UNCONFIRMED_ADDRESS,
    LeadsOn.NOTHING: Case.DOCTOR,
}
"""The case for a node that a plan leaves out, by reason.

For any other reason, the advice is a new plan.
"""
_REFUSED = {
    LeadsOn.CLUSTER: Case.OTHER_CLUSTER,
    LeadsOn.RIGHTS: Case.NO_RIGHTS,
    LeadsOn.DOCTOR: Case.DOCTOR,
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

    def look(self, run: str, case: Case = Case.LOOK) -> NextStep:
        """The step that shows a run's state.

        Uses that run's plan if this machine has it, else this plan's transport.
        """
        return self.step(case, run=run_word(run), way=() if self.is_kept(run) else self.there)

    def step(self, case: Case, **words: Argv | str) -> NextStep:
        """The step of a case with this plan's commands."""
        return step(case, again=self.again, anew=self.anew, **words)


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
    """The step after a run. Nodes on which the run was undone need a new plan."""
    states = {each.state for each in result.nodes}
    on = commands.step(Case.AGAIN)
    if result.lost_to:
        itself = result.lost_to == result.run
        on = commands.look(result.lost_to, Case.LOOK if itself else Case.LOOK_THEN_AGAIN)
    if NodeState.ARMED in states:
        return on
    through = states <= {NodeState.DONE} and not result.config_map.failed
    is_cut = result.interrupted or result.lost_to is not None
    if is_cut and not through and not states & {NodeState.UNDONE, NodeState.FAILED}:
        return on
    if not through or (result.stopped and result.lost_to is None):
        all_done = states <= {NodeState.DONE}
        return commands.step(Case.ANEW if all_done else Case.DOCTOR_THEN_ANEW)
    if result.left_out:
        return next_for_left_out(result.left_out, commands)
    return step(Case.VERIFY)


def next_after_undo(result: RunResult, again: Argv) -> NextStep:
    """The step after `undo`. Repeats the command only if that may change something."""
    left = [each for each in result.nodes if each.state not in AS_BEFORE]
    may_change = result.config_map.failed and not result.config_map.settled
    lost_to = result.lost_to
    if lost_to and (left or may_change):  # refused until that run has ended
        case = Case.LOOK if lost_to == result.run else Case.LOOK_THEN_AGAIN
        return step(case, run=run_word(lost_to), again=again)
    if result.config_map.forbidden:
        return step(Case.FORBIDDEN, again=again)
    if may_change or not all(each.settled for each in left):
        return step(Case.AGAIN, again=again)
    return step(Case.LOOK if left else Case.DOCTOR, run=result.run)


def next_for_left_out(left_out: Iterable[LeftOut], commands: Commands) -> NextStep:
    """The next step if a plan leaves out nodes: resume a run whose dead-man's switch is armed on one of them, or follow the advice for the first reason."""
    unwell = [each for each in left_out if not each.is_well]
    armed = [each.armed_run for each in unwell if each.armed_run]
    if here := next(filter(commands.is_kept, armed), ""):
        return commands.step(Case.RESUME_THEN_ANEW, run=run_word(here))
    if armed:
        return commands.look(armed[0], Case.LOOK_THEN_ANEW)
    first = {each.leads_on: each for each in reversed(unwell)}
    why = next((each for each in LeadsOn if each in first), LeadsOn.NEW_PLAN)
    case = _LEFT_OUT.get(why, Case.ANEW)
    if case is Case.SHOWS_THEN_ANEW:
        node = first[why]
        shows = shows_why(why, node.node, node.host or node.node, commands.way)
        return commands.step(case, shows=shows)
    return step(case, anew=commands.by_ssh if why is LeadsOn.BY_SSH else commands.anew)


def next_after_refusal(error: KubevouchError, plan: Plan, commands: Commands) -> NextStep | None:
    """The step after a refusal to carry out a plan; None if no command helps."""
    if isinstance(error, StoppedBefore):
        return _after_stop(error, plan, commands)
    if isinstance(error, NothingApplicable):
        return next_for_left_out(plan.left_out, commands)
    return next_without_answer(error, commands.again)


def shows_an_answer(error: KubeError) -> str:
    """The command that shows whether the API server answers again; empty after 403 Forbidden."""
    found = next_without_answer(error, ())
    return found.command if found and not isinstance(error, Forbidden) else ""


def next_without_answer(error: KubevouchError, again: Argv) -> NextStep | None:
    """The step after a failed request to the API server; None for other errors."""
    if isinstance(error, Forbidden):
        return step(Case.FORBIDDEN, again=again)
    if isinstance(error, Unauthorized | CredentialError):
        return step(Case.UNAUTHORIZED, again=again)
    if isinstance(error, KubeError):
        return step(Case.NO_ANSWER, again=again)
    return None


def _after_stop(error: StoppedBefore, plan: Plan, commands: Commands) -> NextStep:
    """The step after a stop.

    If this run is armed on nodes, the undo of these nodes comes before a new plan: a new plan would
    leave them out.
    """
    if isinstance(error, NotTheHolder):
        return commands.look(error.run)
    if error.run not in ("", plan.run):
        if commands.is_kept(error.run):
            return commands.step(Case.RESUME_THEN_ANEW, run=run_word(error.run))
        return commands.look(error.run)
    if shows := _what_shows(error, plan):
        return commands.step(Case.SHOWS_THEN_AGAIN, shows=shows)
    if error.way in _REFUSED:
        return step(_REFUSED[error.way])
    put_back = [error.where] if error.run else sorted(error.begun)
    case = Case.UNDO_THEN_ANEW if put_back else Case.ANEW
    return commands.step(case, run=plan.run, nodes=some(put_back))


def _what_shows(error: StoppedBefore, plan: Plan) -> Argv:
    if error.way not in _THERE:
        return error.shown_by
    host = next((each.host for each in plan.nodes if each.node == error.where), error.where)
    return shows_why(error.way, error.where, host, plan)
