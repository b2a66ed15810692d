"""The pair of --kubelet-client-certificate and -key lies in two files, so for a moment of each renewal it does not fit together.

The judge is what the kubelet received.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kubevouch.kube.io.credentials import UserCredentials
from kubevouch.kube.kubeconfig import User
from kubevouch.x509 import read_certificates
from tests.metrics.conftest import ADDRESS, Cluster, Live, Page
from tests.support.authority import Pair
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import ScriptedKubelet, Serve


@dataclass
class PairInFiles:
    """A client certificate and its key, and what was said of them."""

    cluster: Cluster
    folder: Path
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain, self.key = self.folder / "client.crt", self.folder / "client.key"
        self.write(self.new("before"))

    def new(self, name: str) -> Pair:
        return self.cluster.authority.client(name)

    def write(self, pair: Pair) -> None:
        self.chain.write_bytes(pair.chain)
        self.key.write_bytes(pair.key)

    def read(self) -> UserCredentials:
        user = User(
            where="--kubelet-client-certificate",
            client_certificate=str(self.chain),
            client_key=str(self.key),
        )
        return UserCredentials(user, self.cluster.clock, report=self.said.append)


@pytest.fixture
def files(cluster: Cluster, tmp_path: Path) -> PairInFiles:
    return PairInFiles(cluster, tmp_path)


async def kubelet(cluster: Cluster) -> ScriptedKubelet:
    """One that is verified, and asks for a client certificate."""
    pair = cluster.authority.serving(ADDRESS, node="n1")
    context = server_context(pair, client_ca=cluster.authority.pem)
    return await cluster.add("n1", Serve(context, Live(Page("n1"))))


def presented(running: ScriptedKubelet) -> list[str]:
    """Whose certificates the kubelet was shown, one for each connection."""
    ders = [each.client_certificate for each in running.seen]
    return [read_certificates(der, "client")[0].subject.common_name for der in ders if der]


async def test_the_last_good_pair_is_shown_while_only_the_certificate_is_new(
    cluster: Cluster, files: PairInFiles
) -> None:
    running = await kubelet(cluster)
    async with cluster.collecting(certificate=files.read()):
        assert await cluster.round() == {"n1": None}
        newer = files.new("after")
        files.chain.write_bytes(newer.chain)
        for _ in range(3):
            assert await cluster.round(seconds=60) == {"n1": None}
        assert presented(running) == ["before"]
        files.key.write_bytes(newer.key)
        assert await cluster.round() == {"n1": None}
    assert presented(running) == ["before", "after"]
    assert len(files.said) == 1
    assert "the key does not belong to the certificate" in files.said[0]


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB"])
async def test_the_last_good_pair_is_shown_while_a_file_is_half_written(
    cluster: Cluster, files: PairInFiles, content: bytes
) -> None:
    running = await kubelet(cluster)
    async with cluster.collecting(certificate=files.read()):
        await cluster.round()
        files.chain.write_bytes(content)
        assert await cluster.round(seconds=60) == {"n1": None}
    assert presented(running) == ["before"]
    assert len(files.said) == 1


async def test_each_renewal_that_goes_wrong_is_told_once(
    cluster: Cluster, files: PairInFiles
) -> None:
    await kubelet(cluster)
    async with cluster.collecting(certificate=files.read()):
        await cluster.round()
        for number in (1, 2):
            newer = files.new(f"pair {number}")
            files.chain.write_bytes(newer.chain)
            await cluster.round(seconds=60)
            await cluster.round()
            files.key.write_bytes(newer.key)
            await cluster.round()
            assert len(files.said) == number
