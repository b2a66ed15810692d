"""The CAs that may sign client certificates, as the API server publishes them.

The ConfigMap kube-system/extension-apiserver-authentication has two PEM bundles, client-ca-file and
requestheader-client-ca-file. It also has the front proxy's names and headers, as strings with JSON
arrays (pkg/controlplane/controller/clusterauthenticationtrust). The ConfigMap changes when a CA is
renewed. The operator's flags take precedence over it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from kubevouch.errors import KubevouchError, UsageError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.named_files import bytes_in
from kubevouch.serve.messages import HttpRequest, UserInfo
from kubevouch.x509 import Certificate, X509Error, read_certificates

_INVALID_ESCAPE: Final = re.compile("%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """The names of the front proxy's headers.

    The user is in the first user header that has a value. Groups come from all group headers.
    """

    user: tuple[str, ...] = ("X-Remote-User",)
    group: tuple[str, ...] = ("X-Remote-Group",)
    extra: tuple[str, ...] = ("X-Remote-Extra-",)
    uid: tuple[str, ...] = ()


def user_from_headers(request: HttpRequest, names: HeaderNames) -> UserInfo | None:
    """The user from the front proxy's headers; None if they are missing (apiserver's request/headerrequest).

    The caller must have verified the front proxy's certificate.
    """
    name = _first(request, names.user)
    if not name:
        return None
    groups = tuple(
        group for each in names.group for group in request.headers.get(each.lower(), ()) if group
    )
    return UserInfo(name, groups, _first(request, names.uid), _extra(request, names.extra))


def _first(request: HttpRequest, names: Sequence[str]) -> str:
    return next((found for found in map(request.header, names) if found), "")


def _extra(request: HttpRequest, prefixes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for header, values in request.headers.items():
            if header.startswith(prefix.lower()):
                key = _unescaped(header[len(prefix) :])
                found[key] = (*found.get(key, ()), *values)
    return found


def _unescaped(key: str) -> str:
    """Percent-decodes the key like Go's url.PathUnescape, and makes it lower-case.

    Leaves it as it is if an escape is invalid.
    """
    if _INVALID_ESCAPE.search(key):
        return key
    return unquote_to_bytes(key).decode(errors="replace").lower()


NAMESPACE: Final = "kube-system"
CONFIG_MAP: Final = "extension-apiserver-authentication"
_LARGEST: Final = 1 << 24


class TrustError(KubevouchError):
    """The authentication configuration is unreadable: correct the ConfigMap or flag in the error."""


@dataclass(frozen=True, slots=True)
class ClientTrust:
    """CAs for client certificates (`client_ca`) and for the front proxy (`proxy_ca`).

    allowed_names: CNs of the front proxy; empty allows any certificate that proxy_ca signed. If a
    PEM bundle is empty, no certificate of its kind is accepted.
    """

    client_ca: bytes = b""
    proxy_ca: bytes = b""
    allowed_names: tuple[str, ...] = ()
    headers: HeaderNames = field(default_factory=HeaderNames)

    @property
    def all_ca(self) -> bytes:
        """Both CA bundles, for the handshake.

        The authenticator later checks which bundle has the certificate's CA.
        """
        return b"\n".join(each for each in (self.client_ca, self.proxy_ca) if each)

    def completed_by(self, published: "ClientTrust") -> "ClientTrust":
        """A copy of this trust, with missing CAs from `published`.

        The front proxy's CA, names and headers all come from the same source.
        """
        client_ca = self.client_ca or published.client_ca
        source = self if self.proxy_ca else published
        return replace(source, client_ca=client_ca)


@dataclass(frozen=True, slots=True)
class ClientTrustFiles:
    """The CA files named by flags. "" means no file."""

    client_ca: str = ""
    proxy_ca: str = ""
    allowed_names: tuple[str, ...] = ()
    headers: HeaderNames = field(default_factory=HeaderNames)

    def read(self) -> ClientTrust:
        """Reads the files. Raises UsageError."""
        client = _read("--client-ca-file", self.client_ca)
        proxy = _read("--requestheader-client-ca-file", self.proxy_ca)
        return ClientTrust(client, proxy, self.allowed_names, self.headers)


def _read(flag: str, path: str) -> bytes:
    if not path:
        return b""
    where, expected = f"{flag} {path}", "expected a file with CAs in PEM"
    found = bytes_in(Path(path), most=_LARGEST, expected=expected, where=where)
    try:
        read_certificates(found, where)
    except X509Error as error:
        raise UsageError(error.where, error.seen, error.expected) from None
    return found


@lru_cache(maxsize=8)
def ca_pool(pem: bytes, where: str) -> tuple[Certificate, ...]:
    """The certificates in a PEM bundle, which may be empty. Raises X509Error.

    Cached, since every request needs them and they seldom change.
    """
    return read_certificates(pem, where) if pem.strip() else ()


async def published_trust(api: ApiClient) -> ClientTrust:
    """Reads the ClientTrust that the API server publishes. Raises KubeError, TrustError, X509Error."""
    found = await api.get(CONFIG_MAPS, CONFIG_MAP, NAMESPACE)
    return read_client_trust(found.data)


def read_client_trust(data: Mapping[str, str]) -> ClientTrust:
    """Parses the ConfigMap's data. Raises TrustError, X509Error."""
    where = f"ConfigMap {NAMESPACE}/{CONFIG_MAP}"
    trust = ClientTrust(
        data.get("client-ca-file", "").encode(),
        data.get("requestheader-client-ca-file", "").encode(),
        _names(data, "requestheader-allowed-names", where),
        HeaderNames(
            _names(data, "requestheader-username-headers", where),
            _names(data, "requestheader-group-headers", where),
            _names(data, "requestheader-extra-headers-prefix", where),
            _names(data, "requestheader-uid-headers", where),
        ),
    )
    for key, pem in (
        ("client-ca-file", trust.client_ca),
        ("requestheader-client-ca-file", trust.proxy_ca),
    ):
        ca_pool(pem, f"{where}: {key}")
    return trust


def _names(data: Mapping[str, str], key: str, where: str) -> tuple[str, ...]:
    text = data.get(key, "")
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError:
        expected = 'expected a JSON array such as ["X-Remote-User"]'
        raise TrustError(f"{where}: {key}", repr(text[:80]), expected) from None
