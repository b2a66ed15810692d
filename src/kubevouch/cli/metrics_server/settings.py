"""The flags of `metrics-server`, checked and as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubevouch.cli.common.serving import ServerFlags, server_flags
from kubevouch.cli.metrics_server.tls_flags import TlsFlags, tls_flags
from kubevouch.errors import UsageError
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.selectors import SelectorError, label_selector
from kubevouch.serve.client_trust import ClientTrustFiles
from kubevouch.serve.headers import HeaderNames

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
    addressing: KubeletAddressing
    ca: str
    certificate: str
    key: str
    node_selector: str


@dataclass(frozen=True, slots=True)
class DelegationFlags:
    """Who is asked about those who ask. Kubeconfigs are "" where nothing is given, times are in seconds.

    without_effect: flags about the front proxy that count beside its authority only, which is not given.
    """

    given: ClientTrustFiles
    follow: bool
    tolerate: bool
    always_allowed: tuple[str, ...]
    authentication_kubeconfig: str
    authorization_kubeconfig: str
    token_ttl: float
    allowed_ttl: float
    denied_ttl: float
    without_effect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServingFlags:
    """How requests are answered. Times in seconds. shutdown_delay: None where nobody has said."""

    request_timeout: float
    most_in_flight: int
    shutdown_delay: float | None
    shared_port: bool
    hsts: tuple[str, ...]

    def delay(self, *, in_pod: bool) -> float:
        """Seconds to serve on after SIGTERM: what was said, else in a pod as long as somebody may still be sent there."""
        if self.shutdown_delay is not None:
            return self.shutdown_delay
        return _UNTIL_WITHDRAWN if in_pod else 0.0


@dataclass(frozen=True, slots=True)
class MetricsServerSettings:
    """Checked flags.

    unused: flags without a meaning. ignored: words of the command line that belong to no flag.
    """

    kubelets: KubeletFlags
    delegation: DelegationFlags
    serving: ServingFlags
    server: ServerFlags
    tls: TlsFlags
    unused: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def settings_of(
    flags: Mapping[str, object],
    *,
    unused: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
) -> MetricsServerSettings:
    """What click has read, as values. Raises UsageError."""
    return MetricsServerSettings(
        kubelets=_kubelets(flags),
        delegation=_delegation(flags),
        serving=_serving(flags),
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
            insecure_everywhere=bool(flags["insecure"]),
            insecure_nodes=frozenset(_list(flags, "insecure_nodes")),
            ready_min_nodes=_number(flags, "ready_min_nodes"),
        ),
        KubeletAddressing(
            address_types=_list(flags, "address_types"),
            port=int(_number(flags, "kubelet_port")),
            use_status_port=bool(flags["status_port"]),
        ),
        ca=str(flags["kubelet_ca"]),
        certificate=str(flags["kubelet_certificate"]),
        key=str(flags["kubelet_key"]),
        node_selector=str(flags["node_selector"]),
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


def _delegation(flags: Mapping[str, object]) -> DelegationFlags:
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
    given = ClientTrustFiles(
        str(flags["client_ca_file"]), str(flags["proxy_ca"]), _list(flags, "allowed_names"), names
    )
    return DelegationFlags(
        given=given,
        follow=not flags["skip_lookup"],
        tolerate=bool(flags["tolerate"]),
        always_allowed=_list(flags, "always_allowed"),
        authentication_kubeconfig=str(flags["authentication_kubeconfig"]),
        authorization_kubeconfig=str(flags["authorization_kubeconfig"]),
        token_ttl=_number(flags, "token_ttl"),
        allowed_ttl=_number(flags, "allowed_ttl"),
        denied_ttl=_number(flags, "denied_ttl"),
        without_effect=() if given.proxy_ca else _about_the_proxy(given),
    )


def _about_the_proxy(given: ClientTrustFiles) -> tuple[str, ...]:
    """The flags about the front proxy that say something else than they do where nobody gives them."""
    usual, headers = HeaderNames(), given.headers

    def differs(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
        return [each.lower() for each in names] != [each.lower() for each in others]

    found = {
        "--requestheader-allowed-names": bool(given.allowed_names),
        "--requestheader-username-headers": differs(headers.user, usual.user),
        "--requestheader-uid-headers": bool(headers.uid),
        "--requestheader-group-headers": differs(headers.group, usual.group),
        "--requestheader-extra-headers-prefix": differs(headers.extra, usual.extra),
    }
    return tuple(name for name, says in found.items() if says)


def _serving(flags: Mapping[str, object]) -> ServingFlags:
    most = _number(flags, "most_in_flight")
    if most < 0:
        raise UsageError("--max-requests-inflight", f"{most:g}", "0 or more was expected")
    hsts = _list(flags, "hsts")
    for each in hsts:
        if each not in ("includeSubDomains", "preload") and not each.startswith("max-age="):
            expected = "max-age=SECONDS, includeSubDomains or preload was expected"
            raise UsageError("--strict-transport-security-directives", each, expected)
    return ServingFlags(
        request_timeout=_duration(flags, "answer_timeout", "--request-timeout"),
        most_in_flight=int(most),
        shutdown_delay=None
        if flags["shutdown_delay"] is None
        else _duration(flags, "shutdown_delay", "--shutdown-delay-duration"),
        shared_port=bool(flags["shared_port"]),
        hsts=hsts,
    )


def _duration(flags: Mapping[str, object], name: str, flag: str) -> float:
    found = _number(flags, name)
    if found < 0:
        raise UsageError(flag, f"{found:g}s", "0s or more was expected")
    return found


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
