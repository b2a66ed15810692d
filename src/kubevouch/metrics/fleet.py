"""The nodes and running pods of a cluster: what the scraper dials, and the names and labels of the metrics API.

Both are watched (kube/io/watch). Only running pods are listed, as by metrics-server's informer (pkg/server/config.go:
field selector status.phase=Running). Both servers read metadata only, but here the name of the pod's node belongs to
it, so that a kubelet can report its own pods only: pods are read as rows of a Table.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.decode import RowForm
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import NODES, PODS, Narrow, Node, Object, Resource
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kubelet.io.names import LONGEST_NAME
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.scraping import ScrapeSettings

METRICS_PATH: Final = "metrics.k8s.io/resource-metrics-path"
"""Annotation of a Node with the path of its kubelet's metrics (pkg/scraper/client/resource/client.go)."""
LONGEST_PATH: Final = 1024
"""Characters of a path: a kubelet may write this annotation of its own Node, and each scrape asks for it."""
_MOST_TEXTS: Final = 20_000


class _Placed(Narrow, frozen=True, kw_only=True):
    node_name: str = ""


class _PlacedPod(Object, frozen=True, kw_only=True):
    spec: _Placed = _Placed()


def _placed(metadata: Metadata, node: str) -> _PlacedPod:
    return _PlacedPod(metadata=metadata, spec=_Placed(node_name=node))


_PODS: Final = Resource("", "v1", PODS.plural, PODS.kind, _PlacedPod, namespaced=True)
# kubectl's column of `get pods -o wide` (pkg/printers/internalversion/printers.go).
_ROWS: Final = RowForm(_PlacedPod, "Node", _placed)


class FleetNode(msgspec.Struct, frozen=True):
    """A node to scrape. address: what to dial, without port; "" if the Node has no address of the preferred types.

    path: "" if its annotation has a longer one than LONGEST_PATH.
    """

    name: str
    labels: Mapping[str, str]
    address: str
    port: int
    path: str
    ready: bool


def fleet_node(node: Node, settings: ScrapeSettings) -> FleetNode:
    """The node with the address, port and path to scrape."""
    status_port = node.status.daemon_endpoints.kubelet_endpoint.port
    path = node.metadata.annotations.get(METRICS_PATH) or "/metrics/resource"
    return FleetNode(
        name=node.name,
        labels=node.metadata.labels,
        address=_address(node, settings.address_types),
        port=status_port if settings.use_status_port and status_port else settings.port,
        path=path if len(path) <= LONGEST_PATH else "",
        ready=node.ready,
    )


def _address(node: Node, types: tuple[str, ...]) -> str:
    """That of the most preferred type that the Node has (pkg/utils/address_resolver.go)."""
    found = (
        each.address
        for wanted in types
        for each in node.status.addresses
        if each.type == wanted and 0 < len(each.address) <= LONGEST_NAME
    )
    return next(found, "")


class RunningPod(msgspec.Struct, frozen=True, gc=False):
    """A running pod: what selectors match, and the name of its node."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    node: str


class RunningPods(Mapping[PodKey, RunningPod]):
    """Every running pod, by namespace and name: who asks for one namespace looks at no other one's pods."""

    def __init__(self, pods: Iterable[RunningPod] = ()) -> None:
        self._pods: dict[str, dict[str, RunningPod]] = {}
        self._disordered: set[str] = set()
        self._count = 0
        for pod in pods:
            self.put(pod)

    def put(self, pod: RunningPod) -> None:
        """Adds a pod, or replaces it."""
        here = self._pods.setdefault(pod.namespace, {})
        before = len(here)
        here[pod.name] = pod
        if len(here) != before:
            self._count += 1
            self._disordered.add(pod.namespace)

    def remove(self, key: PodKey) -> None:
        """Removes a pod, if it is there."""
        namespace, name = key
        here = self._pods.get(namespace)
        if here is None or here.pop(name, None) is None:
            return
        self._count -= 1
        if not here:
            del self._pods[namespace]
            self._disordered.discard(namespace)

    def node_of(self, key: PodKey) -> str:
        """The name of a pod's node; "" if there is no such pod. Asked for every pod of every page."""
        here = self._pods.get(key[0])
        pod = here.get(key[1]) if here is not None else None
        return "" if pod is None else pod.node

    def of(self, namespace: str) -> tuple[RunningPod, ...]:
        """The pods of a namespace as they are now, in the order of their names."""
        here = self._pods.get(namespace)
        if here is None:
            return ()
        if namespace in self._disordered:
            # Kept in order, so that the next time few names are out of place.
            self._disordered.discard(namespace)
            here = self._pods[namespace] = {name: here[name] for name in sorted(here)}
        return tuple(here.values())

    def everywhere(self) -> Iterator[RunningPod]:
        """The pods of all namespaces, in the order of namespaces and names; each namespace as it is when reached."""
        for namespace in sorted(self._pods):
            yield from self.of(namespace)

    def __getitem__(self, key: PodKey) -> RunningPod:
        return self._pods[key[0]][key[1]]

    def __iter__(self) -> Iterator[PodKey]:
        for namespace, here in self._pods.items():
            for name in here:
                yield namespace, name

    def __len__(self) -> int:
        return self._count


@dataclass(slots=True)
class Fleet:
    """The nodes by name, and the running pods. synced: both were listed once. Live: only `WatchedFleet` changes them."""

    nodes: dict[str, FleetNode] = field(default_factory=dict)
    pods: RunningPods = field(default_factory=RunningPods)
    synced: bool = False


class SharedTexts:
    """Equal texts as one object: a fleet's labels are the same few, over and over. The table begins anew when it is full.

    What sys.intern has seen never goes again on some versions of Python (3.12.1), and whoever makes up labels fills the memory.
    """

    def __init__(self) -> None:
        self._table: dict[str, str] = {}

    def one(self, text: str) -> str:
        """The text, as the object that was given first."""
        found = self._table.get(text)
        if found is None:
            if len(self._table) >= _MOST_TEXTS:
                self._table.clear()
            found = self._table[text] = text
        return found

    def labels(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The labels, of shared texts."""
        return {self.one(name): self.one(text) for name, text in labels.items()}


class WatchedFleet:
    """Keeps `fleet` up to date by two watches. put, remove: called with a node that is new or has changed, and the name of one that is gone.

    report: called with "nodes" or "pods" and each failure of that watch, which then tries again. first_listed: called
    when the nodes were listed for the first time.
    """

    def __init__(
        self,
        api: ApiClient,
        settings: ScrapeSettings,
        *,
        put: Callable[[FleetNode], None],
        remove: Callable[[str], None],
        clock: Clock,
        rng: Callable[[], float],
        report: Callable[[str, KubevouchError], None],
        first_listed: Callable[[], None] = lambda: None,
    ) -> None:
        self._first_listed = first_listed
        self._settings = settings
        self._put_node, self._remove_node = put, remove
        self.fleet = Fleet()
        self._texts = SharedTexts()
        self._listed: set[str] = set()
        self._node_watch = Watch(
            api,
            NODES,
            clock=clock,
            rng=rng,
            report=lambda error: report("nodes", error),
            label_selector=settings.node_selector,
        )
        self._pod_watch = Watch(
            api,
            _PODS,
            clock=clock,
            rng=rng,
            report=lambda error: report("pods", error),
            field_selector="status.phase=Running",
            rows=_ROWS,
        )

    async def run(self) -> None:
        """Follows both watches until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._node_watch.follow(
                    self._put, lambda key: self._remove(key[1]), self._nodes_are_listed
                )
            )
            tasks.create_task(
                self._pod_watch.follow(
                    lambda pod: self.fleet.pods.put(self._running(pod)),
                    self.fleet.pods.remove,
                    lambda: self._is_listed("pods"),
                )
            )

    def _put(self, node: Node) -> None:
        found = fleet_node(node, self._settings)
        found = msgspec.structs.replace(found, labels=self._texts.labels(found.labels))
        before = self.fleet.nodes.get(found.name)
        self.fleet.nodes[found.name] = found
        if before != found:
            self._put_node(found)

    def _remove(self, name: str) -> None:
        self.fleet.nodes.pop(name, None)
        self._remove_node(name)

    def _nodes_are_listed(self) -> None:
        if "nodes" not in self._listed:
            self._is_listed("nodes")
            self._first_listed()

    def _is_listed(self, what: str) -> None:
        self._listed.add(what)
        self.fleet.synced = self._listed == {"nodes", "pods"}

    def _running(self, pod: _PlacedPod) -> RunningPod:
        namespace, node = self._texts.one(pod.namespace), self._texts.one(pod.spec.node_name)
        return RunningPod(namespace, pod.name, self._texts.labels(pod.metadata.labels), node)
