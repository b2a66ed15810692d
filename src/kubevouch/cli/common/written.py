"""Reads pins, the inventory and the approver's configuration from the cluster."""

from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import DoubtKind, Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, NAMESPACES
from kubevouch.policy.sources.watched import WatchedSources, is_source


async def gather_written(api: ApiClient, inquiry: Inquiry) -> Measured[WatchedSources]:
    """Reads the approver's ConfigMaps. The measured value is None if the cluster has none of them."""
    found = await inquiry.ask(api.list_all(CONFIG_MAPS, NAMESPACE))
    if found.doubt is not None:
        if found.doubt.kind is DoubtKind.NOT_ALLOWED and await _is_absent(api, inquiry):
            return Measured(found.vantage, found.at)
        return Measured(found.vantage, found.at, doubt=found.doubt)
    sources = WatchedSources()
    read = [each for each in found.or_else(()) if is_source(each.name)]
    for each in read:
        sources.put(each)
    return Measured(found.vantage, found.at, sources if read else None)


async def _is_absent(api: ApiClient, inquiry: Inquiry) -> bool:
    """Whether the approver's namespace is missing. RBAC denies access to ConfigMaps of a missing namespace, too."""
    namespace = await inquiry.ask(api.get(NAMESPACES, NAMESPACE))
    return namespace.is_known and namespace.value is None
