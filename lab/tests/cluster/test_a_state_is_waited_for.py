"""A state is there when it can be seen, and nothing on its way back from another one passes for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubevouch_lab.apiserver.kinds import DEPLOYMENTS, NODES, PODS
from kubevouch_lab.cluster.lab import Lab
from kubevouch_lab.cluster.states import State
from kubevouch_lab.objects import condition, name_of, status_of
from kubevouch_lab.scenarios import transitions
from kubevouch_lab.scenarios.settling import settled
from lab.tests.cluster.conftest import lab_in
from lab.tests.plane import until

UNREACHABLE = "node.kubernetes.io/unreachable"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with lab_in(tmp_path, "healthy") as running:
        yield running


async def test_pods_that_wait_for_nodes_to_come_back_are_not_pods_without_a_place(lab: Lab) -> None:
    """As after kubelets that were dead: a node is Ready again, and its taint is taken away a moment later."""
    client = lab.control_plane.client
    taints = [{"key": UNREACHABLE, "effect": "NoSchedule"}]
    for name in lab.machines:
        client.patch(NODES, name, {"spec": {"taints": taints}})
    transitions.restart_metrics_servers(lab)

    def they_wait() -> bool:
        found = client.list(PODS, "kube-system", labels="k8s-app=metrics-server")
        said = [(condition(pod, "PodScheduled") or {}).get("message", "") for pod in found]
        return len(said) == 3 and all(UNREACHABLE in text for text in said)

    await until(they_wait)
    await settled(lab, State.HEALTHY)
    deployment = client.get(DEPLOYMENTS, "metrics-server", "kube-system")
    assert status_of(deployment)["readyReplicas"] == 3
    assert {status_of(pod)["phase"] for pod in client.list(PODS, "kube-system")} == {"Running"}
    assert not [name_of(node) for node in client.list(NODES) if UNREACHABLE in str(node["spec"])]
