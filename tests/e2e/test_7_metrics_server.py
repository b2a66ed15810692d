"""Our metrics server as a process beside the real one: the same nodes and pods, and the same numbers within sampling."""

import base64
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubevouch import quantity
from tests.support.authority import Authority

from .cluster import Cluster
from .in_place import API_SERVICE, other_server_away, wait_until_available
from .load import under_load
from .programs import Running
from .told import ended, eventually, names

DEPLOY = Path(__file__).parents[2] / "deploy" / "metrics-server"
NAME, NAMESPACE = "kubevouch-metrics-server", "kube-system"
AUTHORITY = f"{NAME}-authority"
METRICS = "/apis/metrics.k8s.io/v1beta1"


@pytest.fixture(scope="module", autouse=True)
def healthy(cluster: Cluster) -> None:
    """Each test leaves the cluster so."""
    cluster.state("healthy")


@dataclass(frozen=True)
class Server:
    """Ours, and how to ask it. Asking directly, kubectl shows it the administrator's certificate."""

    cluster: Cluster
    running: Running
    port: int
    ca: Path

    def raw(self, path: str) -> str:
        url = f"https://127.0.0.1:{self.port}"
        words = ("--server", url, "--certificate-authority", str(self.ca), "get", "--raw", path)
        return self.cluster.kubectl(*words, check=False).stdout


@contextmanager
def served(
    cluster: Cluster, folder: Path, *words: str, authority: bool = False
) -> Iterator[Server]:
    """With the very rights of our manifests, and a certificate for the Service's name. words: more flags.

    authority: by one in the cluster, which the server makes and the API server is to be told by it.
    """
    cluster.kubectl("apply", "-f", str(DEPLOY / "rbac.yaml"))
    write_pair(folder)
    pair = [
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
    ]
    if authority:
        cluster.kubectl("apply", "-f", str(DEPLOY / "authority.yaml"))
        pair = [f"--tls-authority-secret={NAMESPACE}/{AUTHORITY}:{NAME}.{NAMESPACE}.svc,127.0.0.1"]
    running = cluster.start_kubevouch(
        "metrics-server",
        "run",
        f"--kubeconfig={cluster.account(NAME, NAMESPACE, folder)}",
        *pair,
        "--secure-port=0",
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        "-v=3",
        *words,
    )
    try:
        text = running.wait_for('"Serving securely on ')
        found = re.search(r'"Serving securely on [^"]*:(\d+)"', text)
        assert found, text
        if authority:
            (folder / "server.ca").write_bytes(base64.b64decode(_authority(cluster)["ca.crt"]))
        yield Server(cluster, running, int(found[1]), folder / "server.ca")
    finally:
        running.kill()


def _authority(cluster: Cluster) -> dict[str, str]:
    return dict(cluster.get("secret", AUTHORITY, "-n", NAMESPACE).get("data") or {})


def write_pair(folder: Path) -> None:
    """A pair for the Service's name, of an authority of its own."""
    authority = Authority("site")
    pair = authority.serving(f"{NAME}.{NAMESPACE}.svc", "127.0.0.1")
    for name, content in {"ca": authority.pem, "crt": pair.chain, "key": pair.key}.items():
        (folder / f"server.{name}").write_bytes(content)


@pytest.mark.as_the_version_is
def test_ours_serves_what_the_real_one_serves(cluster: Cluster, tmp_path: Path) -> None:
    with served(cluster, tmp_path) as ours:
        eventually(lambda: ours.raw("/readyz") == "ok", "a metrics server that is ready")

        def agree() -> bool:
            theirs = cluster.kubectl("get", "--raw", f"{METRICS}/nodes").stdout
            return _agree(_usage(theirs), _usage(ours.raw(f"{METRICS}/nodes"))) and _agree(
                _usage(cluster.kubectl("get", "--raw", f"{METRICS}/pods").stdout),
                _usage(ours.raw(f"{METRICS}/pods")),
            )

        eventually(agree, "the same nodes, pods and numbers as the real one's")
        assert sorted(_usage(ours.raw(f"{METRICS}/nodes"))) == sorted(
            ("", name) for name in names(cluster.nodes)
        )
        with aggregated(cluster, ours, ours.ca):
            top = eventually(
                lambda: _top_by_way_of_ours(cluster, ours), "kubectl top by way of ours"
            )
            assert sorted(line.split()[0] for line in top.splitlines()) == names(cluster.nodes)
            assert cluster.kubevouch("top", "nodes").code == 0
            assert cluster.kubectl("top", "pods", "-A", "--containers").stdout


@pytest.mark.as_the_version_is
def test_its_pods_and_nodes_come_by_one_watch_each(cluster: Cluster, tmp_path: Path) -> None:
    """What its API server's watch cache sends, and no page of a list: those are fetched anew for each page."""
    since = datetime.now(UTC)
    with served(cluster, tmp_path) as ours:
        eventually(lambda: ours.raw("/readyz") == "ok", "a metrics server that is ready")
    account = f"system:serviceaccount:{NAMESPACE}:{NAME}"
    asked = {(e.verb, e.what) for e in cluster.audit(since) if e.user_name == account}
    read = {each for each in asked if each[1] in {"nodes", "pods"}}
    assert read == {("watch", "nodes"), ("watch", "pods")}


@pytest.mark.long_on_the_bed
def test_a_server_that_would_lose_a_node_is_not_ready_and_names_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    """With --ready-min-nodes=100%, as the docs have it for the roll-out in place of another server."""
    lost = cluster.workers[-1]
    lost.sh("rm /var/lib/kubelet/pki/kubelet-server-current.pem && systemctl restart kubelet")
    try:
        with served(cluster, tmp_path, "--ready-min-nodes=100%") as ours:

            def named() -> str:
                """Those of which the last look at its readiness has told."""
                assert ours.raw("/readyz") != "ok"
                _, told, names_of = ours.running.wait_for("").rpartition("without fresh metrics: ")
                return names_of.partition(";")[0] if told else ""

            assert eventually(named, "a node that is named") == lost.name
        with served(cluster, tmp_path) as ours:
            eventually(lambda: ours.raw("/readyz") == "ok", "a server that nothing holds back")
    finally:
        cluster.state("healthy")


@pytest.mark.long_on_the_bed
def test_what_is_applied_again_takes_nothing_from_the_api_server(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The authority is made once, in the Secret of our manifest, and the caBundle follows it: `kubectl top` answers meanwhile."""
    with served(cluster, tmp_path, authority=True) as ours:
        eventually(lambda: ours.raw("/readyz") == "ok", "a metrics server that is ready")
        with aggregated(cluster, ours, bundle=None) as manifest:
            eventually(lambda: _top_by_way_of_ours(cluster, ours), "kubectl top by way of ours")
            secret, spec = _authority(cluster), _spec(cluster)
            assert base64.b64decode(spec["caBundle"]) == ours.ca.read_bytes()
            with under_load(cluster) as load:
                for _ in range(3):
                    cluster.kubectl("apply", "-f", str(DEPLOY / "authority.yaml"))
                    cluster.kubectl("apply", "-f", "-", stdin=manifest)
                    asked = len(load.asked)
                    eventually(lambda: len(load.asked) > asked + 3, "more answers")  # noqa: B023
            assert not load.failures, load.failures
            assert (_authority(cluster), _spec(cluster)) == (secret, spec)
            # Somebody empties one after the other: another authority, and whatever is served verifies.
            _patch(cluster, {"caBundle": None})
            eventually(lambda: _spec(cluster).get("caBundle") == spec["caBundle"], "the caBundle")
            nothing = json.dumps({"data": None})
            cluster.kubectl("patch", "secret", AUTHORITY, "-n", NAMESPACE, "--type=merge", "-p", nothing)  # fmt: skip
            eventually(lambda: _authority_follows(cluster, secret), "another authority")
            eventually(lambda: _top_by_way_of_ours(cluster, ours), "kubectl top by way of ours")


KINDS = (
    "apiservices,clusterrolebindings,clusterroles,deployments,networkpolicies,poddisruptionbudgets,rolebindings,roles,"
    "secrets,serviceaccounts,services,validatingadmissionpolicies,validatingadmissionpolicybindings"
)


@pytest.mark.long_on_the_bed
def test_it_is_installed_where_no_other_serves_and_leaves_nothing(
    cluster: Cluster, image_reference: str, tmp_path: Path
) -> None:
    """By whoever has the printed role. Where metrics-server has the APIService it is refused, so that is away meanwhile."""
    install = ("metrics-server", "install", "--image", image_reference, "--yes")
    user = f"installer-{int(datetime.now(UTC).timestamp())}"
    him = {"kubeconfig": cluster.user(user, tmp_path)}
    role = ended(cluster, 0, *install[:2], "--print-role").out
    cluster.bind(role, f"{NAME}-installer", user)
    refused = ended(cluster, 4, *install, **him)
    assert f"{API_SERVICE}: points to Service {NAMESPACE}/metrics-server; docs/" in refused.err
    with other_server_away(cluster):
        try:
            done = ended(cluster, 0, *install, **him)
            assert "is ready: all pods are ready, and the API server forwards requests" in done.out
            listed = cluster.kubectl("top", "nodes", "--no-headers").stdout.splitlines()
            assert sorted(line.split()[0] for line in listed) == names(cluster.nodes)
            ended(cluster, 0, "verify", "--wait", "2m")
            # The pods have filled the Secret and written the caBundle: both are theirs.
            for words in (install, ("metrics-server", "upgrade", *install[2:])):
                again = ended(cluster, 0, *words, **him)
                assert "Nothing to change: the metrics server is up to date." in again.out
            ended(cluster, 0, "metrics-server", "remove", "--yes", **him)
            label = ("-A", "-l", f"app.kubernetes.io/name={NAME}", "-o", "name")
            assert cluster.kubectl("get", KINDS, *label).stdout == ""
        finally:
            ended(cluster, 0, "metrics-server", "remove", "--yes")


def _authority_follows(cluster: Cluster, former: dict[str, str]) -> bool:
    """There is a new one in the Secret, and the API server has both."""
    now = _authority(cluster) or former
    bundle = base64.b64decode(_spec(cluster).get("caBundle", ""))
    both = all(base64.b64decode(each["ca.crt"]) in bundle for each in (now, former))
    return both and now != former


def _top_by_way_of_ours(cluster: Cluster, ours: Server) -> str:
    """Asked as somebody whom only the front proxy can name to us: the answer, once our log has what he asked for."""
    words = ("top", "nodes", "--no-headers", "-l", "!by-the-front")
    him = ("--as=somebody", "--as-group=system:masters")
    answer = cluster.kubectl(*words, *him, check=False).stdout
    return answer if "by-the-front" in ours.running.wait_for("") else ""


@contextmanager
def aggregated(cluster: Cluster, ours: Server, bundle: Path | None) -> Iterator[str]:
    """The APIService leads to ours, verified, by a Service without a selector, while the block lasts; the manifest.

    bundle: the authorities; None if ours writes them itself.
    """
    before = _spec(cluster)
    manifest = (DEPLOY / "external.yaml").read_text()
    manifest = manifest.replace("10250", str(ours.port))
    manifest = manifest.replace("ADDRESS", _own_address(cluster.master.address))
    try:
        # What the real one's manifest says beside it, and ours does not, goes: the two exclude each other.
        given = base64.b64encode(bundle.read_bytes()).decode() if bundle else None
        _patch(cluster, {"insecureSkipTLSVerify": False, "caBundle": given})
        cluster.kubectl("apply", "-f", "-", stdin=manifest)
        yield manifest
    finally:
        _patch(cluster, {"caBundle": None, "insecureSkipTLSVerify": False, **before})
        words = ("delete", "service,endpointslice", "-n", NAMESPACE, "--ignore-not-found")
        cluster.kubectl(*words, "-l", f"kubernetes.io/service-name={NAME}")
        cluster.kubectl("delete", "service", NAME, "-n", NAMESPACE, "--ignore-not-found")
        wait_until_available(cluster)


def _spec(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.get("apiservice", API_SERVICE)["spec"])


def _patch(cluster: Cluster, spec: dict[str, Any]) -> None:
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "apiservice", API_SERVICE, "--type=merge", "-p", patch)


def _own_address(towards: str) -> str:
    """Ours, as the control plane would dial it. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looking:
        looking.connect((towards, 6443))
        return str(looking.getsockname()[0])


Usage = dict[tuple[str, str], tuple[float, float]]


def _usage(text: str) -> Usage:
    """(namespace, name) -> cores and bytes, of nodes or pods."""
    found: Usage = {}
    for item in json.loads(text)["items"] if text else ():
        metadata = item["metadata"]
        parts = [item["usage"]] if "usage" in item else [c["usage"] for c in item["containers"]]
        cpu = sum(float(quantity.read(part["cpu"]) or 0) for part in parts)
        memory = sum(float(quantity.read(part["memory"]) or 0) for part in parts)
        found[metadata.get("namespace", ""), metadata["name"]] = (cpu, memory)
    return found


def _agree(theirs: Usage, ours: Usage) -> bool:
    """The same names; memory within a tenth and 8 MiB, cores within a half and 0.1: other moments, other windows."""
    if not theirs or theirs.keys() != ours.keys():
        return False
    return all(
        abs(cpu - ours[key][0]) <= 0.1 + cpu / 2
        and abs(memory - ours[key][1]) <= (8 << 20) + memory / 10
        for key, (cpu, memory) in theirs.items()
    )
