"""What `top` prints: kubectl's lines, the reasons below them, and the same as JSON."""

from collections import Counter
from collections.abc import Sequence

from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.top.gather import NodesFound, PodsFound, TopNodesOptions, TopPodsOptions
from kubevouch.cli.top.reason_groups import Unknown, reason_groups
from kubevouch.cli.top.rows import UNKNOWN, Usage, node_lines, pod_lines
from kubevouch.diagnose.make import counted, named
from kubevouch.x509.reasons import TLS_PREFIX

SCHEMA = "kubevouch.top/1"
_MOST_NAMED = 5


def print_nodes(
    terminal: Terminal, found: NodesFound, options: TopNodesOptions, *, headers: bool
) -> None:
    """headers: whether the table has its line of headings."""
    if terminal.prints_json:
        print_document(terminal, SCHEMA, _nodes_json(found))
        return
    if found.complaint:
        terminal.error(found.complaint)
    if found.rows:
        for line in node_lines(found.rows, headers=headers, swap=options.swap):
            terminal.out(one_line(line))
        if options.swap:
            sized = any(row.used is not None and row.swap is not None for row in found.rows)
            _note_swap(terminal, [row.used for row in found.rows], shows_none=sized)
        _note_old(terminal, found.old)
    elif not found.complaint:
        terminal.note("No resources found.")
    _print_reasons(terminal, [Unknown(why, name, name, 0) for name, why in found.reasons.items()])


def print_pods(
    terminal: Terminal, found: PodsFound, options: TopPodsOptions, *, headers: bool
) -> None:
    """headers: whether the table has its line of headings."""
    if terminal.prints_json:
        print_document(terminal, SCHEMA, _pods_json(found))
        return
    if found.complaint:
        terminal.error(found.complaint)
    elif found.rows:
        _print_pod_lines(terminal, found, options, headers=headers)
        _note_old(terminal, found.old)
    elif not found.missing:
        place = f" in {options.namespace} namespace" if options.namespace else ""
        terminal.note(f"No resources found{place}.")
    _print_reasons(terminal, _of_pods(found))


def _print_pod_lines(
    terminal: Terminal, found: PodsFound, options: TopPodsOptions, *, headers: bool
) -> None:
    lines = pod_lines(
        found.rows,
        headers=headers,
        namespaces=not options.namespace,
        containers=options.containers,
        total=options.total,
        swap=options.swap,
    )
    for line in lines:
        terminal.out(one_line(line))
    if options.swap:
        _note_swap(terminal, [row.used for row in found.rows], shows_none=True)


def _note_swap(terminal: Terminal, used: Sequence[Usage | None], *, shows_none: bool) -> None:
    """Kubectl shows swap that nobody tells as 0Mi, and so do we; that it means nothing is said beside it.

    shows_none: whether 0Mi stands there at all: of a node that does not tell how much swap it has, it is <unknown>.
    """
    measured = [each for each in used if each is not None]
    if measured and all(each.swap is None for each in measured):
        zero = ": 0Mi stands for that, as kubectl has it" if shows_none else ""
        terminal.note(f"the metrics API does not tell swap{zero}")


def _note_old(terminal: Terminal, names: Sequence[str]) -> None:
    """Kubectl shows them like all others."""
    if names:
        shown = one_line(named(names, _MOST_NAMED))
        terminal.note(f"more than 5 minutes old are the numbers of {shown}")


def _of_pods(found: PodsFound) -> list[Unknown]:
    """For each reason a node with the number of its missing pods, or a pod."""
    of_nodes = Counter((m.why, m.pod.spec.node_name) for m in found.missing if m.of_its_node)
    of_pods = [
        Unknown(m.why, f"{m.pod.namespace}/{m.pod.name}", m.pod.spec.node_name, 0)
        for m in found.missing
        if not m.of_its_node
    ]
    return [*(Unknown(why, node, node, pods) for (why, node), pods in of_nodes.items()), *of_pods]


def _print_reasons(terminal: Terminal, found: Sequence[Unknown]) -> None:
    """Below the table, the same reason once."""
    if not found:
        return
    terminal.out()
    for each in reason_groups(found):
        shown = named(each.names, _MOST_NAMED)
        counted_pods = f" ({counted(each.pods, 'pod')})" if each.pods else ""
        code = f"{each.code}  " if each.code else ""
        text = each.text.removeprefix(TLS_PREFIX)
        terminal.wrapped(f"{shown}{counted_pods}: {text} [{each.vantage}]", f"{UNKNOWN}  {code}")
    terminal.command("NEXT       ", "kubevouch doctor")


def _nodes_json(found: NodesFound) -> dict[str, object]:
    times = {each.name: (each.timestamp, each.window) for each in found.metrics}
    nodes = []
    for row in found.rows:
        at, window = times.get(row.name, (None, ""))
        cpu, memory, swap = row.percents
        nodes.append({
            "name": row.name,
            **_numbers(row.used),
            "cpuPercent": cpu,
            "memoryPercent": memory,
            "swapPercent": swap,
            "timestamp": at,
            "window": window or None,
            "unknown": found.reasons.get(row.name),
        })  # fmt: skip
    return {"nodes": nodes, "error": found.complaint or None}


def _pods_json(found: PodsFound) -> dict[str, object]:
    times = {(each.namespace, each.name): (each.timestamp, each.window) for each in found.metrics}
    pods = []
    for row in found.rows:
        at, window = times[row.namespace, row.pod]
        pods.append({
            "namespace": row.namespace,
            "name": row.pod,
            **({"container": row.container} if row.container else {}),
            **_numbers(row.used),
            "timestamp": at,
            "window": window or None,
        })  # fmt: skip
    missing = [
        {
            "namespace": each.pod.namespace,
            "name": each.pod.name,
            "node": each.pod.spec.node_name,
            "unknown": each.why,
        }
        for each in found.missing
    ]
    return {"pods": pods, "missing": missing, "error": found.complaint or None}


def _numbers(used: Usage | None) -> dict[str, int | None]:
    return {
        "cpuMillicores": used.millicores if used else None,
        "memoryBytes": int(used.memory) if used else None,
        "swapBytes": int(used.swap) if used and used.swap is not None else None,
    }
