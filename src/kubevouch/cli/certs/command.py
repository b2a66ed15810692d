"""`certs`: lists every certificate of a cluster, when it expires, and what stops working then. Changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.legend import CERTIFICATES, WIDE, WithLegend
from kubevouch.cli.common.options import (
    cluster,
    handshake_timeout,
    output,
    terminal_of,
    via_ssh,
)

if TYPE_CHECKING:
    from kubevouch.inventory.rows import LifeLimit


def _limit(_: click.Context, __: click.Parameter, value: str | None) -> "LifeLimit | None":
    """Parses LIMIT: a remaining time, or a percentage of the lifetime. Raises click.BadParameter."""
    from kubevouch.inventory.rows import read_life_limit

    found = None if value is None else read_life_limit(value)
    if value is not None and found is None:
        seen = f"expected a time such as 30d or 12h, or a percentage such as 92%, got {value!r}"
        raise click.BadParameter(seen)
    return found


@click.command(
    "certs",
    cls=WithLegend,
    heads={**CERTIFICATES, **WIDE},
    words="kubevouch.inventory.rows:RowState",
)
@cluster
@output("wide", "short", "prometheus", "html")
@click.option(
    "--within",
    callback=_limit,
    metavar="LIMIT",
    help="Show only failures, and certificates at or past LIMIT, such as 90d.",
)
@click.option(
    "--warn",
    callback=_limit,
    default="92%",
    show_default=True,
    metavar="LIMIT",
    help="Warn about certificates at or past LIMIT. This does not change the exit code.",
)
@click.option(
    "--fail-on",
    callback=_limit,
    metavar="LIMIT",
    help="Exit with 1 if a certificate is at or past LIMIT, and always if one is expired, invalid, missing or unreadable.",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Read a node's file system instead of a cluster: a mounted disk, a backup, /. May be repeated.",
)
@via_ssh("Also read the files of kubeadm and the kubelet on every node, as root.")
@handshake_timeout
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    within: "LifeLimit | None",
    warn: "LifeLimit",
    fail_on: "LifeLimit | None",
    roots: tuple[Path, ...],
    via: str | None,
    ssh_config: str | None,
    ssh_user: str | None,
    ask_sudo_password: bool,
    timeout: float,
) -> int:
    """Shows every certificate that the cluster really uses, and what stops when it expires.

    `certs` dials kubelets, API servers, etcd, metrics-server and webhooks with a bare TLS handshake. It sends no
    credential, reads no Secret, and lists what it cannot reach under "not read".

    LIMIT is a remaining time (30d, 12h), or the percentage of the lifetime that has passed (92%).

    With --via ssh, `certs` also reads the disk of every node, with a script that never prints a key.

    With --root, `certs` connects to no cluster. It reads the files of kubeadm and the kubelet below DIR, and follows
    only links inside DIR.
    """
    from kubevouch.cli.certs.disk import found_in_cluster
    from kubevouch.cli.certs.render import print_rows
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.ssh import asked_ssh
    from kubevouch.errors import UsageError
    from kubevouch.evidence.gather.certificates.disks import certificates_on_disk
    from kubevouch.inventory.rows import Limits
    from kubevouch.system_clock import SystemClock

    terminal = terminal_of(ctx)
    limits = Limits(warn, fail_on, within)
    if roots:
        of_a_cluster = {"--kubeconfig": kubeconfig, "--context": context, "--via": via}
        if flag := next((flag for flag, given in of_a_cluster.items() if given), ""):
            seen = f"--root reads only disks, but {flag} needs a cluster"
            raise UsageError("certs --root", seen, "omit one of them")
        found = certificates_on_disk(roots, SystemClock())
        return print_rows(terminal, found, output, limits)
    access = access_of(terminal, kubeconfig, context)
    transport = asked_ssh(terminal, ssh_config, ssh_user, asks=ask_sudo_password) if via else None
    found = with_api(
        terminal,
        access,
        lambda api, _: found_in_cluster(api, timeout, terminal.doing, transport),
    )
    cluster = f"{access.server}, context {access.context}" if access.context else access.server
    return print_rows(terminal, found, output, limits, cluster=cluster)
