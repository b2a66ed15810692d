"""The exporter in a pod, by its manifests, while a test lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from .cluster import Cluster
from .programs import CHECKOUT

SPACE, NAME = "kubevouch-system", "kubevouch-exporter"
_MANIFESTS = ("rbac.yaml", "service.yaml", "deployment.yaml")


def manifest(name: str) -> str:
    """A file of deploy/exporter."""
    return (CHECKOUT / "deploy" / "exporter" / name).read_text("utf-8")


@contextmanager
def exporter_installed(cluster: Cluster, image: str, *, interval: str = "15m") -> Iterator[None]:
    """It runs, and is ready. interval: of its flag; all else is as the manifests have it."""
    texts = [
        manifest(each)
        .replace("IMAGE\n", f"{image}\n")
        .replace("--interval=15m", f"--interval={interval}")
        for each in _MANIFESTS
    ]
    cluster.kubectl("create", "namespace", SPACE)
    for text in texts:
        cluster.kubectl("apply", "-f", "-", stdin=text)
    rolled = ("rollout", "status", f"deployment/{NAME}", "-n", SPACE, "--timeout=300s")
    done = cluster.kubectl(*rolled, seconds=310)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield
    finally:
        for text in reversed(texts):
            cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)
        # A namespace can go only while the metrics API answers.
        cluster.state("healthy")
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", seconds=150)


def exporter_address(cluster: Cluster) -> str:
    """Its pod's."""
    words = ("get", "pods", "-n", SPACE, "-l", f"app.kubernetes.io/name={NAME}")
    return cluster.kubectl(*words, "-o", "jsonpath={.items[0].status.podIP}").stdout
