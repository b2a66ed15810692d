"""The metrics API: get and list of nodes and pods."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kube.resources import METRICS_GROUP
from kubevouch.metrics.fleet import Fleet, FleetNode, RunningPod
from kubevouch.metrics.serving.objects import (
    TABLE,
    Form,
    Item,
    form_of,
)
from kubevouch.metrics.serving.selectors import Selection, SelectorError, selection_of
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.authorization import Attributes, attributes_of
from kubevouch.serve.messages import HttpRequest, HttpResponse, response_in_pieces
from kubevouch.serve.negotiation import accepted, not_accepted
from kubevouch.serve.statuses import (
    bad_request,
    no_such_method,
    no_such_resource,
    not_found,
    not_supported,
)
from kubevouch.x509.gotext import utc_text

AT_ONCE: Final = 200
"""The most nodes or pods that a list handles (in about 3 ms) before it yields to other tasks."""
_KINDS: Final = {"nodes": "NodeMetrics", "pods": "PodMetrics"}


class MetricsApi:
    """Serves the paths below /apis/metrics.k8s.io/v1 and v1beta1.

    observe: called with the ages of served measurements in seconds.
    """

    def __init__(
        self,
        store: MetricsStore,
        fleet: Fleet,
        clock: Clock,
        observe: Callable[[Sequence[float]], None] = lambda _ages: None,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._observe = observe

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request. Errors are checked in apiserver's order."""
        attributes = attributes_of(request)
        refusal = _refusal(request.method, attributes)
        if refusal is not None:
            return refusal
        media = accepted(request, (TABLE,))
        if media is None:
            return not_accepted()
        single = attributes.verb == "get"
        kind, as_table = _KINDS[attributes.resource], bool(media.converts_to)
        form = form_of(request, attributes.version, kind, as_table=as_table, single=single)
        if single:
            return self._one(attributes, form)
        return await self._many(attributes, form, request)

    def _one(self, attributes: Attributes, form: Form) -> HttpResponse:
        found: FleetNode | RunningPod | None
        kind, name = _KINDS[attributes.resource], attributes.name
        if attributes.resource == "nodes":
            found, missing = self._fleet.nodes.get(name), ("node", name)
        else:
            found, missing = self._fleet.pods.get((attributes.namespace, name)), ("pods", name)
            name = f"{attributes.namespace}/{name}"
        if found is None:
            return not_found("", *missing)
        measured = self._measured([found])
        if not measured:
            return not_found(METRICS_GROUP, kind.lower(), name)
        text = f"{form.begin}{form.write(measured[0])}{form.end}"
        return HttpResponse(200, text.encode())

    async def _many(self, attributes: Attributes, form: Form, request: HttpRequest) -> HttpResponse:
        try:
            selection = selection_of(request)
        except SelectorError as error:
            return bad_request(str(error))
        if attributes.verb == "watch":
            return not_supported(METRICS_GROUP, attributes.resource, "watch")
        return await response_in_pieces(request, self._list(attributes, selection, form))

    async def _list(
        self, attributes: Attributes, selection: Selection, form: Form
    ) -> AsyncGenerator[bytes, None]:
        """Yields the text of a list in pieces of at most AT_ONCE objects."""
        now, before = utc_text(self._clock.now()), form.begin
        found, at_once = self._listed(attributes), max(1, AT_ONCE // selection.effort)
        while looked_at := list(islice(found, at_once)):
            if not selection.everything:
                looked_at = [each for each in looked_at if _chosen(each, selection)]
            rows = [form.write(each) for each in self._measured(looked_at, now)]
            if rows:
                yield f"{before}{','.join(rows)}".encode()
                before = ","
            await self._clock.sleep(0)
        yield (form.nothing if before == form.begin else form.end).encode()

    def _listed(self, attributes: Attributes) -> Iterator[FleetNode | RunningPod]:
        if attributes.resource == "nodes":
            return iter(sorted(self._fleet.nodes.values(), key=lambda node: node.name))
        pods = self._fleet.pods
        return iter(pods.of(attributes.namespace)) if attributes.namespace else pods.everywhere()

    def _measured(self, found: list[FleetNode | RunningPod], stamp: str = "") -> list[Item]:
        """The objects whose usage is known.

        stamp: the creationTimestamp of each object in the response; "" for the current time.
        """
        now = self._clock.now()
        stamp = stamp or utc_text(now)
        node_usage, pod_usage = self._store.node, self._store.pod
        measured: list[Item] = []
        for each in found:
            if isinstance(each, RunningPod):
                if (in_pod := pod_usage(each.namespace, each.name)) is not None:
                    measured.append(Item(each, in_pod, stamp))
            elif (used := node_usage(each.name)) is not None:
                measured.append(Item(each, used, stamp))
        since_1970 = now.timestamp()
        self._observe(
            [since_1970 - at_ns / 1e9 for each in measured if (at_ns := each.at_ns) is not None]
        )
        return measured


def _refusal(method: str, attributes: Attributes) -> HttpResponse | None:
    """The error response if this API lacks the path or method; else None."""
    if attributes.resource not in _KINDS or attributes.subresource or not _fits(attributes):
        return no_such_resource()
    return None if method == "GET" else no_such_method()


def _fits(attributes: Attributes) -> bool:
    """Whether the namespace is valid: nodes have none, and a single pod needs one."""
    if attributes.resource == "nodes":
        return not attributes.namespace
    return bool(attributes.namespace) or attributes.verb != "get"


def _chosen(each: FleetNode | RunningPod, selection: Selection) -> bool:
    namespace = "" if isinstance(each, FleetNode) else each.namespace
    return selection.labels(each.labels) and selection.fields(namespace, each.name)
