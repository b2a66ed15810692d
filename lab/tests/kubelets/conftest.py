"""A control plane, and nodes with their kubelets: real TLS, real files, a clock that is wound."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from kubevouch_lab.cluster import kubeconfigs
from kubevouch_lab.cluster.node_disk import configured, kubelet_configuration
from kubevouch_lab.kubelets.kubelet import Kubelet
from kubevouch_lab.kubelets.pods import ContainerLogLine, ContainerState, Runtime
from kubevouch_lab.kubelets.reporter import ReportIntervals
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.objects import Object, status_of
from lab.tests.plane import Plane, plane, until
from tests.support.authority import Authority, Pair
from tests.support.clocks import SteppedClock
from tests.support.unhurried import GENEROUS

PKI = "/var/lib/kubelet/pki"
CONFIG = "/var/lib/kubelet/config.yaml"
SLOW = ReportIntervals(lease=30 * 86400.0, status=30 * 86400.0, report=30 * 86400.0)


@pytest.fixture
async def cluster(tmp_path: Path, authority: Authority) -> AsyncIterator[Plane]:
    (tmp_path / "plane").mkdir()
    async with plane(tmp_path / "plane", authority) as running:
        # Not its hourly and half-minutely rounds: years pass here.
        signing = asyncio.create_task(running.signers()._follow())
        yield running
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)


class AllRun:
    """Every container runs, is ready and says nothing."""

    def state(self, _pod: Object, _container: str) -> ContainerState:
        return ContainerState()

    def address(self, pod: Object) -> str:
        return str(status_of(pod).get("podIP", ""))

    def log(self, _namespace: str, _pod: str, _container: str) -> tuple[ContainerLogLine, ...]:
        return ()


ALL_RUN = AllRun()


@dataclass
class Node:
    """A kubelet and what it has said."""

    files: NodeFiles
    kubelet: Kubelet
    cluster: Plane
    said: list[str] = field(default_factory=list)

    def configure(self, *, bootstraps: bool) -> None:
        text = configured(kubelet_configuration("10.96.0.10"), bootstraps=bootstraps)
        self.files.write(CONFIG, text.encode())

    async def restart(self) -> None:
        await self.kubelet.stop()
        await self.kubelet.start()

    async def leaf(self) -> x509.Certificate | None:
        """What it presents, dialled by address; None for the alert of a kubelet that has nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with asyncio.timeout(GENEROUS):
            try:
                _, writer = await asyncio.open_connection(
                    self.kubelet.addresses[0], self.kubelet.port, ssl=context
                )
            except ssl.SSLError as error:
                if error.reason != "TLSV1_ALERT_INTERNAL_ERROR":
                    raise
                return None
            shaken = writer.get_extra_info("ssl_object")
            der = shaken.getpeercert(binary_form=True)
            writer.transport.abort()
        return x509.load_der_x509_certificate(der)

    async def asks(self, *, but_not: str = "") -> str:
        """The request that it waits for."""
        await until(lambda: self.kubelet.waits_for not in ("", but_not))
        return self.kubelet.waits_for

    async def passes(self, by: timedelta, step: timedelta) -> None:
        """Time passes, with turns for real sockets in between."""
        left = by
        while left > timedelta():
            await self.cluster.clock.wind(min(step, left))
            await asyncio.sleep(0.02)
            left -= step


def rotated(files: NodeFiles, side: str, pair: Pair, link: str = "current") -> str:
    """A pair as a kubelet's certificate store keeps it; the path of the dated file."""
    dated = f"{PKI}/kubelet-{side}-2026-01-01-00-00-00.pem"
    files.write(dated, pair.chain + pair.key, 0o600)
    files.link(f"{PKI}/kubelet-{side}-{link}.pem", dated)
    return dated


def node_of(
    cluster: Plane,
    root: Path,
    name: str = "k8s-worker-1.internal.example.com",
    runtime: Runtime = ALL_RUN,
    rhythm: ReportIntervals = SLOW,
    clock: SteppedClock | None = None,
) -> Node:
    """A node as kubeadm leaves it: self-signed to be, its client certificate in place."""
    files = NodeFiles(root / name, name)
    rotated(files, "client", cluster.authority.client(f"system:node:{name}", "system:nodes"))
    conf = kubeconfigs.of_kubelet(cluster.server.url, cluster.authority.pem, name)
    files.write("/etc/kubernetes/kubelet.conf", conf, 0o600)
    files.write("/etc/kubernetes/pki/ca.crt", cluster.authority.pem)
    files.write("/etc/hostname", f"{name}\n".encode())
    said: list[str] = []
    kubelet = Kubelet(
        files,
        clock=clock or cluster.clock,
        entropy=os.urandom,
        addresses=("127.0.0.1",),
        port=0,
        say=lambda line, _: said.append(line),
        runtime=runtime,
        rhythm=rhythm,
    )
    node = Node(files, kubelet, cluster, said)
    node.configure(bootstraps=False)
    return node


@pytest.fixture
async def node(cluster: Plane, tmp_path: Path) -> AsyncIterator[Node]:
    made = node_of(cluster, tmp_path)
    yield made
    await made.kubelet.stop()
