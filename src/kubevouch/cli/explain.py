"""`explain CODE`: what a finding means, offline."""

import textwrap
from typing import NoReturn

import click

from kubevouch.cli.options import output, terminal_of
from kubevouch.errors import ExitCode, UsageError


@click.command("explain", short_help="What a finding's code means, and what mends it.")
@click.argument("code", required=False)
@output("table", "json")
@click.pass_context
def command(ctx: click.Context, code: str | None, output: str) -> int:
    """What CODE (KV304, say) means: what you see, why, what to do. Without CODE, the list of all codes.

    Needs no cluster.
    """
    import msgspec

    from kubevouch.diagnose.catalogue import CATALOGUE

    terminal = terminal_of(ctx)
    if code is None:
        if output == "json":
            terminal.out(msgspec.json.encode(list(CATALOGUE.values())).decode())
            return ExitCode.OK
        rows = [(entry.code, entry.severity, entry.name) for entry in CATALOGUE.values()]
        terminal.table(("CODE", "SEVERITY", "NAME"), rows)
        return ExitCode.OK
    entry = CATALOGUE.get(code.upper()) or _unknown(code, list(CATALOGUE))
    if output == "json":
        terminal.out(msgspec.json.encode(entry).decode())
        return ExitCode.OK
    terminal.out(f"{entry.code}  {entry.name}  ({entry.severity})")
    for heading, text in (
        ("You see", entry.see),
        ("Why", entry.why),
        ("Do", entry.do),
        ("Related", "; ".join(entry.related)),
    ):
        if text:
            terminal.out()
            terminal.out(
                textwrap.fill(
                    text,
                    88,
                    initial_indent=f"{heading:<9}",
                    subsequent_indent=" " * 9,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return ExitCode.OK


def _unknown(code: str, known: list[str]) -> NoReturn:
    from difflib import get_close_matches

    close = get_close_matches(code.upper(), known, n=1)
    raise UsageError(
        f"explain {code}",
        "there is no such code",
        f"{close[0]} is the nearest; `kubevouch explain` lists all"
        if close
        else "`kubevouch explain` lists all",
    )
