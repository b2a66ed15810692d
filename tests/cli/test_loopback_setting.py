"""$KUBEVOUCH_LOOPBACK_ADDRESSES is for a cluster on this machine, lists addresses by their digits, and is refused else."""

import hashlib
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubevouch.cli.common.connect import VARIABLE, loopback_kubelets
from kubevouch.errors import UsageError
from kubevouch.kube.access import ClusterAccess, LoopbackKubelets
from kubevouch.kube.kubeconfig import User
from tests.cli.program import Program
from tests.support.authority import Authority
from tests.support.stage import Stage, cluster_ca

HERE = "https://127.0.0.1:6443"


def access(
    server: str, proxy: str = "", *, roots: bytes | None = None, verify: bool = True
) -> ClusterAccess:
    return ClusterAccess(
        context="a",
        where="a",
        cluster="a",
        server=server,
        user=User(where="users.a"),
        namespace="a",
        proxy=proxy,
        roots=cluster_ca().pem if roots is None and verify else roots,
        verify=verify,
    )


def bond(authority: Authority) -> str:
    """As `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256` says it."""
    key = x509.load_pem_x509_certificate(authority.pem).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"authority sha256:{hashlib.sha256(spki).hexdigest()}\n"


BOND = bond(cluster_ca())


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "addresses"


def test_exactly_the_listed_ones(listed: Path) -> None:
    listed.write_text(f"{BOND}# of a lab\n127.23.88.111\n\n127.23.88.112  # worker-1\n::1 shared\n")
    found = loopback_kubelets({VARIABLE: str(listed)}, access(HERE))
    assert found.addresses == {ip_address(a) for a in ("127.23.88.111", "127.23.88.112", "::1")}
    assert found.shared == {ip_address("::1")}


def test_unset_or_empty_it_says_nothing() -> None:
    assert loopback_kubelets({}, access(HERE)) == LoopbackKubelets()
    assert loopback_kubelets({VARIABLE: ""}, access("https://10.0.0.1")) == LoopbackKubelets()


@pytest.mark.parametrize(
    "server", [HERE, "https://127.23.88.111:6443", "https://[::1]:6443", "https://127.0.0.1/k8s"]
)
def test_an_api_server_on_loopback_is_here(server: str, listed: Path) -> None:
    listed.write_text(f"127.0.0.5\n{BOND}")
    assert loopback_kubelets({VARIABLE: str(listed)}, access(server)).addresses


ELSEWHERE = (
    "https://192.168.88.111:6443",
    "https://127.0.0.1.example.com:6443",
    "https://example.com:6443/127.0.0.1",
    "https://localhost:6443",
    "https://[::ffff:127.0.0.1]:6443",
    "https://0.0.0.0:6443",
    "https://[::]:6443",
    "https://2130706433:6443",
)
OF_ANOTHER_CLUSTER = (
    access(HERE, roots=Authority().pem),
    access(HERE, roots=cluster_ca().pem + Authority().pem),
    access(HERE, verify=False),
    access("http://127.0.0.1:8001"),
)
"""By a tunnel, or a proxy of kubectl."""
NO_LINES = (
    "192.168.88.112",
    "127.0.0.0/8",
    "127.0.0.1-127.0.0.9",
    "localhost",
    "::ffff:127.0.0.1",
    "::1%lo",
    "fe80::1",
    "0.0.0.0",
    "127.1",
    "127.0.0.01",
    "127.0.0.1 127.0.0.2",
    "127.0.0.1 shared by-all",
    "127.0.0.1,127.0.0.2",
)
NO_HASHES = ("", "sha256:", f"sha256:{'A' * 64}", "sha1:aa", "127.0.0.1")
PROXY = access(HERE, "http://me:pw@proxy.example.com")
REFUSED: list[tuple[str, ClusterAccess, str]] = [
    *(("127.0.0.5\n", access(each), "but the API server is") for each in ELSEWHERE),
    ("127.0.0.5\n", PROXY, r"through proxy\.example\.com"),
    *((f"{BOND}127.0.0.5\n", each, "is for another cluster: ") for each in OF_ANOTHER_CLUSTER),
    ("127.0.0.5\n", access(HERE), "has no hash of the cluster's CA"),
    *((f"{BOND}authority {e}\n", access(HERE), "is not the hash of a CA") for e in NO_HASHES),
    *((f"127.0.0.5\n{e}\n", access(HERE), "is not a loopback address") for e in NO_LINES),
    ("# and so on\n" * 100_000, access(HERE), "is larger than"),
    ("", access(HERE), "has no hash of the cluster's CA"),
]


@pytest.mark.parametrize(("text", "reached", "why"), REFUSED, ids=map(str, range(len(REFUSED))))
def test_everything_else_is_refused_whole(
    text: str, reached: ClusterAccess, why: str, listed: Path
) -> None:
    listed.write_text(text)
    with pytest.raises(UsageError, match=why):
        loopback_kubelets({VARIABLE: str(listed)}, reached)


def test_a_file_that_cannot_be_read_or_is_no_text_is_refused(listed: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        loopback_kubelets({VARIABLE: str(listed)}, access(HERE))
    listed.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not text"):
        loopback_kubelets({VARIABLE: str(listed)}, access(HERE))


async def test_every_verb_is_refused_where_the_setting_does_not_belong(
    kubevouch: Program, stage: Stage, listed: Path
) -> None:
    listed.write_text("127.0.0.5\n")
    kubeconfig = Path(kubevouch.environment["KUBECONFIG"])
    kubeconfig.write_text(kubeconfig.read_text().replace("https://127.0.0.1", "https://localhost"))
    words = (
        ["doctor"],
        ["verify"],
        ["csr", "list"],
        ["csr", "approve", "a", "--yes"],
        ["plan", "-o", "p.json"],
    )
    for ran in await kubevouch.several(*words, environments=[{VARIABLE: str(listed)}] * len(words)):
        assert ran.code == 2, ran
        assert f"${VARIABLE}: is set, but the API server is https://localhost" in ran.err
