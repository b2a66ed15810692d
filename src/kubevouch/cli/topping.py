"""What `top` asks and shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubevouch.cli.documents import print_document
from kubevouch.cli.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.doctor import diagnose
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.evidence.gather import gather
from kubevouch.kube.client import ApiClient
from kubevouch.kube.errors import Forbidden, KubeError, NotFound, ServerError
from kubevouch.kube.resources import (
    NODE_METRICS,
    NODES,
    POD_METRICS,
    PODS,
    Node,
    NodeMetrics,
    Pod,
    PodMetrics,
)
from kubevouch.metrics.top import (
    UNKNOWN,
    NodeRow,
    PodRow,
    node_lines,
    node_rows,
    pod_lines,
    pod_rows,
)
from kubevouch.metrics.unknown import Why, why_unknown
from kubevouch.x509.reasons import TLS_PREFIX

SCHEMA = "kubevouch.top/1"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class NodesWanted:
    """Which nodes. name, selector, sort_by: "" for none. timeout: seconds for one kubelet's handshake."""

    name: str
    selector: str
    sort_by: str
    timeout: float
    capacity: bool


@dataclass(frozen=True, slots=True)
class PodsWanted:
    """Which pods. namespace: "" for all."""

    namespace: str
    name: str
    selector: str
    fields: str
    sort_by: str
    timeout: float
    containers: bool
    total: bool

    def __post_init__(self) -> None:
        if self.name and (self.selector or self.fields or not self.namespace):
            expected = "a NAME stands alone, without a selector and without -A"
            raise UsageError("top pods", "NAME and a choice of several", expected)


@dataclass(frozen=True, slots=True)
class Shown:
    """How. form: table or json."""

    form: str
    headers: bool


async def top_nodes(
    terminal: Terminal, api: ApiClient, clock: Clock, wanted: NodesWanted, shown: Shown
) -> ExitCode:
    """Prints the nodes. Raises KubeError, UsageError."""
    if wanted.name and wanted.selector:
        raise UsageError("top nodes", "NAME and a choice of several", "a NAME stands alone")
    chosen = {
        "label_selector": wanted.selector,
        "field_selector": f"metadata.name={wanted.name}" if wanted.name else "",
    }
    if wanted.name:
        nodes: tuple[Node, ...] = (await api.get(NODES, wanted.name),)
    else:
        nodes = await api.list_all(NODES, label_selector=wanted.selector)
    metrics: tuple[NodeMetrics, ...]
    try:
        metrics, complaint = await api.list_all(NODE_METRICS, **chosen), ""
    except (NotFound, ServerError) as error:
        metrics, complaint = (), str(error)
    rows = node_rows(metrics, nodes, capacity=wanted.capacity, sort_by=wanted.sort_by)
    unmeasured = {row.name for row in rows if row.used is None}
    absent = [node for node in nodes if node.name in unmeasured]
    reasons = await _reasons(terminal, api, clock, absent, wanted.timeout)
    if shown.form == "json":
        _nodes_json(terminal, rows, metrics, reasons, complaint)
    else:
        if complaint:
            terminal.error(complaint)
        for line in node_lines(rows, headers=shown.headers) if rows else ():
            terminal.out(one_line(line))
        _print_reasons(terminal, reasons, {})
    return _code(reasons, complaint)


async def top_pods(
    terminal: Terminal, api: ApiClient, clock: Clock, wanted: PodsWanted, shown: Shown
) -> ExitCode:
    """Prints the pods. Raises KubeError."""
    fields = f"metadata.name={wanted.name}" if wanted.name else wanted.fields
    complaint = ""
    metrics: tuple[PodMetrics, ...]
    try:
        metrics = await api.list_all(
            POD_METRICS, wanted.namespace, label_selector=wanted.selector, field_selector=fields
        )
    except (NotFound, ServerError) as error:
        metrics, complaint = (), str(error)
    rows = pod_rows(metrics, containers=wanted.containers, sort_by=wanted.sort_by)
    absent = await _absent_pods(terminal, api, wanted, metrics)
    nodes = await _unmeasured(api, absent)
    reasons = await _reasons(terminal, api, clock, nodes, wanted.timeout)
    if shown.form == "json":
        _pods_json(terminal, rows, absent, reasons, complaint)
    else:
        if complaint:
            terminal.error(complaint)
        else:
            _print_pods(terminal, rows, wanted, shown)
        _print_reasons(terminal, reasons, absent)
    return _code(reasons, complaint)


async def _absent_pods(
    terminal: Terminal, api: ApiClient, wanted: PodsWanted, metrics: Sequence[PodMetrics]
) -> dict[str, list[Pod]]:
    """Running pods that the metrics API does not tell of, by node."""
    name = f"metadata.name={wanted.name}" if wanted.name else wanted.fields
    fields = ",".join(filter(None, (name, "status.phase=Running")))
    try:
        pods = await api.list_all(
            PODS, wanted.namespace, label_selector=wanted.selector, field_selector=fields
        )
    except Forbidden as error:
        terminal.note(f"pods without metrics are not looked for: {error}")
        return {}
    if wanted.name and not pods and not metrics:
        # One that is not there, or does not run: the API server says which.
        pod = await api.get(PODS, wanted.name, wanted.namespace)
        terminal.note(f"{pod.namespace}/{pod.name} is {pod.status.phase or 'not running'}")
    measured = {(each.namespace, each.name) for each in metrics}
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        if (pod.namespace, pod.name) not in measured:
            found.setdefault(pod.spec.node_name, []).append(pod)
    return found


async def _unmeasured(api: ApiClient, absent: Mapping[str, list[Pod]]) -> list[Node]:
    """Of the nodes that pods are missing of, those that have no metrics themselves."""
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
) -> dict[str, Why]:
    """Doctor's evidence is gathered only where something is missing."""
    if not absent:
        return {}
    evidence = await gather(api, clock=clock, progress=terminal.progress, dial_timeout=timeout)
    diagnosis = diagnose(evidence)
    return {node.name: why_unknown(node, evidence, diagnosis) for node in absent}


def _code(reasons: Mapping[str, Why], complaint: str) -> ExitCode:
    codes = [
        ExitCode.FINDINGS if why.known else ExitCode.COULD_NOT_TELL for why in reasons.values()
    ]
    return combined_exit_code([*codes, *([ExitCode.COULD_NOT_TELL] if complaint else [])])


def _print_pods(
    terminal: Terminal, rows: Sequence[PodRow], wanted: PodsWanted, shown: Shown
) -> None:
    if not rows:
        place = f" in {wanted.namespace} namespace" if wanted.namespace else ""
        terminal.note(f"No resources found{place}.")
        return
    lines = pod_lines(
        rows,
        headers=shown.headers,
        namespaces=not wanted.namespace,
        containers=wanted.containers,
        total=wanted.total,
    )
    for line in lines:
        terminal.out(one_line(line))


def _print_reasons(
    terminal: Terminal, reasons: Mapping[str, Why], absent: Mapping[str, Sequence[Pod]]
) -> None:
    """Below the table. Nodes with the same reason stand together."""
    if not reasons:
        return
    groups: dict[Why, list[str]] = {}
    for name, why in reasons.items():
        groups.setdefault(why, []).append(name)
    terminal.out()
    for why, names in groups.items():
        shown = ", ".join(names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            shown += f" and {len(names) - _MOST_NAMED} more"
        pods = sum(len(absent.get(name, ())) for name in names)
        counted = f" ({pods} pods)" if pods else ""
        code = f"{why.code}  " if why.code else ""
        text = why.text.removeprefix(TLS_PREFIX)
        terminal.wrapped(f"{shown}{counted}: {text} [{why.vantage}]", f"{UNKNOWN}  {code}")
    terminal.out("NEXT       kubevouch doctor")


def _nodes_json(
    terminal: Terminal,
    rows: Sequence[NodeRow],
    metrics: Sequence[NodeMetrics],
    reasons: Mapping[str, Why],
    complaint: str,
) -> None:
    times = {each.name: (each.timestamp, each.window) for each in metrics}
    found = []
    for row in rows:
        at, window = times.get(row.name, (None, ""))
        cpu, memory = row.percents
        found.append({
            "name": row.name,
            "cpuMillicores": row.used.millicores if row.used else None,
            "memoryBytes": int(row.used.memory) if row.used else None,
            "cpuPercent": cpu,
            "memoryPercent": memory,
            "timestamp": at,
            "window": window or None,
            "unknown": reasons.get(row.name),
        })  # fmt: skip
    print_document(terminal, SCHEMA, {"nodes": found, "error": complaint or None})


def _pods_json(
    terminal: Terminal,
    rows: Sequence[PodRow],
    absent: Mapping[str, Sequence[Pod]],
    reasons: Mapping[str, Why],
    complaint: str,
) -> None:
    found = [
        {
            "namespace": row.namespace,
            "name": row.pod,
            **({"container": row.container} if row.container else {}),
            "cpuMillicores": row.used.millicores,
            "memoryBytes": int(row.used.memory),
        }
        for row in rows
    ]
    missing = [
        {"namespace": pod.namespace, "name": pod.name, "node": node, "unknown": reasons.get(node)}
        for node, pods in sorted(absent.items())
        for pod in pods
    ]
    content = {"pods": found, "missing": missing, "error": complaint or None}
    print_document(terminal, SCHEMA, content)
