"""What `top` prints: kubectl's lines, the reasons below them, and the same as JSON."""

from collections.abc import Mapping, Sequence

from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.top.gather import NodesFound, PodsFound, TopPodsOptions
from kubevouch.cli.top.rows import UNKNOWN, node_lines, pod_lines
from kubevouch.cli.top.why import UnknownReason
from kubevouch.kube.resources import Pod
from kubevouch.x509.reasons import TLS_PREFIX

SCHEMA = "kubevouch.top/1"
_MOST_NAMED = 5


def print_nodes(terminal: Terminal, found: NodesFound, *, form: str, headers: bool) -> None:
    """form: table or json. headers: whether the table has its line of headings."""
    if form == "json":
        print_document(terminal, SCHEMA, _nodes_json(found))
        return
    if found.complaint:
        terminal.error(found.complaint)
    for line in node_lines(found.rows, headers=headers) if found.rows else ():
        terminal.out(one_line(line))
    _print_reasons(terminal, found.reasons, {})


def print_pods(
    terminal: Terminal, found: PodsFound, options: TopPodsOptions, *, form: str, headers: bool
) -> None:
    """form: table or json. headers: whether the table has its line of headings."""
    if form == "json":
        print_document(terminal, SCHEMA, _pods_json(found))
        return
    if found.complaint:
        terminal.error(found.complaint)
    else:
        _print_pod_lines(terminal, found, options, headers=headers)
    _print_reasons(terminal, found.reasons, found.missing)


def _print_pod_lines(
    terminal: Terminal, found: PodsFound, options: TopPodsOptions, *, headers: bool
) -> None:
    if not found.rows:
        place = f" in {options.namespace} namespace" if options.namespace else ""
        terminal.note(f"No resources found{place}.")
        return
    lines = pod_lines(
        found.rows,
        headers=headers,
        namespaces=not options.namespace,
        containers=options.containers,
        total=options.total,
    )
    for line in lines:
        terminal.out(one_line(line))


def _print_reasons(
    terminal: Terminal, reasons: Mapping[str, UnknownReason], missing: Mapping[str, Sequence[Pod]]
) -> None:
    """Below the table. Nodes with the same reason stand together."""
    if not reasons:
        return
    groups: dict[UnknownReason, list[str]] = {}
    for name, why in reasons.items():
        groups.setdefault(why, []).append(name)
    terminal.out()
    for why, names in groups.items():
        shown = ", ".join(names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            shown += f" and {len(names) - _MOST_NAMED} more"
        pods = sum(len(missing.get(name, ())) for name in names)
        counted = f" ({pods} pods)" if pods else ""
        code = f"{why.code}  " if why.code else ""
        text = why.text.removeprefix(TLS_PREFIX)
        terminal.wrapped(f"{shown}{counted}: {text} [{why.vantage}]", f"{UNKNOWN}  {code}")
    terminal.command("NEXT       ", "kubevouch doctor")


def _nodes_json(found: NodesFound) -> dict[str, object]:
    times = {each.name: (each.timestamp, each.window) for each in found.metrics}
    nodes = []
    for row in found.rows:
        at, window = times.get(row.name, (None, ""))
        cpu, memory = row.percents
        nodes.append({
            "name": row.name,
            "cpuMillicores": row.used.millicores if row.used else None,
            "memoryBytes": int(row.used.memory) if row.used else None,
            "cpuPercent": cpu,
            "memoryPercent": memory,
            "timestamp": at,
            "window": window or None,
            "unknown": found.reasons.get(row.name),
        })  # fmt: skip
    return {"nodes": nodes, "error": found.complaint or None}


def _pods_json(found: PodsFound) -> dict[str, object]:
    pods = [
        {
            "namespace": row.namespace,
            "name": row.pod,
            **({"container": row.container} if row.container else {}),
            "cpuMillicores": row.used.millicores,
            "memoryBytes": int(row.used.memory),
        }
        for row in found.rows
    ]
    missing = [
        {
            "namespace": pod.namespace,
            "name": pod.name,
            "node": node,
            "unknown": found.reasons.get(node),
        }
        for node, absent in sorted(found.missing.items())
        for pod in absent
    ]
    return {"pods": pods, "missing": missing, "error": found.complaint or None}
