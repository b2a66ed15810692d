"""The flags of `metrics-server`, with metrics-server's names. Each field of MetricsServerFlags defines an option."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final

import click

from kubevouch.cli.common.options import F, all_of, seconds
from kubevouch.cli.common.serving import ServerFlags, listening, logging


def _flag(text: str = "", **option: Any) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A dataclass field that defines an option. option: parameters of click.option."""
    return field(metadata={"help": text, **option})


def _file(text: str, metavar: str = "FILE") -> Any:  # noqa: ANN401 - as dataclasses.field
    return _flag(text, default="", metavar=metavar)


def _seconds(default: str, text: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    return _flag(text, type=seconds, default=default, show_default=True)


def _switch(text: str = "", *, hidden: bool = False) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A boolean flag: --name, --name=true or --name=false."""
    return _flag(text, is_flag=False, default=False, type=bool, metavar="", hidden=hidden)


def _joined(_: click.Context, __: click.Parameter, given: Iterable[str]) -> tuple[str, ...]:
    if any('"' in text for text in given):
        raise click.BadParameter("expected a comma-separated list without quotes")
    return tuple(filter(None, (each.strip() for text in given for each in text.split(","))))


def _list(default: str = "", text: str = "", metavar: str = "LIST") -> Any:  # noqa: ANN401 - as dataclasses.field
    """A flag with a comma-separated list. The first use replaces the default; later uses add to the list."""
    known = [default] if default else []
    shown = bool(default)
    return _flag(
        text, multiple=True, default=known, show_default=shown, callback=_joined, metavar=metavar
    )


def _share(_: click.Context, __: click.Parameter, text: str) -> float:
    """Parses a number from 0 to 1, or a percentage. Raises click.BadParameter."""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise click.BadParameter(f"expected a number from 0 to 1, or from 0% to 100%, got {text!r}")
    return found


@dataclass(frozen=True)
class MetricsServerFlags(ServerFlags):
    """The values of the flags that have an effect. Durations are in seconds; "" means not given."""

    # How kubelets are reached.
    metric_resolution: float = _seconds("15s", "Time between scrapes of a kubelet, at least 10s.")
    kubelet_use_node_status_port: bool = _switch(
        "Prefer the port in the node's status to --kubelet-port."
    )
    kubelet_port: int = _flag(type=click.IntRange(1, 65535), default=10250, show_default=True)
    kubelet_preferred_address_types: tuple[str, ...] = _list(
        "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP",
        "Dial the first of these address types that a node has.",
        "TYPES",
    )
    kubelet_certificate_authority: str = _file("CAs of the kubelets, instead of the cluster's CAs.")
    kubelet_client_certificate: str = _file("Client certificate for kubelets, besides the token.")
    kubelet_client_key: str = _file("Key of the client certificate.")
    node_selector: str = _flag(
        "Scrape only nodes with these labels.", default="", metavar="LABELS", short="-l"
    )
    kubelet_request_timeout: float = _seconds(
        "10s", "Timeout for one kubelet, at most 90% of --metric-resolution."
    )
    kubelet_insecure_tls: bool = _switch(
        "Also scrape kubelets that fail verification, without a credential. /readyz fails until all are scraped."
    )
    ready_min_nodes: float = _flag(
        "Become ready when this share of the ready nodes was scraped, such as 0.9 or 90%.",
        callback=_share,
        default="0",
        metavar="SHARE",
    )
    deprecated_kubelet_completely_insecure: bool = _switch(hidden=True)

    # Serving, in addition to the flags of all our servers.
    tls_min_version: str = _file("VersionTLS12 (default) or VersionTLS13.", "NAME")
    tls_cipher_suites: tuple[str, ...] = _list(
        "",
        "Cipher suites for TLS 1.2, as named in Go.",
        "NAMES",
    )
    tls_sni_cert_key: tuple[str, ...] = _flag(
        "Certificate and key for clients that request these names (SNI). May be repeated.",
        multiple=True,
        metavar="FILE,FILE[:NAMES]",
    )
    tls_authority_secret: str = _file(
        "Secret with the CA that signs the replicas' serving certificates for NAMES, instead of --tls-cert-file. "
        "VERSIONS: the metrics API versions whose APIServices point to this server. Default: all.",
        "NAMESPACE/NAME:NAMES[:VERSIONS]",
    )
    request_timeout: float = _seconds("1m", "Timeout of one request to this server.")
    max_requests_inflight: int = _flag(
        "Maximum concurrent requests; 0 for no limit.", type=int, default="400", show_default=True
    )
    shutdown_delay_duration: float | None = _flag(
        "Keep serving this long after SIGTERM, while /readyz fails.",
        type=seconds,
        show_default="5s in a pod, else 0s",
    )

    # Authentication and authorization, with the flags of every extension API server.
    client_ca_file: str = _file("CAs of client certificates. Default: published by the API server.")
    requestheader_client_ca_file: str = _file(
        "CAs of the front proxy. Default: published by the API server."
    )
    requestheader_allowed_names: tuple[str, ...] = _list(
        "",
        "Names of the front proxy. If empty, any name that its CA signed.",
        "NAMES",
    )
    requestheader_username_headers: tuple[str, ...] = _list("x-remote-user")
    requestheader_uid_headers: tuple[str, ...] = _list()
    requestheader_group_headers: tuple[str, ...] = _list("x-remote-group")
    requestheader_extra_headers_prefix: tuple[str, ...] = _list("x-remote-extra-")
    authentication_kubeconfig: str = _file(
        "Kubeconfig of an API server that reviews tokens and publishes CAs."
    )
    authentication_skip_lookup: bool = _switch("Do not read the published CAs; use only the flags.")
    authentication_tolerate_lookup_failure: bool = _switch(
        "Start even if the ConfigMap extension-apiserver-authentication is unreadable."
    )
    authentication_token_webhook_cache_ttl: float = _seconds(
        "10s", "How long to cache the API server's answer about a token."
    )
    authorization_kubeconfig: str = _file("Kubeconfig of an API server that authorizes requests.")
    authorization_always_allow_paths: tuple[str, ...] = _list(
        "/healthz,/readyz,/livez", metavar="PATHS"
    )
    authorization_webhook_cache_authorized_ttl: float = _seconds(
        "10s", "How long to cache the answer that a request is allowed."
    )
    authorization_webhook_cache_unauthorized_ttl: float = _seconds(
        "10s", "How long to cache the answer that a request is denied."
    )


def metrics_server_flags(function: F) -> F:
    """Adds an option for each of metrics-server's flags."""
    options: list[Callable[[F], F]] = [listening(10250)]
    for each in fields(MetricsServerFlags):
        if option := dict(each.metadata):
            short = filter(None, [option.pop("short", "")])
            flag = f"--{each.name.replace('_', '-')}"
            options.append(click.option(*short, flag, each.name, **option))
    more = "2 each scrape, 3 each request, 4 each denied request"
    return all_of(*options, _accept_unused, logging(more))(function)


GIVEN: Final = "kubevouch.cli.metrics_server.flags.given"
"""The key in click's `meta` for flags that were given, but have no effect."""

_SWITCHES: Final = """
audit-log-batch-throttle-enable audit-log-compress audit-log-truncate-enabled audit-webhook-batch-throttle-enable
audit-webhook-truncate-enabled contention-profiling disable-http2-serving emulation-forward-compatible
enable-priority-and-fairness log-json-split-stream log-text-split-stream permit-address-sharing permit-port-sharing
profiling runtime-config-emulation-forward-compatible shutdown-send-retry-after
"""
_WITH_VALUES: Final = """
advertise-address audit-log-batch-buffer-size audit-log-batch-max-size audit-log-batch-max-wait
audit-log-batch-throttle-burst audit-log-batch-throttle-qps audit-log-format audit-log-maxage audit-log-maxbackup
audit-log-maxsize audit-log-mode audit-log-path audit-log-truncate-max-batch-size audit-log-truncate-max-event-size
audit-log-version audit-policy-file audit-webhook-batch-buffer-size audit-webhook-batch-max-size
audit-webhook-batch-max-wait audit-webhook-batch-throttle-burst audit-webhook-batch-throttle-qps
audit-webhook-config-file audit-webhook-initial-backoff audit-webhook-mode audit-webhook-truncate-max-batch-size
audit-webhook-truncate-max-event-size audit-webhook-version cors-allowed-origins debug-socket-path emulated-version
external-hostname feature-gates goaway-chance http2-max-streams-per-connection livez-grace-period log-flush-frequency
log-json-info-buffer-size log-text-info-buffer-size max-mutating-requests-inflight min-compatibility-version
min-request-timeout shutdown-watch-termination-grace-period storage-initialization-timeout
strict-transport-security-directives tls-curve-preferences vmodule
"""
SWITCHES: Final = _SWITCHES.split()
WITH_VALUES: Final = _WITH_VALUES.split()
"""Flags of metrics-server that take a value and have no effect."""


def _accept_unused(function: F) -> F:
    """Accepts metrics-server's flags that have no effect. Records which of them were given, except those set to false."""

    def note(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            context.meta.setdefault(GIVEN, []).append(parameter.opts[0])

    for name in (*SWITCHES, *WITH_VALUES):
        kind = click.BOOL if name in SWITCHES else click.STRING
        option = click.option(
            f"--{name}", is_flag=False, type=kind, expose_value=False, hidden=True, callback=note
        )
        function = option(function)
    return function
