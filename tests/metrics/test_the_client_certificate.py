"""The pair of --kubelet-client-certificate and -key lies in two files, so for a moment of each renewal it does not fit together.

The judge is what the kubelet received.
"""

from dataclasses import dataclass, field
from pathlib import Path

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


async def kubelet(cluster: Cluster) -> ScriptedKubelet:
    """One that is verified, and asks for a client certificate."""
    pair = cluster.authority.serving(ADDRESS, node="n1")
    context = server_context(pair, client_ca=cluster.authority.pem)
    return await cluster.add("n1", Serve(context, Live(Page("n1"))))


def presented(running: ScriptedKubelet) -> list[str]:
    """Whose certificates the kubelet was shown, one for each connection."""
    ders = [each.client_certificate for each in running.seen]
    return [read_certificates(der, "client")[0].subject.common_name for der in ders if der]


async def test_the_last_good_pair_is_shown_until_the_next_one_is_whole(
    cluster: Cluster, tmp_path: Path
) -> None:
    """And each renewal that goes wrong is told once."""
    running, files = await kubelet(cluster), PairInFiles(cluster, tmp_path)
    shown = ["before"]
    async with cluster.collecting(certificate=files.read()):
        assert await cluster.round() == {"n1": None}
        for broken in (None, b"", b"-----BEGIN CERTIFICATE-----\nMIIB"):
            newer = files.new(f"pair {len(shown)}")
            files.chain.write_bytes(newer.chain if broken is None else broken)
            for _ in range(3):
                assert await cluster.round(seconds=60) == {"n1": None}
            assert presented(running) == shown
            assert len(files.said) == len(shown)
            files.write(newer)
            assert await cluster.round(seconds=60) == {"n1": None}
            shown.append(f"pair {len(shown)}")
            assert presented(running) == shown
    assert "the key does not belong to the certificate" in files.said[0]
