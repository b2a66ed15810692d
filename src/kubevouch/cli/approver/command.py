"""`approver install | upgrade | remove | pin | run`: the approver in the cluster. Each command has its own file."""

import click

from kubevouch.cli.approver.install import install, remove, upgrade
from kubevouch.cli.approver.pin import pin
from kubevouch.cli.approver.run import run
from kubevouch.cli.common.group import CommandGroup


@click.group("approver", cls=CommandGroup)
def command() -> None:
    """The approver: a controller that approves the CSRs of kubelets for serving certificates.

    It applies the same policy as `csr`. A CSR that does not pass stays pending, and the log has the reason.
    """


for each in (install, upgrade, pin, remove, run):
    command.add_command(each)
