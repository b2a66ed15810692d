"""`approver run | ...`: the approver in the cluster. Each command is a function of its name in a file beside this one."""

from importlib import import_module

import click

_FILES = {
    "install": "kubevouch.cli.approver.install",
    "upgrade": "kubevouch.cli.approver.install",
    "pin": "kubevouch.cli.approver.pin",
    "remove": "kubevouch.cli.approver.install",
    "run": "kubevouch.cli.approver.run",
}


class _Commands(click.Group):
    """Imports a command's file when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which an operator needs them."""
        return list(_FILES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if cmd_name not in _FILES:
            return None
        found: click.Command = getattr(import_module(_FILES[cmd_name]), cmd_name)
        return found


@click.group(
    "approver",
    cls=_Commands,
    short_help="Approves in the cluster what the policy passes; everything else waits.",
)
def command() -> None:
    """The approver: a controller that approves the CSRs of kubelets for serving certificates.

    It asks the same policy as `csr`. What does not pass is held: it stays pending, and the log says why.
    """
