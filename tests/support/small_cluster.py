"""A few nodes whose kubelets count as real ones do, an API server that knows them, and the aggregator in front."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from kubevouch.serve.authorization import attributes_of
from kubevouch.serve.messages import HttpRequest
from kubevouch.system_clock import SystemClock
from tests.support.authority import Pair
from tests.support.contexts import server_context
from tests.support.front_proxy import Authorities, client_context
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.kubectl import tell_of_groups
from tests.support.reviews import Reviews
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS
from tests.support.scripted.kubelet import Behaviour, ScriptedKubelet, Serve

Object = dict[str, Any]
TOKEN = "the-metrics-servers-token"
METRICS = "/apis/metrics.k8s.io/v1beta1"
CPU, MEMORY = 0.2495, 123 << 20
"""Cores and bytes that everything uses. kubectl shows the cores as 250m, whatever the last digits are."""


class CountingPage(Mapping[str, tuple[int, bytes]]):
    """/metrics/resource of a node and the pods on it: counters that go on with the time."""

    def __init__(
        self, pods: tuple[tuple[str, str], ...] = (), now: Callable[[], float] = time.time
    ) -> None:
        self._pods = pods
        self._now = now
        self._began = int(now()) - 1000
        self.asked = 0

    def __getitem__(self, path: str) -> tuple[int, bytes]:
        if path != "/metrics/resource":
            raise KeyError(path)
        self.asked += 1
        at = int(self._now() * 1000)
        used = CPU * (at / 1000 - self._began)
        lines = []
        for namespace, name in self._pods:
            said = f'{{container="c",namespace="{namespace}",pod="{name}"}}'
            lines += [
                f"container_cpu_usage_seconds_total{said} {used:.9f} {at}",
                f"container_memory_working_set_bytes{said} {MEMORY} {at}",
                f"container_start_time_seconds{said} {self._began:.3f}",
            ]
        lines += [
            f"node_cpu_usage_seconds_total {used:.9f} {at}",
            f"node_memory_working_set_bytes {MEMORY} {at}",
            "resource_scrape_error 0",
        ]
        return 200, ("\n".join(lines) + "\n").encode()

    def __iter__(self) -> Iterator[str]:
        return iter(("/metrics/resource",))

    def __len__(self) -> int:
        return 1


@dataclass
class SmallCluster:
    """What a test may look at. The user `admin` asks through the aggregator, and may everything."""

    server: ScriptedApiServer
    authorities: Authorities
    reviews: Reviews
    kubeconfig: Path
    kubelets: dict[str, ScriptedKubelet] = field(default_factory=dict)

    def serving(self, node: str, *, of: str = "") -> Pair:
        """A kubelet's certificate, for its loopback address; of: another node's name in it."""
        return self.authorities.cluster.serving(node, "127.0.0.1", node=of or node)

    async def add(self, stack: contextlib.AsyncExitStack, name: str, behaviour: Behaviour) -> None:
        """A node, and its kubelet on a port that its status tells."""
        kubelet = await stack.enter_async_context(ScriptedKubelet(behaviour, SystemClock()))
        self.kubelets[name] = kubelet
        self._put("nodes", node_object(name, kubelet.port))

    def put_pod(self, namespace: str, name: str, node: str) -> None:
        metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {"app": name}}
        spec = {"nodeName": node, "containers": [{"name": "c"}]}
        self._put("pods", {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}})

    def _put(self, plural: str, thing: Object) -> None:
        thing["metadata"].setdefault("resourceVersion", "1")
        self.server.store.put(KINDS["", "v1", plural], thing)

    def asked(self) -> set[tuple[str, str, str]]:
        """(verb, group, resource) of every request of ours."""
        found = (
            attributes_of(
                HttpRequest(each.method, each.path, {k: (v,) for k, v in each.query.items()})
            )
            for each in self.server.requests
            if "kubevouch" in each.headers["User-Agent"]
        )
        return {(each.verb, each.group, each.resource) for each in found}

    def aggregate(self, port: int, roots: bytes) -> None:
        """The metrics API of this API server is served by whoever listens there, asked as kube-apiserver asks."""
        context = client_context(roots, self.authorities.front_proxy)

        async def proxied(request: web.Request) -> web.StreamResponse:
            headers = [("Accept", accept) for accept in request.headers.getall("Accept", [])]
            headers += [("X-Remote-User", "admin"), ("X-Remote-Group", "admins")]
            url = f"https://127.0.0.1:{port}{request.raw_path}"
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, headers=headers, ssl=context) as answer,
            ):
                body = await answer.read()
                form = {"Content-Type": answer.headers["Content-Type"]}
                return web.Response(status=answer.status, body=body, headers=form)

        for path in (f"{METRICS}/*", "/apis/metrics.k8s.io/v1/*", "/openapi/v3*"):
            self.server.faults.on(path, proxied)


@contextlib.asynccontextmanager
async def small_cluster(
    folder: Path, now: Callable[[], float] = time.time
) -> AsyncIterator[SmallCluster]:
    """Two good nodes `n1` and `n2` with a pod each; more may be added. now: Unix time, as the kubelets see it."""
    authorities = Authorities()
    context = server_context(authorities.cluster.serving("127.0.0.1"))
    async with (
        ScriptedApiServer(context, SystemClock()) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        ca, user = authorities.cluster.pem, {"token": TOKEN}
        path = write_kubeconfig(folder / "kubeconfig", server.url, ca, user)
        cluster = SmallCluster(server, authorities, Reviews(), path)
        cluster.reviews.play_on(server)
        authorities.publish(server)
        for name in ("n1", "n2"):
            page = CountingPage((("default", f"pod-{name}"),), now)
            pair = cluster.serving(name)
            await cluster.add(stack, name, Serve(server_context(pair), page))
            cluster.put_pod("default", f"pod-{name}", name)
        tell_of_groups(server)
        yield cluster


def node_object(name: str, port: int) -> Object:
    """A Node whose kubelet is at that port of 127.0.0.1."""
    limits = {"cpu": "2", "memory": "4Gi"}
    return {
        "metadata": {"name": name, "uid": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "allocatable": limits,
            "capacity": limits,
        },
    }
