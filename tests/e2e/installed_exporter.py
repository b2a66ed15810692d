"""The exporter in a pod, as `exporter install` makes it, while a test lasts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from .cluster import Cluster
from .programs import CHECKOUT
from .told import ended

SPACE, NAME = "kubevouch-system", "kubevouch-exporter"


def manifest(name: str) -> str:
    """A file of deploy/exporter."""
    return (CHECKOUT / "deploy" / "exporter" / name).read_text("utf-8")


@contextmanager
def exporter_installed(cluster: Cluster, image: str, *, interval: str = "15m") -> Iterator[None]:
    """It runs, and is ready. interval: of its flag; all else is as the manifests have it."""
    ended(cluster, 0, "exporter", "install", "--image", image, "--yes")
    flag = {"path": "/spec/template/spec/containers/0/args/3", "value": f"--interval={interval}"}
    words = ("patch", "deployment", NAME, "-n", SPACE, "--type=json", "-p")
    cluster.kubectl(
        *words,
        json.dumps([{"op": "test", **flag, "value": "--interval=15m"}, {"op": "replace", **flag}]),
    )
    cluster.rolled_out(NAME, SPACE)
    try:
        yield
    finally:
        ended(cluster, 0, "exporter", "remove", "--yes")
        # A namespace can go only while the metrics API answers.
        cluster.state("healthy")
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", seconds=150)


def exporter_address(cluster: Cluster) -> str:
    """Its pod's."""
    words = ("get", "pods", "-n", SPACE, "-l", f"app.kubernetes.io/name={NAME}")
    return cluster.kubectl(*words, "-o", "jsonpath={.items[0].status.podIP}").stdout
