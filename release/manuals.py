"""`python -m release.manuals FOLDER`: a manual page of every command, by click-man, of the kubevouch that Python finds."""

import inspect
import re
import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from kubevouch import __version__
from kubevouch.cli.app import program

# click keeps the lines of a paragraph behind this character; roff between these two requests.
_KEPT_LINES = re.compile(r"\x08\n(.*?)(?=\n\n|\Z)", re.DOTALL)


def prepared(command: click.Command, ctx: click.Context) -> click.Command:
    """The command as click-man reads it: all of a group's commands loaded, and its help in roff."""
    text = inspect.cleandoc(command.help or "")
    command.short_help = command.short_help or text.partition("\n")[0]
    command.help = _KEPT_LINES.sub(r".nf\n\1\n.fi", text)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            command.commands[name] = prepared(found, click.Context(found, ctx, name))
    return command


if __name__ == "__main__":
    whole = prepared(program, click.Context(program, info_name="kubevouch"))
    write_man_pages("kubevouch", whole, version=__version__, target_dir=str(Path(sys.argv[1])))
