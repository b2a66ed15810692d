"""Port 10250 of the lab's kubelets: certificates at each handshake, callers, paths. Judged by openssl, recorded answers and Go."""

import asyncio
import itertools
import json
import ssl
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch_lab import pki
from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.durations import seconds
from kubevouch_lab.kubelets.callers import subresources
from kubevouch_lab.kubelets.csr import serving_template
from kubevouch_lab.kubelets.pods import ContainerLogLine, ContainerState
from kubevouch_lab.kubelets.settings import Settings, read_settings
from kubevouch_lab.kubelets.usage import node_load, sample
from kubevouch_lab.nodes.services import StartFailure
from lab.tests.bodies import pod
from lab.tests.kubelets.conftest import CONFIG, PKI, Node, node_of, rotated
from lab.tests.plane import Plane, until
from tests.support.authority import Pair
from tests.support.unhurried import GENEROUS

RECORDED = Path(__file__).parent / "recorded"
"""Of a kubelet 1.36.3 of a kubeadm cluster."""
SAID = datetime(2020, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
NAME = "k8s-worker-1.internal.example.com"


async def openssl(node: Node, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(
            "openssl",
            "s_client",
            "-connect",
            f"{node.kubelet.addresses[0]}:{node.kubelet.port}",
            *words,
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(GENEROUS):
        return (await process.communicate())[0].decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", [("-noservername",), ("-servername", NAME)])
async def test_without_a_certificate_the_handshake_ends_with_internal_error(
    node: Node, version: str, name: tuple[str, ...]
) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    said = await openssl(node, version, *name)
    assert "alert internal error" in said
    assert "SSL alert number 80" in said
    assert "no peer certificate available" in said


async def test_older_tls_is_refused(node: Node) -> None:
    await node.kubelet.start()
    assert "BEGIN CERTIFICATE" in await openssl(node, "-tls1_2")
    assert "BEGIN CERTIFICATE" not in await openssl(node, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")


async def get(
    node: Node, path: str, user: tuple[str, str] | Pair | None = None, token: str = ""
) -> Any:
    """Status and body. user: name and group of a client certificate of the cluster's CA, or a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if user is not None:
        pair = user if isinstance(user, Pair) else node.cluster.authority.client(*user)
        file = node.files.root / "caller.pem"
        file.write_bytes(pair.chain + pair.key)
        context.load_cert_chain(file)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
        session.get(
            f"https://{node.kubelet.addresses[0]}:{node.kubelet.port}{path}",
            ssl=context,
            headers=headers,
        ) as response,
    ):
        return response.status, await response.text()


ADMIN = ("kubernetes-admin", "system:masters")


async def test_who_shows_nothing_or_a_false_token_is_not_let_in(node: Node) -> None:
    await node.kubelet.start()
    assert await get(node, "/healthz") == (401, "Unauthorized")
    assert await get(node, "/healthz", token="false") == (401, "Unauthorized")


async def test_who_may_not_is_told_what_it_was(node: Node) -> None:
    await node.kubelet.start()
    refused = "Forbidden (user=somebody, verb=get, resource=nodes, subresource(s)=[{}])\n"
    for path, named in (
        ("/metrics/resource", "metrics"),
        ("/stats/summary", "stats"),
        ("/pods", "pods proxy"),
        ("/configz", "configz proxy"),
        ("/healthz", "healthz proxy"),
        ("/exec/a/b/c", "proxy"),
    ):
        assert await get(node, path, ("somebody", "people")) == (403, refused.format(named))


async def test_a_service_account_with_the_role_may_read_metrics_and_nothing_else(
    cluster: Plane, node: Node
) -> None:
    await node.kubelet.start()
    await cluster.does("create", "serviceaccount", "reader")
    await cluster.does("create", "clusterrole", "r", "--verb=get", "--resource=nodes/metrics")
    await cluster.does(
        "create", "clusterrolebinding", "r", "--clusterrole=r", "--serviceaccount=default:reader"
    )
    token = (await cluster.does("create", "token", "reader")).strip()
    status, text = await get(node, "/metrics/resource", token=token)
    assert (status, "node_cpu_usage_seconds_total" in text) == (200, True)
    status, text = await get(node, "/stats/summary", token=token)
    assert (status, "system:serviceaccount:default:reader" in text) == (403, True)
    # A yes is remembered for five minutes, a no for thirty seconds.
    await cluster.does("delete", "clusterrolebinding", "r")
    assert (await get(node, "/metrics/resource", token=token))[0] == 200
    await node.passes(timedelta(minutes=6), timedelta(minutes=3))
    assert (await get(node, "/metrics/resource", token=token))[0] == 403


async def test_without_the_api_server_a_token_is_nobodys_and_a_certificate_cannot_be_judged(
    cluster: Plane, node: Node
) -> None:
    await node.kubelet.start()
    await cluster.server.stop()
    assert await get(node, "/metrics", token="some") == (401, "Unauthorized")
    status, text = await get(node, "/metrics", ("somebody", "people"))
    assert status == 500
    assert text == (
        "Authorization error (user=somebody, verb=get, resource=nodes, subresource=metrics)"
    )


async def test_a_client_certificate_that_has_expired_is_a_401_and_no_alert(node: Node) -> None:
    await node.kubelet.start()
    assert (await get(node, "/healthz", ADMIN))[0] == 200
    ca = node.cluster.authority._ca
    signing = pki.KeyPair(ca.cert_pem.bytes(), ca.private_key_pem.bytes())
    long_ago = node.cluster.clock.now() - timedelta(days=366)
    old = pki.signed_for_kubelet(signing, pki.Subject(ADMIN[0], (ADMIN[1],)), long_ago, 7)
    assert await get(node, "/healthz", Pair(old.chain, old.key)) == (401, "Unauthorized")


async def test_configz_is_what_a_real_kubelet_answers(node: Node) -> None:
    recorded = RECORDED
    node.files.write(CONFIG, (recorded / "config.yaml").read_bytes())
    await node.kubelet.start()
    status, text = await get(node, "/configz", ADMIN)
    assert status == 200
    wanted = json.loads((recorded / "configz-k8s-worker-3.json").read_text())
    assert json.loads(text) == wanted
    assert list(json.loads(text)["kubeletconfig"]) == list(wanted["kubeletconfig"])


async def test_pages_have_the_families_of_a_real_one(node: Node) -> None:
    await node.kubelet.start()
    await node.passes(timedelta(minutes=5), timedelta(minutes=5))
    status, text = await get(node, "/metrics/resource", ADMIN)
    recorded = (RECORDED / "metrics-resource-k8s-worker-3.txt").read_text()
    ours = [line for line in text.splitlines() if line.startswith("#")]
    theirs = [line for line in recorded.splitlines() if line.startswith("#")]
    assert status == 200
    assert set(ours) <= set(theirs)
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families >= {"node_cpu_usage_seconds", "node_memory_working_set_bytes"}


class OneIsNotReady:
    def state(self, _pod: Any, container: str) -> ContainerState:
        return ContainerState(ready=container != "slow")

    def address(self, _pod: Any) -> str:
        return "127.0.0.77"

    def log(self, _namespace: str, _pod: str, container: str) -> Sequence[ContainerLogLine] | None:
        texts = ("one\n", "two\n", "three\n")
        return [ContainerLogLine(SAID, text) for text in texts] if container == "quick" else None


async def test_its_pods_are_reported_counted_and_heard(cluster: Plane, tmp_path: Path) -> None:
    node = node_of(cluster, tmp_path, runtime=OneIsNotReady())
    await node.kubelet.start()
    try:
        await until(lambda: "Ready" in str(cluster.store.list(PODS)) or node.kubelet.running)
        two = pod("two", "quick", "slow", nodeName=NAME)
        await cluster.does("create", "--validate=false", "-f", "-", stdin=two)
        await until(lambda: cluster.store.list(PODS)[0].get("status", {}).get("phase") == "Running")
        shown = (await cluster.does("get", "pods", "-o", "wide", "--no-headers")).split()
        assert shown[:3] == ["two", "1/2", "Running"]
        assert "127.0.0.77" in shown
        await node.passes(timedelta(minutes=2), timedelta(minutes=1))
        _, text = await get(node, "/metrics/resource", ADMIN)
        assert (
            'container_cpu_usage_seconds_total{container="slow",namespace="default",pod="two"}'
            in text
        )
        assert 'pod_memory_working_set_bytes{namespace="default",pod="two"}' in text
        path = "/containerLogs/default/two"
        assert await get(node, f"{path}/quick?tailLines=2", ADMIN) == (200, "two\nthree\n")
        assert await get(node, f"{path}/quick?follow=true", ADMIN) == (
            400,
            "the lab's kubelets do not support follow",
        )
        assert (await get(node, f"{path}/slow", ADMIN))[0] == 404
        assert (await get(node, "/exec/default/two/quick", ADMIN))[0] == 501
    finally:
        await node.kubelet.stop()


def test_usage_moves_as_a_real_nodes_and_never_back() -> None:
    load = node_load("some")
    taken = [sample("some", load, 1000.0, 1000.0 + at) for at in range(0, 7200, 5)]
    known = [each for each in taken if each is not None]
    assert taken[0] is None
    assert len({each.at for each in known}) < len(known) / 2  # the same sample for several looks
    for one, other in itertools.pairwise(known):
        assert (other.core_seconds > one.core_seconds) == (other.at > one.at)
        if other.at > one.at:
            rate = (other.core_seconds - one.core_seconds) / (other.at - one.at)
            assert 0.5 * load.cores < rate < 1.5 * load.cores
    assert len({each.working_set for each in known}) > 50


def test_a_template_is_what_a_real_kubelet_of_these_addresses_asked_for() -> None:
    name = "k8s-worker-3.internal.example.com"
    held = [("InternalIP", "192.168.88.114"), ("Hostname", name)]
    template = serving_template(name, held)
    assert template is not None
    assert (template.names, template.addresses) == ((name,), ("192.168.88.114",))
    assert serving_template(name, [("Hostname", name), ("InternalDNS", name)]) is None
    odd = [
        ("Hostname", "10.0.0.9"),
        ("InternalIP", "x"),
        ("ExternalIP", "9.0.0.1"),
        ("ExternalDNS", "b"),
        ("InternalDNS", ""),
    ]
    template = serving_template(name, odd)
    assert template is not None
    assert (template.names, template.addresses) == (("b",), ("10.0.0.9", "9.0.0.1"))


def settings_of(node: Node, *flags: str) -> Settings:
    argv = ("/usr/bin/kubelet", f"--config={CONFIG}", *flags)
    return read_settings(node.files, argv, "Some-Host ")


async def test_flags_win_over_drop_ins_and_drop_ins_over_the_file(node: Node) -> None:
    head = b"kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n"
    for path, text in (
        (CONFIG, b"serverTLSBootstrap: false\nmaxPods: 7\nclusterDNS: [a, b]\n"),
        ("/etc/kubelet.d/10.conf", b"maxPods: 8\nclusterDNS: [c]\n"),
        ("/etc/kubelet.d/20.conf", b"serverTLSBootstrap: true\n"),
        ("/etc/kubelet.d/30.yaml", b"maxPods: 9\n"),
    ):
        node.files.write(path, head + text)
    told = settings_of(node, "--config-dir=/etc/kubelet.d")
    assert told.rotates_server
    assert (told.document["maxPods"], told.document["clusterDNS"]) == (8, ["c"])
    assert told.host == "some-host"
    told = settings_of(node, "--config-dir", "/etc/kubelet.d", "--rotate-server-certificates=false")
    assert not told.rotates_server
    with pytest.raises(StartFailure):
        read_settings(node.files, ("/usr/bin/kubelet",), "h")


@pytest.mark.parametrize(("text", "value"), [("2m0s", 120), ("1h30m", 5400), ("300ms", 0.3)])
def test_durations_are_gos(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


def test_paths_stand_for_subresources_as_in_the_kubelet() -> None:
    assert subresources("/metrics/cadvisor") == ("metrics",)
    assert subresources("/logs/x") == ("log",)
    assert subresources("/runningpods/") == ("pods", "proxy")
    assert subresources("/metricsx") == ("proxy",)


async def test_the_store_honours_link_then_seed_and_mends_a_half_done_switch(
    cluster: Plane, node: Node
) -> None:
    node.configure(bootstraps=True)
    good = cluster.authority.serving("127.0.0.1", node=NAME)
    # A kubelet that died between its two renames.
    rotated(node.files, "server", good, "updated")
    await node.kubelet.start()
    assert await node.leaf() is not None
    await node.kubelet.stop()
    assert node.files.path(f"{PKI}/kubelet-server-current.pem", follow=False).is_symlink()
    node.files.remove(f"{PKI}/kubelet-server-current.pem")
    node.files.write(f"{PKI}/kubelet-server-current.pem", good.chain + good.key, 0o600)
    with pytest.raises(Exception, match="to be a symlink but it is a file"):
        await node.kubelet.start()
