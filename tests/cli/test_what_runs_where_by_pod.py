"""`plan --via pod` at the terminal: which image will be root on which nodes is said, and asked, before the first pod."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.runs import write_plan
from kubevouch.cli.rollout.context import written_nodes
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.decide.by_pod import WrittenNode
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding, PodPlace
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.cli.waiting import ADDRESS, CREDENTIAL, NODE, put_entry, put_node, put_pin
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.scripted.kinds import KINDS, PODS
from tests.support.stage import Stage

IMAGE = "registry.example.com/kubevouch@sha256:" + "ab" * 32
WORDS = ("plan", "-o", "plan.json", "--via", "pod", "--image", IMAGE)


@pytest.fixture
def plan(stage: Stage, tmp_path: Path) -> str:
    """Of one node, for this cluster by its UID."""
    uid = stage.server.store.get(KINDS["", "v1", "namespaces"], "kube-system")["metadata"]["uid"]
    said = {"dial": ("10.0.0.5",), "addresses": (Claim("10.0.0.5", NameSource.OPERATOR),)}
    worker = recorded("expired-worker")
    node = planned(worker, ChangeKind.BOOTSTRAP, node="w1", host="w1", host_key="", **said)
    bound = ClusterBinding("", "https://127.0.0.1:6443", uid, "sha", "v1.36.3")
    made = plan_of(
        node,
        run="abcd1234",
        made_at=datetime.now(UTC),
        via="pod",
        cluster=bound,
        pods=PodPlace("kube-system", IMAGE),
    )
    write_plan(made, tmp_path / "plan.json")
    return str(tmp_path / "plan.json")


def _pods_asked_for(stage: Stage) -> list[str]:
    return [each.path for each in stage.server.requests if each.path.endswith("/kube-system/pods")]


async def test_the_image_that_a_plan_names_is_asked_about_before_anything_runs(
    kubevouch: Program, stage: Stage, plan: str
) -> None:
    ran = await kubevouch("apply", plan, code=2)
    told = " ".join(ran.err.split())
    assert (
        "This will inspect the nodes in the plan with privileged pods that enter the node as root"
        in told
    )
    assert f"in namespace kube-system, with image {IMAGE}" in told
    assert "expected --yes" in told
    assert stage.server.requests == []


async def test_a_right_that_is_missing_is_named_before_the_first_pod(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.authorize = lambda asked: (asked.verb, asked.resource) != ("create", "pods")
    ran = await kubevouch(*WORDS, code=4)
    assert f"privileged pods that enter the node as root, one for each script, in namespace kube-system, with image {IMAGE}" in " ".join(ran.err.split())  # fmt: skip
    assert "not allowed to create pods in namespace kube-system" in ran.err
    assert not [each for each in stage.server.requests if each.method == "POST" and each.path in _pods_asked_for(stage)]  # fmt: skip


async def test_what_a_killed_run_left_is_removed_and_named(
    kubevouch: Program, stage: Stage, plan: str
) -> None:
    labels = {
        "app.kubernetes.io/name": "kubevouch-rollout",
        "app.kubernetes.io/managed-by": "kubevouch",
    }
    old = f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    metadata = {"name": "kubevouch-rollout-1", "namespace": "kube-system", "labels": labels}
    left = {
        "metadata": {**metadata, "uid": "u-left", "creationTimestamp": old, "resourceVersion": "1"},
        "spec": {"nodeName": "w1"},
        "status": {"phase": "Succeeded"},
    }
    stage.server.store.put(PODS, left)
    ran = await kubevouch("apply", plan, "--yes")
    assert "w1  removed pod kubevouch-rollout-1, left by a run that ended early" in ran.err, ran
    assert "kubevouch-rollout-1" not in str(stage.server.store.list(PODS, "kube-system"))


async def _written(stage: Stage) -> dict[str, WrittenNode]:
    clock = SystemClock()
    async with ApiClient(stage.access, clock=clock, environ={}) as api:
        assert await written_nodes(api, clock, None) == {}
        return dict(await written_nodes(api, clock, PodPlace("kube-system", IMAGE)))


async def test_what_is_pinned_counts_as_the_operators_word(stage: Stage) -> None:
    put_node(stage, NODE, "uid-9", ADDRESS)
    assert await _written(stage) == {}, "there is no approver"
    pin = {"uid": "uid-9", "names": [NODE], "addresses": [ADDRESS]}
    put_entry(stage, "pins", NODE, pin | {"clientCertificates": [CREDENTIAL]})
    written = await _written(stage)
    assert written[NODE] == WrittenNode({ADDRESS: NameSource.PIN}, frozenset({CREDENTIAL}))
    assert [name for name, each in written.items() if each.addresses] == [NODE]


async def test_a_pin_of_another_node_of_that_name_does_not_count(stage: Stage) -> None:
    put_node(stage, NODE, "uid-10", ADDRESS)
    put_pin(stage)
    assert not (await _written(stage))[NODE].addresses


async def test_where_pins_cannot_be_read_nothing_is_taken_for_unpinned(stage: Stage) -> None:
    put_pin(stage)
    stage.server.authorize = lambda asked: asked.namespace != "kubevouch-system"
    with pytest.raises(StoppedBefore, match="the pins in kubevouch-system: are unknown"):
        await _written(stage)
