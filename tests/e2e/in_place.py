"""Our metrics server in the place of the one that the cluster has: its Deployment, with nothing but the image changed."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .cluster import Cluster
from .told import eventually

DEPLOYMENT, NAMESPACE = "metrics-server", "kube-system"
API_SERVICE = "v1beta1.metrics.k8s.io"
SELECTOR = "k8s-app=metrics-server"


@dataclass(frozen=True)
class MetricsServerPod:
    """One replica. restarts: how often its container was started again."""

    name: str
    node: str
    address: str
    ready: bool
    restarts: int


@contextmanager
def in_place(
    cluster: Cluster, image: str, *, replicas: int = 3, arguments: Sequence[str] = ()
) -> Iterator[None]:
    """arguments: words behind those that its manifest has. Whether its pods become ready is the caller's to see."""
    before = container_of(cluster)
    _replace(cluster, {"image": image, "args": [*before["args"], *arguments]}, replicas)
    try:
        yield
    finally:
        _replace(cluster, {"image": before["image"], "args": before["args"]}, 3)


@contextmanager
def other_server_away(cluster: Cluster) -> Iterator[None]:
    """No APIService leads to it while the block lasts: where it has one, ours is not installed."""
    spec = cluster.get("apiservice", API_SERVICE)["spec"]
    back = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "spec": spec}
    cluster.kubectl("delete", "apiservice", API_SERVICE)
    try:
        yield
    finally:
        text = json.dumps({**back, "metadata": {"name": API_SERVICE}})
        cluster.kubectl("apply", "-f", "-", stdin=text)
        wait_until_available(cluster)


def pods(cluster: Cluster) -> list[MetricsServerPod]:
    """Those that are not ending, by name."""
    return sorted(
        (
            MetricsServerPod(
                each["metadata"]["name"],
                each["spec"].get("nodeName", ""),
                each["status"].get("podIP", ""),
                _is_ready(each),
                sum(c["restartCount"] for c in each["status"].get("containerStatuses", ())),
            )
            for each in cluster.get("pods", "-n", NAMESPACE, "-l", SELECTOR)["items"]
            if not each["metadata"].get("deletionTimestamp")
        ),
        key=lambda pod: pod.name,
    )


def wait_until_ready(cluster: Cluster, replicas: int) -> list[MetricsServerPod]:
    """That many, all of them ready, and the API available."""

    def look() -> list[MetricsServerPod]:
        found = pods(cluster)
        return found if [each.ready for each in found] == [True] * replicas else []

    found = eventually(look, f"{replicas} metrics servers that are ready", 180)
    wait_until_available(cluster)
    return found


def wait_until_available(cluster: Cluster) -> None:
    wait = ("wait", f"apiservice/{API_SERVICE}", "--for=condition=Available", "--timeout=300s")
    cluster.kubectl(*wait, seconds=310)


def ready_addresses(cluster: Cluster) -> set[str]:
    """Where its Service leads."""
    chosen = ("-n", NAMESPACE, "-l", f"kubernetes.io/service-name={DEPLOYMENT}")
    return {
        address
        for each in cluster.get("endpointslices", *chosen)["items"]
        for endpoint in each.get("endpoints") or ()
        if endpoint["conditions"].get("ready", True)
        for address in endpoint["addresses"]
    }


def container_of(cluster: Cluster) -> dict[str, Any]:
    """The container of its Deployment's template."""
    spec = cluster.get("deployment", DEPLOYMENT, "-n", NAMESPACE)["spec"]["template"]["spec"]
    return dict(spec["containers"][0])


def set_image(cluster: Cluster, image: str) -> None:
    """As an operator does it: pods are replaced one after another."""
    words = ("set", "image", f"deployment/{DEPLOYMENT}", "-n", NAMESPACE)
    cluster.kubectl(*words, f"{DEPLOYMENT}={image}")


def _replace(cluster: Cluster, container: dict[str, Any], replicas: int) -> None:
    """All pods at once: while no kubelet is trusted none becomes ready, and a roll-out would wait for ever."""
    place = (DEPLOYMENT, "-n", NAMESPACE)
    cluster.kubectl("scale", "deployment", *place, "--replicas=0")
    eventually(lambda: not _listed(cluster), "none of the former pods")
    path = "/spec/template/spec/containers/0/"
    patch = [
        {"op": "replace", "path": path + name, "value": value} for name, value in container.items()
    ]
    cluster.kubectl("patch", "deployment", *place, "--type=json", "-p", json.dumps(patch))
    cluster.kubectl("scale", "deployment", *place, f"--replicas={replicas}")
    eventually(lambda: len(pods(cluster)) == replicas, f"{replicas} pods")


def _listed(cluster: Cluster) -> str:
    """Also those that are ending."""
    return cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", SELECTOR, "-o", "name").stdout


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
