"""The flags of `metrics-server`, checked and as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubevouch.cli.common.serving import ServerFlags, server_flags
from kubevouch.errors import UsageError
from kubevouch.metrics.serving.server import NEVER_INSECURE
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.headers import HeaderNames

_SHORTEST = 10.0
_INSTEAD = (
    "`kubevouch doctor` says why kubelets are not trusted and `kubevouch fix --plan` how to fix it; for kubelets of "
    "another authority there is --kubelet-certificate-authority"
)


@dataclass(frozen=True, slots=True)
class MetricsServerSettings:
    """Checked flags. Times in seconds; texts are "" where nothing is given."""

    resolution: float
    request_timeout: float
    kubelet_port: int
    status_port: bool
    address_types: tuple[str, ...]
    kubelet_ca: str
    server: ServerFlags
    given: ClientTrust
    follow: bool
    tolerate: bool
    always_allowed: tuple[str, ...]
    node_selector: str
    shutdown_delay: float


def settings_of(flags: Mapping[str, object]) -> MetricsServerSettings:
    """What click has read, as values. Raises UsageError, OSError."""
    if flags["insecure"] or flags["insecure_http"]:
        name = (
            "kubelet-insecure-tls"
            if flags["insecure"]
            else "deprecated-kubelet-completely-insecure"
        )
        raise UsageError(f"--{name}", NEVER_INSECURE, _INSTEAD)
    resolution, timeout = _number(flags, "resolution"), _number(flags, "request_timeout")
    if resolution < _SHORTEST:
        raise UsageError("--metric-resolution", f"{resolution:g}s", "at least 10s was expected")
    if not 0 < timeout <= resolution * 0.9:
        expected = (
            f"more than nothing and at most nine tenths of --metric-resolution ({resolution:g}s)"
        )
        raise UsageError("--kubelet-request-timeout", f"{timeout:g}s", expected)
    follow = not flags["skip_lookup"]
    return MetricsServerSettings(
        resolution=resolution,
        request_timeout=timeout,
        kubelet_port=int(_number(flags, "kubelet_port")),
        status_port=bool(flags["status_port"]),
        address_types=_list(flags, "address_types"),
        kubelet_ca=str(flags["kubelet_ca"]),
        server=server_flags(flags),
        given=_trust(flags),
        follow=follow,
        tolerate=bool(flags["tolerate"]),
        always_allowed=_list(flags, "always_allowed"),
        node_selector=str(flags["node_selector"]),
        shutdown_delay=_delay(flags),
    )


def _delay(flags: Mapping[str, object]) -> float:
    delay = _number(flags, "shutdown_delay")
    if delay < 0:
        raise UsageError("--shutdown-delay-duration", f"{delay:g}s", "none below 0s was expected")
    return delay


def _number(flags: Mapping[str, object], name: str) -> float:
    value = flags[name]
    assert isinstance(value, int | float)
    return value


def _list(flags: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = flags[name]
    assert isinstance(found, tuple)
    return found


def _trust(flags: Mapping[str, object]) -> ClientTrust:
    return ClientTrust(
        _pem(flags, "client_ca_file"),
        _pem(flags, "proxy_ca"),
        _list(flags, "allowed_names"),
        HeaderNames(
            _list(flags, "user_headers"),
            _list(flags, "group_headers"),
            _list(flags, "extra_headers"),
            _list(flags, "uid_headers"),
        ),
    )


def _pem(flags: Mapping[str, object], name: str) -> bytes:
    path = str(flags[name])
    return Path(path).read_bytes() if path else b""
