"""The program: its verbs, and the one place where an error becomes a line and an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import PurePath

import click

from kubevouch import __version__
from kubevouch.cli.terminal import Terminal
from kubevouch.errors import ExitCode, KubevouchError

# Each verb is in the file of its name, as `command`.
_VERBS = ("doctor", "explain", "probe", "csr", "fix", "undo", "verify")


class Verbs(click.Group):
    """Imports a verb's file when it is asked for, and lists the verbs in the order of the story."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The order in which an operator meets them."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb, or None."""
        if cmd_name not in _VERBS:
            return None
        found: click.Command = import_module(f"kubevouch.cli.{cmd_name}").command
        return found


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """From metrics-server 0/3 to verified TLS on every kubelet, without the port going dark.

    \b
      kubevouch doctor                             what is wrong, and the one cause (reads only)
      kubevouch fix --plan plan.json --via ssh     every change, before it is made (reads only)
      kubevouch fix --apply plan.json              make it, node by node, each one proven on the wire
      kubevouch verify                             that all of it holds (reads only)

    Exit codes: 0 nothing found, 1 findings, 2 usage, 3 could not tell, 4 stopped with some nodes done,
    5 undone, 130 interrupted.
    """


def run(arguments: Sequence[str], *, program: str, environment: Mapping[str, str]) -> int:
    """Runs one command line to its exit code. Nothing is raised, and no trace is ever printed."""
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr, environment)  # noqa: TID251 - the one place
    name = "kubectl vouch" if PurePath(program).name.startswith("kubectl") else "kubevouch"
    try:
        return _invoke(arguments, name, terminal)
    except KubevouchError as error:
        terminal.error(str(error))
        return error.exit_code
    except click.ClickException as error:
        error.show(file=terminal.stderr)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        terminal.error("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`): that is not ours to complain of, and neither is the flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.stdout.fileno())
        return ExitCode.OK


def _invoke(arguments: Sequence[str], name: str, terminal: Terminal) -> int:
    answer = program_of(arguments, name, terminal)
    terminal.stdout.flush()
    return int(answer) if isinstance(answer, int) else ExitCode.OK


def program_of(arguments: Sequence[str], name: str, terminal: Terminal) -> object:
    """What the verb returns: its exit code."""
    return program.main(args=list(arguments), prog_name=name, standalone_mode=False, obj=terminal)
