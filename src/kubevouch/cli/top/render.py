"""What `top` prints: kubectl's columns, the reasons below them, and the same as JSON."""

from collections.abc import Sequence

from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.diagnose.make import counted, named
from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.metrics.top.gather import Missing, TopFound, TopOptions
from kubevouch.metrics.top.rows import UsageRow, total
from kubevouch.x509.reasons import TLS_PREFIX

_UNKNOWN = "<unknown>"
_MOST_NAMED = 5
_LONGEST = 2000
"""Characters of a reason: a node may write a megabyte into a pod's status."""


def print_nodes(terminal: Terminal, found: TopFound, *, headers: bool) -> ExitCode:
    """The table and the reasons; returns the exit code. headers: whether the table has headings."""
    if terminal.prints_json:
        reasons = {each.name: each.why for each in found.missing}
        nodes = [{**_json(row), "unknown": reasons.get(row.name)} for row in found.rows]
        print_document(terminal, _SCHEMA, {"nodes": nodes, "error": found.complaint or None})
        return _exit_code(found)
    columns = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")
    _print_table(terminal, found, columns if headers else (), list(map(_node_cells, found.rows)))
    return _print_reasons(terminal, found)


def print_pods(
    terminal: Terminal, found: TopFound, options: TopOptions, *, headers: bool, with_sum: bool
) -> ExitCode:
    """As print_nodes. with_sum: adds a row with the sum of all."""
    if terminal.prints_json:
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
    terminal: Terminal,
    found: TopFound,
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
) -> None:
    if found.complaint:
        terminal.error(found.complaint)
    if cells:
        # The first row takes the place of headings that are not wanted.
        first, rows = (columns, cells) if columns else (cells[0], cells[1:])
        terminal.table(first, rows, folds=False)
    elif not found.complaint and not found.missing:
        terminal.note("No resources found.")
    if found.old:
        shown = one_line(named(found.old, _MOST_NAMED))
        terminal.note(f"stale (over 5 minutes): {shown}")


def _node_cells(row: UsageRow) -> tuple[str, ...]:
    if row.used is None:
        return (row.name, *[_UNKNOWN] * 4)
    cpu, memory = (_UNKNOWN if each is None else f"{each}%" for each in row.percents)
    used = row.used.cells
    return row.name, used[0], cpu, used[1], memory


def _print_reasons(terminal: Terminal, found: TopFound) -> ExitCode:
    """Below the table: each finding once, with the text of the first that has it; other reasons by their text."""
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
            text += f" (as on {next(iter(names))})"
        code = f"{why.code}  " if why.code else ""
        terminal.wrapped(f"{shown}: {text} [{why.vantage}]", f"{_UNKNOWN}  {code}")
    if groups:
        terminal.command("NEXT       ", "kubevouch doctor")
    return _exit_code(found)


def _exit_code(found: TopFound) -> ExitCode:
    """1 where something is missing and it is known why, 3 where it is not."""
    codes = [
        ExitCode.FINDINGS if each.why.known else ExitCode.COULD_NOT_TELL for each in found.missing
    ]
    return combined_exit_code([*codes, *([ExitCode.COULD_NOT_TELL] if found.complaint else [])])


def _json(row: UsageRow) -> dict[str, object]:
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
