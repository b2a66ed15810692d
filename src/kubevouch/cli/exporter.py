"""`exporter install | upgrade | remove | run`: serves certificate expiry as metrics. The exporter itself only reads."""

import secrets  # noqa: TID251 - the one place
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.group import CommandGroup
from kubevouch.cli.common.options import connected_server, duration
from kubevouch.cli.common.serving import (
    ServerFlags,
    listening,
    logging,
    serve_in_cluster,
)
from kubevouch.cli.install.verbs import server_commands

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.serve.logs import Log
    from kubevouch.serve.server import ServerPart

_SHORTEST = 10.0


def _long_enough(_: click.Context, __: click.Parameter, value: float) -> float:
    if value < _SHORTEST:
        raise click.BadParameter(f"expected {_SHORTEST:g}s or more, got {value:g}s")
    return value


@click.group("exporter", cls=CommandGroup)
def command() -> None:
    """The exporter: a server that exposes the expiry of every certificate of a cluster as metrics."""


for each in server_commands("exporter"):
    command.add_command(each)


@command.command("run", short_help="Run the server itself. Read-only.")
@connected_server
@duration(
    "--interval",
    "15m",
    "Time between two handshakes with the same kubelet.",
    callback=_long_enough,
)
@duration("--timeout", "10s", "Timeout of one handshake.")
@listening(8443)
@logging("3 logs each request")
def run(
    terminal: "Terminal",
    access: "ClusterAccess",
    interval: float,
    timeout: float,
    **flags: Any,  # noqa: ANN401 - the fields of ServerFlags
) -> int:
    """Watches Nodes and CSRs, dials kubelets, and serves the results at /metrics until SIGTERM.

    Kubelets get a bare TLS handshake and no credential. The exporter reads no Secret and writes nothing. A scraper needs
    the right to get /metrics, as for Kubernetes' own servers.
    """
    from kubevouch.inventory.act.exporter import Exporter, ExporterSettings
    from kubevouch.inventory.act.instruments import ExporterInstruments
    from kubevouch.serve.process import freeze_what_is_loaded
    from kubevouch.serve.server import new_registry

    settings = ExporterSettings(interval, timeout)
    registry = new_registry()
    instruments = ExporterInstruments(registry)

    def part(api: "ApiClient", log: "Log") -> "ServerPart":
        rng = secrets.SystemRandom().random
        return Exporter(api, log, settings, instruments=instruments, rng=rng).part

    freeze_what_is_loaded()
    served = ServerFlags(**flags)
    return serve_in_cluster(terminal, access, served, registry, instruments.request, part)
