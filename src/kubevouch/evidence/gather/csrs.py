"""Lists serving CSRs."""

from collections.abc import Iterable

from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest

SERVING_SIGNER = "kubernetes.io/kubelet-serving"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"


async def list_csrs(api: ApiClient) -> tuple[CertificateSigningRequest, ...]:
    """The CSRs for the kubelet-serving signer, oldest first."""
    found = await api.list_all(CSRS, field_selector=f"spec.signerName={SERVING_SIGNER}")
    return tuple(sorted(found, key=by_age))


def csrs_for(
    signer: str, found: Iterable[CertificateSigningRequest]
) -> tuple[CertificateSigningRequest, ...]:
    """The CSRs for a signer, oldest first."""
    return tuple(sorted((each for each in found if each.spec.signer_name == signer), key=by_age))


def by_age(csr: CertificateSigningRequest) -> tuple[float, int, str]:
    """A sort key for oldest first: creationTimestamp, resourceVersion, name."""
    created = csr.metadata.creation_timestamp
    return (
        created.timestamp() if created else 0.0,
        csr.metadata.version_number,
        csr.name,
    )
