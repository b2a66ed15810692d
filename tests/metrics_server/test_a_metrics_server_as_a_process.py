"""`kubevouch metrics-server run` as operators run it: a process with a kubeconfig, asked by real kubectl and by curl's like."""

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import signal
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from kubevouch import __version__
from real import programs
from real.layout import Folders
from tests.cli.program import Program
from tests.cli.server_process import ServerProcess, serving
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.kubectl import kubectl
from tests.support.manifests import REVIEWS, rights
from tests.support.scripted.kubelet import SILENCE, Serve
from tests.support.small_cluster import (
    METRICS,
    TOKEN,
    CountingPage,
    SmallCluster,
    small_cluster,
)
from tests.support.unhurried import GENEROUS

RBAC = Path(__file__).parents[2] / "deploy" / "metrics-server" / "rbac.yaml"
ADMIN = [("X-Remote-User", "admin"), ("X-Remote-Group", "admins")]


@contextlib.asynccontextmanager
async def started(
    program: Program, cluster: SmallCluster, *more: str
) -> AsyncIterator[ServerProcess]:
    words = (
        "metrics-server",
        "run",
        f"--kubeconfig={cluster.kubeconfig}",
        "--kubelet-use-node-status-port=true",
        "--kubelet-insecure-tls=false",
        "--metric-resolution=10s",
        "--kubelet-request-timeout=2s",
        *more,
    )
    async with serving(program, cluster.kubeconfig.parent / "certs", *words) as running:
        await running.listens()
        yield running


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SmallCluster]:
    async with small_cluster(tmp_path) as found:
        yield found


async def test_the_whole_life_of_a_metrics_server(tmp_path: Path, cluster: SmallCluster) -> None:
    """From its start through its first two scrapes to a polite end; with good, bad, silent and lying kubelets."""
    async with contextlib.AsyncExitStack() as stack:
        await _add_bad_ones(stack, cluster)
        server = await stack.enter_async_context(started(Program(tmp_path), cluster, "-v=3"))
        await _is_not_ready_yet(server)
        await _tells_why_a_scrape_failed(server, cluster)
        await _lets_in_whom_the_api_server_lets_in(server, cluster)
        await _becomes_ready(server, cluster)
        await _is_what_kubectl_expects(server, cluster)
        assert cluster.kubelets["impostor"].sent == b""
        assert cluster.kubelets["stranger"].sent == b""
        assert f"Authorization: Bearer {TOKEN}".encode() in cluster.kubelets["n1"].sent
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.process.wait(), GENEROUS) == 0
        await server.told('"Shutting down"')
        assert "Traceback" not in "".join(server.lines)
        _asks_for_nothing_that_its_role_lacks(cluster)


async def test_kubelets_of_k3s_and_kops_are_read_and_no_impostor_of_theirs(
    kubevouch: Program, cluster: SmallCluster, tmp_path: Path
) -> None:
    """Each by the CA that signs kubelets there; the metrics of all are served in one list."""
    kinds = {name: Authority(name) for name in ("k3s", "kops")}
    roots = tmp_path / "kubelets.pem"
    roots.write_bytes(
        b"".join([cluster.authorities.cluster.pem, *(kind.pem for kind in kinds.values())])
    )
    cluster.reviews.allow = lambda spec: spec["user"] == "admin"
    async with contextlib.AsyncExitStack() as stack:
        for kind, authority in kinds.items():
            pair = authority.serving(f"{kind}-1", "127.0.0.1", common_name=f"{kind}-1")
            for name in (f"{kind}-1", f"{kind}-bad"):
                await cluster.add(stack, name, Serve(server_context(pair), CountingPage()))
        words = ("--kubelet-certificate-authority", str(roots))
        server = await stack.enter_async_context(started(kubevouch, cluster, *words))
        read: list[str] = []
        async with asyncio.timeout(GENEROUS):
            while len(read) < 4:
                await asyncio.sleep(0.5)
                front = cluster.authorities.front_proxy
                code, text = await server.get(f"{METRICS}/nodes", front, ADMIN)
                assert code == 200
                read = sorted(each["metadata"]["name"] for each in json.loads(text)["items"])
        assert read == ["k3s-1", "kops-1", "n1", "n2"]
        for kind in kinds:
            await server.told(f'belongs to .*{kind}-1.*, not to node {kind}-bad"')
            assert cluster.kubelets[f"{kind}-bad"].sent == b""


@pytest.mark.needs_go
async def test_client_gos_typed_clients_of_both_versions_get_the_same_answers(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    built = programs.build(Folders.of(os.environ), (programs.METRICS_CLIENTS,))
    cluster.reviews.allow = lambda spec: spec["user"] == "admin"
    cluster.reviews.tokens["reader"] = {"username": "admin"}
    async with started(kubevouch, cluster) as server:
        await _becomes_ready(server, cluster)
        url = f"https://127.0.0.1:{server.port}"
        asked = await asyncio.create_subprocess_exec(
            built.paths["metrics-clients"],
            *(url, server.folder / "apiserver.crt", "reader", "n1", "default", "pod-n1"),
            stdout=asyncio.subprocess.PIPE,
        )
        told = json.loads((await asked.communicate())[0])
    refused = {"missing": "NotFound", "watch": "MethodNotAllowed"}
    for version in ("v1", "v1beta1"):
        for what, names in {"nodes": ["n1", "n2"], "pods": ["pod-n1", "pod-n2"]}.items():
            found = told[f"{version} {what}"]
            [chosen] = found["chosen"]["items"]
            first, second = found["list"]["items"]
            assert [each["metadata"]["name"] for each in (first, second)] == names
            assert chosen["metadata"]["name"] == names[0]
            for each in (chosen, first, found["one"]):
                used = each["usage"] if what == "nodes" else each["containers"][0]["usage"]
                assert used["memory"] == "123Mi"
                assert each["timestamp"]
                assert each["window"] != "0s"
            assert {key: found[key] for key in refused} == refused


@pytest.mark.skipif(not shutil.which("curl"), reason="asks with curl")
async def test_after_sigterm_it_is_not_ready_but_serves_whoever_comes_until_its_delay_is_over(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    """Seen with curl; a second signal ends it at once, as it ends every server of Kubernetes."""
    async with started(kubevouch, cluster, "--shutdown-delay-duration=1h") as server:
        server.process.send_signal(signal.SIGTERM)
        await server.told('"Shutting down"')
        url = f"https://127.0.0.1:{server.port}"
        for page, code, shown in (
            ("readyz", 500, "[-]shutdown failed: reason withheld"),
            ("livez", 200, "[+]ping ok"),
        ):
            words = ("-sik", "--max-time", "30", f"{url}/{page}?verbose")
            asked = await asyncio.create_subprocess_exec(
                "curl", *words, stdout=asyncio.subprocess.PIPE
            )
            answer = (await asked.communicate())[0].decode()
            assert answer.startswith(f"HTTP/1.1 {code} "), answer
            assert "\r\nConnection: close\r\n" in answer
            assert shown in answer
        assert server.process.returncode is None
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.process.wait(), GENEROUS) == -signal.SIGTERM


@contextlib.contextmanager
def few_open_files(most: int) -> Iterator[None]:
    """The soft limit, as a login shell sets it, for what is started within."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(
    not Path("/proc/self/limits").exists(), reason="limits are seen in Linux' /proc"
)
async def test_a_shells_limit_of_open_files_is_not_the_most_nodes_it_can_scrape(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    with few_open_files(256):
        async with started(kubevouch, cluster) as server:
            limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="utf-8")
    found = re.search(r"Max open files +(\S+) +(\S+)", limits)
    assert found
    assert found[1] == found[2] != "256"


def _asks_for_nothing_that_its_role_lacks(cluster: SmallCluster) -> None:
    """Against the manifest that we give to operators: it is enough, and nothing in it is idle."""
    roles = yaml.safe_load_all(RBAC.read_text(encoding="utf-8"))
    allowed = rights(each for each in roles if each["metadata"]["name"].endswith("-server"))
    asked = cluster.asked()
    # system:auth-delegator, extension-apiserver-authentication-reader.
    assert asked <= allowed | REVIEWS | {("get", "", "configmaps")}
    # The kubelets ask about nodes/metrics; `get` is what client-go's informers may do, `list` what an older API server needs.
    unused = {("get", "", "nodes/metrics")}
    assert allowed - asked == unused | {
        (verb, "", what) for verb in ("get", "list") for what in ("nodes", "pods")
    }


async def _add_bad_ones(stack: contextlib.AsyncExitStack, cluster: SmallCluster) -> None:
    """Each serves a page that nobody may have asked for, but the silent one."""
    stranger = Authority("kubernetes").serving("stranger", "127.0.0.1", node="stranger")
    impostor = cluster.serving("impostor", of="n1")
    for name, pair in {"stranger": stranger, "impostor": impostor}.items():
        await cluster.add(stack, name, Serve(server_context(pair), CountingPage()))
    await cluster.add(stack, "silent", SILENCE)


async def _is_not_ready_yet(server: ServerProcess) -> None:
    code, text = await server.get("/readyz")
    assert code == 500
    assert "[-]metric-storage-ready failed: reason withheld\n" in text
    assert "[+]metric-informer-sync ok\n" in text or "[-]metric-informer-sync failed" in text
    assert text.endswith("readyz check failed\n")
    assert (await server.get("/livez"))[0] == 200
    assert json.loads((await server.get("/version"))[1])["gitVersion"] == f"v{__version__}"
    await server.told(r'"Failed probe" probe="metric-storage-ready" err="no metrics to serve"')


async def _tells_why_a_scrape_failed(server: ServerProcess, cluster: SmallCluster) -> None:
    port = {name: kubelet.port for name, kubelet in cluster.kubelets.items()}
    line = await server.told(r'"Failed to scrape node" err="(.*)" node="stranger"')
    url = rf"Get \"https://127.0.0.1:{port['stranger']}/metrics/resource\": "
    assert line[1].startswith(
        url + "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )
    await server.told(
        r'"Failed to scrape node" err=".*the certificate belongs to node n1, not to node impostor" node="impostor"'
    )
    timeout = r'"Failed to scrape node, timeout to access kubelet" err="Get .*: context deadline exceeded" node="silent" timeout="2s"'
    await server.told(timeout)


async def _lets_in_whom_the_api_server_lets_in(
    server: ServerProcess, cluster: SmallCluster
) -> None:
    wrong = cluster.authorities.proxy.client("not-the-front-proxy")
    code, text = await server.get(f"{METRICS}/nodes", wrong, ADMIN)
    assert (code, json.loads(text)["message"]) == (401, "Unauthorized")

    cluster.reviews.allow = lambda spec: spec["user"] == "admin"
    code, text = await server.get(f"{METRICS}/nodes")
    assert code == 403
    await server.told(
        rf'"HTTP" verb="LIST" URI="{METRICS}/nodes" latency="[0-9.e-]+ms" userAgent="[^"]+" '
        r'audit-ID="" srcIP="127\.0\.0\.1:\d+" resp=403$'
    )
    assert json.loads(text)["message"] == (
        'nodes.metrics.k8s.io is forbidden: User "system:anonymous" cannot list resource "nodes" '
        'in API group "metrics.k8s.io" at the cluster scope'
    )
    assert cluster.reviews.access_reviews[-1]["resourceAttributes"] == {
        "verb": "list",
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "resource": "nodes",
    }
    front = cluster.authorities.front_proxy
    code, text = await server.get(f"{METRICS}/nodes", front, ADMIN)
    assert (code, json.loads(text)["items"]) == (200, [])
    assert cluster.reviews.access_reviews[-1]["user"] == "admin"

    cluster.reviews.tokens["reader"] = {"username": "admin"}
    bearer = [("Authorization", "Bearer reader")]
    assert (await server.get(f"{METRICS}", headers=bearer))[0] == 200
    assert cluster.reviews.token_reviews[-1] == {"token": "reader"}


async def _becomes_ready(server: ServerProcess, cluster: SmallCluster) -> None:
    """When one node and one pod have two samples; the other ones follow."""
    async with asyncio.timeout(GENEROUS):
        while (await server.get("/readyz"))[0] != 200:
            await asyncio.sleep(0.1)
        assert (await server.get("/readyz"))[1] == "ok"
        front = cluster.authorities.front_proxy
        found: list[object] = []
        while len(found) < 2:
            await asyncio.sleep(0.1)
            found = json.loads((await server.get(f"{METRICS}/nodes", front, ADMIN))[1])["items"]


async def _is_what_kubectl_expects(server: ServerProcess, cluster: SmallCluster) -> None:
    """Real kubectl, by way of an API server that aggregates as the real one does."""
    cluster.aggregate(server.port, server.roots)
    top = await kubectl(cluster.kubeconfig, "top", "nodes")
    assert top.code == 0, top
    rows = [re.split(r"  +", line.strip()) for line in top.out.splitlines()]
    assert rows[:3] == [
        ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
        ["n1", "250m", "12%", "123Mi", "3%"],
        ["n2", "250m", "12%", "123Mi", "3%"],
    ]
    # In no order: kubectl walks through a map.
    unknown = [[name, *["<unknown>"] * 4] for name in ("impostor", "silent", "stranger")]
    assert sorted(rows[3:]) == unknown
    pods = await kubectl(cluster.kubeconfig, "top", "pods", "-A", "--containers", "--no-headers")
    assert [line.split() for line in pods.out.splitlines()] == [
        ["default", f"pod-{node}", "c", "250m", "123Mi"] for node in ("n1", "n2")
    ]
    table = await kubectl(cluster.kubeconfig, "get", "nodes.v1beta1.metrics.k8s.io")
    assert table.out.splitlines()[0].split() == ["NAME", "CPU", "MEMORY", "WINDOW"]
    assert len(table.out.splitlines()) == 3
    for version in ("metrics.k8s.io/v1", "metrics.k8s.io/v1beta1"):
        path = f"/apis/{version}/nodes/n1"
        one = json.loads((await kubectl(cluster.kubeconfig, "get", "--raw", path)).out)
        assert one["apiVersion"] == version
        # The second scrape is at the node's own moment: half a resolution after the first one, up to one and a half; less by what its answer took.
        assert re.fullmatch(r"([4-9]|1[0-6])(\.\d+)?s", one["window"])
        assert re.fullmatch(r"249[45]\d+[nu]", one["usage"]["cpu"])
        assert one["usage"]["memory"] == "123Mi"
    explained = await kubectl(
        cluster.kubeconfig, "explain", "nodes", "--api-version=metrics.k8s.io/v1beta1"
    )
    assert "KIND:       NodeMetrics" in explained.out, explained
    assert "usage" in explained.out
    # Asked directly, by a user with a certificate of the cluster's authority.
    direct = await kubectl(
        _certified(cluster, "admin"),
        f"--server=https://127.0.0.1:{server.port}",
        f"--certificate-authority={server.folder / 'apiserver.crt'}",
        *("get", "--raw", f"{METRICS}/nodes"),
    )
    assert direct.code == 0, direct
    assert len(json.loads(direct.out)["items"]) == 2
    assert not any(each["token"] == TOKEN for each in cluster.reviews.token_reviews)
    numbers = (await server.get("/metrics", cluster.authorities.front_proxy, ADMIN))[1]
    assert 'metrics_server_storage_points{type="node"} 2\n' in numbers
    assert re.search(
        r'kubevouch_metrics_api_requests_total\{code="200",version="v1"\} [1-9]', numbers
    )
    assert re.search(r'metrics_server_kubelet_request_total\{success="false"\} [4-9]', numbers)
    assert "_created" not in numbers


def _certified(cluster: SmallCluster, user: str) -> Path:
    """The kubeconfig of somebody who shows a certificate and nothing else."""
    pair = cluster.authorities.cluster.client(user)
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {
        "client-certificate-data": b64encode(pair.chain).decode(),
        "client-key-data": b64encode(pair.key).decode(),
    }
    path = cluster.kubeconfig.with_name("certified")
    path.write_text(json.dumps(config))
    return path


REFUSED = {
    ("--deprecated-kubelet-completely-insecure",): "kubevouch doctor",
    ("--metric-resolution=9s",): "expected at least 10s",
    ("--kubelet-request-timeout=14s",): "90%",
    ("--tls-cert-file=a",): " together",
    ("--tls-cert-file=/none", "--tls-private-key-file=/none"): "No such file",
    ("-l=a=b=c",): "found '=', expected: ','",
    ("--client-ca-file=/none",): "No such file",
    ("--kubelet-certificate-authority=/none",): "No such file",
    (f"--client-ca-file={RBAC}",): "no PEM block",
    (f"--requestheader-client-ca-file={RBAC}",): "no PEM block",
    (f"--kubelet-certificate-authority={RBAC}",): "no PEM block",
    (f"--kubelet-client-certificate={RBAC}", f"--kubelet-client-key={RBAC}"): "no PEM block",
    ("--kubelet-certificate-authority=a", "--kubelet-insecure-tls"): "both are given",
    ("--kubelet-client-certificate=a",): "one of them is missing",
    ("--kubelet-client-certificate=/none", "--kubelet-client-key=/none"): "/none cannot be read",
    ("--tls-min-version=VersionTLS14",): "VersionTLS13, got 'VersionTLS14'",
    ("--tls-cipher-suites=ECDHE-RSA-AES128-SHA",): "not supported or doesn't exist",
    ("--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA",): "only broken suites: ",
    ("--tls-sni-cert-key=/none,/none",): "No such file",
    (f"--tls-cert-file={RBAC}", f"--tls-private-key-file={RBAC}"): "unusable",
    (f"--tls-sni-cert-key={RBAC},{RBAC}",): "unusable",
    ("--client-ca-file=/dev/zero",): "is larger than",
    ("--authentication-kubeconfig=/none",): "no such file",
    ("--shutdown-delay-duration=-1s",): "expected a duration",
}


async def test_flags_that_cannot_be_are_refused_before_anything_is_dialled(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    config = f"--kubeconfig={cluster.kubeconfig}"
    ran = await kubevouch.several(*(("metrics-server", "run", config, *flags) for flags in REFUSED))
    for (flags, text), each in zip(REFUSED.items(), ran, strict=True):
        assert each.code == 2, (flags, each)
        assert flags[0].partition("=")[0] in each.err, (flags, each)
        assert text in each.err, (flags, each)
    assert not cluster.server.requests


async def test_without_the_published_authentication_it_does_not_start(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    from kubevouch_lab.apiserver import status
    from tests.support.scripted import faults

    denied = status.forbidden("", "configmaps", "extension-apiserver-authentication", "no")
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    cluster.server.faults.on(path, faults.refuse(denied))
    ran = await kubevouch(
        "metrics-server", "run", f"--kubeconfig={cluster.kubeconfig}", "--secure-port=0"
    )
    assert ran.code == 3
    assert "extension-apiserver-authentication" in ran.err
    async with started(kubevouch, cluster, "--authentication-tolerate-lookup-failure") as server:
        assert (await server.get("/healthz"))[0] in {200, 500}


async def test_a_kubeconfig_without_a_token_is_no_account_for_kubelets(
    kubevouch: Program, cluster: SmallCluster
) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"username": "a", "password": "b"}
    cluster.kubeconfig.write_text(json.dumps(config))
    ran = await kubevouch("metrics-server", "run", f"--kubeconfig={cluster.kubeconfig}")
    assert ran.code == 2
    assert "expected a ServiceAccount token" in ran.err
