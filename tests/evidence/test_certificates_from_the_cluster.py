"""Every certificate that the API server tells of, or that a port presents: real TLS, a scripted API server, no credential."""

import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.cli.certs.disk import found_in_cluster
from kubevouch.clock import Clock
from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    FoundPart,
)
from kubevouch.evidence.gather.certificates.places import Place, dial_places
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.evidence.measured import DoubtKind
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.kubeconfig import User
from kubevouch.kubelet.dial_result import Target
from kubevouch.node.io.ssh import Ssh
from kubevouch.x509 import VerifyReason, read_certificates
from tests.support.apiservers import MOMENT, client_of
from tests.support.authority import Authority, Pair
from tests.support.clocks import WoundClock
from tests.support.contexts import server_context
from tests.support.scenario import Expected, Scenario
from tests.support.scripted import kubelet, reviews
from tests.support.scripted.nobody import closed_port
from tests.support.stage import Stage, cluster_ca, kind_of, staged

HEALTHY = Scenario(title="healthy", expected=Expected(finds=(), exit=0))
OWN = Authority("metrics-server")
PROXY = Authority("front-proxy")

Look = Callable[..., Any]


@contextlib.asynccontextmanager
async def seen(
    access: Callable[[Stage], ClusterAccess] = lambda stage: stage.access,
) -> AsyncIterator[tuple[Stage, Look]]:
    clock = WoundClock(MOMENT)
    async with staged(HEALTHY, clock) as stage, client_of(access(stage), clock) as api:

        async def look() -> FoundCertificates:
            return await found_in_cluster(api, 60.0, lambda _: None, None)

        yield stage, look


@contextlib.asynccontextmanager
async def seen_beside(
    context: ssl.SSLContext,
) -> AsyncIterator[tuple[Stage, Look, kubelet.ScriptedKubelet]]:
    """As `seen`, and a port of this machine with this certificate."""
    serves = kubelet.Serve(context)
    async with (
        kubelet.ScriptedKubelet(serves, WoundClock(MOMENT)) as port,
        seen() as (stage, look),
    ):
        yield stage, look, port


def put(stage: Stage, kind: str, name: str, namespace: str = "", **rest: Any) -> None:
    metadata = {"name": name, "uid": f"uid-{name}", **rest.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    stage.server.store.put(kind_of(kind), {"kind": kind, "metadata": metadata, **rest})


def base64(data: bytes) -> str:
    return b64encode(data).decode()


def of_use(found: FoundCertificates, use: CertificateUse) -> list[FoundCertificate]:
    return [each for each in found.found if each.use is use]


def _leaf(pair: Pair) -> str:
    return read_certificates(pair.chain, "pair")[0].fingerprint


def _nodes(stage: Stage) -> list[str]:
    return [each["metadata"]["name"] for each in stage.server.store.list(kind_of("Node"))]


async def test_kubelets_and_the_api_server_present_theirs_and_the_ca_is_known() -> None:
    async with seen() as (stage, look):
        found = await look()
        kubelets = of_use(found, CertificateUse.KUBELET_SERVING)
        assert len(kubelets) == 4
        assert {each.authority for each in kubelets} == {"ca"}
        [server] = of_use(found, CertificateUse.API_SERVER)
        assert server.where == f"127.0.0.1:{stage.server.port} (from the kubeconfig)"
        assert server.verdict is not None and server.verdict.trusted
        # Not kubeadm's, by its names.
        assert not server.is_usual
        # The recorded endpoint is of another machine.
        [unreached] = [each for each in found.not_read if each.what.startswith("the API server")]
        assert unreached.doubt.kind is DoubtKind.OUT_OF_REACH
        assert unreached.node == "k8s-master.internal.example.com"
        assert unreached.is_ordinary


def _etcd_at(port: int) -> Place:
    target = Target("127.0.0.1", node="cp", port=port)
    return Place(use=CertificateUse.ETCD_SERVER, target=target, what="etcd", named=True)


async def _etcd(serves: kubelet.Behaviour | ssl.SSLContext) -> FoundPart:
    """What is seen of an etcd that serves so."""
    clock: Clock = WoundClock(MOMENT)
    serve = kubelet.Serve(serves) if isinstance(serves, ssl.SSLContext) else serves
    async with kubelet.ScriptedKubelet(serve, clock) as port:
        return await dial_places((_etcd_at(port.port),), clock=clock, timeout=60.0)


def _demanding(pair: Pair) -> ssl.SSLContext:
    """It wants a client certificate."""
    context = server_context(pair, client_ca=Authority("etcd").pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_an_etcd_that_demands_a_client_certificate_shows_its_own_first() -> None:
    pair = Authority("etcd").serving("127.0.0.1")
    part = await _etcd(_demanding(pair))
    assert part.not_read == ()
    [member] = part.found
    assert member.certificate is not None
    assert (member.certificate.fingerprint, member.fault) == (_leaf(pair), "")


async def test_with_tls_1_2_it_ends_the_handshake_and_that_is_said_and_is_no_failure() -> None:
    context = _demanding(Authority("etcd").serving("127.0.0.1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    part = await _etcd(context)
    assert part.found == ()
    [told] = part.not_read
    assert told.is_ordinary
    assert told.doubt.text.startswith("the server seems to require a client certificate: ")


@pytest.mark.parametrize(
    ("covered", "reason"),
    [("127.0.0.1", None), ("10.9.9.9", VerifyReason.ADDRESS_NOT_COVERED)],
)
async def test_of_etcd_whose_authority_nobody_tells_only_the_address_is_verified(
    covered: str, reason: VerifyReason | None
) -> None:
    [member] = (await _etcd(server_context(Authority("etcd").serving(covered)))).found
    assert (member.verdict and member.verdict.reason) == reason


async def test_a_server_without_a_certificate_is_a_fault() -> None:
    [row] = (await _etcd(kubelet.NO_CERTIFICATE)).found
    assert (row.certificate, row.fault) == (None, "remote error: tls: internal error")


async def test_no_connection_is_told_and_is_no_failure() -> None:
    with closed_port() as port:
        places = (_etcd_at(port), _etcd_at(port))
        part = await dial_places(places, clock=WoundClock(MOMENT), timeout=60.0)
    assert part.found == ()
    told = {(each.what, each.node, each.is_ordinary) for each in part.not_read}
    assert told == {("etcd", "cp", True)}


def _metrics_service(stage: Stage, port: int, *, bundle: bytes) -> None:
    """metrics-server's APIService, Service and endpoint, at a port of this machine."""
    reference = {"namespace": "kube-system", "name": "metrics-server", "port": 443}
    put(
        stage,
        "APIService",
        "v1beta1.metrics.k8s.io",
        spec={"group": "metrics.k8s.io", "version": "v1beta1", "service": reference,
              "caBundle": base64(bundle)},
    )  # fmt: skip
    ports = [{"name": "https", "port": 443}, {"name": "other", "port": 80}]
    put(stage, "Service", "metrics-server", "kube-system", spec={"ports": ports})
    _endpoint(stage, "metrics-server-1", "127.0.0.1", port, ready=False)


def _endpoint(stage: Stage, name: str, address: str, port: int, **conditions: bool) -> None:
    put(
        stage,
        "EndpointSlice",
        name,
        "kube-system",
        metadata={"labels": {"kubernetes.io/service-name": "metrics-server"}},
        endpoints=[{"addresses": [address], "conditions": conditions}],
        ports=[{"name": "https", "port": port}, {"name": "other", "port": 1}],
    )


@pytest.mark.parametrize(
    ("names", "bundle", "reason"),
    [
        (("metrics-server.kube-system.svc",), OWN, VerifyReason.TRUSTED),
        (("metrics-server.kube-system.svc",), PROXY, VerifyReason.UNKNOWN_AUTHORITY),
        (("metrics-server",), OWN, VerifyReason.NAME_NOT_COVERED),
    ],
)
async def test_an_aggregated_api_is_verified_by_its_bundle_and_its_services_name(
    names: tuple[str, ...], bundle: Authority, reason: VerifyReason
) -> None:
    context = server_context(OWN.serving(*names))
    async with seen_beside(context) as (stage, look, port):
        _metrics_service(stage, port.port, bundle=bundle.pem)
        found = await look()
        assert port.sent == b""
    [served] = of_use(found, CertificateUse.METRICS_SERVER)
    assert served.where == f"127.0.0.1:{port.port} (apiservice v1beta1.metrics.k8s.io)"
    assert served.verdict is not None
    assert served.verdict.reason is reason
    [row] = of_use(found, CertificateUse.CA_BUNDLE)
    assert row.where == "apiservice v1beta1.metrics.k8s.io"


async def test_a_pod_that_is_ending_is_not_dialled_where_another_one_is_there() -> None:
    """It may serve the certificate that was replaced with it."""
    context = server_context(OWN.serving("metrics-server.kube-system.svc"))
    async with seen_beside(context) as (stage, look, port):
        _metrics_service(stage, port.port, bundle=OWN.pem)
        _endpoint(stage, "metrics-server-2", "127.0.0.2", port.port, terminating=True)
        found = await look()
    [served] = of_use(found, CertificateUse.METRICS_SERVER)
    assert served.where.startswith("127.0.0.1:")
    assert not [each for each in found.not_read if "127.0.0.2" in each.what]


@pytest.mark.parametrize("lacking", ["Service", "EndpointSlice"])
async def test_a_service_that_leads_nowhere_is_told(lacking: str) -> None:
    async with seen() as (stage, look):
        _metrics_service(stage, 1, bundle=OWN.pem)
        name = {"Service": "metrics-server", "EndpointSlice": "metrics-server-1"}[lacking]
        stage.server.store.delete(kind_of(lacking), name, "kube-system")
        found = await look()
    [told] = [each for each in found.not_read if "v1beta1.metrics.k8s.io" in each.what]
    assert told.is_ordinary
    assert "kube-system/metrics-server" in told.doubt.text


async def test_webhooks_have_their_bundles_and_are_dialled() -> None:
    context = server_context(OWN.serving("hook.space.svc", "127.0.0.1"))
    async with seen_beside(context) as (stage, look, port):
        url = {"url": f"https://127.0.0.1:{port.port}/hook", "caBundle": base64(OWN.pem)}
        hooks = [{"name": "a.example.com", "clientConfig": url}]
        put(stage, "ValidatingWebhookConfiguration", "checks", webhooks=hooks)
        broken = [{"name": "b.example.com", "clientConfig": {**url, "caBundle": base64(b"no")}}]
        put(stage, "MutatingWebhookConfiguration", "changes", webhooks=broken)
        found = await look()
    bundles = {each.where: each for each in of_use(found, CertificateUse.CA_BUNDLE)}
    assert set(bundles) == {
        "validatingwebhookconfiguration checks",
        "mutatingwebhookconfiguration changes",
        *(where for where in bundles if where.startswith("apiservice")),
    }
    assert bundles["mutatingwebhookconfiguration changes"].certificate is None
    assert bundles["mutatingwebhookconfiguration changes"].fault
    served = of_use(found, CertificateUse.WEBHOOK)
    assert [each.verdict is not None and each.verdict.trusted for each in served] == [
        True, False,
    ]  # fmt: skip
    # It was dialled once.
    assert len(port.seen) == 1


@pytest.mark.parametrize("url", ["https://127.0.0.1:99999/hook", "https://[::1/hook"])
async def test_a_url_that_names_nothing_to_dial_is_told(url: str) -> None:
    async with seen() as (stage, look):
        hooks = [{"name": "a.example.com", "clientConfig": {"url": url}}]
        put(stage, "ValidatingWebhookConfiguration", "checks", webhooks=hooks)
        found = await look()
    [told] = [each for each in found.not_read if "checks" in each.what]
    assert not told.is_ordinary
    assert told.doubt.text.startswith("the URL has no address to dial")


async def test_a_machine_whose_clock_is_wrong_judges_by_the_api_servers() -> None:
    """By its own clock all would be well."""
    wrong = WoundClock(MOMENT - timedelta(days=400))
    async with staged(HEALTHY, WoundClock(MOMENT)) as stage, client_of(stage.access, wrong) as api:
        found = await found_in_cluster(api, 60.0, lambda _: None, None)
    assert abs(found.at - MOMENT) < timedelta(minutes=5)


async def test_with_their_disks_the_nodes_are_listed_once(tmp_path: Path) -> None:
    """No node is reached: there is no ssh."""
    nowhere = Ssh(environment={"PATH": str(tmp_path)})
    async with (
        staged(HEALTHY, WoundClock(MOMENT)) as stage,
        client_of(stage.access, WoundClock(MOMENT)) as api,
    ):
        found = await found_in_cluster(api, 60.0, lambda _: None, nowhere)
        lists = [each for each in stage.server.requests if each.path == "/api/v1/nodes"]
    assert len(lists) == 1
    unread = {each.node for each in found.not_read if "cannot be started" in each.doubt.text}
    assert len(unread) == 4


async def test_the_front_proxys_ca_and_another_ca_of_clients_are_told() -> None:
    clients = Authority("clients")
    async with seen() as (stage, look):
        data = {
            "requestheader-client-ca-file": PROXY.pem.decode(),
            "client-ca-file": (cluster_ca().pem + clients.pem).decode(),
        }
        put(stage, "ConfigMap", "extension-apiserver-authentication", "kube-system", data=data)
        found = await look()
    [front] = of_use(found, CertificateUse.FRONT_PROXY_CA)
    assert front.chain == read_certificates(PROXY.pem, "proxy")
    trusted, again, other = of_use(found, CertificateUse.CLUSTER_CA)
    assert trusted.where == "ConfigMap kube-system/kube-root-ca.crt"
    assert again.chain == trusted.chain
    assert other.chain == read_certificates(clients.pem, "clients")
    there = "ConfigMap kube-system/extension-apiserver-authentication, client-ca-file"
    assert again.where == other.where == there


@pytest.mark.parametrize(
    ("clients", "trusted"), [(cluster_ca(), True), (PROXY, False), (None, None)]
)
async def test_the_certificate_with_which_the_kubeconfig_authenticates_is_judged(
    clients: Authority | None, trusted: bool | None
) -> None:
    pair = cluster_ca().client("jane", "developers")
    jane = User(where="users[jane]", client_certificate_data=pair.chain, client_key_data=pair.key)

    def as_jane(stage: Stage) -> ClusterAccess:
        return msgspec.structs.replace(stage.access, user=jane)

    async with seen(as_jane) as (stage, look):
        if clients is not None:
            data = {"client-ca-file": clients.pem.decode()}
            name = "extension-apiserver-authentication"
            put(stage, "ConfigMap", name, "kube-system", data=data)
        [row] = of_use(await look(), CertificateUse.KUBECONFIG)
    assert row.where == "users[jane].client-certificate"
    assert row.certificate is not None
    assert row.certificate.fingerprint == _leaf(pair)
    assert (row.verdict.trusted if row.verdict else None) is trusted


async def test_what_kubelets_wait_for_and_were_issued_is_beside_what_they_serve() -> None:
    async with seen() as (stage, look):
        name, *_ = _nodes(stage)
        newer = cluster_ca().serving(name, node=name)
        client = cluster_ca().client(f"system:node:{name}", "system:nodes")
        serving = {"signerName": "kubernetes.io/kubelet-serving", "username": f"system:node:{name}"}
        created = {"creationTimestamp": "2026-11-24T12:00:00Z"}
        kind = "CertificateSigningRequest"
        put(stage, kind, "csr-issued", metadata=created, spec=serving,
            status={"certificate": base64(newer.chain)})  # fmt: skip
        put(stage, kind, "csr-client", metadata=created,
            spec={**serving, "signerName": "kubernetes.io/kube-apiserver-client-kubelet"},
            status={"certificate": base64(client.chain)})  # fmt: skip
        found = await look()
        asked = [each.path for each in stage.server.requests]
    [served] = [e for e in of_use(found, CertificateUse.KUBELET_SERVING) if e.node == name]
    assert served.issued is not None and served.issued.csr == "csr-issued"
    [own] = of_use(found, CertificateUse.KUBELET_CLIENT)
    assert (own.node, own.where) == (name, "csr csr-client")
    assert own.certificate is not None and own.certificate.fingerprint == _leaf(client)
    untold = {each.node for each in found.not_read if "has no CSR for it" in each.doubt.text}
    assert len(untold) == 3 and name not in untold
    assert asked.count("/apis/certificates.k8s.io/v1/certificatesigningrequests") == 1


async def test_nothing_is_asked_for_each_node_and_no_secret_is_read() -> None:
    async with seen() as (stage, look):
        await look()
        nodes = _nodes(stage)
        assert len(nodes) == 4
        for each in stage.server.requests:
            assert each.method == "GET"
            assert not any(node in each.path for node in nodes)
            assert "secrets" not in each.path


async def test_without_any_right_every_right_that_lacks_is_named() -> None:
    async with seen() as (stage, look):
        stage.server.authorize = reviews.nothing
        found = await look()
    lacking = {right for each in found.not_read for right in each.doubt.lacking}
    assert lacking == {
        "list nodes",
        "get configmaps",
        "list certificatesigningrequests.certificates.k8s.io",
        "list endpointslices.discovery.k8s.io",
        "list pods",
        "list apiservices.apiregistration.k8s.io",
        "list validatingwebhookconfigurations.admissionregistration.k8s.io",
        "list mutatingwebhookconfigurations.admissionregistration.k8s.io",
    }


async def test_whoever_wants_a_snapshot_and_the_inventory_lists_csrs_once() -> None:
    clock = WoundClock(MOMENT)
    async with staged(HEALTHY, clock) as stage, client_of(stage.access, clock) as api:
        evidence = await gather(api, clock=clock, dial_timeout=60.0, with_certificates=True)
        lists = [each for each in stage.server.requests if each.path.endswith("requests")]
    assert evidence.certificates is not None
    assert evidence.csrs.is_known
    assert len(lists) == 1
