"""A scenario on the wire: a scripted API server with recorded objects, and a kubelet's port for each node, real TLS.

Recorded times are moved so that the recording ends now. Recorded addresses are moved to loopback.
"""

import contextlib
import copy
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.clock import Clock
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.kubeconfig import User
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.patches import merge_patched
from tests.support.authority import Authority, Pair
from tests.support.contexts import server_context
from tests.support.kubeconfigs import TOKEN, write_kubeconfig
from tests.support.requests import request
from tests.support.scenario import ApiServer, Called, Kubelet, Request, Scenario, duration
from tests.support.scripted import faults, kubelet
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS, Kind
from tests.support.scripted.nobody import closed_port
from tests.support.scripted.reviews import Attributes
from tests.support.self_signed import DatedAuthority, kubelet_self_signed

RECORDED = Path(__file__).parents[1] / "fixtures" / "story"
DOMAIN = ".internal.example.com"
_ENDED = {
    "expired": datetime(2026, 11, 24, 23, 1, 20, tzinfo=UTC),
    "pending": datetime(2026, 11, 24, 23, 2, 0, tzinfo=UTC),
    "fixed": datetime(2026, 11, 24, 23, 10, 0, tzinfo=UTC),
}
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_BY_KIND = {kind.kind: kind for kind in KINDS.values()}
_PORTS: dict[str, kubelet.Behaviour] = {
    "dark": kubelet.NO_CERTIFICATE,
    "silent": kubelet.SILENCE,
    "plain-http": kubelet.PLAIN_HTTP,
    "hangs-up": kubelet.HANG_UP,
}

Object = dict[str, Any]


@cache
def cluster_ca() -> Authority:
    return Authority("kubernetes", unit="the cluster")


@cache
def _other_ca(kind: str) -> Authority:
    """An impostor has the very name of the cluster's."""
    return Authority("kubernetes", unit="the cluster" if kind == "impostor" else "another")


@cache
def _server_pair() -> Pair:
    return cluster_ca().serving("127.0.0.1", "localhost")


@dataclass
class Stage:
    """What a test may look at and change while it stands."""

    server: ScriptedApiServer
    kubelets: dict[str, kubelet.ScriptedKubelet] = field(default_factory=dict)

    @property
    def access(self) -> ClusterAccess:
        return ClusterAccess(
            context="story",
            where="kubeconfig: contexts[story]",
            cluster="kubeconfig: clusters[story]",
            server=self.server.url,
            user=User(where="users[reader]", token=TOKEN),
            namespace="default",
            roots=cluster_ca().pem,
        )

    def deny(self, *rules: str) -> None:
        """From now on the reader lacks these rights, as a scenario says them in `denied`, and no others."""
        self.server.authorize = lambda asked: not _is_denied(rules, asked)

    def kubeconfig(self, folder: Path) -> Path:
        """A file with the same, for a process of its own."""
        return write_kubeconfig(folder / "kubeconfig", self.server.url, cluster_ca().pem)


@contextlib.asynccontextmanager
async def staged(scenario: Scenario, clock: Clock) -> AsyncIterator[Stage]:
    """The whole cluster, until the block ends."""
    now = clock.now()
    dated = None
    if scenario.ca_ends is not None:
        dated = DatedAuthority(now - timedelta(days=3000), now + duration(scenario.ca_ends))
    async with contextlib.AsyncExitStack() as stack:
        context = server_context(_server_pair())
        server = await stack.enter_async_context(ScriptedApiServer(context, clock))
        stage = Stage(server)
        objects = _objects(scenario, now)
        for node in [each for each in objects if each["kind"] == "Node"]:
            if _addresses(node):
                port = await _opened(stack, stage, scenario, node, clock, dated)
                node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
            objects += _metrics(scenario, node["metadata"]["name"], now)
        objects += [
            _request(wanted, number, now, objects)
            for number, wanted in enumerate(scenario.requests or (), start=1)
        ]
        bundle = (dated or cluster_ca()).pem.decode()
        objects.append(_config_map("kube-root-ca.crt", {"ca.crt": bundle}))
        if scenario.front_proxy_ca_ends is not None:
            front = DatedAuthority(
                now - timedelta(days=3000), now + duration(scenario.front_proxy_ca_ends), "front-proxy-ca"
            )  # fmt: skip
            told = {"requestheader-client-ca-file": front.pem.decode()}
            objects.append(_config_map("extension-apiserver-authentication", told))
        if scenario.api_server is not None:
            assert dated is not None
            await _open_api_server(stack, scenario.api_server, objects, clock, dated)
        if scenario.called is not None:
            objects += await _called(stack, scenario.called, clock)
        for each in objects:
            server.store.put(_BY_KIND[each["kind"]], each)
        _serve_metrics(server, scenario, objects, now)
        _serve_logs(server, scenario, objects, now)
        stage.deny(*scenario.denied)
        yield stage


def short(node: str) -> str:
    return node.removesuffix(DOMAIN)


def _objects(scenario: Scenario, now: datetime) -> list[Object]:
    """The recorded objects of a state, as this scenario has them."""
    moved = now - _ENDED[scenario.state]
    found: list[Object] = []
    for name in ("cluster", "rbac", scenario.state):
        text = (RECORDED / f"{name}.json").read_text(encoding="utf-8")
        found += json.loads(_here_and_now(text, moved))["items"]
    if scenario.requests is not None:
        found = [each for each in found if each["kind"] != "CertificateSigningRequest"]
    for each in [each for each in found if each["kind"] == "Node"]:
        name = each["metadata"]["name"]
        # The recorded machines were cloned: they had one machine-id.
        each["status"]["nodeInfo"]["machineID"] = f"machine-of-{short(name)}"
        found.append(_lease(name, now, scenario.clocks.get(short(name), "0s")))
    found.append({"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "the-cluster"}})
    found += [_stamped(each) for each in copy.deepcopy([*scenario.add, *_approver(scenario, now)])]
    for each in found:
        _with_flags(each, scenario)
        if each["metadata"]["name"] == "kubelet-config":
            each["data"]["kubelet"] += scenario.kubelet_config
        if each["kind"] == "APIService":
            # Upstream's manifest sets it, which would be a finding beside what each case is about.
            each["spec"].pop("insecureSkipTLSVerify", None)
    for key, patch in scenario.objects.items():
        hit = [
            each for each in found if fnmatchcase(f"{each['kind']}/{each['metadata']['name']}", key)
        ]
        assert hit, f"the recording has no {key}"
        for each in hit:
            found.remove(each)
            if patch is not None:
                found.append(merge_patched(each, patch))
    return found


def _lease(node: str, now: datetime, skew: str) -> Object:
    """As its kubelet renewed it five seconds ago. skew: by how much its clock goes ahead."""
    written = now - timedelta(seconds=5)
    renewed = written + duration(skew)
    wrote = {"manager": "kubelet", "operation": "Update", "time": f"{written:%Y-%m-%dT%H:%M:%SZ}"}
    return {
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": "kube-node-lease",
            "uid": f"uid-lease-{node}",
            "managedFields": [wrote],
        },
        "spec": {"holderIdentity": node, "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"},
    }


def _of_ours(scenario: Scenario, now: datetime) -> list[Object]:
    """What our approver has besides: its Deployment, and its Lease, which whoever leads renews."""
    place = {"name": "kubevouch-approver", "namespace": "kubevouch-system"}
    ready = 0 if scenario.approver == "ours-down" else 1
    written = now - timedelta(seconds=1 if scenario.approver == "ours" else 600)
    wrote = {"manager": "kubevouch", "operation": "Update", "time": f"{written:%Y-%m-%dT%H:%M:%SZ}"}
    template = {"spec": {"containers": [{"name": "approver", "image": "approver"}]}}
    return [
        {
            "kind": "Deployment",
            "metadata": place,
            "spec": {"replicas": 1, "template": template},
            "status": {"replicas": 1, "readyReplicas": ready},
        },
        {
            "kind": "Lease",
            "metadata": {**place, "managedFields": [wrote]},
            "spec": {"holderIdentity": "somebody", "renewTime": f"{written:%Y-%m-%dT%H:%M:%S.%fZ}"},
        },
    ]


def _approver(scenario: Scenario, now: datetime) -> list[Object]:
    """postfinance's, as its deploy/k8s/*.yaml make it; or ours, which has such a role, too."""
    if scenario.approver == "none":
        return []
    name, namespace = "kubelet-csr-approver", "kube-system"
    if scenario.approver.startswith("ours"):
        name, namespace = "kubevouch-approver", "kubevouch-system"
    signer = "kubernetes.io/kubelet-serving"
    rule = {
        "apiGroups": ["certificates.k8s.io"],
        "verbs": ["approve"],
        "resources": ["signers"],
        "resourceNames": [signer],
    }
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    ready = {"type": "Ready", "status": str(not scenario.approver.endswith("down"))}
    more = _of_ours(scenario, now) if namespace == "kubevouch-system" else []
    return [
        *more,
        {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]},
        {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": name},
            "subjects": [subject],
        },
        {
            "kind": "Pod",
            "metadata": {"name": f"{name}-0", "namespace": namespace},
            "spec": {"nodeName": f"k8s-worker-1{DOMAIN}", "serviceAccountName": name},
            "status": {"phase": "Running", "conditions": [ready]},
        },
    ]


def _here_and_now(text: str, moved: timedelta) -> str:
    def later(found: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(found[0]) + moved:%Y-%m-%dT%H:%M:%SZ}"

    return _TIME.sub(later, text).replace("192.168.88.", "127.0.88.")


def _stamped(thing: Object) -> Object:
    thing["metadata"] = {"uid": f"uid-{thing['metadata']['name']}", **thing["metadata"]}
    return thing


def _with_flags(thing: Object, scenario: Scenario) -> None:
    for program, words in scenario.flags.items():
        if thing["kind"] == "Pod" and thing["metadata"]["name"].startswith(f"{program}-"):
            container = thing["spec"]["containers"][0]
            container["args"] = [*container.get("args", []), *words]


async def _opened(
    stack: contextlib.AsyncExitStack,
    stage: Stage,
    scenario: Scenario,
    node: Object,
    clock: Clock,
    dated: DatedAuthority | None,
) -> int:
    """Something on the node's port, or nothing; the port's number."""
    name, host = node["metadata"]["name"], _addresses(node)[0]
    wanted = scenario.kubelet(short(name))
    if wanted.port == "refuses":
        return stack.enter_context(closed_port(host))
    behaviour = _PORTS.get(wanted.port)
    if behaviour is None:
        pair = _pair(wanted, node, clock.now(), dated)
        behaviour = kubelet.Serve(server_context(pair))
    opened = kubelet.ScriptedKubelet(behaviour, clock, host=host)
    stage.kubelets[short(name)] = await stack.enter_async_context(opened)
    return opened.port


async def _open_api_server(
    stack: contextlib.AsyncExitStack,
    wanted: ApiServer,
    objects: list[Object],
    clock: Clock,
    ca: DatedAuthority,
) -> None:
    """A port at the address that the EndpointSlice of Service kubernetes has, with kubeadm's kind of leaf."""
    [slice_] = [each for each in objects if each["kind"] == "EndpointSlice"]
    [host] = slice_["endpoints"][0]["addresses"]
    starts, ends = clock.now() + duration(wanted.starts), clock.now() + duration(wanted.ends)
    pair = ca.api_server(host, "kubernetes", not_before=starts, not_after=ends)
    opened = kubelet.ScriptedKubelet(kubelet.Serve(server_context(pair)), clock, host=host)
    slice_["ports"][0]["port"] = (await stack.enter_async_context(opened)).port


async def _called(stack: contextlib.AsyncExitStack, wanted: Called, clock: Clock) -> list[Object]:
    """An aggregated API, with its Service and the one endpoint behind it."""
    ca = cluster_ca() if wanted.by == "cluster" else _other_ca("stranger")
    context = server_context(ca.serving("example.default.svc"))
    opened = kubelet.ScriptedKubelet(kubelet.Serve(context), clock)
    await stack.enter_async_context(opened)
    bundle = cluster_ca().pem
    if wanted.bundle_ends is not None:
        now = clock.now()
        ends = now + duration(wanted.bundle_ends)
        bundle = DatedAuthority(now - timedelta(days=3000), ends, "example").pem
    place = {"name": "example", "namespace": "default"}
    return [
        {
            "kind": "APIService",
            "metadata": {"name": "v1.example.com", "uid": "uid-v1.example.com"},
            "spec": {
                "group": "example.com",
                "version": "v1",
                "caBundle": b64encode(bundle).decode(),
                "service": {**place, "port": 443},
            },
            "status": {},
        },
        {
            "kind": "Service",
            "metadata": {**place, "uid": "uid-example"},
            "spec": {"ports": [{"name": "https", "port": 443}], "selector": {"app": "example"}},
        },
        {
            "kind": "EndpointSlice",
            "metadata": {
                **place,
                "uid": "uid-slice-example",
                "labels": {"kubernetes.io/service-name": "example"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [opened.host], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": opened.port}],
        },
    ]


def _addresses(node: Object) -> list[str]:
    return [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]


def _pair(wanted: Kubelet, node: Object, now: datetime, dated: DatedAuthority | None) -> Pair:
    name = node["metadata"]["name"]
    starts, ends = now + duration(wanted.starts), now + duration(wanted.ends)
    if wanted.by == "itself":
        # A year old when it ends, as the kubelet makes them.
        host = wanted.names[0] if wanted.names else name
        return kubelet_self_signed(host, min(starts, ends - timedelta(days=365)), ends)
    names = (name,) if wanted.names is None else wanted.names
    addresses = _addresses(node) if wanted.addresses is None else wanted.addresses
    starts = min(starts, ends - timedelta(days=365)) if ends < now else starts
    if dated is not None and wanted.by == "cluster":
        return dated.serving(*names, *addresses, node=name, not_before=starts, not_after=ends)
    ca = cluster_ca() if wanted.by == "cluster" else _other_ca(wanted.by)
    said = wanted.cn or name
    return ca.serving(
        *names,
        *addresses,
        node=None if wanted.plain else said,
        common_name=said if wanted.plain else None,
        not_before=starts,
        not_after=ends,
    )


def _metrics(scenario: Scenario, node: str, now: datetime) -> Iterator[Object]:
    age = scenario.metrics.get(short(node), scenario.metrics.get("all", "20s"))
    if age is not None:
        at = f"{now - duration(age):%Y-%m-%dT%H:%M:%SZ}"
        yield _stamped({
            "kind": "NodeMetrics",
            "metadata": {"name": node},
            "timestamp": at,
            "window": "15s",
            "usage": {"cpu": "41607005n", "memory": "191772Ki"},
        })  # fmt: skip


def _request(wanted: Request, number: int, now: datetime, objects: list[Object]) -> Object:
    """A request as the API server keeps it; the later in the list, the later it was stored."""
    nodes = [each for each in objects if each["kind"] == "Node"]
    [node] = [each for each in nodes if short(each["metadata"]["name"]) == wanted.node]
    name = node["metadata"]["name"]
    names = (name,) if wanted.names is None else wanted.names
    addresses = _addresses(node) if wanted.addresses is None else wanted.addresses
    conditions = [
        {
            "type": each.type,
            "status": "True",
            "reason": each.reason,
            "message": each.message,
            "lastUpdateTime": f"{now - duration(each.age):%Y-%m-%dT%H:%M:%SZ}",
        }
        for each in wanted.conditions
    ]
    found: Object = {
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": f"csr-{number}",
            "uid": f"uid-csr-{number}",
            "creationTimestamp": f"{now - duration(wanted.age):%Y-%m-%dT%H:%M:%SZ}",
            "resourceVersion": str(1000 + number),
        },
        "spec": {
            "signerName": f"kubernetes.io/{wanted.signer}",
            "username": wanted.user or f"system:node:{name}",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": b64encode(request(name, names, addresses)).decode(),
        },
        "status": {"conditions": conditions} if conditions else {},
    }
    if wanted.manager:
        wrote = {"manager": wanted.manager, "operation": "Update", "subresource": "approval"}
        found["metadata"]["managedFields"] = [
            {"manager": "kubelet", "operation": "Update"},
            {**wrote, "time": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
        ]
    if wanted.issued:
        found["status"]["certificate"] = b64encode(_issued(wanted, name, now)).decode()
    return found


def _issued(wanted: Request, node: str, now: datetime) -> bytes:
    if wanted.ends is None:
        return b"issued"
    starts, ends = now + duration(wanted.starts), now + duration(wanted.ends)
    return cluster_ca().serving(node, node=node, not_before=starts, not_after=ends).chain


def _config_map(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": "kube-system", "uid": f"uid-{name}"}
    return {"kind": "ConfigMap", "metadata": metadata, "data": data}


def _serve_metrics(
    server: ScriptedApiServer, scenario: Scenario, objects: list[Object], now: datetime
) -> None:
    """The aggregator: 404 without an APIService, 503 while it is not available or the request fails (kube-aggregator, handler_proxy.go)."""
    services = {each["metadata"]["name"]: each for each in objects if each["kind"] == "APIService"}
    asked = Attributes("", "list", "metrics.k8s.io", "nodes")
    for version in ("v1beta1", "v1"):
        service = services.get(f"{version}.metrics.k8s.io")
        conditions = service["status"].get("conditions", []) if service else []
        available = any(c["type"] == "Available" and c["status"] == "True" for c in conditions)
        answers = available and not scenario.metrics_fail
        # The store knows v1beta1 alone.
        if answers if version == "v1beta1" else service is None:
            continue
        failed = scenario.metrics_fail if available else "service unavailable"
        code, text = (503, f"{failed}\n") if service else (404, "404 page not found\n")
        play = faults.answer(code, text, Content_Type="text/plain; charset=utf-8")
        if answers:
            play = _of_v1(scenario, objects, now)
        path = f"/apis/metrics.k8s.io/{version}/nodes"
        server.faults.on(path, play, where=lambda _: server.authorize(asked))


def _of_v1(scenario: Scenario, objects: list[Object], now: datetime) -> faults.Play:
    if scenario.metrics_v1 is None:
        return faults.answer(404)
    there = msgspec.structs.replace(scenario, metrics={**scenario.metrics, **scenario.metrics_v1})
    nodes = [each["metadata"]["name"] for each in objects if each["kind"] == "Node"]
    items = [each for node in nodes for each in _metrics(there, node, now)]
    body = {"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1", "items": items}
    return faults.answer(200, json.dumps(body), Content_Type="application/json")


def _serve_logs(
    server: ScriptedApiServer, scenario: Scenario, objects: list[Object], now: datetime
) -> None:
    """The API server fetches a log from the kubelet: one without a certificate gives none."""
    text = scenario.log
    if text == "recorded":
        text = (RECORDED / "expired.log").read_text(encoding="utf-8")
    text = _here_and_now(text, now - _ENDED[scenario.state])
    for pod in [each for each in objects if each["kind"] == "Pod"]:
        name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
        if not name.startswith("metrics-server-"):
            continue
        server.logs["kube-system", name, "metrics-server"] = text
        if scenario.kubelet(short(node)).port in _PORTS:
            what = f'Get "https://{node}:10250/containerLogs": remote error: tls: internal error'
            path = f"/api/v1/namespaces/kube-system/pods/{name}/log"
            server.faults.on(path, faults.refuse(status.StatusError(500, "InternalError", what)))


def _is_denied(rules: tuple[str, ...], asked: Attributes) -> bool:
    what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    return any(fnmatchcase(f"{asked.verb} {what}", rule) for rule in rules)


def kind_of(name: str) -> Kind:
    return _BY_KIND[name]
