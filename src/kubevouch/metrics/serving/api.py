"""The metrics API: get and list of nodes and pods."""

from collections.abc import Callable, Sequence
from typing import Final

from kubevouch.clock import Clock
from kubevouch.metrics.fleet import Fleet, FleetNode, RunningPod
from kubevouch.metrics.serving import tables
from kubevouch.metrics.serving.objects import (
    GROUP,
    list_object,
    node_metrics,
    pod_metrics,
    rfc3339,
    with_kind,
)
from kubevouch.metrics.serving.selectors import SelectorError, field_selector, label_selector
from kubevouch.metrics.serving.tables import TableRow
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.attributes import Attributes, attributes_of
from kubevouch.serve.messages import HttpRequest, HttpResponse, json_response
from kubevouch.serve.negotiation import MediaType, accepted
from kubevouch.serve.statuses import (
    bad_request,
    no_such_method,
    no_such_resource,
    not_acceptable,
    not_found,
    not_supported,
)

_MEDIA: Final = ("application/json",)
_AT_ONCE: Final = 250
_KINDS: Final = {"nodes": "NodeMetrics", "pods": "PodMetrics"}


class MetricsApi:
    """Serves /apis/metrics.k8s.io/v1beta1/. observe: called with the age of each measurement served, in seconds."""

    def __init__(
        self,
        store: MetricsStore,
        fleet: Fleet,
        clock: Clock,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._observe = observe

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request; errors are responses, too."""
        attributes = attributes_of(request)
        form = accepted(request, tables.TABLES)
        include = request.query_value("includeObject")
        refusal = _refusal(request.method, attributes, form, include)
        if refusal is not None:
            return refusal
        assert form is not None
        single = attributes.verb == "get"
        found = await (self._one(attributes) if single else self._list(attributes, request))
        if isinstance(found, HttpResponse):
            return found
        if form.converts_to:
            return json_response(tables.table(found, form.parameters["v"], include))
        kind = _KINDS[attributes.resource]
        items = [row.item for row in found]
        return json_response(with_kind(kind, items[0]) if single else list_object(kind, items))

    async def _one(self, attributes: Attributes) -> list[TableRow] | HttpResponse:
        found: list[FleetNode] | list[RunningPod]
        if attributes.resource == "nodes":
            node = self._fleet.nodes.get(attributes.name)
            if node is None:
                return not_found("", "node", attributes.name)
            found, name = [node], attributes.name
        else:
            pod = self._fleet.pods.get((attributes.namespace, attributes.name))
            if pod is None:
                return not_found("", "pods", attributes.name)
            found, name = [pod], f"{attributes.namespace}/{attributes.name}"
        rows = await self._rows(found)
        return rows or not_found(GROUP, _KINDS[attributes.resource].lower(), name)

    async def _list(
        self, attributes: Attributes, request: HttpRequest
    ) -> list[TableRow] | HttpResponse:
        try:
            labels = label_selector(request.query_value("labelSelector"))
            fields = field_selector(request.query_value("fieldSelector"))
        except SelectorError as error:
            return bad_request(str(error))
        if attributes.resource == "nodes":
            nodes = [
                node
                for name, node in self._fleet.nodes.items()
                if labels(node.labels) and fields("", name)
            ]
            nodes.sort(key=lambda node: node.name)
            return await self._rows(nodes)
        pods = [
            pod
            for (namespace, name), pod in self._fleet.pods.items()
            if attributes.namespace in {"", namespace}
            and labels(pod.labels)
            and fields(namespace, name)
        ]
        pods.sort(key=lambda pod: (pod.namespace, pod.name))
        return await self._rows(pods)

    async def _rows(self, chosen: Sequence[FleetNode | RunningPod]) -> list[TableRow]:
        """The rows of those that have a usage. Yields to the scraper every now and then while building a long list."""
        now = self._clock.now()
        stamp, since_1970 = rfc3339(now), now.timestamp()
        rows: list[TableRow] = []
        for place, each in enumerate(chosen, start=1):
            row = self._node(each, stamp) if isinstance(each, FleetNode) else self._pod(each, stamp)
            if row is not None:
                rows.append(row)
                if row.at_ns is not None:
                    self._observe(since_1970 - row.at_ns / 1e9)
            if place % _AT_ONCE == 0:
                await self._clock.sleep(0)
        return rows

    def _node(self, node: FleetNode, stamp: str) -> TableRow | None:
        used = self._store.node(node.name)
        if used is None:
            return None
        item = node_metrics(node.name, node.labels, used, stamp)
        return TableRow(
            "NodeMetrics", item, used.cpu_nanocores, used.memory_bytes, used.timestamp_ns
        )

    def _pod(self, pod: RunningPod, stamp: str) -> TableRow | None:
        used = self._store.pod(pod.namespace, pod.name)
        if used is None:
            return None
        cpu = sum(each.cpu_nanocores for each in used.containers)
        memory = sum(each.memory_bytes for each in used.containers)
        item = pod_metrics(pod.labels, used, stamp)
        return TableRow("PodMetrics", item, cpu, memory, used.timestamp_ns)


def _refusal(
    method: str, attributes: Attributes, form: MediaType | None, include: str
) -> HttpResponse | None:
    """The response if this API does not serve such a request; None if it does."""
    if attributes.resource not in _KINDS or attributes.subresource or not _fits(attributes):
        return no_such_resource()
    if method != "GET":
        return no_such_method()
    if attributes.verb == "watch":
        return not_supported(GROUP, attributes.resource, "watch")
    if form is None:
        return not_acceptable(_MEDIA)
    if form.converts_to and include not in tables.INCLUDED:
        return bad_request(f"unrecognized includeObject value: {include!r}")
    return None


def _fits(attributes: Attributes) -> bool:
    """Whether the namespace fits: nodes have none, and a single pod needs one."""
    if attributes.resource == "nodes":
        return not attributes.namespace
    return bool(attributes.namespace) or attributes.verb != "get"
