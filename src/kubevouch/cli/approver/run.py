"""`approver run`: the controller itself, in a pod or on the command line."""

import os
import secrets  # noqa: TID251 - the one place
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import connected_server
from kubevouch.cli.common.serving import (
    ServerFlags,
    listening,
    logging,
    serve_in_cluster,
)

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.serve.logs import Log
    from kubevouch.serve.server import ServerPart


@click.command(short_help="Run the controller itself.")
@connected_server
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NAME",
    help="Namespace of the Lease and the ConfigMaps. Default: the pod's own, else kubevouch-system.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Write nothing; only report decisions in the log and in metrics.",
)
@listening(8443)
@logging("3 logs each request")
def run(
    terminal: "Terminal",
    access: "ClusterAccess",
    namespace: str,
    dry_run: bool,
    **flags: Any,  # noqa: ANN401 - the fields of ServerFlags
) -> int:
    """Approves or holds kubelets' CSRs for serving certificates until SIGTERM.

    The approver approves a CSR that passes every rule. Any other CSR stays pending, and the log has the reason. The
    ConfigMaps kubevouch-approver, kubevouch-inventory and kubevouch-pins-* list the allowed names of nodes.
    """
    from kubevouch.approve.act.controller import ApproverController, ApproverSettings
    from kubevouch.approve.act.instruments import ApproverInstruments
    from kubevouch.evidence.approvers import NAMESPACE
    from kubevouch.serve.server import new_registry

    where = namespace or (NAMESPACE if access.context else access.namespace)

    identity = f"{os.uname().nodename}_{secrets.token_hex(8)}"
    settings = ApproverSettings(where, identity, dry_run=dry_run)
    registry = new_registry()
    instruments = ApproverInstruments(registry)

    def part(api: "ApiClient", log: "Log") -> "ServerPart":
        rng = secrets.SystemRandom().random
        return ApproverController(api, log, settings, instruments=instruments, rng=rng).part

    served = ServerFlags(**flags)
    return serve_in_cluster(terminal, access, served, registry, instruments.request, part)
