"""Reads the Deployment and the Lease of the approver that this product installs."""

from datetime import datetime

from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.our_approver import NAME, NAMESPACE, OurApprover
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import DEPLOYMENTS, LEASES, Deployment, Lease


async def gather_our_approver(api: ApiClient, inquiry: Inquiry) -> Measured[OurApprover]:
    """Our approver; the value is None where there is no Deployment of it and none leads that was started by hand."""
    deployment: Measured[Deployment]
    lease: Measured[Lease]
    deployment, lease = await together(
        inquiry.ask(api.get(DEPLOYMENTS, NAME, NAMESPACE)),
        inquiry.ask(api.get(LEASES, NAME, NAMESPACE)),
    )
    if deployment.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=deployment.doubt)
    if deployment.value is not None and lease.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=lease.doubt)
    found = _approver(deployment.value, lease.value, api.server_clock.now())
    there = deployment.value is not None or found.decides
    return Measured(Vantage.API_SERVER, deployment.at, found if there else None)


def _approver(deployment: Deployment | None, lease: Lease | None, now: datetime) -> OurApprover:
    """now: by the API server's clock, as the time at which the Lease was written; the leader's own may be wrong."""
    written = lease.written if lease else None
    return OurApprover(
        wanted=deployment.spec.replicas if deployment else 0,
        ready=deployment.status.ready_replicas if deployment else 0,
        leader=lease.spec.holder_identity if lease else "",
        silent=now - written if written else None,
    )
