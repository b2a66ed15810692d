"""Whom we believe: two pools of authorities and the front proxy's names, as the API server publishes them.

The ConfigMap kube-system/extension-apiserver-authentication has client-ca-file, requestheader-client-ca-file (PEM)
and lists that are JSON arrays in a string (pkg/controlplane/controller/clusterauthenticationtrust). It changes when
an authority is renewed. What an operator gives by flag comes before what is published there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.serve.headers import HeaderNames
from kubevouch.x509 import Certificate, read_certificates

NAMESPACE: Final = "kube-system"
CONFIG_MAP: Final = "extension-apiserver-authentication"


class TrustError(KubevouchError):
    """The authentication configuration cannot be read. Whoever publishes it, or gave it by flag, must mend it."""


@dataclass(frozen=True, slots=True)
class Trust:
    """client_ca: signs users' certificates. proxy_ca: signs the front proxy's. Never one pool for the other's purpose.

    allowed_names: CNs of the front proxy; empty allows any that proxy_ca signed. Empty PEM: nobody is believed that way.
    """

    client_ca: bytes = b""
    proxy_ca: bytes = b""
    allowed_names: tuple[str, ...] = ()
    headers: HeaderNames = field(default_factory=HeaderNames)

    @property
    def all_ca(self) -> bytes:
        """Both pools, for the handshake; which of them a certificate is of is asked after it."""
        return b"\n".join(each for each in (self.client_ca, self.proxy_ca) if each)

    def over(self, published: "Trust") -> "Trust":
        """This, and from `published` what this leaves open. The front proxy's CA and its names go together."""
        client_ca = self.client_ca or published.client_ca
        source = self if self.proxy_ca else published
        return replace(source, client_ca=client_ca)


def pool(pem: bytes, where: str) -> tuple[Certificate, ...]:
    """The authorities in a PEM; none for an empty one. Raises X509Error."""
    return read_certificates(pem, where) if pem.strip() else ()


async def published_trust(api: ApiClient) -> Trust:
    """What the API server publishes. Raises KubeError, TrustError, X509Error."""
    found = await api.get(CONFIG_MAPS, CONFIG_MAP, NAMESPACE)
    return trust_of(found.data)


def trust_of(data: Mapping[str, str]) -> Trust:
    """The ConfigMap's data, as values. Raises TrustError, X509Error."""
    where = f"ConfigMap {NAMESPACE}/{CONFIG_MAP}"
    trust = Trust(
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
        pool(pem, f"{where}: {key}")
    return trust


def _names(data: Mapping[str, str], key: str, where: str) -> tuple[str, ...]:
    text = data.get(key, "")
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError:
        expected = 'a JSON array such as ["X-Remote-User"] was expected'
        raise TrustError(f"{where}: {key}", repr(text[:80]), expected) from None
