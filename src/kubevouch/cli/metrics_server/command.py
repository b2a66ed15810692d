"""`metrics-server install | upgrade | remove | run`: serves the metrics API. Sends no credential to an unverified kubelet."""

import re
from typing import Any

import click

from kubevouch.cli.common.group import CommandGroup
from kubevouch.cli.common.options import terminal_of, which_cluster
from kubevouch.cli.install.verbs import server_commands
from kubevouch.cli.metrics_server.flags import GIVEN, MetricsServerFlags, metrics_server_flags


class _DropIn(click.Command):
    """A command with metrics-server's syntax: a boolean flag takes no separate value, and `-l=a` means `-la`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Appends =true to boolean flags without a value."""
        switches = {name for each in self.params if each.type is click.BOOL for name in each.opts}
        words = [re.sub("^(-[a-z])=", r"\1", each) for each in args]
        return super().parse_args(ctx, [f"{w}=true" if w in switches else w for w in words])


@click.group("metrics-server", cls=CommandGroup)
def command() -> None:
    """The metrics server: serves metrics.k8s.io, in place of metrics-server."""


for each in server_commands("metrics-server"):
    command.add_command(each)


@command.command("run", cls=_DropIn, short_help="Run the server itself.")
@click.argument("words", nargs=-1, metavar="")
@which_cluster
@click.option(
    "--version",
    is_flag=False,
    default=False,
    type=bool,
    metavar="",
    help="Print the version, and exit.",
)
@metrics_server_flags
@click.pass_context
def run(
    ctx: click.Context,
    /,
    kubeconfig: str | None,
    context: str | None,
    version: bool,
    words: tuple[str, ...],
    **flags: Any,  # noqa: ANN401 - the fields of MetricsServerFlags
) -> int:
    """Scrapes every kubelet and serves CPU and memory usage as metrics.k8s.io/v1 and v1beta1, like metrics-server.

    The server verifies each kubelet (chain, address, CN) before it sends a token or any byte of HTTP. It accepts all
    flags of metrics-server; docs/reference/metrics-server.md lists those that have no effect. After SIGTERM, it answers
    open requests and exits.
    """
    from kubevouch import __version__
    from kubevouch.cli.common.connect import access_of
    from kubevouch.cli.metrics_server.run import serve_metrics
    from kubevouch.cli.metrics_server.settings import settings_of
    from kubevouch.errors import ExitCode

    terminal = terminal_of(ctx)
    terminal.roles = ""  # its roles are those of its chart
    if version:
        terminal.out(f"v{__version__}")
        return ExitCode.OK
    settings = settings_of(MetricsServerFlags(**flags))
    unused = tuple(ctx.meta.get(GIVEN, ()))
    return serve_metrics(
        terminal, access_of(terminal, kubeconfig, context), settings, unused, words
    )
