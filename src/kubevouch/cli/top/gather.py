"""What `top` asks of the API server, and why a value is missing where it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.top.rows import NodeRow, PodRow, node_rows, pod_rows
from kubevouch.cli.top.why import UnknownReason, why_unknown, why_without_sample
from kubevouch.clock import Clock
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.rules.metrics_api import is_stale
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.errors import Forbidden, KubeError, NotFound, ServerError, StatusError
from kubevouch.kube.io.absent import no_such_node, no_such_pod
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    NODE_METRICS,
    NODES,
    POD_METRICS,
    PODS,
    SIZED_NODES,
    Node,
    NodeMetrics,
    Pod,
    PodMetrics,
    SizedNode,
)

_BAD_REQUEST: Final = 400
_LOG_TIMEOUT: Final = 2.0
"""Seconds for the logs of metrics-server's pods: the API server has them from a kubelet, which may be the one that hangs."""


@dataclass(frozen=True, slots=True)
class TopNodesOptions:
    """Which nodes. name, selector, sort_by: "" for none. timeout: seconds for one kubelet's handshake."""

    name: str
    selector: str
    sort_by: str
    timeout: float
    capacity: bool
    swap: bool


@dataclass(frozen=True, slots=True)
class TopPodsOptions:
    """Which pods. namespace: "" for all."""

    namespace: str
    name: str
    selector: str
    fields: str
    sort_by: str
    timeout: float
    containers: bool
    total: bool
    swap: bool

    def __post_init__(self) -> None:
        if self.name and (self.selector or self.fields or not self.namespace):
            expected = "give NAME, or choose several pods by these"
            raise UsageError(
                "top pods", "NAME is given together with -l, --field-selector or -A", expected
            )


@dataclass(frozen=True, slots=True)
class NodesFound:
    """reasons: by the name of a node without numbers. complaint: why the metrics API did not answer, else "".

    old: those whose numbers say nothing of the present: a kubelet may answer with the same ones for hours.
    """

    rows: Sequence[NodeRow]
    metrics: Sequence[NodeMetrics]
    reasons: Mapping[str, UnknownReason]
    complaint: str
    old: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MissingPod:
    """A running pod without usage. of_its_node: whether the reason is that its node has none either."""

    pod: Pod
    why: UnknownReason
    of_its_node: bool


@dataclass(frozen=True, slots=True)
class PodsFound:
    """missing: the running pods of which the metrics API has nothing, each with the reason. old: as of nodes."""

    rows: Sequence[PodRow]
    metrics: Sequence[PodMetrics]
    missing: Sequence[MissingPod]
    complaint: str
    old: Sequence[str] = ()

    @property
    def reasons(self) -> Sequence[UnknownReason]:
        """Why pods are missing."""
        return [each.why for each in self.missing]


@contextmanager
def chosen_by(verb: str, *choices: str) -> Iterator[None]:
    """Labels or fields that the API server cannot read are a mistake of the command line. Raises UsageError in its words."""
    try:
        yield
    except StatusError as error:
        if error.code != _BAD_REQUEST or not any(choices):
            raise
        raise UsageError(f"{verb}: {' and '.join(filter(None, choices))}", error.message) from None


async def gather_nodes(
    terminal: Terminal, api: ApiClient, clock: Clock, options: TopNodesOptions
) -> NodesFound:
    """Usage of the nodes, and why it is missing where it is. Raises KubeError, UsageError."""
    if options.name and options.selector:
        raise UsageError(
            "top nodes",
            "NAME is given together with -l",
            "give NAME, or choose several nodes by -l",
        )
    chosen = f"metadata.name={options.name}" if options.name else ""
    if options.name:
        try:
            nodes: tuple[SizedNode, ...] = (await api.get(SIZED_NODES, options.name),)
        except NotFound:
            raise await no_such_node(api, options.name) from None
    else:
        nodes = await api.list_all(SIZED_NODES, label_selector=options.selector)
    metrics: tuple[NodeMetrics, ...]
    try:
        found = api.list_all(NODE_METRICS, label_selector=options.selector, field_selector=chosen)
        metrics, complaint = await found, ""
    except (NotFound, ServerError) as error:
        metrics, complaint = (), str(error)
    rows = node_rows(metrics, nodes, capacity=options.capacity, sort_by=options.sort_by)
    unmeasured = {row.name for row in rows if row.used is None}
    absent = [node for node in nodes if node.name in unmeasured]
    reasons = await _reasons(terminal, api, clock, absent, options.timeout)
    now = api.server_clock.now()
    old = [each.name for each in metrics if is_stale(each.timestamp, now)]
    return NodesFound(rows, metrics, reasons, complaint, old)


async def gather_pods(
    terminal: Terminal, api: ApiClient, clock: Clock, options: TopPodsOptions
) -> PodsFound:
    """Usage of the pods, and why it is missing where it is. Raises KubeError, UsageError."""
    metrics: tuple[PodMetrics, ...]
    try:
        metrics, complaint = await _pod_metrics(api, options), ""
    except (NotFound, ServerError) as error:
        metrics, complaint = (), str(error)
    rows = pod_rows(metrics, containers=options.containers, sort_by=options.sort_by)
    absent = await _absent_pods(terminal, api, options, metrics)
    nodes = await _unmeasured(api, absent)
    reasons = await _reasons(terminal, api, clock, nodes, options.timeout)
    now = clock.now()
    missing = [
        MissingPod(pod, reasons[node], of_its_node=True)
        if node in reasons
        else MissingPod(pod, why_without_sample(pod, now), of_its_node=False)
        for node, pods in sorted(absent.items())
        for pod in pods
    ]
    now = api.server_clock.now()
    old = [f"{each.namespace}/{each.name}" for each in metrics if is_stale(each.timestamp, now)]
    return PodsFound(rows, metrics, missing, complaint, old)


async def _pod_metrics(api: ApiClient, options: TopPodsOptions) -> tuple[PodMetrics, ...]:
    """The metrics API knows no field of a pod but its name and namespace: others are asked of the pods, as kubectl does."""
    name = f"metadata.name={options.name}" if options.name else ""
    space, labels = options.namespace, options.selector
    found = await api.list_all(POD_METRICS, space, label_selector=labels, field_selector=name)
    if not found or not options.fields:
        return found
    fields = options.fields
    pods = await api.list_all(PODS, space, label_selector=labels, field_selector=fields)
    chosen = {(pod.namespace, pod.name) for pod in pods}
    return tuple(each for each in found if (each.namespace, each.name) in chosen)


async def _absent_pods(
    terminal: Terminal, api: ApiClient, options: TopPodsOptions, metrics: Sequence[PodMetrics]
) -> dict[str, list[Pod]]:
    """By node, the running pods of which the metrics API has nothing."""
    name = f"metadata.name={options.name}" if options.name else options.fields
    fields = ",".join(filter(None, (name, "status.phase=Running")))
    try:
        pods = await api.list_all(
            PODS, options.namespace, label_selector=options.selector, field_selector=fields
        )
    except Forbidden as error:
        terminal.note(f"pods without metrics are not looked for: {error}")
        return {}
    if options.name and not pods and not metrics:
        # It is not there, or does not run: the API server says which.
        try:
            pod = await api.get(PODS, options.name, options.namespace)
        except NotFound:
            raise await no_such_pod(api, options.name, options.namespace) from None
        phase = pod.status.phase or "not running"
        terminal.note(one_line(f"{pod.namespace}/{pod.name} is {phase}"))
    measured = {(each.namespace, each.name) for each in metrics}
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        if (pod.namespace, pod.name) not in measured:
            found.setdefault(pod.spec.node_name, []).append(pod)
    return found


async def _unmeasured(api: ApiClient, absent: Mapping[str, list[Pod]]) -> list[Node]:
    """The nodes of these pods that have no metrics themselves."""
    if not absent:
        return []
    try:
        measured = {each.name for each in await api.list_all(NODE_METRICS)}
    except KubeError:
        measured = set()
    nodes = await api.list_all(NODES)
    return [node for node in nodes if node.name in absent and node.name not in measured]


async def _reasons(
    terminal: Terminal, api: ApiClient, clock: Clock, absent: Sequence[Node], timeout: float
) -> dict[str, UnknownReason]:
    """Doctor's evidence is gathered only where something is missing, and a kubelet that hangs holds the table up for seconds only."""
    if not absent:
        return {}
    evidence = await gather(
        api,
        clock=clock,
        progress=terminal.doing,
        dial_timeout=timeout,
        log_timeout=min(timeout, _LOG_TIMEOUT),
    )
    diagnosis = diagnose(evidence)
    return {node.name: why_unknown(node, evidence, diagnosis) for node in absent}


def exit_code(reasons: Iterable[UnknownReason], complaint: str) -> ExitCode:
    """1 where something is missing and it is known why, 3 where it is not."""
    codes = [ExitCode.FINDINGS if why.known else ExitCode.COULD_NOT_TELL for why in reasons]
    return combined_exit_code([*codes, *([ExitCode.COULD_NOT_TELL] if complaint else [])])
