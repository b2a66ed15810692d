"""`approver pin`: an operator confirms the names and addresses of nodes. Nodes have no right to change pins."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.complete import completed, node_names
from kubevouch.cli.common.legend import PINS, WithLegend
from kubevouch.cli.common.options import allow, connected, output, print_role, via_ssh, writing
from kubevouch.errors import UsageError

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess


@click.command(
    cls=WithLegend,
    heads=PINS,
    words="kubevouch.policy.pin_proposals:PinState",
    short_help="Pin the names and addresses of nodes. Asks first.",
)
@click.argument("nodes", nargs=-1, metavar="[NODE...]", shell_complete=completed(node_names))
@connected
@output()
@click.option("--diff", is_flag=True, help="Show how pins and live Nodes differ. Read-only.")
@click.option(
    "--csr",
    metavar="NAME",
    help="Pin the client certificate with which this CSR of NODE was created.",
)
@via_ssh("Pin the client certificate on each node's disk, read as root.")
@click.option("--remove", is_flag=True, help="Remove the pins of these nodes.")
@click.option("--restore", metavar="FILE", help="Restore the former pins from FILE.")
@allow
@writing
@print_role("pinner", "`approver pin` needs")
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
    """Pins the names and addresses that all Nodes, or NODE..., claim now. Shows them in a table, and asks you to confirm.

    The approver then holds a CSR for any other name or address. With --via ssh or --csr, the pin also lists the
    node's client certificate. Then a CSR passes only if it was sent with this certificate, or with a renewal of it.
    Without these flags, the pin's list of certificates stays the same for the same Node and machine. Values of --allow stay in the pin until
    --remove, or until the Node is recreated. Exit code 3: a disk could not be read. Exit code 1: the policy refuses a
    value of --allow, or --diff found differences.
    """
    from kubevouch.cli.approver import pin_change, pinning
    from kubevouch.cli.common.allow import node_values
    from kubevouch.cli.common.ssh import asked_ssh

    terminal.may_write("kubevouch approver pin --print-role")
    if restore and (diff or csr or via or allow or nodes or remove):
        raise UsageError("--restore", "expected FILE without other arguments")
    if csr and len(nodes) != 1:
        raise UsageError("--csr", "needs exactly one node", "expected NODE")
    if csr and via:
        raise UsageError("approver pin", "expected --csr or --via, got both")
    if remove and (diff or csr or via or allow or not nodes):
        raise UsageError("--remove", "expected NODE... without other arguments")
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
