"""What takes a real cluster and minutes: metrics-server's own e2e tests against ours, and a HorizontalPodAutoscaler that goes by it."""

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from real import programs
from real.layout import Folders

from .bed_cluster import BedCluster
from .cluster import Cluster
from .in_place import in_place, wait_until_ready
from .told import eventually

pytestmark = [pytest.mark.long, pytest.mark.as_the_version_is]

_SKIPPED = "metrics-server-skip"
_CONSUMER = "registry.k8s.io/e2e-test-images/resource-consumer:1.9"
SPECS = {
    "exposes metrics from at least one pod in cluster",
    "exposes metrics about all nodes in cluster",
    "returns accurate CPU metric",
    "returns accurate memory metric",
    "returns metric for pod with init container",
    "returns metric for pod with sideCar container",
    "returns metric for pod with init sidecar container",
    "passes readyz probe",
    "passes livez probe",
    "exposes prometheus metrics",
    "skip scrape metrics about nodes with label node-selector filtered in cluster",
}
DECOY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "kube-apiserver-e2e-control-plane", "namespace": "kube-system"},
    "spec": {
        "nodeSelector": {"nowhere": "at-all"},
        "containers": [
            {
                "name": "kube-apiserver",
                "image": "nothing",
                "command": ["kube-apiserver", "--feature-gates=SidecarContainers=true"],
            }
        ],
    },
}
"""It never runs. By its name and command the tests see whether they may look at containers that accompany others from the start."""
V1 = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v1.metrics.k8s.io"},
    "spec": {
        "group": "metrics.k8s.io",
        "version": "v1",
        "service": {"name": "metrics-server", "namespace": "kube-system"},
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 200,
    },
}
"""Beside the one that metrics-server's manifest has."""


@contextmanager
def _one_node_left_out(cluster: Cluster) -> Iterator[None]:
    node = cluster.workers[-1].name
    cluster.kubectl("label", "node", node, f"{_SKIPPED}=true")
    try:
        yield
    finally:
        cluster.kubectl("label", "node", node, f"{_SKIPPED}-")


@contextmanager
def _applied(cluster: Cluster, *things: object) -> Iterator[None]:
    text = "\n---\n".join(json.dumps(each) for each in things)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    try:
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text, seconds=120)


def test_metrics_servers_own_tests_pass_for_both_versions(
    bed: BedCluster, image_reference: str, tmp_path: Path
) -> None:
    """sigs.k8s.io/metrics-server's test/e2e_test.go, as its release has it, and by the client of v1."""
    built = programs.build(Folders.of(os.environ), programs.FOR_LONG_TESTS)
    bed.state("healthy")
    chosen = [f"--node-selector={_SKIPPED}!=true"]
    with (
        _one_node_left_out(bed),
        _applied(bed, DECOY, V1),
        in_place(bed, image_reference, arguments=chosen),
    ):
        wait_until_ready(bed, 3)
        bed.kubectl("wait", "apiservice/v1.metrics.k8s.io", "--for=condition=Available")
        for program in ("metrics-server-e2e", "metrics-server-e2e-v1"):
            _assert_all_pass(bed, built.paths[program], tmp_path / f"{program}.xml")


def _assert_all_pass(bed: BedCluster, program: Path, report: Path) -> None:
    ran = subprocess.run(
        [program, "-test.v", "-ginkgo.no-color", f"-ginkgo.junit-report={report}"],
        env={**os.environ, "KUBECONFIG": str(bed.kubeconfig)},
        cwd=report.parent,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    cases = list(ET.parse(report).getroot().iter("testcase")) if report.exists() else []
    failed = {
        each.get("name"): text.text for each in cases if (text := each.find("failure")) is not None
    }
    assert not failed, failed
    passed = {each.get("name", "") for each in cases if each.get("status") == "passed"}
    missing = {spec for spec in SPECS if not any(spec in name for name in passed)}
    assert not missing, (missing, passed, ran.stdout[-20000:], ran.stderr[-2000:])
    assert ran.returncode == 0, ran.stdout[-20000:]


def _busy(millicores: int) -> dict[str, object]:
    labels = {"app": "busy"}
    words = ["--duration-sec=3600", f"--millicores={millicores}"]
    container = {
        "name": "busy",
        "image": _CONSUMER,
        "imagePullPolicy": "Never",
        "command": ["./consume-cpu/consume-cpu", *words],
        "resources": {"requests": {"cpu": "50m"}},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "busy", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


SCALING = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "busy", "namespace": "default"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 100},
                },
            }
        ],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {"stabilizationWindowSeconds": 0},
        },
    },
}


def test_a_horizontal_pod_autoscaler_goes_by_it_up_and_down(
    bed: BedCluster, image_reference: str
) -> None:
    bed.state("healthy")

    def shown(path: str) -> str:
        words = ("get", "hpa", "busy", "-n", "default", "-o")
        return bed.kubectl(*words, f"jsonpath={{.status.{path}}}").stdout

    def replicas() -> str:
        return shown("currentReplicas")

    def active() -> str:
        return shown('conditions[?(@.type=="ScalingActive")].reason')

    with in_place(bed, image_reference, replicas=2):
        wait_until_ready(bed, 2)
        with _applied(bed, _busy(150), SCALING):
            eventually(lambda: replicas() == "3", "a workload of three", 420)
            bed.kubectl("apply", "-f", "-", stdin=json.dumps(_busy(5)))
            eventually(lambda: replicas() == "1", "a workload of one again", 600)
            # The pod that is left may be new, and have no metrics for two scrapes.
            eventually(lambda: "ValidMetricFound" in active(), "metrics of it", 120)
