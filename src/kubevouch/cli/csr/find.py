"""Finds a CSR for a kubelet's serving certificate by its name."""

from kubevouch.errors import UsageError
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest
from kubevouch.policy.csr import KUBELET_SERVING

_EXPECTED = "kubevouch csr list shows what there is"


async def serving_csr(
    api: ApiClient, name: str, *, expected: str = _EXPECTED
) -> CertificateSigningRequest:
    """The CSR of this name in the cluster. expected: what would be right if there is no such CSR.

    Raises:
        UsageError: there is no such CSR, or it is for another signer than kubernetes.io/kubelet-serving.
        KubeError: the API server does not tell.
    """
    absent = UsageError(name or "''", "there is no such CSR", expected)
    if not name or "/" in name:
        raise absent  # the path would be that of the list, or of a subresource
    try:
        found = await api.get(CSRS, name)
    except NotFound:
        raise absent from None
    if found.name != name:
        raise UsageError(name, f"the API server answered with {found.name!r}")
    if found.spec.signer_name != KUBELET_SERVING:
        seen = f"this CSR is for the signer {found.spec.signer_name}"
        raise UsageError(name, seen, f"only CSRs for {KUBELET_SERVING} are judged")
    return found
