"""Validates the flags of `metrics-server`, and derives settings from them."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubevouch.cli.metrics_server.flags import MetricsServerFlags
from kubevouch.errors import UsageError
from kubevouch.kube.resources import METRICS_API_SERVICES, METRICS_VERSIONS
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.selectors import SelectorError, label_selector
from kubevouch.serve.client_trust import ClientTrustFiles, HeaderNames
from kubevouch.serve.key_pair import KeyPairSource, NamedPair
from kubevouch.serve.shared_authority import AuthorityPlace
from kubevouch.tls.io.server import ServerTlsSettings
from kubevouch.tls.suites import KNOWN, TLS_1_3, VERSIONS, suites_of
from kubevouch.x509.gotext import parse_address

_UNTIL_WITHDRAWN: Final = 5.0
"""Seconds after a pod's deletion until API servers and kube-proxy stop using its address, even on a busy machine."""
_SHORTEST: Final = 10.0
_INSTEAD: Final = (
    "--kubelet-insecure-tls scrapes kubelets that cannot be verified. `kubevouch doctor` shows the reason, and "
    "`kubevouch plan -o plan.json` shows the fix"
)
_MIN_VERSION: Final = "--tls-min-version"
_SUITES: Final = "--tls-cipher-suites"
_SNI: Final = "--tls-sni-cert-key"
_AUTHORITY: Final = "--tls-authority-secret"


@dataclass(frozen=True, slots=True)
class TlsFlags:
    """The TLS settings from flags.

    named: certificates for SNI names. warnings: messages for the log. authority: the Secret of the shared CA, if any.
    """

    settings: ServerTlsSettings
    named: tuple[NamedPair, ...] = ()
    warnings: tuple[str, ...] = ()
    authority: AuthorityPlace | None = None


@dataclass(frozen=True, slots=True)
class MetricsServerSettings:
    """The validated flags, and the settings derived from them. given: the CAs and headers from the authentication flags."""

    flags: MetricsServerFlags
    scraping: ScrapeSettings
    given: ClientTrustFiles
    tls: TlsFlags

    def delay(self, *, in_pod: bool) -> float:
        """Seconds to keep serving after SIGTERM: the flag's value, or else 5 in a pod, 0 elsewhere."""
        if self.flags.shutdown_delay_duration is not None:
            return self.flags.shutdown_delay_duration
        return _UNTIL_WITHDRAWN if in_pod else 0.0


def settings_of(flags: MetricsServerFlags) -> MetricsServerSettings:
    """The settings from the flags. Raises UsageError."""
    _check(flags)
    check_node_selector(flags.node_selector)
    return MetricsServerSettings(
        flags,
        ScrapeSettings(
            resolution=flags.metric_resolution,
            timeout=flags.kubelet_request_timeout,
            insecure=flags.kubelet_insecure_tls,
            ready_min_nodes=flags.ready_min_nodes,
            node_selector=flags.node_selector,
            address_types=flags.kubelet_preferred_address_types,
            port=flags.kubelet_port,
            use_status_port=flags.kubelet_use_node_status_port,
        ),
        ClientTrustFiles(
            flags.client_ca_file,
            flags.requestheader_client_ca_file,
            flags.requestheader_allowed_names,
            HeaderNames(
                flags.requestheader_username_headers,
                flags.requestheader_group_headers,
                flags.requestheader_extra_headers_prefix,
                flags.requestheader_uid_headers,
            ),
        ),
        tls_flags(flags),
    )


def _check(flags: MetricsServerFlags) -> None:
    """Validates values and combinations of flags as metrics-server does. Raises UsageError."""
    resolution, timeout = flags.metric_resolution, flags.kubelet_request_timeout
    uids = flags.requestheader_uid_headers
    if flags.max_requests_inflight < 0:
        seen = f"expected 0 or more, got {flags.max_requests_inflight}"
        raise UsageError("--max-requests-inflight", seen)
    if flags.deprecated_kubelet_completely_insecure:
        where = "--deprecated-kubelet-completely-insecure"
        seen = "not supported: over plain HTTP anybody can answer in place of a kubelet"
        raise UsageError(where, seen, _INSTEAD)
    if flags.kubelet_insecure_tls and flags.kubelet_certificate_authority:
        where = "--kubelet-certificate-authority, --kubelet-insecure-tls"
        raise UsageError(where, "both are given", "expected one of them")
    if bool(flags.kubelet_client_certificate) != bool(flags.kubelet_client_key):
        where = "--kubelet-client-certificate, --kubelet-client-key"
        raise UsageError(where, "one of them is missing", "expected both or none")
    if resolution < _SHORTEST:
        raise UsageError("--metric-resolution", f"expected at least 10s, got {resolution:g}s")
    if not 0 < timeout <= resolution * 0.9:
        most = f"90% of --metric-resolution ({resolution:g}s)"
        seen = f"expected more than 0s and at most {most}, got {timeout:g}s"
        raise UsageError("--kubelet-request-timeout", seen)
    if uids and "x-remote-uid" not in (each.lower() for each in uids):
        expected = "expected X-Remote-Uid among these headers"
        raise UsageError("--requestheader-uid-headers", ", ".join(uids), expected)


def check_node_selector(text: str) -> None:
    """Raises UsageError for an invalid label selector, which the API server would reject in each list request."""
    try:
        label_selector(text)
    except SelectorError as error:
        expected = "expected a label selector, such as pool=a,env!=test"
        raise UsageError("-l, --node-selector", f"{text!r}: {error}", expected) from None


def tls_flags(flags: MetricsServerFlags) -> TlsFlags:
    """Validates the TLS flags. Raises UsageError."""
    minimum, warnings = _minimum(flags.tls_min_version)
    settings = ServerTlsSettings(minimum)
    if flags.tls_cipher_suites:
        settings, more = _chosen(minimum, flags.tls_cipher_suites)
        warnings += more
    named = tuple(map(_named, flags.tls_sni_cert_key))
    return TlsFlags(settings, named, warnings, _authority(flags))


def _authority(flags: MetricsServerFlags) -> AuthorityPlace | None:
    given = flags.tls_authority_secret
    if not given:
        return None
    if flags.cert_file:
        raise UsageError(f"--tls-cert-file, {_AUTHORITY}", "both are given", "expected one of them")
    place, _, rest = given.partition(":")
    names, _, last = rest.rpartition(":")
    chosen = _listed(last)
    # IPv6 addresses among the names have colons, too.
    if not (names and chosen and set(chosen) <= set(METRICS_VERSIONS)):
        names, chosen = rest, METRICS_VERSIONS
    namespace, _, secret = place.partition("/")
    for_names = _listed(names)
    if not (namespace and secret and for_names) or "/" in secret:
        expected = "expected a Secret and names for the serving certificate, such as kube-system/authority:usage.kube-system.svc"
        raise UsageError(_AUTHORITY, repr(given), expected)
    if wrong := [each for each in for_names if ":" in each and parse_address(each) is None]:
        expected = f"expected a DNS name or address, or versions of the metrics API: {', '.join(METRICS_VERSIONS)}"
        raise UsageError(_AUTHORITY, ", ".join(wrong), expected)
    # HPAs use the first APIService, so the server requires it.
    api_services = tuple(
        METRICS_API_SERVICES[each] for each in METRICS_VERSIONS[::-1] if each in chosen
    )
    return AuthorityPlace(namespace, secret, api_services, for_names)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def _minimum(name: str) -> tuple[ssl.TLSVersion, tuple[str, ...]]:
    if name and name not in VERSIONS:
        raise UsageError(_MIN_VERSION, f"expected one of {', '.join(VERSIONS)}, got {name!r}")
    if name == "VersionTLS13":
        return ssl.TLSVersion.TLSv1_3, ()
    old = name in VERSIONS[:2]
    warnings = (f"{_MIN_VERSION}={name}: the server supports only TLS 1.2 and 1.3",) if old else ()
    return ssl.TLSVersion.TLSv1_2, warnings


def _chosen(
    minimum: ssl.TLSVersion, names: tuple[str, ...]
) -> tuple[ServerTlsSettings, tuple[str, ...]]:
    for name in names:
        if name not in KNOWN:
            seen = f"Cipher suite {name} not supported or doesn't exist"
            raise UsageError(_SUITES, seen, "expected Go's names, which are case-sensitive")
    chosen = suites_of(names)
    warnings = tuple(f"Use of insecure cipher '{name}' detected." for name in chosen.insecure)
    warnings += tuple(
        f"{_SUITES}: {name} is broken, so the server never offers it" for name in chosen.left_out
    )
    if chosen.openssl:
        return ServerTlsSettings(minimum, chosen.openssl), warnings
    if not any(name in TLS_1_3 for name in names):
        expected = "expected a secure suite"
        raise UsageError(_SUITES, f"only broken suites: {', '.join(chosen.left_out)}", expected)
    # As in Go: with suites of TLS 1.3 only, the server offers no older version.
    return ServerTlsSettings(ssl.TLSVersion.TLSv1_3), warnings


def _named(text: str) -> NamedPair:
    """Parses cert,key or cert,key:name,name (component-base's cli/flag/namedcertkey_flag.go)."""
    files, given, names = text.partition(":")
    paths = [each.strip() for each in files.split(",")]
    if len(paths) != 2 or not all(paths):
        expected = "expected a certificate file and a key file, as in a.crt,a.key:*.a.example"
        raise UsageError(_SNI, repr(text), expected)
    found = _listed(names)
    if given and not found:
        raise UsageError(_SNI, repr(text), "expected a name after the colon")
    pair = (Path(paths[0]), Path(paths[1]))
    return NamedPair(KeyPairSource(f"{_SNI} {', '.join(paths)}", pair, flags=(_SNI, _SNI)), found)
