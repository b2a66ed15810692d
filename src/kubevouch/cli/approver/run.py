"""`approver run`: the controller itself, as a process or as the program of a pod."""

import os
import secrets  # noqa: TID251 - the one place
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import terminal_of
from kubevouch.cli.common.serving import access, listening, logging, server_flags

if TYPE_CHECKING:
    from kubevouch.cli.common.serving import ServerFlags
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.errors import ExitCode
    from kubevouch.kube.access import ClusterAccess


@click.command("run", short_help="The controller itself. Writes.")
@access
@click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NAME",
    help="Where its Lease and its ConfigMaps are. Default: the pod's own, or the context's.",
)
@listening(8443)
@logging("2 each decision, 3 each request")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    **flags: object,
) -> int:
    """Decides about kubelets' CSRs for serving certificates until SIGTERM.

    Of several that run, the one that holds the Lease writes.
    """
    from kubevouch.cli.common.connect import access_of

    terminal = terminal_of(ctx)
    found = access_of(terminal, kubeconfig, context)
    return _run(terminal, found, namespace or found.namespace, server_flags(flags))


def _run(
    terminal: "Terminal", access: "ClusterAccess", namespace: str, flags: "ServerFlags"
) -> "ExitCode":
    """Until a signal. Raises KubevouchError, OSError."""
    from kubevouch.approve.act.controller import ApproverController, ApproverSettings
    from kubevouch.cli.common.connect import with_api
    from kubevouch.clock import Clock
    from kubevouch.errors import ExitCode
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.serve.process import raise_open_file_limit, stop_on_signals
    from kubevouch.serve.server import ServingOptions

    raise_open_file_limit()
    settings = ApproverSettings(namespace, f"{os.uname().nodename}_{secrets.token_hex(8)}")

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        log = flags.log(terminal, clock)
        source = flags.pair_source(clock)
        # What reads the metrics must never keep the approver from running.
        options = ServingOptions(flags.host, flags.port, source, tolerate_missing=True)
        async with stop_on_signals() as stop:
            controller = ApproverController(
                api, clock, log, settings, secrets.SystemRandom().random
            )
            await controller.serve(options, stop)
        return ExitCode.OK

    return with_api(terminal, access, work)
