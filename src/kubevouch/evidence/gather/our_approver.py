"""Reads the Deployment, the Lease and the configuration of the approver that this product installs."""

from dataclasses import replace
from datetime import datetime

from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.our_approver import (
    CONFIGURATION_KEY,
    NAME,
    NAMESPACE,
    OurApprover,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, DEPLOYMENTS, LEASES, ConfigMap, Deployment, Lease


async def gather_our_approver(api: ApiClient, inquiry: Inquiry) -> Measured[OurApprover]:
    """Our approver; the value is None where there is no Deployment of it and none leads that was started by hand."""
    deployment: Measured[Deployment]
    lease: Measured[Lease]
    configuration: Measured[ConfigMap]
    deployment, lease, configuration = await together(
        inquiry.ask(api.get(DEPLOYMENTS, NAME, NAMESPACE)),
        inquiry.ask(api.get(LEASES, NAME, NAMESPACE)),
        inquiry.ask(api.get(CONFIG_MAPS, NAME, NAMESPACE)),
    )
    if deployment.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=deployment.doubt)
    if deployment.value is not None and lease.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=lease.doubt)
    found = replace(
        _approver(deployment.value, lease.value, api.server_clock.now()),
        configuration=_text(configuration.value),
        configuration_doubt=configuration.doubt,
    )
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


def _text(found: ConfigMap | None) -> str | None:
    """The configuration's text, as the approver sees it."""
    return None if found is None else found.data.get(CONFIGURATION_KEY)
