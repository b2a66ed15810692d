"""One node of several forges its answers: a plan, a look at all and an undo go on with the others, and say of it what it is."""

import msgspec
import pytest

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.decide.result import NodeResult
from kubevouch.rollout.decide.run_status import NodeState, RunFound, RunsFound
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from tests.support.stage import DOMAIN, cluster_ca

from .acting import MASTER, SECOND, THIRD, WORKER, Acting, answered, serve
from .staged import as_the_run_left_it

OTHERS = {SECOND, THIRD, MASTER}
AT_ONCE = RolloutTimeouts(1, soak=0)
NO_TEXT = b"\xff\xfe"


def forge(here: Acting, **fields: object) -> NodeSurvey:
    """From now on WORKER's surveys have these fields."""
    machine = here.machines.by_name[WORKER]
    found = msgspec.structs.replace(machine.survey, **fields)
    machine.prints["survey"] = msgspec.json.encode(found)
    return found


async def plan_without(here: Acting, why: str) -> Plan:
    """A plan for all, which can be carried out: WORKER is left out of it."""
    plan = await here.plan()
    assert {each.node for each in plan.nodes} == OTHERS
    assert {each.node: each.reason for each in plan.left_out}[WORKER].startswith(why)
    assert plan_in(text_of(plan).encode(), "plan.json") == plan
    return plan


async def test_a_plan_goes_without_a_node_whose_answer_holds_what_is_no_text(here: Acting) -> None:
    forge(here, missing=NO_TEXT)
    await plan_without(here, "the node lacks \ufffd")


@pytest.mark.parametrize("what", ["root", "pki", "config"])
async def test_a_plan_goes_without_a_node_that_says_a_path_which_no_plan_may_have(
    here: Acting, what: str
) -> None:
    (file,) = getattr(here.machines.by_name[WORKER].survey, what)
    path = b"/var/lib/kubelet/../../etc"
    forge(here, **{what: (msgspec.structs.replace(file, path=path),)})
    plan = await plan_without(
        here, f"a plan cannot contain this node: the field disk.{what} is malformed"
    )
    assert {each.plan.node for each in (await check(plan, here.context)).nodes} == OTHERS


async def test_no_kubelet_takes_away_the_names_of_all_others_by_its_cluster_domain(
    here: Acting,
) -> None:
    """Which domain is the cluster's, its ClusterConfiguration says, and no name that ends so is a node's."""
    plan = await here.plan()
    (file,) = here.machines.by_name[WORKER].survey.config
    ours = DOMAIN.removeprefix(".").encode()
    forged = file.content.replace(b"clusterDomain: cluster.local", b"clusterDomain: " + ours)
    assert forged != file.content
    forge(here, config=(msgspec.structs.replace(file, content=forged),))
    assert {each.node for each in (await here.plan()).nodes} == {*OTHERS, WORKER}
    others = msgspec.structs.replace(
        plan, nodes=tuple(each for each in plan.nodes if each.node != WORKER)
    )
    assert {each.plan.node for each in (await check(others, here.context)).nodes} == OTHERS


async def test_an_undo_goes_on_past_a_node_whose_record_holds_what_is_no_text(here: Acting) -> None:
    plan = await here.plan()
    for name in OTHERS:
        here.machines.by_name[name].transaction = [answered(TransactionState.UNDONE)]
    forge(here, runs=(SurveyedRun(b"abcd", NO_TEXT),))
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.NOTHING)]
    result = await undo(plan, here.context, RolloutTimeouts(6))
    outcomes = {each.node: each.state for each in result.nodes}
    assert {outcomes[each] for each in OTHERS} == {NodeState.UNDONE}
    assert outcomes[WORKER] is NodeState.UNTOUCHED


async def test_a_look_at_all_nodes_shows_the_others_where_one_says_nonsense(here: Acting) -> None:
    plan = await here.plan()
    machine = here.machines.by_name[WORKER]
    armed = RunFound(b"abcd", b"armed", 7, b"", boot=True, config=b"", whose=b"", strays=())
    seen = machine.survey
    found = RunsFound(seen.machine_id, seen.clock, b"/r", b"", b"active", (armed,))
    whose = msgspec.json.encode(found).replace(b'"whose":""', b'"whose":"bm9ib2R5"')
    machine.prints["status"] = whose
    targets = [planned_target(each) for each in plan.nodes]
    rows = await gather_statuses(targets, "abcd", here.machines)
    standings = {each.node: each.state for each in rows}
    assert standings == {
        **dict.fromkeys(OTHERS, NodeState.UNTOUCHED),
        WORKER: NodeState.UNKNOWN,
    }
    (notes,) = [each.notes for each in rows if each.node == WORKER]
    assert (
        "the status script's answer cannot be read: expected other, before, run, got b'nobody'"
        in notes[0]
    )


async def result_of(here: Acting, plan: Plan, *answers: TransactionState) -> NodeResult:
    """A run on WORKER alone, whose steps answer so, one after the other."""
    checked = await check(plan, here.context)
    here.machines.by_name[WORKER].transaction = [answered(each, why="x") for each in answers]
    (result,) = (await apply(checked, here.context, AT_ONCE)).nodes
    return result


@pytest.mark.parametrize(
    "step", [TransactionState.BEGUN, TransactionState.COMMITTED, TransactionState.NOTHING]
)
async def test_no_answer_makes_a_node_done_that_serves_the_certificate_of_another(
    here: Acting, step: TransactionState
) -> None:
    """What is served would be trusted: it is another node's, which a relay on this one may show."""
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    other = cluster_ca().serving(SECOND, *sorted(machine.addresses), node=SECOND)
    serve(here.stage, WORKER, other)
    result = await result_of(here, plan, step)
    assert result.state is not NodeState.DONE
    assert result.csrs == ()


@pytest.mark.parametrize(
    ("commit", "outcome"),
    [
        (TransactionState.BEGUN, NodeState.ARMED),
        (TransactionState.REFUSED, NodeState.ARMED),
        (TransactionState.HALF, NodeState.ARMED),
        (TransactionState.COMMITTED, NodeState.DONE),
    ],
)
async def test_a_node_that_passed_every_gate_is_done_by_no_answer_but_its_commit(
    here: Acting, commit: TransactionState, outcome: NodeState
) -> None:
    plan = await here.plan(WORKER)
    as_the_run_left_it(here, plan)
    result = await result_of(here, plan, TransactionState.BEGUN, commit)
    assert result.state is outcome
