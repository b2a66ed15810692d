"""Flags of metrics-server that have no meaning here: they are accepted, and the log says why nothing follows from them.

A command line that starts metrics-server must start us, or its image could not be replaced by ours. What a flag asks for
and does not get has to be told, though: somebody may rely on it. `false` asks for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from kubevouch.cli.common.options import F
from kubevouch.cli.common.pflag import address, boolean, duration, integer

GIVEN: Final = "kubevouch.cli.metrics_server.without_meaning.given"
"""Where a context's `meta` has the names of those that were given."""

_AUDIT = "there is no audit log; the API server's own has each request that it passes on"
_HTTP2 = "only HTTP/1.1 is served, and clients of Kubernetes agree to it"
_PROFILES = "nothing can be profiled over HTTP"
_VERSIONS = "there are no feature gates and no emulated versions"
_OUTPUT = "the log is one stream, to standard error, and each line is written at once"
_WATCHES = "nothing can be watched"
_STORAGE = "there is no storage to wait for; /livez needs no grace"
_NAMES = "no URL in an answer names this server"


@dataclass(frozen=True, slots=True)
class WithoutMeaning:
    """A flag without a meaning. why: the reason for the log and the documentation."""

    name: str
    type: click.ParamType[object]
    why: str


_TEXT: Final[click.ParamType[object]] = click.STRING
_NUMBER: Final[click.ParamType[object]] = click.FLOAT

_BY_REASON: Final[Mapping[str, tuple[tuple[click.ParamType[object], str], ...]]] = {
    _AUDIT: (
        (boolean, "audit-log-batch-throttle-enable audit-log-compress audit-log-truncate-enabled"),
        (boolean, "audit-webhook-batch-throttle-enable audit-webhook-truncate-enabled"),
        (integer, "audit-log-batch-buffer-size audit-log-batch-max-size"),
        (integer, "audit-log-batch-throttle-burst audit-log-maxage audit-log-maxbackup"),
        (integer, "audit-log-maxsize audit-log-truncate-max-batch-size"),
        (integer, "audit-log-truncate-max-event-size audit-webhook-batch-buffer-size"),
        (integer, "audit-webhook-batch-max-size audit-webhook-batch-throttle-burst"),
        (integer, "audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size"),
        (duration, "audit-log-batch-max-wait audit-webhook-batch-max-wait"),
        (duration, "audit-webhook-initial-backoff"),
        (_NUMBER, "audit-log-batch-throttle-qps audit-webhook-batch-throttle-qps"),
        (_TEXT, "audit-log-format audit-log-mode audit-log-path audit-log-version"),
        (_TEXT, "audit-policy-file audit-webhook-config-file audit-webhook-mode"),
        (_TEXT, "audit-webhook-version"),
    ),
    _HTTP2: ((integer, "http2-max-streams-per-connection"), (_NUMBER, "goaway-chance")),
    _PROFILES: ((boolean, "profiling contention-profiling"), (_TEXT, "debug-socket-path")),
    _VERSIONS: (
        (boolean, "emulation-forward-compatible runtime-config-emulation-forward-compatible"),
        (_TEXT, "feature-gates emulated-version min-compatibility-version"),
    ),
    _OUTPUT: (
        (boolean, "log-json-split-stream log-text-split-stream"),
        (_TEXT, "log-json-info-buffer-size log-text-info-buffer-size"),
    ),
    "there is one level of the log for all, -v": ((_TEXT, "vmodule"),),
    _WATCHES: (
        (integer, "min-request-timeout"),
        (duration, "shutdown-watch-termination-grace-period"),
    ),
    _STORAGE: ((duration, "livez-grace-period storage-initialization-timeout"),),
    _NAMES: ((address, "advertise-address"), (_TEXT, "external-hostname")),
    "no page of another site may read an answer": ((_TEXT, "cors-allowed-origins"),),
    "nothing can be written; --max-requests-inflight counts all requests": (
        (integer, "max-mutating-requests-inflight"),
    ),
    "all requests have the same priority": ((boolean, "enable-priority-and-fairness"),),
    "the port is closed after --shutdown-delay-duration": ((boolean, "shutdown-send-retry-after"),),
    "the groups cannot be chosen: P-256, or from OpenSSL 3.5 on its own": (
        (_TEXT, "tls-curve-preferences"),
    ),
}

WITHOUT_MEANING: Final = tuple(
    WithoutMeaning(name, kind, why)
    for why, kinds in _BY_REASON.items()
    for kind, names in kinds
    for name in names.split()
)

AS_ASKED: Final = ("disable-http2-serving", "log-flush-frequency", "permit-address-sharing")
"""Flags that ask for what is so in any case: HTTP/1.1 only, lines that are written at once, SO_REUSEADDR."""


def without_meaning(function: F) -> F:
    """Accepts these flags. Their names are kept in the context's `meta`, for `notices`."""

    def note(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            context.meta.setdefault(GIVEN, []).append(parameter.opts[0])

    for name in reversed(AS_ASKED):
        kind = duration if name == "log-flush-frequency" else boolean
        function = click.option(f"--{name}", type=kind, expose_value=False, hidden=True)(function)
    for each in reversed(WITHOUT_MEANING):
        function = click.option(
            f"--{each.name}",
            type=each.type,
            expose_value=False,
            hidden=True,
            callback=note,
        )(function)
    return function


def notices(context: click.Context) -> dict[str, tuple[str, ...]]:
    """The given ones, by the reason why nothing follows from them."""
    given = context.meta.get(GIVEN, ())
    found: dict[str, tuple[str, ...]] = {}
    for each in WITHOUT_MEANING:
        if (name := f"--{each.name}") in given:
            found[each.why] = (*found.get(each.why, ()), name)
    return found
