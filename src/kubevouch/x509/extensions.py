"""Parses the certificate extensions that Go's parser knows.

Source: processExtensions and its helpers in Go's crypto/x509/parser.go.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from kubevouch.x509 import der
from kubevouch.x509.constraints import read_name_constraints
from kubevouch.x509.errors import Malformed
from kubevouch.x509.sans import SUBJECT_ALT_NAME, read_alt_names

NAME_CONSTRAINTS = "2.5.29.30"

KEY_USAGES = (
    "digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement",
    "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
CERT_SIGN = "keyCertSign"

ANY_USAGE = "anyExtendedKeyUsage"
SERVER_AUTH = "serverAuth"
CLIENT_AUTH = "clientAuth"
_EXTENDED_USAGES = {
    "2.5.29.37.0": ANY_USAGE,
    "1.3.6.1.5.5.7.3.1": SERVER_AUTH,
    "1.3.6.1.5.5.7.3.2": CLIENT_AUTH,
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.6": "ipsecTunnel",
    "1.3.6.1.5.5.7.3.7": "ipsecUser",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.4.1.311.10.3.3": "msSGC",
    "2.16.840.1.113730.4.1": "nsSGC",
    "1.3.6.1.4.1.311.2.1.22": "msCodeCom",
    "1.3.6.1.4.1.311.61.1.1": "msKernelCode",
}


class Extension(NamedTuple):
    """An extension of a certificate or CSR. Its value is not parsed yet."""

    oid: str
    critical: bool
    value: bytes


Values = dict[str, Any]
"""Some fields of a `Certificate`, by field name."""


def read_extension(reader: der.Reader) -> Extension:
    """Reads the next extension of the list. Raises Malformed with Go's error text."""
    inner = reader.inside(der.SEQUENCE, "x509: malformed extension")
    oid = inner.oid("x509: malformed extension OID field")
    critical = False
    if inner.peek(der.BOOLEAN):
        critical = inner.boolean("x509: malformed extension critical field")
    return Extension(
        oid, critical, inner.body(der.OCTET_STRING, "x509: malformed extension value field")
    )


def encode_extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """Encodes an extension in DER."""
    marked = der.encode(der.BOOLEAN, b"\xff") if critical else b""
    return der.encode(
        der.SEQUENCE, der.encode_oid(oid), marked, der.encode(der.OCTET_STRING, value)
    )


def read_extensions(extensions: tuple[Extension, ...]) -> Values:
    """Parses all extensions into fields of a `Certificate`. Raises Malformed with Go's error text."""
    values: Values = {}
    unhandled: list[str] = []
    for extension in extensions:
        reader = _READERS.get(extension.oid)
        read, handled = reader(extension) if reader else ({}, False)
        values |= read
        if extension.critical and not handled:
            unhandled.append(extension.oid)
    return {**values, "unhandled_critical": tuple(unhandled)}


def _key_usage(extension: Extension) -> tuple[Values, bool]:
    octets, _ = der.Reader(extension.value).bits("x509: invalid key usage")
    bits = int.from_bytes(octets[:2].ljust(2, b"\0"), "big")
    usages = (usage for number, usage in enumerate(KEY_USAGES) if bits >> (15 - number) & 1)
    return {"key_usage": tuple(usages)}, True


def _basic_constraints(extension: Extension) -> tuple[Values, bool]:
    problem = "x509: invalid basic constraints"
    reader = der.Reader(extension.value).inside(der.SEQUENCE, problem)
    is_ca = reader.boolean(problem) if reader.peek(der.BOOLEAN) else False
    length = reader.integer(problem, bits=64) if reader.peek(der.INTEGER) else None
    if length is not None and length < 0:
        raise Malformed(problem)
    return {"has_basic_constraints": True, "is_ca": is_ca, "path_length": length}, True


def _alt_names(extension: Extension) -> tuple[Values, bool]:
    names = read_alt_names(extension.value)
    return {"alt_names": names}, not names.empty


def _name_constraints(extension: Extension) -> tuple[Values, bool]:
    constraints, handled = read_name_constraints(extension.value)
    return {"name_constraints": constraints}, handled


def _extended_key_usage(extension: Extension) -> tuple[Values, bool]:
    problem = "x509: invalid extended key usages"
    reader = der.Reader(extension.value).inside(der.SEQUENCE, problem)
    usages = []
    while not reader.empty:
        oid = reader.oid(problem)
        usages.append(_EXTENDED_USAGES.get(oid, oid))
    return {"extended_key_usage": tuple(usages)}, True


def _authority_key_id(extension: Extension) -> tuple[Values, bool]:
    if extension.critical:
        raise Malformed("x509: authority key identifier incorrectly marked critical")
    problem = "x509: invalid authority key identifier"
    reader = der.Reader(extension.value).inside(der.SEQUENCE, problem)
    stated = reader.peek(der.context(0))
    return {"authority_key_id": reader.body(der.context(0), problem) if stated else b""}, True


def _subject_key_id(extension: Extension) -> tuple[Values, bool]:
    if extension.critical:
        raise Malformed("x509: subject key identifier incorrectly marked critical")
    problem = "x509: invalid subject key identifier"
    return {"subject_key_id": der.Reader(extension.value).body(der.OCTET_STRING, problem)}, True


def _policy_demand(_: Extension) -> tuple[Values, bool]:
    return {"demands_policies": True}, True


def _unread(_: Extension) -> tuple[Values, bool]:
    """Skips certificate policies and CRL distribution points, which verification does not need.

    Go, unlike this parser, rejects malformed ones.
    """
    return {}, True


_READERS: dict[str, Callable[[Extension], tuple[Values, bool]]] = {
    "2.5.29.14": _subject_key_id,
    "2.5.29.15": _key_usage,
    SUBJECT_ALT_NAME: _alt_names,
    "2.5.29.19": _basic_constraints,
    NAME_CONSTRAINTS: _name_constraints,
    "2.5.29.31": _unread,
    "2.5.29.32": _unread,
    "2.5.29.33": _policy_demand,
    "2.5.29.35": _authority_key_id,
    "2.5.29.36": _policy_demand,
    "2.5.29.37": _extended_key_usage,
    "2.5.29.54": _policy_demand,
}
