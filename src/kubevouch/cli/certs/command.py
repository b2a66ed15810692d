"""`certs`: every certificate of a cluster, until when it is good, and what stops then. Reads only."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.certs.options import warn_and_fail
from kubevouch.cli.common.options import cluster, handshake_timeout, output, redact, terminal_of

if TYPE_CHECKING:
    from kubevouch.inventory.limits import LifeLimit


@click.command("certs", short_help="Every certificate, and what stops when it ends. Reads only.")
@cluster
@output("table", "wide", "short", "json", "prometheus", "ics", "html")
@warn_and_fail
@redact
@handshake_timeout
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    warn: "LifeLimit",
    fail: "LifeLimit | None",
    redact: bool,
    timeout: float,
) -> int:
    """Shows every certificate of the cluster as it is really used, and what stops when it ends.

    Kubelets are dialled with a bare TLS handshake: no credential is sent to them. Secrets are not read.

    A limit is a time that is left (30d, 12h) or a part of the life that is used (92%).
    """
    from kubevouch.cli.certs.render import print_rows
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.redacting import cluster_name, names_of_access
    from kubevouch.evidence.gather.certificates.whole import gather_certificates
    from kubevouch.inventory.limits import Limits
    from kubevouch.inventory.redaction import Redaction

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    found = with_api(
        terminal,
        access,
        lambda api, clock: gather_certificates(
            api, clock=clock, timeout=timeout, progress=terminal.doing
        ),
    )
    if redact:
        terminal.redaction = Redaction.of(found, names_of_access(terminal, access))
    return print_rows(terminal, found, output, Limits(warn, fail), cluster=cluster_name(access))
