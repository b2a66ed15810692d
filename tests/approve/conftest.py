"""A scripted API server with Nodes, and the approver's controller on it, with real sockets and real time."""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest

from kubevouch.approve.act.controller import ApproverController, ApproverSettings
from kubevouch.approve.act.instruments import ApproverInstruments
from kubevouch.clock import Clock
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.kubeconfig import User
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.server import Delegation, ServingOptions, new_registry, serve_part
from kubevouch.serve.tls_reload import TlsSources
from kubevouch.system_clock import SystemClock
from tests.support.apiservers import access_to
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.requests import Key, request
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import CSRS, KINDS
from tests.support.unhurried import GENEROUS, until

NODE = KINDS["", "v1", "nodes"]
CONFIG_MAP = KINDS["", "v1", "configmaps"]
LEASE = KINDS["coordination.k8s.io", "v1", "leases"]
NAMESPACE = KINDS["", "v1", "namespaces"]
SPACE = "kubevouch-system"
SERVING = "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
CLUSTER = """\
networking:
  serviceSubnet: 10.96.0.0/12
  podSubnet: 10.244.0.0/16
  dnsDomain: cluster.local
controlPlaneEndpoint: api.example.com:6443
"""


@dataclass
class Cluster:
    """What a test may put into the API server, and what it asks of it."""

    server: ScriptedApiServer
    authority: Authority
    nodes: dict[str, str] = field(default_factory=dict)
    """Names and addresses."""

    def node(self, name: str, address: str, *more: str, port: int = 10250, **labels: str) -> Any:
        self.nodes[name] = address
        addresses = [{"type": "InternalIP", "address": each} for each in (address, *more)]
        return self.server.store.create(
            NODE,
            {
                "metadata": {"name": name, "labels": labels},
                "status": {
                    "addresses": [*addresses, {"type": "Hostname", "address": name}],
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                },
            },
        )

    def delete_node(self, name: str) -> None:
        self.server.store.delete(NODE, name)

    def csr(
        self,
        name: str,
        node: str,
        *addresses: str,
        key: Key | None = None,
        user: str = "",
        pem: bytes = b"",
        credential: str = "",
    ) -> Any:
        """As a kubelet of this node makes it, unless it says otherwise."""
        pem = pem or request(node, [node], addresses or [self.nodes[node]], key=key)
        extra = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={credential}"]}
        return self.server.store.create(
            CSRS,
            {
                "metadata": {"name": name},
                "spec": {
                    "request": base64.b64encode(pem).decode(),
                    "signerName": SERVING,
                    "usages": ["digital signature", "server auth"],
                    "username": user or f"system:node:{node}",
                    "groups": ["system:nodes", "system:authenticated"],
                    **({"extra": extra} if credential else {}),
                },
                "status": {},
            },
        )

    def config_map(self, name: str, data: dict[str, str]) -> None:
        thing = {"metadata": {"name": name}, "data": data}
        self.server.store.create(CONFIG_MAP, thing, SPACE)

    def configure(self, *lines: str) -> None:
        text = "\n".join(["schemaVersion: kubevouch.approver/1", *lines])
        self.config_map("kubevouch-approver", {"configuration.yaml": text})

    def inventory(self, **nodes: list[str]) -> None:
        """Each node with its addresses; its own name besides."""
        listed = {n: {"names": [n], "addresses": a} for n, a in nodes.items()}
        text = json.dumps({"schemaVersion": "kubevouch.inventory/1", "nodes": listed})
        self.config_map("kubevouch-inventory", {"inventory.yaml": text})

    def list_nodes(self) -> None:
        """Everything that there is, in the inventory."""
        self.inventory(**{name: [address] for name, address in self.nodes.items()})

    def listed(self, *names: str) -> None:
        """Nodes of these names, n1 at the address with a 1 at its end, and all of them in the inventory."""
        for name in names:
            self.node(name, f"192.0.2.{name.removeprefix('n')}")
        self.list_nodes()

    async def approves(self, name: str, node: str, *addresses: str, **how: Any) -> None:
        """A kubelet asks, and gets it."""
        self.csr(name, node, *addresses, **how)
        await self.until(lambda: self.approved(name))

    def conditions(self, name: str) -> list[Any]:
        found: list[Any] = self.server.store.get(CSRS, name)["status"].get("conditions", [])
        return found

    def approved(self, name: str) -> bool:
        return [each["type"] for each in self.conditions(name)] == ["Approved"]

    def writes(self) -> list[tuple[str, str]]:
        """Everything that was written but the Lease: method and path."""
        return [
            (each.method, each.path)
            for each in self.server.requests
            if each.method != "GET" and "/leases" not in each.path
        ]

    async def until(self, what: Callable[[], Any], why: str = "it to happen") -> None:
        await until(what)


@dataclass
class Running:
    """A controller that runs."""

    cluster: Cluster
    lines: list[str]
    registry: Any
    source: KeyPairSource
    port: int

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def metric(self, text: str) -> float:
        """The value of a series, such as `kubevouch_approver_leader`."""
        for line in generate_latest(self.registry).decode().splitlines():
            if line.startswith(f"{text} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(text)

    async def decides(self, name: str, node: str, *addresses: str, **how: Any) -> None:
        """A kubelet asks, and the log speaks of it."""
        self.cluster.csr(name, node, *addresses, **how)
        await self.decided(name)

    async def decided(self, name: str) -> None:
        """Until the log speaks of this CSR."""
        await self.logged(f'"{name}"')

    async def logged(self, text: str) -> None:
        """Until the log has this text."""
        await until(lambda: text in self.log)


@pytest.fixture
async def cluster(authority: Authority) -> AsyncIterator[Cluster]:
    context = server_context(authority.serving("127.0.0.1"), client_ca=authority.pem)
    async with ScriptedApiServer(context, SystemClock()) as server:
        made = Cluster(server, authority)
        server.store.create(
            CONFIG_MAP,
            {"metadata": {"name": "kubeadm-config"}, "data": {"ClusterConfiguration": CLUSTER}},
            "kube-system",
        )
        server.store.create(
            CONFIG_MAP,
            {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": authority.pem.decode()}},
            "kube-system",
        )
        yield made


@contextlib.asynccontextmanager
async def approving(
    cluster: Cluster,
    *,
    identity: str = "one",
    dry_run: bool = False,
    clock: Clock | None = None,
    loopback: tuple[str, ...] = (),
) -> AsyncIterator[Running]:
    """The controller runs while the block lasts, and then gives the Lease back. Its token is its identity."""
    lines: list[str] = []
    clock = clock or SystemClock()
    registry = new_registry()
    instruments = ApproverInstruments(registry)
    user = User(where=f"users[{identity}]", token=identity)
    access = msgspec.structs.replace(
        access_to(cluster.server, cluster.authority, user),
        loopback=LoopbackKubelets(frozenset(map(ip_address, loopback))),
    )
    async with ApiClient(access, clock=clock, environ={}, observe=instruments.request) as api:
        controller = ApproverController(
            api,
            Log(lines.append, clock),
            ApproverSettings(SPACE, identity, dry_run=dry_run),
            instruments=instruments,
            rng=random.Random(identity).random,
        )
        source = key_pair_source(
            "", "", "", now=clock.now(), random_serial=random.Random(identity).getrandbits
        )
        stop, ports = asyncio.Event(), asyncio.Queue[int]()
        options = ServingOptions(
            "127.0.0.1", 0, TlsSources(source), Delegation(tolerate_missing=True)
        )
        serving = serve_part(
            api,
            api.server_clock,
            Log(lines.append, clock),
            options,
            part=controller.part,
            registry=registry,
            stop=stop,
            ready=ports.put_nowait,
        )
        task = asyncio.create_task(serving)
        try:
            async with asyncio.timeout(GENEROUS):
                port = await ports.get()
            yield Running(cluster, lines, registry, source, port)
        finally:
            stop.set()
            await task


class HurriedClock(SystemClock):
    """Waits are so many times shorter than they are asked for. The wall clock is the true one, as the API server's is."""

    def __init__(self, times: float) -> None:
        self._times = times

    def monotonic(self) -> float:
        return super().monotonic() * self._times

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._times)


class StoppedClock(SystemClock):
    """The clock of a process that is stopped (SIGSTOP) and continued: time has passed between two instructions."""

    def __init__(self) -> None:
        self._passed = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._passed

    def stop(self, seconds: float) -> None:
        self._passed += seconds


def ago(seconds: float) -> str:
    """A moment as the API server writes it."""
    return f"{datetime.now(UTC) - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
