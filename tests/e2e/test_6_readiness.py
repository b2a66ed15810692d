"""What a run does to Services of a single probed pod: before Kubernetes 1.35 a restarted kubelet takes such a pod for not ready.

The seconds that it prints stand in docs/rollout.md. kubectl's own watch tells when pods and endpoints are ready.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .bed_cluster import BedCluster
from .cluster import Cluster, Node
from .told import eventually, names, plan

pytestmark = [
    pytest.mark.long,
    pytest.mark.as_the_version_is,
    pytest.mark.usefixtures("built_image"),
]

SERVER = ["/usr/bin/python3.13", "-m", "http.server", "8080"]
POD_READY = '{.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
ENDPOINT_READY = '{.endpoints[*].conditions.ready}{"\\n"}'
NEW_FOR_A_KUBELET = 15
"""From 1.35 on, a container that is younger than 10 s at the kubelet's start counts as one that was never probed."""


@pytest.fixture
def bed(cluster: Cluster) -> BedCluster:
    if not isinstance(cluster, BedCluster):
        pytest.skip("a lab's kubelets probe no pods")
    return cluster


@dataclass
class Watched:
    """What kubectl has printed of one object: whether it is ready, and when that came."""

    process: subprocess.Popen[str]
    lines: list[tuple[float, bool]] = field(default_factory=list)

    def read(self) -> None:
        """Until kubectl ends."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.strip().lower() == "true"))

    @property
    def is_ready(self) -> bool:
        return bool(self.lines) and self.lines[-1][1]

    def seconds_not_ready(self, since: float) -> list[float]:
        """How long it was not ready, each time since then. It has to be ready again."""
        assert self.is_ready, self.lines
        found, began = [], 0.0
        for at, ready in self.lines:
            if at < since:
                continue
            if not ready:
                began = began or at
            elif began:
                found.append(round(at - began, 3))
                began = 0.0
        return found


@contextmanager
def _watched(bed: BedCluster, kind: str, label: str, what: str) -> Iterator[Watched]:
    words = ("get", kind, "-n", "default", "-l", label, "--watch", "-o", f"jsonpath={what}")
    with subprocess.Popen(
        [bed.bed.kubectl_program, *words],
        env={**os.environ, "KUBECONFIG": str(bed.kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        watched = Watched(process)
        reader = threading.Thread(target=watched.read, daemon=True)
        reader.start()
        try:
            yield watched
        finally:
            process.kill()
            reader.join()


@dataclass(frozen=True)
class Single:
    """A Service of one pod on a worker."""

    name: str
    node: Node
    pod: Watched
    endpoint: Watched

    @property
    def is_ready(self) -> bool:
        return self.pod.is_ready and self.endpoint.is_ready


@contextmanager
def _single(bed: BedCluster, node: Node, image: str) -> Iterator[Single]:
    name = f"single-on-{node.name.split('.')[0]}"
    labels = {"app": name}
    container = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "Never",
        "command": SERVER,
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 10},
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node.name},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    metadata = {"name": name, "namespace": "default"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    text = f"{json.dumps(deployment)}\n---\n{json.dumps(service)}"
    bed.kubectl("apply", "-f", "-", stdin=text)
    try:
        with (
            _watched(bed, "pods", f"app={name}", POD_READY) as pod,
            _watched(
                bed, "endpointslices", f"kubernetes.io/service-name={name}", ENDPOINT_READY
            ) as endpoint,
        ):
            yield Single(name, node, pod, endpoint)
    finally:
        bed.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text, seconds=120)


def _kubelet_version(bed: BedCluster, node: Node) -> str:
    path = "jsonpath={.status.nodeInfo.kubeletVersion}"
    return bed.kubectl("get", "node", node.name, "-o", path).stdout.removeprefix("v")


def _youngest(bed: BedCluster) -> float:
    """How many seconds ago the last container of these was started."""
    path = "jsonpath={.items[*].status.containerStatuses[*].state.running.startedAt}"
    chosen = f"app in ({','.join(f'single-on-{n.host.short}' for n in bed.workers)})"
    found = bed.kubectl("get", "pods", "-n", "default", "-l", chosen, "-o", path).stdout.split()
    assert len(found) == len(bed.workers), found
    started = max(datetime.fromisoformat(each) for each in found)
    return (datetime.now(UTC) - started).total_seconds()


def _goes_away(bed: BedCluster, single: Single) -> None:
    """The watch sees that an endpoint goes: that it has seen none go before means something."""
    bed.kubectl("scale", "deployment", single.name, "-n", "default", "--replicas=0")
    eventually(lambda: not single.endpoint.is_ready, f"the end of the endpoint of {single.name}")


def test_a_service_of_a_single_probed_pod_is_away_for_a_moment_and_only_before_1_35(
    bed: BedCluster, image_reference: str, tmp_path: Path
) -> None:
    [version] = {_kubelet_version(bed, each) for each in bed.workers}
    forgets = tuple(map(int, version.split("."))) < (1, 35)
    bed.state("expired")
    with ExitStack() as stack:
        singles = [stack.enter_context(_single(bed, n, image_reference)) for n in bed.workers]
        eventually(lambda: all(each.is_ready for each in singles), "that all are ready")
        eventually(lambda: _youngest(bed) > NEW_FOR_A_KUBELET, "pods of some age")
        began = time.monotonic()
        path = tmp_path / "plan.json"
        found = plan(bed, path, "--nodes", ",".join(names(bed.workers)))
        said = [each for each in found["notices"] if "readiness" in each]  # type: ignore[attr-defined]
        applied = bed.kubevouch("apply", str(path), "--yes", "--soak", "1s")
        assert applied.code == 0, applied
        eventually(lambda: all(each.is_ready for each in singles), "that all are ready again")
        away = {
            each.name: {
                "pod": each.pod.seconds_not_ready(began),
                "endpoint": each.endpoint.seconds_not_ready(began),
            }
            for each in singles
        }
        print(f"kubelet {version}, seconds not ready: {json.dumps(away)}")
        for each in singles:
            _goes_away(bed, each)
    if forgets:
        assert len(said) == 1, found
        assert all(f"default/{each.name} on {each.node.name}" in said[0] for each in singles), said
        assert any(each["pod"] or each["endpoint"] for each in away.values()), away
        assert all(sum(each["endpoint"]) < 60 for each in away.values()), away
    else:
        assert said == []
        assert not any(each["pod"] or each["endpoint"] for each in away.values()), away
