"""`top nodes | pods`: prints usage like kubectl, and the reason for each missing value. Changes nothing."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.complete import completed, node_names
from kubevouch.cli.common.group import CommandGroup
from kubevouch.cli.common.options import all_of, connected, duration, output
from kubevouch.cli.common.terminal import one_line
from kubevouch.cli.common.watching import watchable
from kubevouch.errors import ExitCode, combined_exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.metrics.top.gather import Missing, TopClient, TopFound, TopOptions
    from kubevouch.metrics.top.rows import UsageRow

_ALIASES = {"node": "nodes", "no": "nodes", "pod": "pods", "po": "pods"}


class _Kinds(CommandGroup):
    """The group `top`. It also accepts kubectl's short names for `nodes` and `pods`, such as `no` and `po`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))


@click.group("top", cls=_Kinds)
def command() -> None:
    """Shows usage of nodes and pods from the metrics API, in kubectl's columns.

    Where kubectl prints <unknown> or nothing, `top` adds the reason, with the codes of `doctor`. It sends no credential
    to a kubelet. Exit code 1: values are missing, and the reason is known. Exit code 3: the reason is not known.
    """


def _showing(function: Callable[..., int]) -> Callable[..., int]:
    """Adds the common options of `nodes` and `pods`, with kubectl's names."""
    return all_of(
        connected,
        watchable,
        click.option(
            "-l", "--selector", default="", metavar="LABELS", help="Show objects with these labels."
        ),
        click.option(
            "--sort-by",
            type=click.Choice(["cpu", "memory"]),
            help="Sort by usage, largest first, instead of by name.",
        ),
        click.option("--no-headers", is_flag=True, help="Print no headings."),
        output(),
        duration(
            "--timeout",
            "3s",
            "How long to wait for a TLS handshake with a kubelet whose metrics are missing.",
        ),
    )(function)


@command.command("nodes", short_help="Show the usage of nodes.")
@click.argument("name", required=False, shell_complete=completed(node_names))
@_showing
@click.option(
    "--show-capacity", is_flag=True, help="Show percentages of capacity instead of allocatable."
)
def nodes(
    name: str | None,
    terminal: "Terminal",
    access: "ClusterAccess",
    selector: str,
    sort_by: str | None,
    no_headers: bool,
    timeout: float,
    show_capacity: bool,
) -> int:
    """Shows usage of all nodes, or of node NAME."""
    from kubevouch.metrics.top.gather import TopOptions

    options = TopOptions(name or "", selector, sort_by or "", timeout, capacity=show_capacity)
    found = _found(terminal, access, lambda top: top.nodes(options))
    return print_nodes(terminal, found, headers=not no_headers)


@command.command("pods", short_help="Show the usage of pods.")
@click.argument("name", required=False)
@_showing
@click.option(
    "-n", "--namespace", metavar="NAME", help="Namespace to use instead of the context's."
)
@click.option("-A", "--all-namespaces", is_flag=True, help="Show pods of all namespaces.")
@click.option("--containers", is_flag=True, help="Print a line for each container.")
@click.option("--sum", "total", is_flag=True, help="Print the total usage below the pods.")
@click.option("--field-selector", default="", metavar="FIELDS", help="Filter pods by their fields.")
def pods(
    name: str | None,
    terminal: "Terminal",
    access: "ClusterAccess",
    selector: str,
    field_selector: str,
    sort_by: str | None,
    no_headers: bool,
    timeout: float,
    namespace: str | None,
    all_namespaces: bool,
    containers: bool,
    total: bool,
) -> int:
    """Shows usage of a namespace's pods, or of pod NAME."""
    from kubevouch.metrics.top.gather import TopOptions

    options = TopOptions(
        name or "",
        selector,
        sort_by or "",
        timeout,
        "" if all_namespaces else namespace or access.namespace,
        field_selector,
        containers=containers,
    )

    found = _found(terminal, access, lambda top: top.pods(options))
    return print_pods(terminal, found, options, headers=not no_headers, with_sum=total)


def _found(
    terminal: "Terminal",
    access: "ClusterAccess",
    asked: Callable[["TopClient"], Awaitable["TopFound"]],
) -> "TopFound":
    from kubevouch.cli.common.connect import with_api
    from kubevouch.metrics.top.gather import TopClient

    def note(text: str) -> None:
        terminal.note(one_line(text))

    return with_api(
        terminal, access, lambda api, clock: asked(TopClient(api, clock, terminal.doing, note))
    )


_UNKNOWN = "<unknown>"
_MOST_NAMED = 5
_LONGEST = 2000
"""The maximum length of a reason in characters. A node may write a megabyte into a pod's status."""


def print_nodes(terminal: "Terminal", found: "TopFound", *, headers: bool) -> ExitCode:
    """Prints the table, and why values are missing. Returns the exit code."""
    from kubevouch.cli.common.documents import print_document

    if terminal.document_form:
        reasons = {each.name: each.why for each in found.missing}
        nodes = [{**_json(row), "unknown": reasons.get(row.name)} for row in found.rows]
        print_document(terminal, _SCHEMA, {"nodes": nodes, "error": found.complaint or None})
        return _exit_code(found)
    columns = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")
    _print_table(terminal, found, columns if headers else (), list(map(_node_cells, found.rows)))
    return _print_reasons(terminal, found)


def print_pods(
    terminal: "Terminal", found: "TopFound", options: "TopOptions", *, headers: bool, with_sum: bool
) -> ExitCode:
    """Like print_nodes, for pods. with_sum: whether to print a row with the total usage."""
    from kubevouch.cli.common.documents import print_document
    from kubevouch.metrics.top.rows import total

    if terminal.document_form:
        missing = [
            {"namespace": e.namespace, "name": e.name, "node": e.node, "unknown": e.why}
            for e in found.missing
        ]
        pods = [_json(row) for row in found.rows]
        document = {"pods": pods, "missing": missing, "error": found.complaint or None}
        print_document(terminal, _SCHEMA, document)
        return _exit_code(found)
    names = (("NAMESPACE",) if not options.namespace else ()) + (
        ("POD", "NAME") if options.containers else ("NAME",)
    )
    cells = [
        (
            *((row.namespace,) if not options.namespace else ()),
            row.name,
            *((row.container,) if options.containers else ()),
            *(row.used.cells if row.used else (_UNKNOWN, _UNKNOWN)),
        )
        for row in found.rows
    ]
    if with_sum and cells:
        cells.append((*[""] * len(names), "________", "________"))
        cells.append((*[""] * len(names), *total(row.used for row in found.rows).cells))
    columns = (*names, "CPU(cores)", "MEMORY(bytes)") if headers else ()
    _print_table(terminal, found, columns, cells)
    return _print_reasons(terminal, found)


_SCHEMA = "kubevouch.top/1"


def _print_table(
    terminal: "Terminal",
    found: "TopFound",
    columns: "Sequence[str]",
    cells: "Sequence[Sequence[str]]",
) -> None:
    from kubevouch.diagnose.make import named

    if found.complaint:
        terminal.error(found.complaint)
    if cells:
        # Without headings, the first row takes their place.
        first, rows = (columns, cells) if columns else (cells[0], cells[1:])
        terminal.table(first, rows, folds=False)
    elif not found.complaint and not found.missing:
        terminal.note("No resources found.")
    if found.old:
        shown = one_line(named(found.old, _MOST_NAMED))
        terminal.note(f"stale (over 5 minutes): {shown}")


def _node_cells(row: "UsageRow") -> tuple[str, ...]:
    if row.used is None:
        return (row.name, *[_UNKNOWN] * 4)
    cpu, memory = (_UNKNOWN if each is None else f"{each}%" for each in row.percents)
    used = row.used.cells
    return row.name, used[0], cpu, used[1], memory


def _print_reasons(terminal: "Terminal", found: "TopFound") -> ExitCode:
    """Prints each reason once, with the nodes or pods that it affects."""
    from kubevouch.diagnose.make import counted, named
    from kubevouch.x509.reasons import TLS_PREFIX

    groups: dict[tuple[str, ...], list[Missing]] = {}
    for each in found.missing:
        why = each.why
        key = (why.code, why.vantage, "" if why.code else why.text)
        groups.setdefault(key, []).append(each)
    if groups:
        terminal.out()
    for same in groups.values():
        why = same[0].why
        names = dict.fromkeys(
            f"{e.namespace}/{e.name}" if e.namespace and not e.of_its_node else e.node for e in same
        )
        pods = sum(each.of_its_node for each in same)
        shown = named(list(names), _MOST_NAMED) + (f" ({counted(pods, 'pod')})" if pods else "")
        text = why.text[:_LONGEST].removeprefix(TLS_PREFIX)
        if any(each.why.text != why.text for each in same):
            text += f" (example: {next(iter(names))})"
        code = f"{why.code}  " if why.code else ""
        terminal.wrapped(f"{shown}: {text} [{why.vantage}]", f"{_UNKNOWN}  {code}")
    if groups:
        terminal.command("NEXT       ", "kubevouch doctor")
    return _exit_code(found)


def _exit_code(found: "TopFound") -> ExitCode:
    codes = [
        ExitCode.FINDINGS if each.why.known else ExitCode.COULD_NOT_TELL for each in found.missing
    ]
    return combined_exit_code([*codes, *([ExitCode.COULD_NOT_TELL] if found.complaint else [])])


def _json(row: "UsageRow") -> dict[str, object]:
    used, (cpu, memory) = row.used, row.percents
    return {
        **({"namespace": row.namespace} if row.namespace else {}),
        "name": row.name,
        **({"container": row.container} if row.container else {}),
        "cpuMillicores": used.millicores if used else None,
        "memoryBytes": int(used.memory) if used else None,
        **({} if row.namespace else {"cpuPercent": cpu, "memoryPercent": memory}),
        "timestamp": row.timestamp,
        "window": row.window or None,
    }
