"""The CAs that the API server publishes, and the client certificate of the kubeconfig in use."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
    authority_of,
)
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import User, read_bounded
from kubevouch.kube.resources import ConfigMap
from kubevouch.x509 import Certificate, ExtKeyUsage, X509Error, read_certificates, verify

AUTHENTICATION = "extension-apiserver-authentication"
"""The ConfigMap in which an API server publishes the CAs for its clients (pkg/controlplane)."""

_WHERE = "ConfigMap kube-system/kube-root-ca.crt"
_FOR_CLIENTS = f"ConfigMap kube-system/{AUTHENTICATION}"
_FRONT_PROXY, _CLIENTS = "requestheader-client-ca-file", "client-ca-file"


def cluster_authorities(trust: Measured[TrustedRoots]) -> FoundPart:
    """The CA certificates that pods trust. There are two during a rotation."""
    if trust.value is None:
        assert trust.doubt is not None
        return FoundPart(not_read=(NotRead(f"the cluster CA, {_WHERE}", trust.doubt),))
    return _each_of(trust, trust.value.certificates, CertificateUse.CLUSTER_CA, _WHERE)


def _each_of(
    published: Measured[Any], certificates: Iterable[Certificate], use: CertificateUse, where: str
) -> FoundPart:
    return FoundPart(
        tuple(
            FoundCertificate(use, where, published.vantage, published.at, chain=(each,))
            for each in certificates
        )
    )


def client_authorities(
    published: Measured[ConfigMap], known: tuple[Certificate, ...]
) -> tuple[FoundPart, tuple[Certificate, ...]]:
    """Returns the certificates to list (front-proxy CA and client CA), and all certificates of the client CA.

    known: the certificates of the CA that pods trust. The first value omits the client CA if all
    its certificates are in `known`. The second value is empty if the client CA is unknown.
    """
    if published.doubt is not None:
        what = f"the front-proxy CA and the client CA, {_FOR_CLIENTS}"
        return FoundPart(not_read=(NotRead(what, published.doubt),)), ()
    if published.value is None:
        return FoundPart(), ()
    front_proxy = _of_key(published, published.value, _FRONT_PROXY, CertificateUse.FRONT_PROXY_CA)
    clients = _of_key(published, published.value, _CLIENTS, CertificateUse.CLUSTER_CA)
    # List all if one is new: whether an expired CA matters depends on the others.
    is_known = all(each.certificate in known for each in clients.found)
    trusted = tuple(each.certificate for each in clients.found if each.certificate)
    return FoundPart((*front_proxy.found, *(() if is_known else clients.found))), trusted


def _of_key(
    published: Measured[ConfigMap], value: ConfigMap, key: str, use: CertificateUse
) -> FoundPart:
    text, where = value.data.get(key, ""), f"{_FOR_CLIENTS}, {key}"
    if not text:
        return FoundPart()
    try:
        return _each_of(published, read_certificates(text.encode(), where), use, where)
    except X509Error as error:
        broken = FoundCertificate(use, where, published.vantage, published.at, fault=str(error))
        return FoundPart((broken,))


def certificate_in_use(
    user: User, clients: tuple[Certificate, ...], ca: tuple[Certificate, ...], at: datetime
) -> FoundPart:
    """The client certificate of the kubeconfig's user, if any. The key is not read.

    clients: the API server's client CA; empty if unknown. ca: the cluster's CA.
    """
    if not (user.client_certificate or user.client_certificate_data):
        return FoundPart()
    where = f"{user.where}.client-certificate"
    try:
        data = user.client_certificate_data or read_bounded(user.client_certificate, where)
        chain = read_certificates(data, where)
    except (KubeconfigError, X509Error) as error:
        broken = FoundCertificate(
            CertificateUse.KUBECONFIG, where, Vantage.OWN_FILE, at, fault=str(error)
        )
        return FoundPart((broken,))
    verdict = None
    if clients:
        others, use = chain[1:], ExtKeyUsage.CLIENT
        verdict = verify(chain[0], intermediates=others, roots=clients, name="", at=at, usage=use)
    found = FoundCertificate(
        CertificateUse.KUBECONFIG,
        where,
        Vantage.OWN_FILE,
        at,
        chain=chain,
        authority=authority_of(chain, clients or ca),
        verdict=verdict,
    )
    return FoundPart((found,))
