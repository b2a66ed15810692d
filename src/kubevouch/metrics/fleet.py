"""The nodes and running pods of a cluster: the addresses to scrape, and the names and labels for the metrics API.

Both are watched (kube/io/watch). Only running pods are listed, as in metrics-server's informer
(pkg/server/config.go: field selector status.phase=Running). Like metrics-server, this reads only
the pods' metadata. But it requests the pods as a Table, whose rows also name the pod's node: a
pod's usage counts only if that node's kubelet reports it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kubevouch.kube.decode import RowForm
from kubevouch.kube.resources import PODS, Narrow, Node, Object, Resource
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kubelet.io.names import LONGEST_NAME
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.scraping import ScrapeSettings

METRICS_PATH: Final = "metrics.k8s.io/resource-metrics-path"
"""The Node annotation with the path of the kubelet's metrics
(pkg/scraper/client/resource/client.go)."""
LONGEST_PATH: Final = 1024
"""The maximum length of the path in the annotation METRICS_PATH, in characters. A hostile kubelet
can annotate its own Node, and each scrape sends the path."""
_MOST_TEXTS: Final = 20_000


class _Placed(Narrow, frozen=True, kw_only=True):
    node_name: str = ""


class PlacedPod(Object, frozen=True, kw_only=True):
    """A pod with the name of its node, from a row of a Table."""

    spec: _Placed = _Placed()


def _placed(metadata: Metadata, node: str) -> PlacedPod:
    return PlacedPod(metadata=metadata, spec=_Placed(node_name=node))


PLACED_PODS: Final = Resource("", "v1", PODS.plural, PODS.kind, PlacedPod, namespaced=True)
# kubectl's column of `get pods -o wide` (pkg/printers/internalversion/printers.go).
PLACED_ROWS: Final = RowForm(PlacedPod, "Node", _placed)


class FleetNode(msgspec.Struct, frozen=True):
    """A node to scrape.

    address: the host to dial, without port; "" if the Node has no address of a preferred type.
    path: that of the kubelet's metrics; "" if the annotation METRICS_PATH is longer than
    LONGEST_PATH.
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
    """The Node's address of the most preferred type (pkg/utils/address_resolver.go)."""
    found = (
        each.address
        for wanted in types
        for each in node.status.addresses
        if each.type == wanted and 0 < len(each.address) <= LONGEST_NAME
    )
    return next(found, "")


class RunningPod(msgspec.Struct, frozen=True, gc=False):
    """A running pod: the fields that selectors match, and the name of its node."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    node: str


class RunningPods:
    """All running pods by namespace and name. A request for one namespace reads only its pods."""

    def __init__(self, pods: Iterable[RunningPod] = ()) -> None:
        self._pods: dict[str, dict[str, RunningPod]] = {}
        self._disordered: set[str] = set()
        for pod in pods:
            self.put(pod)

    def put(self, pod: RunningPod) -> None:
        """Adds or replaces a pod."""
        here = self._pods.setdefault(pod.namespace, {})
        if pod.name not in here:
            self._disordered.add(pod.namespace)
        here[pod.name] = pod

    def remove(self, key: PodKey) -> None:
        """Removes a pod, if present."""
        namespace, name = key
        here = self._pods.get(namespace, {})
        if here.pop(name, None) is not None and not here:
            del self._pods[namespace]
            self._disordered.discard(namespace)

    def get(self, key: PodKey) -> RunningPod | None:
        """The pod, or None. Called for every pod of every node, so it must be fast."""
        here = self._pods.get(key[0])
        return here.get(key[1]) if here is not None else None

    def of(self, namespace: str) -> tuple[RunningPod, ...]:
        """The current pods of a namespace, sorted by name."""
        here = self._pods.get(namespace)
        if here is None:
            return ()
        if namespace in self._disordered:
            # Kept sorted, so that next time few names are out of place.
            self._disordered.discard(namespace)
            here = self._pods[namespace] = {name: here[name] for name in sorted(here)}
        return tuple(here.values())

    def everywhere(self) -> Iterator[RunningPod]:
        """The pods of all namespaces, sorted by namespace and name. Each namespace is read when the iterator reaches it."""
        for namespace in sorted(self._pods):
            yield from self.of(namespace)


@dataclass(slots=True)
class Fleet:
    """The nodes by name, and the running pods. synced: True once both have been listed.

    Only the collector changes them.
    """

    nodes: dict[str, FleetNode] = field(default_factory=dict)
    pods: RunningPods = field(default_factory=RunningPods)
    synced: bool = False


class SharedTexts:
    """Keeps one string object for all equal texts, since many nodes and pods have the same labels.

    When the table of strings is full, it is cleared. sys.intern is no alternative: on some Python
    versions (3.12.1) it never frees a string, so each new label value would cost memory forever.
    """

    def __init__(self) -> None:
        self._table: dict[str, str] = {}

    def one(self, text: str) -> str:
        """The table's string object with this text; `text` itself if it is new."""
        found = self._table.get(text)
        if found is None:
            if len(self._table) >= _MOST_TEXTS:
                self._table.clear()
            found = self._table[text] = text
        return found

    def labels(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The same labels, with the string objects of the table."""
        return {self.one(name): self.one(text) for name, text in labels.items()}
