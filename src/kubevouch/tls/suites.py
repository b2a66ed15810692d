"""TLS versions and cipher suites: their names in Go and in Kubernetes' flags, and OpenSSL's names for the suites."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TLS_1_3: Final = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
"""Go's names for the TLS 1.3 suites, which cannot be configured."""

_SECURE: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
_INSECURE: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
_BROKEN: Final = frozenset(
    {
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    }
)
KNOWN: Final = frozenset({*TLS_1_3, *_SECURE, *_INSECURE, *_BROKEN})
"""The names of all suites that Go knows."""

VERSIONS: Final = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
"""The values of --tls-min-version, oldest first."""


@dataclass(frozen=True, slots=True)
class Suites:
    """The selected cipher suites. openssl: OpenSSL's names of the TLS 1.2 suites that we offer.

    insecure: Go's names of those among them that Go calls insecure. left_out: Go's names of
    selected suites that we never offer (RC4 and 3DES).
    """

    openssl: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def suites_of(names: Iterable[str]) -> Suites:
    """Sorts cipher suites into the fields of `Suites`. names: Go's names, all of them in KNOWN.

    Ignores the suites of TLS 1.3, which cannot be configured.
    """
    given = tuple(dict.fromkeys(names))
    both = _SECURE | _INSECURE
    return Suites(
        tuple(dict.fromkeys(both[name] for name in given if name in both)),
        tuple(name for name in given if name in _INSECURE),
        tuple(name for name in given if name in _BROKEN),
    )
