"""The certificates in Secrets of type kubernetes.io/tls, if somebody asks for them."""

from typing import Final

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
    RenewedBy,
)
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import TLS_SECRETS, TlsSecret
from kubevouch.x509 import X509Error, read_certificates

_SELECTOR: Final = "type=kubernetes.io/tls"
_ISSUED_FOR: Final = "cert-manager.io/certificate-name"


async def certificates_in_secrets(api: ApiClient, inquiry: Inquiry) -> FoundPart:
    """Of each Secret the certificate and what is written behind it. Keys are not decoded."""
    listed: Measured[tuple[TlsSecret, ...]] = await inquiry.ask(
        api.list_all(TLS_SECRETS, field_selector=_SELECTOR)
    )
    if listed.doubt is not None:
        return FoundPart(not_read=(NotRead("Secrets of type kubernetes.io/tls", listed.doubt),))
    return FoundPart(tuple(_found(each, listed) for each in listed.or_else(())))


def _found(secret: TlsSecret, listed: Measured[tuple[TlsSecret, ...]]) -> FoundCertificate:
    where = f"secret {secret.namespace}/{secret.name}"
    by_cert_manager = _ISSUED_FOR in secret.metadata.annotations
    fault = ""
    try:
        chain = read_certificates(secret.data.certificate, f"{where}, tls.crt")
    except X509Error as error:
        chain, fault = (), str(error)
    return FoundCertificate(
        CertificateUse.TLS_SECRET,
        where,
        listed.vantage,
        listed.at,
        chain=chain,
        fault=fault,
        renewed_by=RenewedBy.CERT_MANAGER if by_cert_manager else None,
    )
