"""`approver pin`: the names and addresses of nodes, looked at by an operator and written where no node can write."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.complete import completed, node_names
from kubevouch.cli.common.legend import PINS, WithLegend
from kubevouch.cli.common.options import (
    allow,
    connected,
    dry_run,
    output,
    print_role,
    via_ssh,
    yes,
)
from kubevouch.errors import UsageError

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.policy.pin_proposals import PinState


def _states() -> "type[PinState]":
    from kubevouch.policy.pin_proposals import PinState

    return PinState


@click.command(
    cls=WithLegend,
    heads=PINS,
    words=_states,
    short_help="Write down which names and addresses nodes have. Asks first.",
)
@click.argument("nodes", nargs=-1, metavar="[NODE...]", shell_complete=completed(node_names))
@connected
@output()
@click.option(
    "--diff", is_flag=True, help="Only show what differs from the live Nodes. Reads only."
)
@click.option(
    "--csr",
    metavar="NAME",
    help="Name the client certificate that made this CSR of NODE.",
)
@via_ssh("Name the client certificate on each node's disk, read as root.")
@click.option("--remove", is_flag=True, help="Remove the pins of these nodes.")
@click.option("--restore", metavar="FILE", help="Put back what a change has kept in FILE.")
@allow
@dry_run
@yes
@print_role("pinner", "whoever pins needs")
def pin(
    nodes: tuple[str, ...],
    terminal: "Terminal",
    access: "ClusterAccess",
    diff: bool,
    csr: str | None,
    via: str | None,
    ssh_config: str | None,
    ssh_user: str | None,
    ask_sudo_password: bool,
    remove: bool,
    restore: str | None,
    allow: tuple[str, ...],
    yes: bool,
) -> int:
    """Pins all nodes, or those that are named: what their Nodes claim now, once you have looked at the table.

    A CSR for anything else is held then. A pin that names a client certificate admits only that one and what replaces it:
    by --via ssh, or by --csr. Otherwise the pin's list of certificates stays as it was. What --allow gave stays in the pin until --remove, or until the Node is
    another. Exit code 3: a disk could not be read. Exit code of --diff: 1 if something differs; otherwise 1 if a value of --allow was refused.
    """
    from kubevouch.cli.approver import pin_change, pinning
    from kubevouch.cli.common.allow import node_values
    from kubevouch.cli.common.ssh import asked_ssh

    terminal.roles = "kubevouch approver pin --print-role"
    terminal.nothing_changed = True
    if restore and (diff or csr or via or allow or nodes or remove):
        raise UsageError("--restore", "expected the file, and nothing else")
    if csr and len(nodes) != 1:
        raise UsageError("--csr", "names the client certificate of one node", "expected NODE")
    if csr and via:
        raise UsageError("approver pin", "expected --csr or --via, got both")
    if remove and (diff or csr or via or allow or not nodes):
        raise UsageError("--remove", "expected the nodes whose pins go, and nothing else")
    if restore:
        return pin_change.restore(terminal, access, restore, yes=yes)
    if remove:
        return pin_change.remove(terminal, access, nodes, yes=yes)
    ssh = asked_ssh(terminal, ssh_config, ssh_user, asks=ask_sudo_password) if via else None
    looked = pinning.look(terminal, access, nodes, node_values(allow), csr or "", ssh)
    pinning.show(terminal, looked)
    if diff:
        return pinning.say_differences(terminal, looked)
    return pinning.write(terminal, access, looked, yes=yes)
