"""Which client certificate made a CSR of a node, and who got it: for `approver pin --csr`."""

from kubevouch.cli.csr.find import serving_csr
from kubevouch.errors import UsageError
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS
from kubevouch.policy.client_csr import certificate_id, client_csr_of
from kubevouch.policy.csr import csr_of, requestor_node


async def credential_of(api: ApiClient, name: str, node: str) -> str:
    """The hash of the client certificate that made a CSR of this node. Raises UsageError."""
    csr = csr_of(
        await serving_csr(api, name, expected="the name of a CSR of the node was expected")
    )
    if requestor_node(csr) != node:
        raise UsageError(
            f"--csr {name}", f"{csr.username} made it", f"a CSR of {node} was expected"
        )
    found = certificate_id(csr.credential_ids or ())
    if not found:
        seen = "the API server does not tell which client certificate made it"
        raise UsageError(f"--csr {name}", seen, "Kubernetes 1.32 or newer was expected")
    return found


async def issued_to(api: ApiClient, certificate: str) -> str:
    """Who got this client certificate and when, by the CSRs that there are."""
    try:
        listed = await api.list_all(CSRS)
    except KubeError as error:
        return f"who got it, and when, is not known: {error}"
    for found in listed:
        if (issued := client_csr_of(found)) and issued.certificate == certificate:
            when = f"{issued.created:%Y-%m-%d %H:%M:%S} UTC"
            return f"issued for {found.name}, made at {when} by {found.spec.username}"
    return "no CSR that it was issued for is there any more: who got it, and when, is not known"
