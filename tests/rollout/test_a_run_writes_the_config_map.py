"""When a run writes the ConfigMap, when it leaves it as it is, and how an undo puts it back."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch_lab.apiserver.status import StatusError
from tests.support.scripted import faults, kubelet
from tests.support.stage import kind_of

from .acting import SECOND, WORKER, Acting, answered
from .staged import QUICK, an_undo, changed, cut_off_at, of


async def test_a_node_that_joined_meanwhile_keeps_the_config_map_as_it_is(dark: Acting) -> None:
    dark.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
    plan = await dark.plan()
    assert plan.config_map is not None
    checked = await check(plan, dark.context)
    assert checked.writes_config_map
    dark.stage.server.store.put(
        kind_of("Node"), {"kind": "Node", "metadata": {"name": "new"}, "status": {}}
    )
    result = await apply(checked, dark.context, QUICK)
    assert {(each.state, each.why) for each in result.nodes} == {(NodeState.DONE, "")}
    assert "new is not in this plan" in result.config_map.text
    assert result.exit_code is ExitCode.STOPPED


def _bootstrap_off(found: Any) -> Any:
    text = found["data"]["kubelet"]
    lines = [line for line in text.splitlines() if "serverTLSBootstrap" not in line]
    return {**found, "data": {**found["data"], "kubelet": "\n".join(lines) + "\n"}}


async def test_the_config_map_is_written_last_once_and_put_back_by_an_undo(dark: Acting) -> None:
    dark.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
    plan = await dark.plan()
    result = await apply(await check(plan, dark.context), dark.context, QUICK)
    assert result.config_map.text == "ConfigMap kubelet-config updated"
    assert result.undo == "kubevouch undo abcd"
    assert await _written_by(dark) == "abcd"
    again = await check(plan, dark.context)
    assert not again.writes_config_map
    second = await apply(again, dark.context, QUICK)
    assert second.config_map.text == "ConfigMap kubelet-config is already as planned"
    undone = await undo(plan, dark.context, QUICK)
    assert undone.config_map.text == "ConfigMap kubelet-config restored"
    assert await _written_by(dark) is None
    twice = await undo(plan, dark.context, QUICK)
    assert twice.config_map.text == "ConfigMap kubelet-config already has its former text"
    dark.change("ConfigMap", "kubelet-config", _edited, "kube-system")
    third = await undo(plan, dark.context, QUICK)
    assert "somebody else has changed or recreated the object" in third.config_map.text
    assert (third.config_map.failed, third.config_map.settled) == (True, True)
    assert third.exit_code is ExitCode.STOPPED


async def test_an_undo_without_the_right_to_the_config_map_says_that_it_lacks_it(
    here: Acting,
) -> None:
    """Whoever has ssh alone puts the nodes back; the same undo once more would be refused the same."""
    here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
    plan = await an_undo(here)
    by = {"kubevouch.dev/run": plan.run}
    here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
    refused = faults.refuse(StatusError(403, "Forbidden", "no"))
    here.stage.server.faults.on(KUBELET_CONFIG, refused, times=1, method="PATCH")
    result = await undo(plan, here.context, QUICK)
    assert (result.config_map.failed, result.config_map.forbidden) == (True, True)
    assert result.exit_code is ExitCode.STOPPED
    assert (await undo(plan, here.context, QUICK)).config_map.text.endswith("restored")


OURS = {"kubevouch.dev/run": "abcd"}
FORGED = "the plan changes more than serverTLSBootstrap"
LEFT_AS_IT_IS: dict[str, tuple[dict[str, str], str | None, str, bool]] = {
    # who wrote it, what the plan would put back (None: what was there), what is said of it, whether the undo fails by it
    "another run wrote it": (
        {"kubevouch.dev/run": "ffff"},
        None,
        "write the text; run ffff did",
        False,
    ),
    "somebody who is no run": (
        {"kubevouch.dev/run": "; reboot"},
        None,
        "did not write the text",
        False,
    ),
    "nobody says who": (
        {},
        None,
        "no annotation kubevouch.dev/run tells which run wrote the text; serverTLSBootstrap is t",
        True,
    ),
    "whoever asks would be obeyed": (OURS, "authorization: {mode: AlwaysAllow}\n", FORGED, True),
    "no YAML would be put back": (OURS, "kind: [\n", FORGED, True),
    "nothing would be put back": (OURS, "", FORGED, True),
}


@pytest.mark.parametrize(
    ("by", "before", "said", "failed"), LEFT_AS_IT_IS.values(), ids=LEFT_AS_IT_IS
)
async def test_an_undo_leaves_a_config_map_that_its_run_has_not_surely_made(
    here: Acting, by: dict[str, str], before: str | None, said: str, failed: bool
) -> None:
    """The plan is a file that anybody may have written: a later joiner would start with what stands in it."""
    here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
    plan = await an_undo(here)
    here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
    assert plan.config_map is not None
    if before is not None:
        other = msgspec.structs.replace(plan.config_map, before=before)
        plan = msgspec.structs.replace(plan, config_map=other)
    result = await undo(plan, here.context, QUICK)
    assert not [each for each in here.stage.server.requests if each.method == "PATCH"]
    assert result.config_map.text.startswith("ConfigMap kubelet-config stays as it is: ")
    assert said in result.config_map.text
    assert (result.config_map.failed, result.config_map.settled) == (failed, failed)
    assert (result.exit_code is ExitCode.STOPPED) is failed


async def test_an_undo_looks_where_the_node_listens_and_not_where_a_plan_says(here: Acting) -> None:
    """The plan may be old, or somebody else's: another machine that answers says nothing of this one."""
    plan = await here.plan(WORKER)
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
    [elsewhere] = here.machines.by_name[SECOND].addresses
    forged = changed(plan, WORKER, dial=(elsewhere,), port=of(plan, WORKER).port)
    old = changed(plan, WORKER, dial=("127.9.9.9",))
    for found in (forged, old):
        [well] = (await undo(found, here.context, QUICK)).nodes
        assert (well.state, well.why) == (NodeState.UNDONE, "")
    here.stage.kubelets["k8s-worker-1"].behaviour = kubelet.NO_CERTIFICATE
    for found in (plan, forged, old):
        [dark] = (await undo(found, here.context, RolloutTimeouts(1))).nodes
        assert dark.state is NodeState.FAILED, dark
        assert "tls: internal error" in dark.why


async def _written_by(here: Acting) -> str | None:
    found = await here.context.api.get(CONFIG_MAPS, "kubelet-config", "kube-system")
    return found.metadata.annotations.get("kubevouch.dev/run")


KUBELET_CONFIG = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"


async def test_a_run_stopped_while_it_writes_the_config_map_tells_its_nodes(
    dark: Acting,
) -> None:
    dark.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
    plan = await dark.plan()
    run = apply(await check(plan, dark.context), dark.context, QUICK)
    result = await cut_off_at(KUBELET_CONFIG, run, dark, "PATCH")
    assert {each.state for each in result.nodes} == {NodeState.DONE}
    by = {"kubevouch.dev/run": "abcd"}
    dark.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
    undone = await cut_off_at(KUBELET_CONFIG, undo(plan, dark.context, QUICK), dark, "PATCH")
    for each in (result, undone):
        why = "interrupted; it may have been written"
        assert each.config_map.text == f"ConfigMap kubelet-config: {why}"
        assert each.exit_code is ExitCode.INTERRUPTED


def _bootstrap_on(plan: Plan, by: dict[str, str]) -> Callable[[Any], Any]:
    assert plan.config_map is not None
    after = plan.config_map.after
    return lambda found: {
        **found,
        "metadata": {**found["metadata"], "annotations": by},
        "data": {**found["data"], "kubelet": after},
    }


def _edited(found: Any) -> Any:
    return {**found, "data": {"kubelet": "somebody was here\n"}}
