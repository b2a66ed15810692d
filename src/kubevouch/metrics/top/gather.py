"""Reads the data for `top` from the API server, and finds out why values are missing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from kubevouch.clock import Clock
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.rules.metrics_api import is_stale
from kubevouch.errors import UsageError
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.errors import Forbidden, KubeError, NotFound, ServerError, StatusError
from kubevouch.kube.io.absent import named_node
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    METRICS_VERSIONS,
    NODE_METRICS,
    NODES,
    POD_METRICS,
    PODS,
    SIZED_NODES,
    Node,
    NodeMetrics,
    Pod,
    PodMetrics,
    Resource,
    SizedNode,
)
from kubevouch.metrics.top.rows import UsageRow, node_rows, pod_rows
from kubevouch.metrics.top.why import UnknownReason, why_unknown, why_without_sample

T = TypeVar("T", NodeMetrics, PodMetrics)

_BAD_REQUEST: Final = 400
_LOG_TIMEOUT: Final = 2.0
"""Time-out in seconds for metrics-server's logs. The API server gets them from a kubelet, which may
hang."""


@dataclass(frozen=True, slots=True)
class TopOptions:
    """Which nodes or pods to show. name, selector, fields, sort_by: "" if not given. namespace: "" for all.

    timeout: seconds for one kubelet's handshake. capacity: show percent of capacity instead of
    allocatable.
    """

    name: str
    selector: str
    sort_by: str
    timeout: float
    namespace: str = ""
    fields: str = ""
    capacity: bool = False
    containers: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A node or a running pod without usage. of_its_node: whether the pod's node has no usage either, for the same reason."""

    namespace: str
    name: str
    node: str
    why: UnknownReason
    of_its_node: bool = False


@dataclass(frozen=True, slots=True)
class TopFound:
    """The data to show.

    complaint: why the metrics API did not answer, or "". old: the names of rows whose metrics are
    over five minutes old.
    """

    rows: Sequence[UsageRow]
    missing: Sequence[Missing]
    complaint: str
    old: Sequence[str]


@dataclass(frozen=True, slots=True)
class TopClient:
    """Reads from an API server.

    progress: called with the current activity. note: called with messages for the user.
    """

    api: ApiClient
    clock: Clock
    progress: Callable[[str], None]
    note: Callable[[str], None]

    async def nodes(self, options: TopOptions) -> TopFound:
        """The nodes' usage, and why usage is missing. Raises KubeError, UsageError."""
        api, name = self.api, options.name
        if name and options.selector:
            expected = "give either NAME or -l"
            raise UsageError("top nodes", "NAME is given with -l", expected)
        with _readable("top nodes", options.selector):
            if name:
                nodes: tuple[SizedNode, ...] = (await named_node(api, SIZED_NODES, name),)
                name = nodes[0].name
            else:
                nodes = await api.list_all(SIZED_NODES, label_selector=options.selector)
            metrics: tuple[NodeMetrics, ...] = ()
            complaint = ""
            try:
                metrics = await self._usage(
                    NODE_METRICS, labels=options.selector, fields=_named(name)
                )
            except (NotFound, ServerError) as error:
                complaint = str(error)
        rows = node_rows(metrics, nodes, capacity=options.capacity, sort_by=options.sort_by)
        unmeasured = {row.name for row in rows if row.used is None}
        absent = [node for node in nodes if node.name in unmeasured]
        reasons = await self._reasons(absent, options.timeout)
        missing = [Missing("", name, name, why) for name, why in reasons.items()]
        return TopFound(rows, missing, complaint, self._old(rows))

    async def pods(self, options: TopOptions) -> TopFound:
        """The pods' usage, and why usage is missing. Raises KubeError, UsageError."""
        if options.name and (options.selector or options.fields or not options.namespace):
            seen = "NAME is given with -l, --field-selector or -A"
            raise UsageError("top pods", seen, "give either NAME or these flags")
        with _readable("top pods", options.selector, options.fields):
            metrics: tuple[PodMetrics, ...] = ()
            complaint = ""
            try:
                metrics = await self._pod_metrics(options)
            except (NotFound, ServerError) as error:
                complaint = str(error)
            absent = await self._absent_pods(options, metrics)
        rows = pod_rows(metrics, containers=options.containers, sort_by=options.sort_by)
        reasons = await self._reasons(await self._unmeasured(absent), options.timeout)
        now = self.clock.now()
        missing = [
            Missing(
                pod.namespace,
                pod.name,
                node,
                reasons.get(node) or why_without_sample(pod, now),
                of_its_node=node in reasons,
            )
            for node, pods in sorted(absent.items())
            for pod in pods
        ]
        return TopFound(rows, missing, complaint, self._old(rows))

    def _old(self, rows: Sequence[UsageRow]) -> list[str]:
        now = self.api.server_clock.now()
        names = (
            f"{row.namespace}/{row.name}" if row.namespace else row.name
            for row in rows
            if row.used is not None and is_stale(row.timestamp, now)
        )
        return list(dict.fromkeys(names))

    async def _pod_metrics(self, options: TopOptions) -> tuple[PodMetrics, ...]:
        """The metrics of the selected pods.

        The metrics API can select by no field except name and namespace. So with --field-selector
        this also lists the pods, as in kubectl.
        """
        api, space, labels = self.api, options.namespace, options.selector
        found = await self._usage(POD_METRICS, space, labels, _named(options.name))
        if not found or not options.fields:
            return found
        fields = options.fields
        pods = await api.list_all(PODS, space, label_selector=labels, field_selector=fields)
        chosen = {(pod.namespace, pod.name) for pod in pods}
        return tuple(each for each in found if (each.namespace, each.name) in chosen)

    async def _usage(
        self, resource: Resource[T], namespace: str = "", labels: str = "", fields: str = ""
    ) -> tuple[T, ...]:
        """The usage from the first metrics API version that answers, as in kubectl since 1.37."""
        failures: list[KubeError] = []
        for version in METRICS_VERSIONS:
            try:
                return await self.api.list_all(
                    replace(resource, version=version),
                    namespace,
                    label_selector=labels,
                    field_selector=fields,
                )
            except (NotFound, ServerError) as error:
                failures.append(error)
        # The error of an existing version is more useful than that of a missing one.
        raise next((e for e in failures if isinstance(e, ServerError)), failures[-1])

    async def _absent_pods(
        self, options: TopOptions, metrics: Sequence[PodMetrics]
    ) -> dict[str, list[Pod]]:
        """The running pods that the metrics API lacks, by node."""
        chosen = _named(options.name) or options.fields
        fields = ",".join(filter(None, (chosen, "status.phase=Running")))
        try:
            pods = await self.api.list_all(
                PODS, options.namespace, label_selector=options.selector, field_selector=fields
            )
        except Forbidden as error:
            self.note(f"cannot list the pods that lack metrics: {error}")
            return {}
        if options.name and not pods and not metrics:
            # The pod does not exist, or does not run.
            pod = await self.api.get(PODS, options.name, options.namespace)
            self.note(f"{pod.namespace}/{pod.name} is {pod.status.phase or 'not running'}")
        measured = {(each.namespace, each.name) for each in metrics}
        found: dict[str, list[Pod]] = {}
        for pod in pods:
            if (pod.namespace, pod.name) not in measured:
                found.setdefault(pod.spec.node_name, []).append(pod)
        return found

    async def _unmeasured(self, absent: Mapping[str, list[Pod]]) -> list[Node]:
        """The nodes that run these pods and have no metrics themselves."""
        if not absent:
            return []
        try:
            measured = {each.name for each in await self._usage(NODE_METRICS)}
        except KubeError:
            measured = set()
        nodes = await self.api.list_all(NODES)
        return [node for node in nodes if node.name in absent and node.name not in measured]

    async def _reasons(self, absent: Sequence[Node], timeout: float) -> dict[str, UnknownReason]:
        """Why each of these nodes has no metrics, from doctor's evidence."""
        if not absent:
            return {}
        evidence = await gather(
            self.api,
            clock=self.clock,
            progress=self.progress,
            dial_timeout=timeout,
            log_timeout=min(timeout, _LOG_TIMEOUT),
        )
        diagnosis = diagnose(evidence)
        return {node.name: why_unknown(node, evidence, diagnosis) for node in absent}


def _named(name: str) -> str:
    return f"metadata.name={name}" if name else ""


@contextmanager
def _readable(verb: str, *choices: str) -> Iterator[None]:
    """Turns API errors about selectors or an unknown NAME into usage errors."""
    try:
        yield
    except NotFound as error:
        raise UsageError(verb, error.message, "expected an existing name") from None
    except StatusError as error:
        if error.code != _BAD_REQUEST or not any(choices):
            raise
        raise UsageError(f"{verb}: {' and '.join(filter(None, choices))}", error.message) from None
