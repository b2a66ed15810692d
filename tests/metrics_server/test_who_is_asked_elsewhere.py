"""Nodes of one cluster, users of another: --authentication-kubeconfig and --authorization-kubeconfig; and what the log warns of."""

from pathlib import Path

from kubevouch import __version__
from tests.cli.program import Program
from tests.cli.server_process import serving
from tests.support.front_proxy import NAME
from tests.support.scripted.kinds import KINDS
from tests.support.small_cluster import METRICS, TOKEN, SmallCluster, small_cluster

UID = "u-7"
ALICE = [("X-Remote-User", "alice"), ("X-Remote-Uid", UID)]


def publish_uid_headers(cluster: SmallCluster) -> None:
    """As kube-apiserver does since Kubernetes 1.33."""
    published = cluster.authorities.config_map()
    published["data"]["requestheader-uid-headers"] = '["X-Remote-Uid"]'
    published["metadata"]["name"] = NAME
    cluster.server.store.put(KINDS["", "v1", "configmaps"], published)


async def test_tokens_certificates_and_rights_are_those_of_the_other_cluster(
    kubevouch: Program, tmp_path: Path
) -> None:
    for name in ("nodes", "users"):
        (tmp_path / name).mkdir()
    async with (
        small_cluster(tmp_path / "nodes") as nodes,
        small_cluster(tmp_path / "users") as users,
    ):
        publish_uid_headers(users)
        users.reviews.tokens["theirs"] = {"username": "bob", "uid": "u-8"}
        words = (
            "metrics-server",
            "run",
            f"--kubeconfig={nodes.kubeconfig}",
            f"--authentication-kubeconfig={users.kubeconfig}",
            f"--authorization-kubeconfig={users.kubeconfig}",
            "--authentication-token-webhook-cache-ttl=0s",
            "--authorization-webhook-cache-authorized-ttl=0s",
            "--kubelet-insecure-tls",
            "--ready-min-nodes=12.5%",
            "--requestheader-allowed-names=front-proxy-client",
            "--audit-log-path=-",
            "--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_RSA_WITH_RC4_128_SHA",
            "--profiling=false",
            "false",
        )
        async with serving(kubevouch, tmp_path / "certs", *words) as server:
            await server.listens()
            front = users.authorities.front_proxy
            assert (await server.get(f"{METRICS}/nodes", front, ALICE))[0] == 200
            review = users.reviews.access_reviews[-1]
            assert (review["user"], review["uid"]) == ("alice", UID)
            for _ in range(2):
                bearer = [("Authorization", "Bearer theirs")]
                assert (await server.get(f"{METRICS}/nodes", headers=bearer))[0] == 200
            assert users.reviews.token_reviews == [{"token": "theirs"}] * 2
            assert len(users.reviews.access_reviews) == 3
            assert not nodes.reviews.token_reviews
            assert not nodes.reviews.access_reviews
            await server.told(r"^W.*--kubelet-insecure-tls: .*get no credential.*kubevouch plan")
            await server.told(r"^W.*/readyz fails until 12.5% of the ready nodes were scraped")
            await server.told(r"^W.*--requestheader-allowed-names has no effect")
            await server.told(r'^W.*"Ignoring flags that have no effect".*flags="--audit-log-path"')
            await server.told(r"^W.*TLS_RSA_WITH_RC4_128_SHA is broken")
            await server.told(r'^W.*without a flag.* words="false"')
            assert "profiling" not in "".join(server.lines)
            assert TOKEN not in "".join(server.lines)


async def test_the_version_is_a_line(kubevouch: Program) -> None:
    ran = await kubevouch("metrics-server", "run", "--version")
    assert (ran.code, ran.out, ran.err) == (0, f"v{__version__}\n", "")
