"""`explain CODE`: explains a finding, offline."""

from typing import TYPE_CHECKING, NoReturn

import click

from kubevouch.cli.common.complete import completed, finding_codes
from kubevouch.cli.common.legend import WithLegend
from kubevouch.cli.common.options import output, terminal_of
from kubevouch.errors import ExitCode, UsageError, nearest

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.diagnose.catalogue import FindingDefinition


@click.command("explain", cls=WithLegend, words="kubevouch.outcome:Severity")
@click.argument("code", required=False, shell_complete=completed(finding_codes))
@output()
@click.pass_context
def command(ctx: click.Context, code: str | None) -> int:
    """Explains a code such as KV304: what you see, why, and what to do. Without CODE, it lists all codes.

    `explain` needs no cluster.
    """
    from kubevouch.cli.common.documents import print_document
    from kubevouch.diagnose.catalogue import CATALOGUE

    terminal = terminal_of(ctx)
    entries = list(CATALOGUE.values())
    if code is not None:
        entries = [CATALOGUE.get(code.strip().upper()) or _unknown(code, list(CATALOGUE))]
    if terminal.document_form:
        print_document(terminal, "kubevouch.codes/1", {"codes": entries})
    elif code is None:
        rows = [(entry.code, entry.severity, entry.name) for entry in entries]
        terminal.table(("CODE", "SEVERITY", "NAME"), rows)
    else:
        _print(terminal, entries[0])
    return ExitCode.OK


def _print(terminal: "Terminal", definition: "FindingDefinition") -> None:
    terminal.out(f"{definition.code}  {definition.name}  ({definition.severity})")
    for heading, text in (
        ("You see", definition.see),
        ("Why", definition.why),
        ("Do", definition.do),
        ("Related", "; ".join(definition.related)),
    ):
        if text:
            terminal.out()
            terminal.wrapped(text, f"{heading:<9}")


def _unknown(code: str, known: list[str]) -> NoReturn:
    near = nearest(code.upper(), known, otherwise="")
    expected = " ".join(filter(None, (near, "`kubevouch explain` lists all codes")))
    raise UsageError(f"explain {code}", "unknown code", expected)
