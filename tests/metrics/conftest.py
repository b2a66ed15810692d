"""A small cluster on the wire: an API server with nodes and pods, a kubelet's port for each node, real TLS."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from kubevouch.errors import KubevouchError
from kubevouch.kube.io.credentials import Credentials, UserCredentials
from kubevouch.kube.kubeconfig import User
from kubevouch.kubelet.io.names import LookUp, system_look_up
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.collector import Collector
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.scraping import ScrapeFailure, ScrapeSettings
from kubevouch.metrics.store import NodeUsage, PodUsage
from kubevouch.system_clock import SystemClock
from tests.support.apiservers import access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.contexts import server_context
from tests.support.scripted import kinds
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kubelet import Behaviour, ScriptedKubelet, Serve
from tests.support.tasks import meanwhile
from tests.support.unhurried import GENEROUS

NODE = kinds.KINDS["", "v1", "nodes"]
POD = kinds.KINDS["", "v1", "pods"]
PATH = "/metrics/resource"
ADDRESS = "127.0.0.1"
SETTINGS = ScrapeSettings()


@dataclass
class Page:
    """What a kubelet measures: its counters grow by so much a scrape. `taken` counts the scrapes it has answered."""

    node: str
    pods: int = 1
    taken: int = 0
    cores: float = 0.5
    start: int = 1_795_000_000

    def text(self) -> bytes:
        self.taken += 1
        at = (self.start + 1000 + 15 * self.taken) * 1000
        used = 100 + 15 * self.cores * self.taken
        pods = [
            f'{{container="c",namespace="ns",pod="{self.node}-{number}"}}'
            for number in range(self.pods)
        ]
        lines = [
            *(f"container_cpu_usage_seconds_total{pod} {used / 10} {at}" for pod in pods),
            "# TYPE container_memory_working_set_bytes gauge",
            *(f"container_memory_working_set_bytes{pod} 2048 {at}" for pod in pods),
            "# TYPE container_start_time_seconds gauge",
            *(f"container_start_time_seconds{pod} {self.start}" for pod in pods),
            "# TYPE node_cpu_usage_seconds_total counter",
            f"node_cpu_usage_seconds_total {used} {at}",
            f"node_memory_working_set_bytes {1_000_000 + self.taken} {at}",
        ]
        head = "# TYPE container_cpu_usage_seconds_total counter\n"
        return (head + "".join(f"{line}\n" for line in lines)).encode()


class Live(dict[str, tuple[int, bytes]]):
    """A kubelet's answers: each time the page is asked for, it has moved on."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def get(self, path: str, otherwise: Any = None) -> Any:
        return (200, self.page.text()) if path == PATH else otherwise


@dataclass
class Heard:
    """Everything the collector told."""

    scrapes: list[tuple[str, ScrapeFailure | None]] = field(default_factory=list)
    duplicates: list[tuple[str, tuple[PodKey, ...]]] = field(default_factory=list)
    incompletes: list[tuple[str, bool, tuple[PodKey, ...]]] = field(default_factory=list)
    troubles: list[tuple[str, KubevouchError]] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unselected: list[str] = field(default_factory=list)
    restarts: list[tuple[str, BaseException | None]] = field(default_factory=list)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    look: Callable[[], None] = lambda: None
    """Called the moment a scrape has ended."""
    complaint: Exception | None = None
    """Raised after each scrape, by an observer that fails."""

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        self.look()
        self.scrapes.append((node.name, failure))
        self.stirred.set()
        if self.complaint is not None:
            raise self.complaint

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        self.duplicates.append((node.name, pods))

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        self.incompletes.append((node.name, node_itself, pods))

    def removed(self, name: str) -> None:
        self.gone.append(name)

    def doubted(self, node: FleetNode, doubt: str) -> None:
        self.doubts.append((node.name, doubt))

    def restarted(self, node: FleetNode, error: BaseException | None) -> None:
        self.restarts.append((node.name, error))
        self.stirred.set()

    def selects_nothing(self, node_selector: str) -> None:
        self.unselected.append(node_selector)
        self.stirred.set()

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        self.troubles.append((resource, error))
        self.stirred.set()

    def failure(self, name: str) -> ScrapeFailure | None:
        """Why the last scrape of a node failed; None if it succeeded or has not ended yet."""
        return dict(self.scrapes).get(name)

    def refused(self, name: str) -> ScrapeFailure:
        """Of a node whose last scrape failed: why."""
        failure = self.failure(name)
        assert failure is not None
        return failure

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(GENEROUS):
            while not what():
                self.stirred.clear()
                with contextlib.suppress(TimeoutError):
                    # What the fleet learns stirs nobody.
                    await asyncio.wait_for(self.stirred.wait(), 0.01)


class Cluster:
    """Nodes may be added, changed and removed while the collector runs."""

    def __init__(self, server: ScriptedApiServer, authority: Authority, folder: Path) -> None:
        self.server = server
        self.authority = authority
        self.token = folder / "token"
        self.token.write_text("first-token")
        self.kubelets: dict[str, ScriptedKubelet] = {}
        self.clock = SteppedClock()
        self.roots = KubeletRoots(authority.pem)
        self.heard = Heard()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def serve(self, name: str, *covered: str, node: str = "", pods: int = 1) -> Serve:
        """A kubelet as it should be; `node`: whose certificate it has, if not its own. covered: by the certificate."""
        pair = self.authority.serving(*(covered or (ADDRESS, "::1")), node=node or name)
        return Serve(server_context(pair), Live(Page(name, pods)))

    def stranger(self, name: str, *covered: str) -> Serve:
        """A kubelet whose certificate another authority signed: it answers without a token as a kubelet does."""
        pair = Authority("another").serving(*(covered or (ADDRESS,)), node=name)
        context = server_context(pair, client_ca=self.authority.pem)
        return Serve(context, Live(Page(name)), authenticates=True)

    def change_node(self, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Changes a Node in the API server."""
        self.server.store.change(NODE, ("", name), change)

    async def add(
        self,
        name: str,
        behaviour: Behaviour | None = None,
        *,
        host: str = ADDRESS,
        port: int = 0,
        **more: Any,
    ) -> ScriptedKubelet:
        """A node, the pods that run on it, and its kubelet, which behaves as it should unless told otherwise."""
        if behaviour is None:
            self.pod(f"{name}-0", node=name)
        running = ScriptedKubelet(behaviour or self.serve(name), SystemClock(), host=host)
        running.port = port
        await self._stack.enter_async_context(running)
        self.kubelets[name] = running
        self.server.store.create(NODE, self._node(name, running, **more))
        return running

    def _node(
        self,
        name: str,
        running: ScriptedKubelet,
        addresses: dict[str, str] | None = None,
        **metadata: Any,
    ) -> dict[str, Any]:
        """addresses: by their types; where it listens if none are given."""
        found = addresses or {"InternalIP": running.host}
        return {
            "metadata": {"name": name, **metadata},
            "status": {
                "addresses": [{"type": kind, "address": each} for kind, each in found.items()],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": running.port}},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }

    def pod(self, name: str, phase: str = "Running", node: str = "", **labels: str) -> None:
        metadata = {"name": name, "labels": labels}
        thing = {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}
        self.server.store.create(POD, thing, "ns")

    @contextlib.asynccontextmanager
    async def collecting(
        self,
        *,
        settings: ScrapeSettings = SETTINGS,
        credentials: Credentials | None = None,
        certificate: Credentials | None = None,
        look_up: LookUp = system_look_up,
        heard: Heard | None = None,
    ) -> AsyncIterator[Collector]:
        """A collector that runs, with a clock that stands still until a round is called for."""
        user = User(where="service account", token_file=str(self.token))
        async with client_of(access_to(self.server, self.authority)) as api:
            collector = Collector(
                api,
                KubeletAccess(
                    lambda: self.roots,
                    credentials or UserCredentials(user, self.clock),
                    certificate,
                    look_up,
                ),
                clock=self.clock,
                rng=random.Random(1).random,
                observer=heard or self.heard,
                settings=msgspec.structs.replace(settings, use_status_port=True, check_time=False),
            )
            async with meanwhile(collector.run()) as task:
                await (heard or self.heard).until(lambda: task.done() or collector.fleet.synced)
                yield collector

    async def round(self, *names: str, seconds: float = 15.5) -> dict[str, ScrapeFailure | None]:
        """Lets time pass until each of these nodes (or every node there is) has been scraped once more."""
        wanted = set(names or self.kubelets)
        before = len(self.heard.scrapes)
        # A node that has just been seen must have looked at the clock before it is wound.
        for _ in range(3):
            await asyncio.sleep(0)
        await self.clock.pass_(seconds)
        await self.heard.until(lambda: wanted <= {name for name, _ in self.heard.scrapes[before:]})
        return dict(self.heard.scrapes[before:])

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.round()

    async def refusal(self, name: str) -> ScrapeFailure:
        """Why the scrape of a node in one more round fails."""
        await self.round()
        return self.heard.refused(name)


def nodes_served(collector: Collector) -> dict[str, NodeUsage]:
    """The usage of every node that has one, by name."""
    found = {name: collector.store.node(name) for name in collector.fleet.nodes}
    return {name: usage for name, usage in found.items() if usage is not None}


def pods_served(collector: Collector) -> dict[PodKey, PodUsage]:
    """The usage of every pod that has one, by namespace and name."""
    keys = [(pod.namespace, pod.name) for pod in collector.fleet.pods.everywhere()]
    found = {key: collector.store.pod(*key) for key in keys}
    return {key: usage for key, usage in found.items() if usage is not None}


@pytest.fixture
async def cluster(authority: Authority, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with api_server(authority) as server, Cluster(server, authority, tmp_path) as made:
        server.prints_tables = True
        yield made
