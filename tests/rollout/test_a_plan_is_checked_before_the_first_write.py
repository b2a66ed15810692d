"""What is checked of a plan against a scripted cluster with real TLS, before the first write."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import NothingApplicable, StoppedBefore
from kubevouch.system_clock import SystemClock
from tests.support.stage import kind_of

from .acting import DARK, MASTER, SECOND, WORKER, Acting, Machines, acting
from .staged import QUICK, changed


async def test_a_plan_of_the_truth_holds(here: Acting) -> None:
    plan = await here.plan()
    checked = await check(plan, here.context)
    assert set(checked.found.values()) == {NodeState.UNTOUCHED}
    assert checked.nodes[-1].plan.node == MASTER  # control planes last
    assert checked.writes_config_map
    assert all("transaction" not in name for _, name in here.machines.ran)


class _LateClock(SystemClock):
    """A clock that can be late."""

    late = timedelta()

    def now(self) -> datetime:
        return super().now() + self.late


async def test_a_survey_that_takes_long_makes_no_kubelet_younger() -> None:
    async with acting(DARK, "pending-worker") as here:
        plan, clock = await here.plan(WORKER), _LateClock()
        survey = here.machines.by_name[WORKER].survey
        started = clock.now() - timedelta(seconds=survey.unit.age)

        class Slow(Machines):
            async def run_script(self, *args: Any, **options: Any) -> Any:
                answer = await super().run_script(*args, **options)
                clock.late += timedelta(seconds=30)
                return answer

        transport = Slow(by_name=here.machines.by_name)
        checked = await check(plan, replace(here.context, transport=transport, clock=clock))
        (node,) = checked.nodes
        assert node.look.at >= clock.now() - timedelta(seconds=60)
        assert node.kubelet_started is not None
        assert abs(node.kubelet_started - started) < timedelta(seconds=20)


LIES: dict[str, tuple[dict[str, object], str]] = {
    # one for each of the rules; what each of them refuses: test_a_plan_is_proven_again.py
    "a control plane by the plan's word": (
        {"control_plane": True},
        "the role is now worker",
    ),
    "an address that its key does not answer at": (
        {"addresses": (Claim("127.0.88.113", NameSource.SSH_HOST_KEY),)},
        "its ssh host key answered there) no longer holds".replace(")", r"\)"),
    ),
    "another host key": ({"host_key": "ssh-ed25519 SHA256:other"}, "another ssh host key: "),
    "another file": ({"config_sha256": "0"}, "has changed since the plan"),
}


@pytest.mark.parametrize(("lie", "why"), LIES.values(), ids=LIES)
async def test_a_plan_that_lies_is_stopped_before_the_first_write(
    here: Acting, lie: dict[str, object], why: str
) -> None:
    plan = changed(await here.plan(), WORKER, **lie)
    with pytest.raises(StoppedBefore, match=why.replace("(", r"\(")) as stopped:
        await check(plan, here.context)
    assert stopped.value.where == WORKER
    assert stopped.value.exit_code is ExitCode.STOPPED


async def test_a_plan_is_bound_to_its_cluster_its_day_and_its_edit(here: Acting) -> None:
    plan = await here.plan()
    cluster = plan.cluster
    late = here.context.clock.now().replace(year=2099)
    assert plan.config_map is not None
    text = plan.config_map.after + "authentication: {anonymous: {enabled: true}}\n"
    bent = msgspec.structs.replace(plan.config_map, after=text)
    for other, why in (
        ({"config_map": bent}, "the planned text is not the old text with serverTLSBootstrap"),
        ({"cluster": msgspec.structs.replace(cluster, cluster_uid="0")}, "not the plan's cluster"),
        ({"cluster": msgspec.structs.replace(cluster, ca_sha256="0")}, "CA has changed"),
        ({"made_at": late}, "made in the future, at 2099"),
    ):
        with pytest.raises(StoppedBefore, match=why):
            await check(msgspec.structs.replace(plan, **other), here.context)


async def test_machines_that_share_a_host_key_prove_nothing_by_it(here: Acting) -> None:
    """Planned while the keys differed; then one machine answers with the other one's key."""
    plan = changed(await here.plan(), WORKER, host_key="")
    here.machines.by_name[WORKER].host_key = here.machines.by_name[SECOND].host_key
    with pytest.raises(StoppedBefore, match="no longer holds"):
        await check(plan, here.context)


async def test_a_plan_that_leaves_out_everybody_is_no_plan(here: Acting) -> None:
    plan = await here.plan()
    empty = msgspec.structs.replace(plan, nodes=(), left_out=(LeftOut(WORKER, "it is NotReady"),))
    with pytest.raises(NothingApplicable, match="leaves out 1 node") as stopped:
        await check(empty, here.context)
    assert stopped.value.exit_code is ExitCode.COULD_NOT_TELL


async def test_a_node_that_the_plan_calls_well_is_asked_again(here: Acting) -> None:
    plan = await here.plan()
    well = LeftOut(plan.nodes[0].node, "nothing to do", is_well=True)
    lying = msgspec.structs.replace(plan, nodes=plan.nodes[1:], left_out=(well,))
    checked = await check(lying, here.context)
    assert f"{well.node} is no longer healthy" in checked.config_map_kept


async def test_what_a_plan_has_left_out_is_told_as_of_when_it_was_made(
    here: Acting,
) -> None:
    """It may be over: of a switch that was to go off nobody looks again. What this run has seen itself is told as it is."""
    plan = await here.plan(WORKER, SECOND)
    why = "run bbbb has changed this node and is not verified yet"
    then = (LeftOut("k8s-worker-9", why, armed_run="bbbb"),)
    here.stage.server.store.delete(kind_of("Node"), SECOND)
    checked = await check(msgspec.structs.replace(plan, left_out=then), here.context)
    result = await apply(checked, here.context, QUICK)
    assert [(each.node, each.reason) for each in result.left_out] == [
        ("k8s-worker-9", f"when the plan was made: {why}"),
        (SECOND, "this Node no longer exists"),
    ]


async def test_a_plan_of_well_nodes_does_not_end_well_once_they_are_not(here: Acting) -> None:
    plan = await here.plan()
    called = tuple(LeftOut(name, "nothing to do", is_well=True) for name in (WORKER, "gone"))
    stale = msgspec.structs.replace(plan, nodes=(), left_out=called, config_map=None)
    result = await apply(await check(stale, here.context), here.context, QUICK)
    assert [each.node for each in result.left_out] == [WORKER, "gone"]
    assert all("make a new plan" in each.reason for each in result.left_out)
    assert result.exit_code is ExitCode.COULD_NOT_TELL
