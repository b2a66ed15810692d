"""Nodes and pods: get and list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kubevouch.clock import Clock
from kubevouch.metrics.fleet import Fleet
from kubevouch.metrics.serving import tables
from kubevouch.metrics.serving.objects import GROUP, listed, node_metrics, pod_metrics, whole
from kubevouch.metrics.serving.selectors import SelectorError, field_selector, label_selector
from kubevouch.metrics.serving.tables import Row
from kubevouch.metrics.store import Store
from kubevouch.serve.attributes import Attributes, attributes_of
from kubevouch.serve.messages import Request, Response, in_json
from kubevouch.serve.negotiation import Form, accepted
from kubevouch.serve.statuses import (
    bad_request,
    no_such_method,
    no_such_resource,
    not_acceptable,
    not_found,
    not_supported,
)

_MEDIA: Final = ("application/json",)
_KINDS: Final = {"nodes": "NodeMetrics", "pods": "PodMetrics"}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a list's selectors take."""

    labels: Callable[..., bool]
    fields: Callable[[str, str], bool]


class MetricsApi:
    """Answers below /apis/metrics.k8s.io/v1beta1/. observe: told how old each measurement is that goes out, seconds."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        clock: Clock,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._observe = observe

    async def answer(self, request: Request) -> Response:
        """The answer; errors are answers, too."""
        asked = attributes_of(request)
        form = accepted(request, tables.TABLES)
        include = request.asked("includeObject")
        refusal = _refusal(request.method, asked, form, include)
        if refusal is not None:
            return refusal
        assert form is not None
        single = asked.verb == "get"
        found = self._one(asked) if single else self._list(asked, request)
        if isinstance(found, Response):
            return found
        if form.converts_to:
            return in_json(tables.table(found, form.parameters["v"], include))
        kind = _KINDS[asked.resource]
        items = [row.item for row in found]
        return in_json(whole(kind, items[0]) if single else listed(kind, items))

    def _one(self, asked: Attributes) -> list[Row] | Response:
        row: Row | None
        if asked.resource == "nodes":
            if asked.name not in self._fleet.nodes:
                return not_found("", "node", asked.name)
            row, name = self._node(asked.name), asked.name
        else:
            if (asked.namespace, asked.name) not in self._fleet.pods:
                return not_found("", "pods", asked.name)
            row, name = self._pod(asked.namespace, asked.name), f"{asked.namespace}/{asked.name}"
        return not_found(GROUP, _KINDS[asked.resource].lower(), name) if row is None else [row]

    def _list(self, asked: Attributes, request: Request) -> list[Row] | Response:
        try:
            chosen = _Chosen(
                label_selector(request.asked("labelSelector")),
                field_selector(request.asked("fieldSelector")),
            )
        except SelectorError as error:
            return bad_request(str(error))
        found = self._nodes(chosen) if asked.resource == "nodes" else self._pods(chosen, asked)
        return [row for row in found if row is not None]

    def _nodes(self, chosen: _Chosen) -> list[Row | None]:
        return [
            self._node(name)
            for name, node in sorted(self._fleet.nodes.items())
            if chosen.labels(node.labels) and chosen.fields("", name)
        ]

    def _pods(self, chosen: _Chosen, asked: Attributes) -> list[Row | None]:
        return [
            self._pod(namespace, name)
            for (namespace, name), pod in sorted(self._fleet.pods.items())
            if asked.namespace in {"", namespace}
            and chosen.labels(pod.labels)
            and chosen.fields(namespace, name)
        ]

    def _node(self, name: str) -> Row | None:
        used = self._store.node(name)
        if used is None:
            return None
        now = self._clock.now()
        self._observe((now - used.timestamp).total_seconds())
        item = node_metrics(name, self._fleet.nodes[name].labels, used, now)
        return Row("NodeMetrics", item, used.cpu_nanocores, used.memory_bytes)

    def _pod(self, namespace: str, name: str) -> Row | None:
        used = self._store.pod(namespace, name)
        if used is None:
            return None
        now = self._clock.now()
        if used.timestamp is not None:
            self._observe((now - used.timestamp).total_seconds())
        item = pod_metrics(self._fleet.pods[namespace, name].labels, used, now)
        cpu = sum(each.cpu_nanocores for each in used.containers)
        memory = sum(each.memory_bytes for each in used.containers)
        return Row("PodMetrics", item, cpu, memory)


def _refusal(method: str, asked: Attributes, form: Form | None, include: str) -> Response | None:
    """What this API does not have; None if it has it."""
    if asked.resource not in _KINDS or asked.subresource or not _fits(asked):
        return no_such_resource()
    if method != "GET":
        return no_such_method()
    if asked.verb == "watch":
        return not_supported(GROUP, asked.resource, "watch")
    if form is None:
        return not_acceptable(_MEDIA)
    if form.converts_to and include not in tables.INCLUDED:
        return bad_request(f"unrecognized includeObject value: {include!r}")
    return None


def _fits(asked: Attributes) -> bool:
    """Nodes have no namespace; a single pod is found in one only."""
    if asked.resource == "nodes":
        return not asked.namespace
    return bool(asked.namespace) or asked.verb != "get"
