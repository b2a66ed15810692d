"""The servers that kubevouch can install, with their manifests."""

from datetime import timedelta
from typing import Final

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.install.product import Product
from kubevouch.diagnose.catalogue import Code
from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import API_SERVICES, LEASES, METRICS_API_SERVICES

_NAMESPACE_FILE: Final = "approver/00-namespace.yaml"
_RENEWED: Final = timedelta(seconds=5)
"""If the Lease was renewed within this time, a pod leads. A leader renews the Lease every two seconds."""


async def _why_none_leads(api: ApiClient) -> str:
    """Returns why no pod of the approver leads yet, or "" if a pod leads.

    A new leader waits until the Lease of the former leader has expired. This function uses the API server's clock,
    since the API server also records when the Lease was written.
    """
    try:
        lease = await api.get(LEASES, LEASE, NAMESPACE)
    except NotFound:
        return "no pod leads yet"
    if not lease.spec.holder_identity or lease.written is None:
        return "no pod leads yet"
    silent = api.server_clock.now() - lease.written
    if silent < _RENEWED:
        return ""
    return f"no pod leads yet; the Lease was renewed {silent.total_seconds():.0f} s ago"


async def _why_not_forwarded(api: ApiClient) -> str:
    """Returns why the API server does not forward metrics requests to our server yet, or "" if it does."""
    for name in METRICS_API_SERVICES.values():
        conditions = (await api.get(API_SERVICES, name)).status.conditions
        if not any(each.type == "Available" and each.true for each in conditions):
            return f"APIService {name} is not available yet"
    return ""


APPROVER: Final = Product(
    verb="approver",
    namespace=NAMESPACE,
    files=(
        _NAMESPACE_FILE,
        "approver/configuration/config-map.yaml",
        "approver/10-rbac.yaml",
        "approver/20-recorded.yaml",
        "approver/30-network-policy.yaml",
        "approver/40-service.yaml",
        "approver/admission/policies.yaml",
        "approver/admission/bindings.yaml",
        "approver/two-replicas/disruption-budget.yaml",
        "approver/50-deployment.yaml",
    ),
    counts=is_control_plane,
    why_not=_why_none_leads,
    ready="all pods are ready, and one leads",
    then="kubevouch csr list",
    without=f"Unless another approver runs, nobody approves the kubelets' next CSRs ({Code.ROTATION_WILL_STALL}). When the current "
    "certificates expire, TLS connections to kubelets fail.",
)
EXPORTER: Final = Product(
    verb="exporter",
    namespace=NAMESPACE,
    files=(
        _NAMESPACE_FILE,
        "exporter/rbac.yaml",
        "exporter/network-policy.yaml",
        "exporter/service.yaml",
        "exporter/deployment.yaml",
    ),
    counts=lambda _: False,
    ready="the pod is ready",
    then="kubevouch certs",
    without="Prometheus no longer gets certificate metrics.",
)
METRICS_SERVER: Final = Product(
    verb="metrics-server",
    namespace="kube-system",
    files=(
        "metrics-server/rbac.yaml",
        "metrics-server/authority.yaml",
        "metrics-server/admission/authority-policy.yaml",
        "metrics-server/network-policy.yaml",
        "metrics-server/service.yaml",
        "metrics-server/apiservice.yaml",
        "metrics-server/two-replicas/disruption-budget.yaml",
        "metrics-server/deployment.yaml",
    ),
    counts=lambda node: not is_control_plane(node),
    why_not=_why_not_forwarded,
    ready="all pods are ready, and the API server forwards requests",
    then="kubectl top nodes",
    without="`kubectl top` and HPAs have no metrics until another server serves metrics.k8s.io.",
)
PRODUCTS: Final = {each.verb: each for each in (APPROVER, EXPORTER, METRICS_SERVER)}
