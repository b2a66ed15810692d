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
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    LEASES,
    PODS,
    ConfigMap,
    Deployment,
    Lease,
    Pod,
)


async def gather_our_approver(api: ApiClient, inquiry: Inquiry) -> Measured[OurApprover]:
    """Our approver; the value is None where there is no Deployment of it, no pod that it left behind, and none leads that was started by hand."""
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
    found = _approver(deployment.value, lease.value, api.server_clock.now())
    if deployment.value is None and lease.value and (found.led_by_its_pod or not found.leader):
        pods = await _its_pods(api, inquiry)
        if pods.doubt is not None:
            return Measured(Vantage.API_SERVER, pods.at, doubt=pods.doubt)
        staying = [p for p in pods.or_else(()) if not p.is_ending]
        ready = sum(pod.ready for pod in staying)
        found = replace(found, ready=ready, orphaned=ready > 0)
    found = replace(
        found, configuration=_text(configuration.value), configuration_doubt=configuration.doubt
    )
    there = deployment.value is not None or found.orphaned or found.decides
    return Measured(Vantage.API_SERVER, deployment.at, found if there else None)


async def _its_pods(api: ApiClient, inquiry: Inquiry) -> Measured[tuple[Pod, ...]]:
    """The pods of its account, whatever owns them. No node can make one of these: a mirror pod has no account (NodeRestriction)."""
    return await inquiry.ask(
        api.list_all(PODS, NAMESPACE, field_selector=f"spec.serviceAccountName={NAME}")
    )


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
