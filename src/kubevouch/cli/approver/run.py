"""`approver run`: the controller itself, as a process or as the program of a pod."""

import os
import secrets  # noqa: TID251 - the one place
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import terminal_of, which_cluster
from kubevouch.cli.common.serving import (
    ServerFlags,
    listening,
    logging,
    serve_in_cluster,
)

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.errors import ExitCode
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.serve.logs import Log
    from kubevouch.serve.server import ServerPart


@click.command(short_help="The controller itself. Writes.")
@which_cluster
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NAME",
    help="Where its Lease and its ConfigMaps are. Default: the pod's own; outside a pod kubevouch-system.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Decide, and tell in the log and the metrics what would be written. Nothing is written.",
)
@listening(8443)
@logging("3 each request")
@click.pass_context
def run(
    ctx: click.Context,
    /,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    dry_run: bool,
    **flags: Any,  # noqa: ANN401 - the fields of ServerFlags
) -> int:
    """Decides about kubelets' CSRs for serving certificates until SIGTERM.

    What every rule passes is approved. Everything else waits, and the log says why. Which
    names a node may have is told by ConfigMaps in its namespace: kubevouch-approver, kubevouch-inventory, kubevouch-pins-*.
    """
    from kubevouch.cli.common.connect import access_of
    from kubevouch.evidence.approvers import NAMESPACE

    terminal = terminal_of(ctx)
    found = access_of(terminal, kubeconfig, context)
    where = namespace or (NAMESPACE if found.context else found.namespace)
    return _run(terminal, found, ServerFlags(**flags), where, dry_run=dry_run)


def _run(
    terminal: "Terminal",
    access: "ClusterAccess",
    flags: ServerFlags,
    namespace: str,
    *,
    dry_run: bool,
) -> "ExitCode":
    """Until a signal. Raises KubevouchError, OSError."""
    from kubevouch.approve.act.controller import ApproverController, ApproverSettings
    from kubevouch.approve.act.instruments import ApproverInstruments
    from kubevouch.serve.process import raise_open_file_limit
    from kubevouch.serve.server import new_registry

    identity = f"{os.uname().nodename}_{secrets.token_hex(8)}"
    settings = ApproverSettings(namespace, identity, dry_run=dry_run)
    registry = new_registry()
    instruments = ApproverInstruments(registry)

    async def part(api: "ApiClient", log: "Log") -> "ServerPart":
        rng = secrets.SystemRandom().random
        return ApproverController(api, log, settings, instruments=instruments, rng=rng).part

    raise_open_file_limit()
    return serve_in_cluster(terminal, access, flags, registry, instruments.request, part)
