"""Nodes that nobody runs, with client certificates of their own: their Node objects, their pins, and the CSRs that they send."""

import contextlib
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TypeVar

from bench.clusters import BenchedCluster, Identity
from kubevouch.policy.sources.nodes import PINS, PinnedNode, written_pin
from kubevouch.policy.sources.stored import shard_of
from tests.support.api_connection import ApiConnection, RefusedRequest
from tests.support.requests import request

T = TypeVar("T")
R = TypeVar("R")

LABEL = "kubevouch-bench"
_NODES = "/api/v1/nodes"
_SPACES = "/api/v1/namespaces"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_FIRST = ip_address("172.20.0.1")
_AT_ONCE = 8
_IMAGES = [
    {
        "names": [
            f"registry.example.com/team-{n % 7}/service-{n}@sha256:{n:064x}",
            f"registry.example.com/team-{n % 7}/service-{n}:v1.{n}.0",
        ],
        "sizeBytes": 100_000_000 + n,
    }
    for n in range(50)
]
"""As many as a kubelet reports (nodeStatusMaxImages): most of what a Node weighs, 10 KB."""


@dataclass(frozen=True)
class Member:
    """One node, and how it asks."""

    name: str
    address: str
    identity: Identity
    uid: str = ""


@dataclass
class Crowd:
    """All that a run makes in a cluster, and removes."""

    cluster: BenchedCluster
    admin: ApiConnection
    space: str
    """Namespace of the Lease and of the pins."""

    members: list[Member] = field(default_factory=list)
    _admins: list[ApiConnection] = field(init=False)

    def __post_init__(self) -> None:
        context = self.admin.context
        self._admins = [ApiConnection(self.cluster.server, context) for _ in range(_AT_ONCE)]

    def grow(self, count: int, *, certificates: bool = True) -> None:
        """Node objects until there are so many, each with its pin. Without certificates they can send no CSR."""
        made = []
        for number in range(len(self.members), count):
            name = f"bench-{number}.example.com"
            user = f"system:node:{name}"
            identity = Identity(user, self.cluster.issuer.trusted, f"{number:064x}")
            if certificates:
                identity = self.cluster.issuer.client(user, "system:nodes")
            made.append(Member(name, str(_FIRST + number), identity))
        self.members += at_once(self._join, list(enumerate(made, len(self.members))))
        self._pin()

    def ask(self, members: Sequence[Member], round_: str) -> float:
        """A CSR from each, with a key and a connection of its own. Returns the CSRs a second."""
        made = [(each, _csr(each, round_)) for each in members]
        began = time.perf_counter()
        at_once(self._send, made)
        return len(made) / (time.perf_counter() - began)

    def ready(self, member: Member, round_: str) -> Callable[[], float]:
        """A CSR that is made, on a connection that is open: the call sends it, and returns when."""
        api, body = self.cluster.connection(member.identity), _csr(member, round_)
        api.get("/version")

        def send() -> float:
            began = time.perf_counter()
            api.post(CSRS, body)
            api.close()
            return began

        return send

    def forget_csrs(self) -> None:
        """Deletes every CSR that the crowd has sent."""
        self.admin.ask("DELETE", f"{CSRS}?labelSelector={LABEL}")

    def settle(self) -> None:
        """Until none of the new Nodes changes for two seconds; twenty seconds at most, since controllers write 20 a second."""
        before: list[str] = []
        for _ in range(10):
            nodes = self.admin.get(_NODES, labelSelector=LABEL)["items"]
            now = [each["metadata"]["resourceVersion"] for each in nodes]
            if now == before:
                return
            before = now
            time.sleep(2)

    def leave(self) -> None:
        """Removes all of it."""
        self._clear()
        self.admin.delete(f"{_SPACES}/{self.space}")

    def make_space(self) -> None:
        """The namespace, and the approver's configuration in it. What a killed run has left goes first: it bears the same names."""
        self._clear()
        self.admin.post(_SPACES, {"metadata": {"name": self.space}})
        text = "schemaVersion: kubevouch.approver/1\nsources: [inventory, pins, renewal]\n"
        self._config_map("kubevouch-approver", {"configuration.yaml": text})

    def _clear(self) -> None:
        """Deletes the CSRs and Nodes of every crowd, in as many minutes of an API server as it takes."""
        for path in (CSRS, _NODES):
            while self.admin.get(path, labelSelector=LABEL, limit="1")["items"]:
                with contextlib.suppress(RefusedRequest, OSError):
                    self.admin.ask("DELETE", f"{path}?labelSelector={LABEL}")

    def _join(self, numbered: tuple[int, Member]) -> Member:
        number, member = numbered
        admin = self._admins[number % len(self._admins)]
        found = admin.post(_NODES, _node(number, member))
        return Member(member.name, member.address, member.identity, found["metadata"]["uid"])

    def _send(self, made: tuple[Member, object]) -> None:
        api = self.cluster.connection(made[0].identity)
        api.post(CSRS, made[1])
        api.close()

    def _pin(self) -> None:
        shards: dict[str, dict[str, str]] = {}
        for each in self.members:
            pin = PinnedNode(
                node=each.name,
                uid=each.uid,
                names=(each.name,),
                addresses=(each.address,),
                client_certificates=(each.identity.fingerprint,),
                pinned_at=datetime.now(UTC),
                by="bench",
            )
            shards.setdefault(shard_of(PINS, each.name), {})[each.name] = written_pin(pin)
        for name, data in shards.items():
            self._config_map(name, data)

    def _config_map(self, name: str, data: dict[str, str]) -> None:
        path = f"{_SPACES}/{self.space}/configmaps"
        labels = {"app.kubernetes.io/part-of": "kubevouch"}
        try:
            self.admin.post(path, {"metadata": {"name": name, "labels": labels}, "data": data})
        except RefusedRequest as refused:
            if refused.code != 409:
                raise
            self.admin.patch(f"{path}/{name}", {"data": data})


def at_once(function: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """The results in their order, a few at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, things))


def _csr(member: Member, round_: str) -> dict[str, object]:
    pem = request(member.name, [member.name], [member.address])
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": f"bench-{round_}-{member.name.partition('.')[0]}",
            "labels": {LABEL: "1"},
        },
        "spec": {
            "request": b64encode(pem).decode(),
            "signerName": "kubernetes.io/kubelet-serving",
            "usages": ["digital signature", "server auth"],
        },
    }


def _node(number: int, member: Member) -> dict[str, object]:
    """Without the label of an operating system no DaemonSet wants a pod on it. All is said that its controllers would say."""
    cidr = f"10.{128 + number // 250}.{number % 250}.0/24"
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    unknown = {"status": "Unknown", "reason": "NodeStatusNeverUpdated"}
    taint = {"key": "node.kubernetes.io/unreachable", "timeAdded": moment}
    return {
        "metadata": {
            "name": member.name,
            "labels": {LABEL: "1", "kubernetes.io/hostname": member.name},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {
            "podCIDR": cidr,
            "podCIDRs": [cidr],
            "taints": [{**taint, "effect": each} for each in ("NoSchedule", "NoExecute")],
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": member.address},
                {"type": "Hostname", "address": member.name},
            ],
            "conditions": [
                {**unknown, "type": each, "lastHeartbeatTime": moment, "lastTransitionTime": moment}
                for each in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": _IMAGES,
            "nodeInfo": dict.fromkeys(
                (
                    "architecture",
                    "bootID",
                    "containerRuntimeVersion",
                    "kernelVersion",
                    "kubeProxyVersion",
                    "kubeletVersion",
                    "operatingSystem",
                    "osImage",
                    "systemUUID",
                ),
                "",
            )
            | {"machineID": f"{number:032x}"},
        },
    }
