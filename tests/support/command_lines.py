"""Command lines of ours that are printed for an operator, read by the real command line."""

import re
import shlex

import click

from kubevouch.cli.app import program
from kubevouch.cli.common.terminal import Terminal


def why_it_cannot_be_typed(line: str) -> str:
    """What click says of a command line of ours, without the program; empty if it can be typed. Nothing is carried out."""
    words = shlex.split(re.split(r"\s+(?:\||>|2>&1|&&|;)", line)[0])
    try:
        ctx = program.make_context("kubevouch", words, obj=Terminal(None, None, None, {}))
        command: click.Command = program
        while isinstance(command, click.Group):
            name, found, rest = command.resolve_command(ctx, ctx._protected_args + ctx.args)
            assert found is not None and name is not None
            command = found
            ctx = command.make_context(name, rest, parent=ctx)
    except click.exceptions.Exit:
        return ""  # a help text, or a role that was printed
    except click.UsageError as error:
        return error.format_message()
    return ""
