"""The whole story by pod, the way without ssh: nothing of it goes through a kubelet's port, by logs or by exec.

On the bed only: a lab has no containers, and its kubelets say so (lab/tests/kubelets).
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubevouch.rollout.decide.advice import some
from kubevouch.rollout.decide.pod import SELECTOR

from .cluster import Cluster
from .told import (
    dark_moments,
    ended,
    eventually,
    gaps,
    kubelet_files,
    ready_metrics_servers,
)

CLOSED = "no-privileged-pods"


pytestmark = pytest.mark.usefixtures("built_image")


@pytest.fixture
def image(cluster: Cluster, image_reference: str) -> Iterator[str]:
    """The image of the pods, and after the test none of them is left."""
    yield image_reference
    eventually(lambda: not _pods(cluster), "the removal of every pod", seconds=60)


def test_from_0_of_3_to_3_of_3_and_back_without_ssh(
    cluster: Cluster, image: str, tmp_path: Path
) -> None:
    """With the control plane and one worker, which is enough for a metrics-server to be ready."""
    cluster.state("expired")
    assert ready_metrics_servers(cluster) == "0/3"
    nodes = cluster.nodes[:2]
    files = [kubelet_files(node) for node in nodes]
    path, probes, began = tmp_path / "plan.json", tmp_path / "probes", datetime.now(UTC)

    said = [f"--allow={node.name}={node.address}" for node in nodes]
    only = some([node.name for node in nodes])
    ended(cluster, 0, "plan", "-o", str(path), "--via", "pod", "--image", image, *said, *only)
    plan = json.loads(path.read_text())
    assert (plan["via"], plan["pods"]) == ("pod", {"namespace": "kube-system", "image": image})
    sources = {each["source"] for node in plan["nodes"] for each in node["addresses"]}
    assert sources == {"the operator says so"}

    with cluster.probed(probes):
        applied = ended(cluster, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "privileged pods" in applied.err
    assert image in applied.err
    assert dark_moments(probes) == []
    print(applied.out, "largest gaps:", gaps(probes, nodes))
    eventually(lambda: ready_metrics_servers(cluster) == "3/3", "metrics-server")

    ended(cluster, 0, "undo", plan["run"], "--yes")
    assert [kubelet_files(node) for node in nodes] == files
    asked = {
        each.what for each in cluster.audit(began) if each.name.startswith("kubevouch-rollout-")
    }
    assert {"pods", "pods/status"} <= asked <= {"pods", "pods/status", "events"}


@pytest.mark.long
def test_a_namespace_that_lets_no_privileged_pod_in_is_named_with_what_to_do(
    cluster: Cluster, image: str, tmp_path: Path
) -> None:
    label = {"pod-security.kubernetes.io/enforce": "baseline"}
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLOSED, "labels": label}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    account = ("get", "serviceaccount", "default", "-n", CLOSED)
    eventually(lambda: cluster.kubectl(*account, check=False).returncode == 0, "an account")
    words = (*_by_pod(cluster, image), "--pod-namespace", CLOSED)
    planned = ended(cluster, 3, "plan", "-o", str(tmp_path / "plan.json"), *words)
    said = " ".join(planned.out.split())
    assert "violates PodSecurity" in said
    assert "pod-security.kubernetes.io/enforce" in said


@pytest.mark.long
def test_what_a_killed_run_leaves_the_next_one_removes(
    cluster: Cluster, image: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    words = ("plan", "-o", str(path), *_by_pod(cluster, image))
    killed = cluster.start_kubevouch(*words)
    left = eventually(lambda: _pods(cluster), "a pod of the run")
    killed.kill()
    left = _pods(cluster) or left

    def removed() -> bool:
        again = cluster.kubevouch(*words)
        print(again.err)
        return "left by a run that ended early" in again.err

    eventually(removed, f"the removal of {left}", seconds=300)


@pytest.mark.long
def test_a_pod_is_removed_when_the_run_is_interrupted(
    cluster: Cluster, image: str, tmp_path: Path
) -> None:
    words = ("plan", "-o", str(tmp_path / "plan.json"), *_by_pod(cluster, image))
    run = cluster.start_kubevouch(*words)
    eventually(lambda: _pods(cluster), "a pod of the run")
    run.interrupt()
    assert run.finish(60).code == 130
    eventually(lambda: not _pods(cluster), "the removal of its pods", seconds=60)


def _by_pod(cluster: Cluster, image: str) -> tuple[str, ...]:
    """The words of a plan that goes by pod. Nothing of a pod proves an address: the operator says whose each is."""
    said = [f"--allow={node.name}={node.address}" for node in cluster.nodes]
    return ("--via", "pod", "--image", image, *said)


def _pods(cluster: Cluster) -> list[str]:
    words = ("get", "pods", "-n", "kube-system", "-l", SELECTOR, "-o", "name")
    return cluster.kubectl(*words).stdout.split()
