"""A stranger has dist/ alone: the archive's program installs the three servers, and the nodes pull the image from a registry."""

import re
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from real.layout import OPERATOR_ADDRESS
from tests.release.conftest import VERSION, built, cloned, shell
from tests.release.registry import pushed, serving

from .bed_cluster import BedCluster
from .in_place import other_server_away
from .told import eventually, names

HOST = f"{OPERATOR_ADDRESS}:5000"
REGISTRY = f"{HOST}/team"
INSTALLS = (("approver", "--new-nodes", "hold"), ("exporter",), ("metrics-server",))
HOSTS_TOML = f"""server = "http://{HOST}"
[host."http://{HOST}"]
capabilities = ["pull", "resolve"]
"""


@contextmanager
def _pulling(bed: BedCluster) -> Iterator[None]:
    """Each node's containerd knows that the registry has no TLS."""
    folder = f"/etc/containerd/certs.d/{HOST}"
    for node in bed.nodes:
        node.write(f"{folder}/hosts.toml", HOSTS_TOML.encode())
    try:
        yield
    finally:
        for node in bed.nodes:
            node.sh(f"rm -r {folder}")


@pytest.mark.long_on_the_bed
@pytest.mark.long_on_a_lab
def test_the_three_servers_run_from_dist_alone(bed: BedCluster, tmp_path: Path) -> None:
    cluster = bed
    cluster.state("healthy")
    for each in ("registry", "image", "program"):
        (tmp_path / each).mkdir()
    dist = tmp_path / "dist"
    built(cloned(tmp_path / "clone"), dist, REGISTRY)
    with serving(HOST, tmp_path / "registry"), _pulling(cluster), other_server_away(cluster):
        digest = pushed(dist, REGISTRY, tmp_path / "image")
        began = time.monotonic()
        with tarfile.open(dist / f"kubevouch-{VERSION}-linux-amd64.tar.gz") as archive:
            archive.extractall(tmp_path / "program", filter="data")
        (program,) = (tmp_path / "program").glob("*/kubevouch")

        def kubevouch(*words: str) -> str:
            return shell(program, *words, env={"KUBECONFIG": str(cluster.kubeconfig)})

        try:
            for server, *more in INSTALLS:
                print(kubevouch(server, "install", *more, "--yes"))

            def listed() -> bool:
                ran = cluster.kubectl("top", "nodes", "--no-headers", check=False)
                told = [line.split()[0] for line in ran.stdout.splitlines()]
                return told == names(cluster.nodes)

            eventually(listed, "kubectl top lists every node")
            print(f"from the archive to kubectl top: {time.monotonic() - began:.0f} s")
            said = cluster.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].spec.containers[*].image}").stdout  # fmt: skip
            assert set(re.findall(r"\S+/kubevouch@\S+", said)) == {f"{REGISTRY}/kubevouch@{digest}"}
            print(kubevouch("doctor"))
        finally:
            for server, *_ in reversed(INSTALLS):
                kubevouch(server, "remove", "--yes")
