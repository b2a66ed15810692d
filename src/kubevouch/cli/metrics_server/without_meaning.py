"""Flags of metrics-server that mean nothing here. They are accepted, so that its command line starts us, and logged once."""

from typing import Final

import click

from kubevouch.cli.common.options import F

GIVEN: Final = "kubevouch.cli.metrics_server.without_meaning.given"
"""Where a context's `meta` has the names of those that were given."""

SWITCHES: Final = [
    "audit-log-batch-throttle-enable",
    "audit-log-compress",
    "audit-log-truncate-enabled",
    "audit-webhook-batch-throttle-enable",
    "audit-webhook-truncate-enabled",
    "contention-profiling",
    "disable-http2-serving",
    "emulation-forward-compatible",
    "enable-priority-and-fairness",
    "log-json-split-stream",
    "log-text-split-stream",
    "permit-address-sharing",
    "permit-port-sharing",
    "profiling",
    "runtime-config-emulation-forward-compatible",
    "shutdown-send-retry-after",
]

WITH_VALUES: Final = [
    "advertise-address",
    "audit-log-batch-buffer-size",
    "audit-log-batch-max-size",
    "audit-log-batch-max-wait",
    "audit-log-batch-throttle-burst",
    "audit-log-batch-throttle-qps",
    "audit-log-format",
    "audit-log-maxage",
    "audit-log-maxbackup",
    "audit-log-maxsize",
    "audit-log-mode",
    "audit-log-path",
    "audit-log-truncate-max-batch-size",
    "audit-log-truncate-max-event-size",
    "audit-log-version",
    "audit-policy-file",
    "audit-webhook-batch-buffer-size",
    "audit-webhook-batch-max-size",
    "audit-webhook-batch-max-wait",
    "audit-webhook-batch-throttle-burst",
    "audit-webhook-batch-throttle-qps",
    "audit-webhook-config-file",
    "audit-webhook-initial-backoff",
    "audit-webhook-mode",
    "audit-webhook-truncate-max-batch-size",
    "audit-webhook-truncate-max-event-size",
    "audit-webhook-version",
    "cors-allowed-origins",
    "debug-socket-path",
    "emulated-version",
    "external-hostname",
    "feature-gates",
    "goaway-chance",
    "http2-max-streams-per-connection",
    "livez-grace-period",
    "log-flush-frequency",
    "log-json-info-buffer-size",
    "log-text-info-buffer-size",
    "max-mutating-requests-inflight",
    "min-compatibility-version",
    "min-request-timeout",
    "shutdown-watch-termination-grace-period",
    "storage-initialization-timeout",
    "strict-transport-security-directives",
    "tls-curve-preferences",
    "vmodule",
]


def without_meaning(function: F) -> F:
    """Accepts these flags, whatever their values. Their names are kept in the context's `meta`; `false` asks for nothing."""

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
