"""The flags of `metrics-server`, checked and as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubevouch.cli.common.serving import ServerFlags, server_flags
from kubevouch.cli.metrics_server.tls_flags import TlsFlags, tls_flags
from kubevouch.errors import UsageError
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.selectors import SelectorError, label_selector
from kubevouch.serve.client_trust import ClientTrustFiles
from kubevouch.serve.headers import HeaderNames
from kubevouch.serve.server import Delegation

_UNTIL_WITHDRAWN: Final = 5.0
"""Seconds from the deletion of a pod until API servers and kube-proxy have heard of it, also on a busy machine."""
_SHORTEST: Final = 10.0
_INSTEAD: Final = (
    "--kubelet-insecure-tls asks kubelets that cannot be verified, `kubevouch doctor` says why they cannot be, and "
    "`kubevouch plan -o plan.json` how to mend it"
)


@dataclass(frozen=True, slots=True)
class KubeletFlags:
    """How kubelets are reached. Files are "" where nothing is given."""

    scraping: ScrapeSettings
    ca: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class MetricsServerSettings:
    """Checked flags. Times in seconds; shutdown_delay: None where nobody has said.

    given: whom the flags trust. follow: whether what is published counts, too. delegation: without its clients, which
    `authentication_kubeconfig` and `authorization_kubeconfig` name; "" where nothing is given.
    unused: flags without a meaning. ignored: words of the command line that belong to no flag.
    """

    kubelets: KubeletFlags
    given: ClientTrustFiles
    follow: bool
    delegation: Delegation
    authentication_kubeconfig: str
    authorization_kubeconfig: str
    request_timeout: float
    most_in_flight: int
    shutdown_delay: float | None
    server: ServerFlags
    tls: TlsFlags
    unused: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def delay(self, *, in_pod: bool) -> float:
        """Seconds to serve on after SIGTERM: what was said, else in a pod as long as somebody may still be sent there."""
        if self.shutdown_delay is not None:
            return self.shutdown_delay
        return _UNTIL_WITHDRAWN if in_pod else 0.0


def settings_of(
    flags: Mapping[str, object],
    *,
    unused: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
) -> MetricsServerSettings:
    """What click has read, as values. Raises UsageError."""
    most = _number(flags, "most_in_flight")
    if most < 0:
        raise UsageError("--max-requests-inflight", f"{most:g}", "0 or more was expected")
    return MetricsServerSettings(
        kubelets=_kubelets(flags),
        given=_given(flags),
        follow=not flags["skip_lookup"],
        delegation=Delegation(
            token_ttl=_number(flags, "token_ttl"),
            allowed_ttl=_number(flags, "allowed_ttl"),
            denied_ttl=_number(flags, "denied_ttl"),
            always_allowed=_list(flags, "always_allowed"),
            tolerate_missing=bool(flags["tolerate"]),
        ),
        authentication_kubeconfig=str(flags["authentication_kubeconfig"]),
        authorization_kubeconfig=str(flags["authorization_kubeconfig"]),
        request_timeout=_number(flags, "answer_timeout"),
        most_in_flight=int(most),
        shutdown_delay=None
        if flags["shutdown_delay"] is None
        else _number(flags, "shutdown_delay"),
        server=server_flags(flags),
        tls=tls_flags(flags),
        unused=unused,
        ignored=ignored,
    )


def _kubelets(flags: Mapping[str, object]) -> KubeletFlags:
    _check_pairs(flags)
    resolution, timeout = _number(flags, "resolution"), _number(flags, "request_timeout")
    if resolution < _SHORTEST:
        raise UsageError("--metric-resolution", f"{resolution:g}s", "at least 10s was expected")
    if not 0 < timeout <= resolution * 0.9:
        expected = (
            f"more than nothing and at most nine tenths of --metric-resolution ({resolution:g}s)"
        )
        raise UsageError("--kubelet-request-timeout", f"{timeout:g}s", expected)
    return KubeletFlags(
        ScrapeSettings(
            resolution=resolution,
            timeout=timeout,
            insecure=bool(flags["insecure"]),
            ready_min_nodes=_number(flags, "ready_min_nodes"),
            node_selector=str(flags["node_selector"]),
            address_types=_list(flags, "address_types"),
            port=int(_number(flags, "kubelet_port")),
            use_status_port=bool(flags["status_port"]),
        ),
        ca=str(flags["kubelet_ca"]),
        certificate=str(flags["kubelet_certificate"]),
        key=str(flags["kubelet_key"]),
    )


def check_node_selector(text: str) -> None:
    """That it can be read: else the API server would refuse it each time that nodes are listed. Raises UsageError."""
    try:
        label_selector(text)
    except SelectorError as error:
        expected = "a selector as kubectl takes it was expected, as in pool=a,env!=test"
        raise UsageError("-l, --node-selector", f"{text!r}: {error}", expected) from None


def _check_pairs(flags: Mapping[str, object]) -> None:
    """Flags that exclude each other, or that need each other, as metrics-server has it."""
    if flags["insecure_http"]:
        where = "--deprecated-kubelet-completely-insecure"
        seen = (
            "not here: over plain HTTP anybody may answer for a node, and say what HPAs then act on"
        )
        raise UsageError(where, seen, _INSTEAD)
    if flags["insecure"] and flags["kubelet_ca"]:
        where = "--kubelet-certificate-authority, --kubelet-insecure-tls"
        raise UsageError(where, "both are given", "one of them was expected")
    if bool(flags["kubelet_certificate"]) != bool(flags["kubelet_key"]):
        where = "--kubelet-client-certificate, --kubelet-client-key"
        raise UsageError(where, "one of them is missing", "both or none were expected")


def _given(flags: Mapping[str, object]) -> ClientTrustFiles:
    uid_headers = _list(flags, "uid_headers")
    if uid_headers and "x-remote-uid" not in (each.lower() for each in uid_headers):
        seen, expected = ", ".join(uid_headers), "X-Remote-Uid was expected among them"
        raise UsageError("--requestheader-uid-headers", seen, expected)
    names = HeaderNames(
        _list(flags, "user_headers"),
        _list(flags, "group_headers"),
        _list(flags, "extra_headers"),
        uid_headers,
    )
    return ClientTrustFiles(
        str(flags["client_ca_file"]), str(flags["proxy_ca"]), _list(flags, "allowed_names"), names
    )


def _number(flags: Mapping[str, object], name: str) -> float:
    value = flags[name]
    assert isinstance(value, int | float)
    return value


def _list(flags: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = flags[name]
    assert isinstance(found, tuple)
    return found


def absolute(path: str) -> str:
    """A path from the command line, as one that stays the same wherever the process goes."""
    return str(Path(path).absolute())
