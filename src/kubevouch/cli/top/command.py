"""`top nodes | pods`: what kubectl prints, and why what is missing is missing. Reads only."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import F, all_of, cluster, output, seconds, terminal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.metrics.top.gather import TopFound

_ALIASES = {"node": "nodes", "no": "nodes", "pod": "pods", "po": "pods"}


class _Kinds(click.Group):
    """kubectl's short words for what it shows are taken, too."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """By its name or a short one."""
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))


@click.group(
    "top", cls=_Kinds, short_help="What kubectl top prints, and why a value is missing. Reads only."
)
def command() -> None:
    """Usage of nodes and pods from the metrics API, in kubectl's own columns.

    Where kubectl prints <unknown>, or nothing, the reason follows: what the node's kubelet presents, judged as doctor
    does. No credential is sent to a kubelet. Exit code 1: something is missing, and it is known why; 3: it is not.
    """


def _showing(function: F) -> F:
    """What both kinds take, in kubectl's words."""
    return all_of(
        cluster,
        click.option(
            "-l", "--selector", default="", metavar="LABELS", help="Only what has these labels."
        ),
        click.option(
            "--sort-by",
            type=click.Choice(["cpu", "memory"]),
            help="The largest first, in place of by name.",
        ),
        click.option("--no-headers", is_flag=True, help="Leave the line of headings out."),
        output("table", "json"),
        click.option(
            "--timeout",
            type=seconds,
            default="3s",
            show_default=True,
            metavar="DURATION",
            help="How long to wait for kubelets' handshakes, where a value is missing.",
        ),
    )(function)


def _noting(terminal: "Terminal") -> "Callable[[str], None]":
    """Notes a text of somebody else on one line."""
    from kubevouch.cli.common.terminal import one_line

    return lambda text: terminal.note(one_line(text))


@command.command("nodes", short_help="Usage of nodes.")
@click.argument("name", required=False)
@_showing
@click.option("--show-capacity", is_flag=True, help="Percent of capacity, not of allocatable.")
@click.pass_context
def nodes(
    ctx: click.Context,
    name: str | None,
    kubeconfig: str | None,
    context: str | None,
    selector: str,
    sort_by: str | None,
    no_headers: bool,
    timeout: float,
    show_capacity: bool,
) -> int:
    """Usage of all nodes, or of the one called NAME."""
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.top.render import print_nodes
    from kubevouch.metrics.top.gather import TopClient, TopOptions

    terminal = terminal_of(ctx)
    options = TopOptions(name or "", selector, sort_by or "", timeout, capacity=show_capacity)

    async def work(api: "ApiClient", clock: "Clock") -> "TopFound":
        return await TopClient(api, clock, terminal.doing, _noting(terminal)).nodes(options)

    found = with_api(terminal, access_of(terminal, kubeconfig, context), work)
    return print_nodes(terminal, found, headers=not no_headers)


@command.command("pods", short_help="Usage of pods.")
@click.argument("name", required=False)
@_showing
@click.option("-n", "--namespace", metavar="NAME", help="In place of the context's namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Pods of all namespaces.")
@click.option("--containers", is_flag=True, help="A line for each container.")
@click.option("--sum", "total", is_flag=True, help="The sum of all below them.")
@click.option("--field-selector", default="", metavar="FIELDS", help="Only pods with these fields.")
@click.pass_context
def pods(
    ctx: click.Context,
    name: str | None,
    kubeconfig: str | None,
    context: str | None,
    selector: str,
    field_selector: str,
    sort_by: str | None,
    no_headers: bool,
    timeout: float,
    namespace: str | None,
    all_namespaces: bool,
    containers: bool,
    total: bool,
) -> int:
    """Usage of a namespace's pods, or of the one called NAME."""
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.top.render import print_pods
    from kubevouch.metrics.top.gather import TopClient, TopOptions

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    options = TopOptions(
        name or "",
        selector,
        sort_by or "",
        timeout,
        "" if all_namespaces else namespace or access.namespace,
        field_selector,
        containers=containers,
    )

    async def work(api: "ApiClient", clock: "Clock") -> "TopFound":
        return await TopClient(api, clock, terminal.doing, _noting(terminal)).pods(options)

    found = with_api(terminal, access, work)
    return print_pods(terminal, found, options, headers=not no_headers, with_sum=total)
