"""`run`: the approver, the exporter and the metrics server together, in one process behind one listener. Writes, if it approves."""

from typing import TYPE_CHECKING, Final

import click

from kubevouch.cli.approver.run import approver_program, approvers_namespace
from kubevouch.cli.common.options import terminal_of
from kubevouch.cli.common.serving import access, listening, logging, serve_in_cluster, server_flags
from kubevouch.cli.exporter.command import exporter_program, interval

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from kubevouch.cli.common.serving import ServerProgram
    from kubevouch.kube.access import ClusterAccess

_APPROVER, _EXPORTER, _METRICS_SERVER = "approver", "exporter", "metrics-server"
_AS_IN_MANIFESTS: Final = (
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
)
_SERVERS: Final = (_APPROVER, _EXPORTER, _METRICS_SERVER)


@click.command("run", short_help="Approver, exporter and metrics server in one process.")
@click.argument(
    "servers", nargs=-1, required=True, metavar="SERVER...", type=click.Choice(_SERVERS)
)
@access
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NAME",
    help="Of the approver's Lease and ConfigMaps. Default: the pod's own; outside a pod kubevouch-system.",
)
@interval("Of the exporter: from one handshake with a kubelet to the next.")
@listening(8443)
@logging("2 what is served, 3 each request")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    servers: tuple[str, ...],
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    interval: float,
    **flags: object,
) -> int:
    """Runs any of approver, exporter and metrics-server in one process, until SIGTERM.

    They share one listener: /metrics has the metrics of all, and /readyz and /livez are well where all are. They share the
    account, too, which needs the rights of all, and one that fails ends all. The metrics server has the flags of
    metrics-server's own manifests, and needs a ServiceAccount's token.
    """
    from kubevouch.cli.common.connect import access_of
    from kubevouch.serve.exposition import new_registry
    from kubevouch.serve.garbage import keep_full_collections_short
    from kubevouch.serve.process import freeze_what_is_loaded, raise_open_file_limit
    from kubevouch.system_clock import SystemClock

    terminal = terminal_of(ctx)
    found = access_of(terminal, kubeconfig, context)
    listens, registry = server_flags(flags), new_registry()
    wanted = tuple(dict.fromkeys(servers))
    programs = []
    if _APPROVER in wanted:
        where = approvers_namespace(found, namespace)
        programs.append(approver_program(found, where, registry))
    if _EXPORTER in wanted:
        from kubevouch.inventory.act.exporter import ExporterSettings

        programs.append(exporter_program(ExporterSettings(interval), registry))
    if _METRICS_SERVER in wanted:
        programs.append(_metrics_server(found, registry, listens.port))
        keep_full_collections_short(SystemClock())
    raise_open_file_limit()
    freeze_what_is_loaded()
    return serve_in_cluster(terminal, found, listens, programs, registry)


def _metrics_server(
    access: "ClusterAccess", registry: "CollectorRegistry", port: int
) -> "ServerProgram":
    """With the flags of metrics-server's own manifests. Raises UsageError."""
    from kubevouch.cli.metrics_server.command import command as own
    from kubevouch.cli.metrics_server.run import metrics_server_program
    from kubevouch.cli.metrics_server.settings import settings_of

    with own.make_context(_METRICS_SERVER, list(_AS_IN_MANIFESTS)) as ctx:
        settings = settings_of(ctx.params)
    return metrics_server_program(access, settings, registry, port)
