"""`metrics-server`: serves the metrics API from kubelets that were verified before anything was sent to them."""

import click

from kubevouch.cli.common.options import F, terminal_of
from kubevouch.cli.common.pflag import PflagCommand, boolean_option, duration, list_option
from kubevouch.cli.common.serving import access, listening, logging


def _kubelets(function: F) -> F:
    """Flags about kubelets, by metrics-server's names."""
    for option in (
        boolean_option("--deprecated-kubelet-completely-insecure", "insecure_http", hidden=True),
        boolean_option(
            "--kubelet-insecure-tls",
            "insecure",
            help="Refused here, with what to do instead.",
        ),
        click.option(
            "--kubelet-request-timeout",
            "request_timeout",
            type=duration,
            default="10s",
            show_default=True,
            help="For one kubelet; at most nine tenths of the resolution.",
        ),
        click.option(
            "-l",
            "--node-selector",
            default="",
            metavar="LABELS",
            help="Only nodes with these labels.",
        ),
        click.option(
            "--kubelet-certificate-authority",
            "kubelet_ca",
            default="",
            metavar="FILE",
            help="Authorities of kubelets, in place of the cluster's own.",
        ),
        list_option(
            "--kubelet-preferred-address-types",
            "address_types",
            default="Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP",
            metavar="TYPES",
            help="The first of these that a node has is dialled.",
        ),
        click.option(
            "--kubelet-port", type=click.IntRange(1, 65535), default=10250, show_default=True
        ),
        boolean_option(
            "--kubelet-use-node-status-port",
            "status_port",
            help="The port in the node's status comes before --kubelet-port.",
        ),
        click.option(
            "--metric-resolution",
            "resolution",
            type=duration,
            default="15s",
            show_default=True,
            help="Each kubelet is read once in this time; at least 10s.",
        ),
    ):
        function = option(function)
    return function


def _delegating(function: F) -> F:
    """Flags about who asks, by the names that every extension API server has for them."""
    for option in (
        list_option(
            "--authorization-always-allow-paths",
            "always_allowed",
            default="/healthz,/readyz,/livez",
            metavar="PATHS",
        ),
        boolean_option(
            "--authentication-tolerate-lookup-failure",
            "tolerate",
            help="Start although the ConfigMap extension-apiserver-authentication cannot be read.",
        ),
        boolean_option(
            "--authentication-skip-lookup",
            "skip_lookup",
            help="Do not read it at all: the flags say everything.",
        ),
        list_option(
            "--requestheader-extra-headers-prefix", "extra_headers", default="x-remote-extra-"
        ),
        list_option("--requestheader-uid-headers", "uid_headers"),
        list_option("--requestheader-group-headers", "group_headers", default="x-remote-group"),
        list_option("--requestheader-username-headers", "user_headers", default="x-remote-user"),
        list_option(
            "--requestheader-allowed-names",
            "allowed_names",
            metavar="NAMES",
            help="Names of the front proxy; empty allows every one that its authority signed.",
        ),
        click.option(
            "--requestheader-client-ca-file",
            "proxy_ca",
            default="",
            metavar="FILE",
            help="The front proxy's authorities, in place of the published ones.",
        ),
        click.option(
            "--client-ca-file",
            default="",
            metavar="FILE",
            help="Users' authorities, in place of the published ones.",
        ),
    ):
        function = option(function)
    return function


def _ending(function: F) -> F:
    """--shutdown-delay-duration, by the name that every API server of Kubernetes has for it."""
    return click.option(
        "--shutdown-delay-duration",
        "shutdown_delay",
        type=duration,
        default="0s",
        show_default=True,
        help="How long it serves on after SIGTERM, while /readyz fails already.",
    )(function)


@click.command(
    "metrics-server",
    cls=PflagCommand,
    short_help="Serves the metrics API, from verified kubelets only.",
)
@access
@_kubelets
@listening(10250)
@_ending
@_delegating
@logging("2 each scrape, 3 each request")
@click.pass_context
def command(
    ctx: click.Context, /, kubeconfig: str | None, context: str | None, **flags: object
) -> int:
    """Reads every kubelet's usage and serves it as metrics.k8s.io/v1beta1, as metrics-server does.

    A kubelet has to prove that it is the node it should be (chain, address, CN) before a token or any byte of HTTP is
    sent to it. The flags are metrics-server's. Ends on SIGTERM, when what is being asked has been answered.
    """
    from kubevouch.cli.common.connect import access_of
    from kubevouch.cli.metrics_server.run import run
    from kubevouch.cli.metrics_server.settings import settings_of

    terminal = terminal_of(ctx)
    settings = settings_of(flags)
    return run(terminal, access_of(terminal, kubeconfig, context), settings)
