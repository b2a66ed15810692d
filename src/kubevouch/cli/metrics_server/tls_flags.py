"""--tls-min-version, --tls-cipher-suites, --tls-sni-cert-key and --tls-authority-secret, checked and as values."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubevouch.errors import UsageError
from kubevouch.serve.key_pair import KeyPairSource, NamedPair
from kubevouch.serve.shared_authority import AuthorityPlace
from kubevouch.tls.io.server import ServerTlsSettings
from kubevouch.tls.suites import KNOWN, TLS_1_3, VERSIONS, suites_of

_MIN_VERSION: Final = "--tls-min-version"
_SUITES: Final = "--tls-cipher-suites"
_SNI: Final = "--tls-sni-cert-key"
_AUTHORITY: Final = "--tls-authority-secret"
_API_SERVICE: Final = "v1beta1.metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class TlsFlags:
    """What the server offers, and its other pairs. warnings: for the log. authority: where what signs its certificate is kept, if one does."""

    settings: ServerTlsSettings
    named: tuple[NamedPair, ...] = ()
    warnings: tuple[str, ...] = ()
    authority: AuthorityPlace | None = None


def tls_flags(flags: Mapping[str, object]) -> TlsFlags:
    """What click has read, as values. Raises UsageError."""
    names, pairs = flags["tls_cipher_suites"], flags["tls_sni"]
    assert isinstance(names, tuple)
    assert isinstance(pairs, tuple)
    minimum, warnings = _minimum(str(flags["tls_min_version"]))
    settings = ServerTlsSettings(minimum)
    if names:
        settings, more = _chosen(minimum, names)
        warnings += more
    named = tuple(_named(_SNI, str(each)) for each in pairs)
    return TlsFlags(settings, named, warnings, _authority(flags))


def _authority(flags: Mapping[str, object]) -> AuthorityPlace | None:
    given = str(flags.get("tls_authority") or "")
    if not given:
        return None
    if flags.get("cert_file"):
        raise UsageError(
            f"--tls-cert-file, {_AUTHORITY}", "both are given", "one of them was expected"
        )
    place, _, names = given.partition(":")
    namespace, _, secret = place.partition("/")
    for_names = tuple(filter(None, (each.strip() for each in names.split(","))))
    if not (namespace and secret and for_names) or "/" in secret:
        expected = "a Secret and the names to sign for were expected, as in kube-system/authority:usage.kube-system.svc"
        raise UsageError(_AUTHORITY, repr(given), expected)
    return AuthorityPlace(namespace, secret, _API_SERVICE, for_names)


def _minimum(name: str) -> tuple[ssl.TLSVersion, tuple[str, ...]]:
    if name and name not in VERSIONS:
        raise UsageError(
            _MIN_VERSION,
            f"unknown tls version {name!r}",
            f"one of {', '.join(VERSIONS)} was expected",
        )
    if name == "VersionTLS13":
        return ssl.TLSVersion.TLSv1_3, ()
    old = name in VERSIONS[:2]
    warnings = (f"{_MIN_VERSION}={name}: TLS 1.2 and 1.3 are served, nothing older",) if old else ()
    return ssl.TLSVersion.TLSv1_2, warnings


def _chosen(
    minimum: ssl.TLSVersion, names: tuple[str, ...]
) -> tuple[ServerTlsSettings, tuple[str, ...]]:
    for name in names:
        if name not in KNOWN:
            seen = f"Cipher suite {name} not supported or doesn't exist"
            raise UsageError(_SUITES, seen, "Go's names were expected, which are case-sensitive")
    chosen = suites_of(names)
    warnings = tuple(f"Use of insecure cipher '{name}' detected." for name in chosen.insecure)
    warnings += tuple(f"{_SUITES}: {name} is broken, and never offered" for name in chosen.left_out)
    if chosen.openssl:
        return ServerTlsSettings(minimum, chosen.openssl), warnings
    if not any(name in TLS_1_3 for name in names):
        expected = "one that is not broken was expected"
        raise UsageError(_SUITES, f"nothing but {', '.join(chosen.left_out)}", expected)
    # As in Go: whoever names suites of TLS 1.3 only does not serve an older version.
    return ServerTlsSettings(ssl.TLSVersion.TLSv1_3), warnings


def _named(flag: str, text: str) -> NamedPair:
    """A pair in the form cert,key or cert,key:name,name (component-base's cli/flag/namedcertkey_flag.go)."""
    files, given, names = text.partition(":")
    paths = [each.strip() for each in files.split(",")]
    if len(paths) != 2 or not all(paths):
        expected = "a file with a certificate and one with its key were expected, as in a.crt,a.key:*.a.example"
        raise UsageError(flag, repr(text), expected)
    found = tuple(filter(None, (each.strip() for each in names.split(","))))
    if given and not found:
        raise UsageError(flag, repr(text), "a name was expected after the colon")
    files_ = (Path(paths[0]), Path(paths[1]))
    return NamedPair(KeyPairSource(f"{flag} {', '.join(paths)}", files_, flags=(flag, flag)), found)
