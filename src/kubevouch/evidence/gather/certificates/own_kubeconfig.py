"""The client certificate with which the kubeconfig in use authenticates."""

from datetime import datetime

from kubevouch.evidence.authority import authority_of
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate, FoundPart
from kubevouch.evidence.measured import Vantage
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import User, read_bounded
from kubevouch.x509 import Certificate, ExtKeyUsage, X509Error, read_certificates, verify


def certificate_in_use(
    user: User, clients: tuple[Certificate, ...], ca: tuple[Certificate, ...], at: datetime
) -> FoundPart:
    """That of the kubeconfig's user; nothing if it has none. Its key is not read.

    clients: by whom the API server knows its clients; empty if that is not known. ca: the cluster's.
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
        verdict = verify(
            chain[0],
            intermediates=chain[1:],
            roots=clients,
            name="",
            at=at,
            usage=ExtKeyUsage.CLIENT,
        )
    return FoundPart(
        (
            FoundCertificate(
                CertificateUse.KUBECONFIG,
                where,
                Vantage.OWN_FILE,
                at,
                chain=chain,
                authority=authority_of(chain, clients or ca),
                verdict=verdict,
            ),
        )
    )
