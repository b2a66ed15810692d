"""Which row of the advice a plan, a run, an undo or a refusal comes to. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import CredentialError, Forbidden, KubeError, Unauthorized
from kubevouch.rollout.decide.advice import APPLY, PLAN, RESUME, Argv, Case, NextStep, step
from kubevouch.rollout.decide.next_for_status import run_word, some
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import LeadsOn, LeftOut, Plan
from kubevouch.rollout.decide.result import AS_BEFORE, NodeOutcome, RunResult
from kubevouch.rollout.decide.way_to_nodes import (
    BY_SSH,
    WayToNodes,
    showing_its_status,
    showing_why_silent,
    way_of,
)
from kubevouch.rollout.errors import NothingApplicable, NotTheHolder, StoppedBefore, WayOn

_NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Commands:
    """The commands of this plan. again: carries it out once more. anew: makes a new plan; by_ssh: the same by ssh.

    is_kept: whether a run's plan is here, by which it goes on. there: the words that say how nodes are reached, for a run that is not.
    """

    again: Argv
    anew: Argv
    is_kept: Callable[[str], bool]
    there: Argv = ()
    way: WayToNodes = BY_SSH
    by_ssh: Argv = ()

    def look(self, run: str, case: Case = Case.LOOK) -> NextStep:
        """Shows where another run stands, by its own plan, or by the same way to the nodes."""
        way = () if self.is_kept(run) else self.there
        return step(case, run=run_word(run), way=way, again=self.again, anew=self.anew)

    def step(self, case: Case, **words: Argv | str) -> NextStep:
        """A row of this plan."""
        return step(case, 0, again=self.again, anew=self.anew, **words)


def commands_of(
    plan: Plan,
    path: str,
    word: OperatorWord,
    is_kept: Callable[[str], bool],
    *,
    asked: Argv = (),
    gone: Iterable[str] = (),
    accepted: Mapping[str, Sequence[str]] = _NOBODY,
) -> Commands:
    """The commands of the plan in that file. The new one of a plan of some nodes is for the same nodes, less those that are gone.

    asked: the command line that carries this plan out; empty if it is the apply of that file. accepted: what --allow said when it was
    made. Once it has begun, its plan is kept, whatever becomes of the file.
    """
    said, there, left = [*words_of(word)], [*_way_there(plan)], set(gone)
    allowed = [
        each
        for node, values in accepted.items()
        for value in values
        for each in ("--allow", f"{node}={value}")
    ]
    only = some([each for each in plan.only if each not in left])

    def anew(via: str) -> Argv:
        return [*PLAN, path, "--via", via, *there, *only, *allowed, *said]

    begun = is_kept(plan.run)
    again = [*RESUME, plan.run] if begun else [*APPLY, path]
    via = ["--via", plan.via] if plan.via != "ssh" else []
    return Commands(
        again=asked if asked and not begun else [*again, *said],
        anew=anew(plan.via),
        is_kept=is_kept,
        there=[*via, *there],
        way=way_of(plan),
        by_ssh=anew("ssh"),
    )


def _way_there(plan: Plan) -> Iterator[str]:
    """The flags that say how its nodes are reached, besides `--via`."""
    yield from way_of(plan).said_again
    if plan.ask_sudo_password:
        yield "--ask-sudo-password"
    if plan.pods:
        yield from ("--image", plan.pods.image, "--pod-namespace", plan.pods.namespace)


def words_of(word: OperatorWord) -> Iterator[str]:
    """The flags by which the operator said it."""
    for domain in word.domains:
        yield from ("--cluster-domain", domain)
    for network in word.service_networks:
        yield from ("--service-cidr", str(network))
    if word.without_credential_id:
        yield "--without-credential-id"


def next_after(result: RunResult, commands: Commands) -> NextStep:
    """What comes after a run was carried out. It does not begin again on a node where it was undone: that takes a new plan."""
    outcomes = {each.outcome for each in result.nodes}
    lost = result.lost_lease
    on = commands.step(Case.AGAIN)
    if lost and lost.run:
        itself = lost.run == result.run
        on = commands.look(lost.run, Case.LOOK if itself else Case.LOOK_THEN_AGAIN)
    if any(each.armed for each in result.nodes):
        return on
    only_begun = outcomes <= {NodeOutcome.DONE, NodeOutcome.UNTOUCHED}
    canary_fell_ill = result.stopped and only_begun and not lost
    unapproved = any(each.unapproved for each in result.nodes)
    if outcomes & {NodeOutcome.UNDONE, NodeOutcome.DOWN} or canary_fell_ill or unapproved:
        return commands.step(Case.DOCTOR_THEN_ANEW)
    through = outcomes <= {NodeOutcome.DONE} and not result.config_map_failed
    if result.interrupted or (lost and not through):
        return on
    if not through:
        return commands.step(Case.ANEW)
    if result.left_out:
        return next_for_left_out(result.left_out, commands)
    return step(Case.VERIFY)


def beyond_the_plan(plan: Plan, result: RunResult) -> str:
    """What a run that is through says of nodes that its plan does not look at, for a person; empty where it looks at all."""
    if not plan.only or not result.is_through:
        return ""
    return "the plan was made with --nodes: other nodes were not looked at; `kubevouch verify` looks at them, too"


def next_after_undo(result: RunResult, again: Argv, is_kept: Callable[[str], bool]) -> NextStep:
    """What comes after `undo`: the same again only as long as that may come to something else.

    is_kept: whether the plan of that run is here, without which it cannot be undone here.
    """
    left = [each for each in result.nodes if each.outcome not in AS_BEFORE]
    may_change = result.config_map_failed and not result.config_map_settled
    lost = result.lost_lease
    if lost and lost.run and (left or may_change):  # until that run has ended, this is refused
        case = Case.LOOK if lost.run == result.run else Case.LOOK_THEN_AGAIN
        return step(case, run=run_word(lost.run), again=again)
    if result.config_map_forbidden:
        return step(Case.ROLES_THEN_AGAIN, again=again)
    if may_change or not all(each.settled for each in left):
        return step(Case.AGAIN, again=again)
    if later := next((each.later_run for each in left if each.later_run), ""):
        # Its other nodes are nobody's business here.
        nodes = some([each.node for each in left if each.later_run == later])
        if is_kept(later):
            return step(Case.UNDO, run=run_word(later), nodes=nodes)
        return step(Case.LOOK, run=run_word(later))
    return step(Case.LOOK, run=result.run) if left else step(Case.DOCTOR)


def next_for_left_out(left_out: Iterable[LeftOut], commands: Commands) -> NextStep:
    """What helps nodes that a plan leaves out: the run that is armed on one, what doctor sees of them, why one does not answer, or what a person does."""
    unwell = [each for each in left_out if not each.is_well]
    armed = [each.armed_run for each in unwell if each.armed_run]
    if here := next(filter(commands.is_kept, armed), ""):
        return step(Case.RESUME, run=run_word(here))
    if armed:
        return commands.look(armed[0], Case.LOOK_THEN_ANEW)
    if any(each.seen_outside for each in unwell):
        return commands.step(Case.DOCTOR_THEN_ANEW)
    unreached = [each for each in unwell if each.unreached]
    if not unreached:
        return _as_the_reason_says(unwell, commands)
    if commands.way.via == "local":
        # If one of them has answered, this machine is that node.
        return step(
            Case.ANEW, anew=commands.by_ssh if len(unreached) == len(unwell) else commands.anew
        )
    first = unreached[0]
    shows = showing_why_silent(
        first.node,
        first.unreached,
        commands.way,
        lacks_root=first.lacks_root,
        lacks_answer=first.lacks_answer,
    )
    return commands.step(Case.SHOWS_THEN_ANEW, shows=shows)


def _as_the_reason_says(unwell: Sequence[LeftOut], commands: Commands) -> NextStep:
    """Where a person does what the reason says, before a new plan: that alone would leave out the same nodes."""
    first: dict[LeadsOn, LeftOut] = {}
    for each in unwell:
        first.setdefault(each.leads_on, each)
    if LeadsOn.SSH in first:
        return step(Case.ANEW, anew=commands.by_ssh)
    there = first.get(LeadsOn.NODE)
    if there is not None and commands.way.via == "ssh":
        shows = commands.way.ssh(there.host or there.node)
        return commands.step(Case.SHOWS_THEN_ANEW, shows=shows)
    if claims := first.get(LeadsOn.STATUS):
        return commands.step(Case.SHOWS_THEN_ANEW, shows=showing_its_status(claims.node))
    return commands.step(Case.DOCTOR if set(first) == {LeadsOn.NOTHING} else Case.ANEW)


def next_after_refusal(
    error: KubevouchError, plan: Plan, commands: Commands, at_its_cluster: Argv
) -> NextStep | None:
    """What leads on from why a plan was not carried out; None where no command does.

    at_its_cluster: the command at the plan's own cluster, or the one that shows which clusters there are.
    """
    if isinstance(error, StoppedBefore):
        return _after_stop(error, plan, commands, at_its_cluster)
    if isinstance(error, NothingApplicable):
        return next_for_left_out(plan.left_out, commands)
    return next_without_answer(error, commands.again)


def shows_an_answer(error: KubeError) -> str:
    """The command that shows whether the API server answers by now; empty where it has, and did not allow it."""
    found = next_without_answer(error, ())
    return found.command if found and not isinstance(error, Forbidden) else ""


def next_without_answer(error: KubevouchError, again: Argv) -> NextStep | None:
    """What leads on from a request that the API server has not answered, or not as it was to; None for another error."""
    if isinstance(error, Forbidden):
        return step(Case.ROLES_THEN_AGAIN, again=again)
    if isinstance(error, Unauthorized | CredentialError):
        return step(Case.SHOWS, shows=("kubectl", "auth", "whoami"), again=again)
    if isinstance(error, KubeError):
        return step(Case.SHOWS, shows=("kubectl", "get", "--raw", "/readyz"), again=again)
    return None


def _after_stop(
    error: StoppedBefore, plan: Plan, commands: Commands, at_its_cluster: Argv
) -> NextStep:
    """A new plan leaves out what this run has armed, so that is put back first."""
    put_back = {*error.begun}
    if isinstance(error, NotTheHolder):
        return commands.look(error.run)
    if error.way is WayOn.OTHER_RUN:
        if error.run != plan.run:
            if commands.is_kept(error.run):
                return step(Case.RESUME, run=run_word(error.run))
            return commands.look(error.run)
        put_back = {error.where}
    elif error.way is not WayOn.NEW_PLAN:
        return _by_its_way(error, plan, commands, at_its_cluster)
    if not put_back:
        return commands.step(Case.ANEW)
    return commands.step(Case.UNDO_THEN_ANEW, run=plan.run, nodes=some(sorted(put_back)))


def _by_its_way(
    error: StoppedBefore, plan: Plan, commands: Commands, at_its_cluster: Argv
) -> NextStep:
    host = next((each.host for each in plan.nodes if each.node == error.where), error.where)
    if error.way in (WayOn.REACH, WayOn.ANSWER, WayOn.ROOT):
        shows = showing_why_silent(
            error.where,
            host,
            way_of(plan),
            lacks_root=error.way is WayOn.ROOT,
            lacks_answer=error.way is WayOn.ANSWER,
        )
        return commands.step(Case.SHOWS, shows=shows)
    if error.way is WayOn.THIS_MACHINE:
        return commands.step(Case.SHOWS, shows=error.shown_by)
    if error.way is WayOn.ITS_CLUSTER:
        return step(Case.AGAIN, again=at_its_cluster)
    return step(Case.ROLES if error.way is WayOn.RIGHTS else Case.DOCTOR)
