"""The options of `metrics-server`, by metrics-server's names. Those that mean nothing here: `without_meaning`."""

from collections.abc import Callable, Iterable

import click

from kubevouch.cli.common.options import F, all_of, seconds


def _text(name: str, variable: str, metavar: str, text: str) -> Callable[[F], F]:
    return click.option(name, variable, default="", metavar=metavar, help=text)


def _seconds(name: str, variable: str, default: str, text: str) -> Callable[[F], F]:
    return click.option(name, variable, type=seconds, default=default, show_default=True, help=text)


def boolean_option(
    name: str,
    variable: str,
    *,
    help: str = "",  # noqa: A002 - click's word
    hidden: bool = False,
) -> Callable[[F], F]:
    """A bool: --name, --name=true or --name=false."""
    return click.option(
        name,
        variable,
        is_flag=False,
        default=False,
        type=bool,
        metavar="",
        help=help,
        hidden=hidden,
    )


def _list(
    name: str,
    variable: str,
    *,
    default: str = "",
    metavar: str = "LIST",
    help: str = "",  # noqa: A002 - click's word
) -> Callable[[F], F]:
    """A list with commas. Given again it grows; given at all it replaces its default."""

    def joined(_: click.Context, __: click.Parameter, given: Iterable[str]) -> tuple[str, ...]:
        if any('"' in text for text in given):
            raise click.BadParameter("names without quotes and commas were expected")
        return tuple(filter(None, (each.strip() for text in given for each in text.split(","))))

    return click.option(
        name,
        variable,
        multiple=True,
        default=[default] if default else [],
        show_default=bool(default),
        callback=joined,
        metavar=metavar,
        help=help,
    )


def kubelets(function: F) -> F:
    """Options about kubelets."""
    options: list[Callable[[F], F]] = [
        _seconds(
            "--metric-resolution",
            "resolution",
            "15s",
            "Each kubelet is read once in this time; at least 10s.",
        ),
        boolean_option(
            "--kubelet-use-node-status-port",
            "status_port",
            help="The port in the node's status comes before --kubelet-port.",
        ),
        click.option(
            "--kubelet-port", type=click.IntRange(1, 65535), default=10250, show_default=True
        ),
        _list(
            "--kubelet-preferred-address-types",
            "address_types",
            default="Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP",
            metavar="TYPES",
            help="The first of these that a node has is dialled.",
        ),
        _text(
            "--kubelet-certificate-authority",
            "kubelet_ca",
            "FILE",
            "Authorities of kubelets, in place of the cluster's own.",
        ),
        _text(
            "--kubelet-client-certificate",
            "kubelet_certificate",
            "FILE",
            "A certificate to show to kubelets, besides the token.",
        ),
        _text("--kubelet-client-key", "kubelet_key", "FILE", "Its key."),
        click.option(
            "-l",
            "--node-selector",
            default="",
            metavar="LABELS",
            help="Only nodes with these labels.",
        ),
        _seconds(
            "--kubelet-request-timeout",
            "request_timeout",
            "10s",
            "For one kubelet; at most nine tenths of the resolution.",
        ),
        boolean_option(
            "--kubelet-insecure-tls",
            "insecure",
            help="Ask kubelets that cannot be verified, too, but without a credential; not ready until all are read.",
        ),
        click.option(
            "--ready-min-nodes",
            "ready_min_nodes",
            type=_SHARE,
            default="0",
            metavar="SHARE",
            help="Not ready before this share of the ready nodes has been read, such as 0.9 or 90%.",
        ),
        boolean_option("--deprecated-kubelet-completely-insecure", "insecure_http", hidden=True),
    ]
    return all_of(*options)(function)


class _Share(click.ParamType[float]):
    """A share from 0 to 1, also in percent."""

    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share as a number from 0 to 1."""
        text = str(value)
        try:
            found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            found = -1.0
        if not 0 <= found <= 1:
            self.fail(f"{text!r} is not a share from 0 to 1, nor from 0% to 100%", param, ctx)
        return found


_SHARE = _Share()


def serving(function: F) -> F:
    """Options about the server, beside those that all our servers have."""
    options: list[Callable[[F], F]] = [
        _text(
            "--tls-min-version",
            "tls_min_version",
            "NAME",
            "VersionTLS12, which is the default, or VersionTLS13.",
        ),
        _list(
            "--tls-cipher-suites",
            "tls_cipher_suites",
            metavar="NAMES",
            help="Suites for TLS 1.2 by Go's names, such as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.",
        ),
        click.option(
            "--tls-sni-cert-key",
            "tls_sni",
            multiple=True,
            metavar="FILE,FILE[:NAMES]",
            help="Another pair, for clients that ask for one of these names. May be repeated.",
        ),
        _text(
            "--tls-authority-secret",
            "tls_authority",
            "NAMESPACE/NAME:NAMES",
            "Where replicas keep the authority that signs what they serve for these names. In place of --tls-cert-file.",
        ),
        _seconds("--request-timeout", "answer_timeout", "1m", "For one request to this server."),
        click.option(
            "--max-requests-inflight",
            "most_in_flight",
            type=int,
            default="400",
            show_default=True,
            help="Requests at a time; 0 for any number.",
        ),
        click.option(
            "--shutdown-delay-duration",
            "shutdown_delay",
            type=seconds,
            show_default="5s in a pod, else 0s",
            help="How long it serves on after SIGTERM, while /readyz fails already.",
        ),
    ]
    return all_of(*options)(function)


def delegating(function: F) -> F:
    """Options about who asks, by the names that every extension API server has for them."""
    options: list[Callable[[F], F]] = [
        _text(
            "--client-ca-file",
            "client_ca_file",
            "FILE",
            "Users' authorities, in place of the published ones.",
        ),
        _text(
            "--requestheader-client-ca-file",
            "proxy_ca",
            "FILE",
            "The front proxy's authorities, in place of the published ones.",
        ),
        _list(
            "--requestheader-allowed-names",
            "allowed_names",
            metavar="NAMES",
            help="Names of the front proxy; empty allows every one that its authority signed.",
        ),
        _list("--requestheader-username-headers", "user_headers", default="x-remote-user"),
        _list("--requestheader-uid-headers", "uid_headers"),
        _list("--requestheader-group-headers", "group_headers", default="x-remote-group"),
        _list("--requestheader-extra-headers-prefix", "extra_headers", default="x-remote-extra-"),
        _text(
            "--authentication-kubeconfig",
            "authentication_kubeconfig",
            "FILE",
            "The API server that knows tokens and publishes authorities, if it is another one.",
        ),
        boolean_option(
            "--authentication-skip-lookup",
            "skip_lookup",
            help="Do not read what is published at all: the flags say everything.",
        ),
        boolean_option(
            "--authentication-tolerate-lookup-failure",
            "tolerate",
            help="Start although the ConfigMap extension-apiserver-authentication cannot be read.",
        ),
        _seconds(
            "--authentication-token-webhook-cache-ttl",
            "token_ttl",
            "10s",
            "How long the API server's word about a token is kept.",
        ),
        _text(
            "--authorization-kubeconfig",
            "authorization_kubeconfig",
            "FILE",
            "The API server that says who may do what, if it is another one.",
        ),
        _list(
            "--authorization-always-allow-paths",
            "always_allowed",
            default="/healthz,/readyz,/livez",
            metavar="PATHS",
        ),
        _seconds(
            "--authorization-webhook-cache-authorized-ttl",
            "allowed_ttl",
            "10s",
            "How long its yes is kept.",
        ),
        _seconds(
            "--authorization-webhook-cache-unauthorized-ttl",
            "denied_ttl",
            "10s",
            "How long its no is kept.",
        ),
    ]
    return all_of(*options)(function)
