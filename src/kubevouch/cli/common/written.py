"""Reads what operators and the approver wrote down in the cluster: pins, the inventory, and the approver's configuration."""

from kubevouch.evidence.approvers import NAMESPACE
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import DoubtKind, Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, NAMESPACES
from kubevouch.policy.sources.watched import WatchedSources, is_source


async def gather_written(api: ApiClient, inquiry: Inquiry) -> Measured[WatchedSources]:
    """What is written down. Nothing is where there is no approver: None."""
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
    """Whether there is no namespace of an approver: RBAC answers for one that is not there, too."""
    namespace = await inquiry.ask(api.get(NAMESPACES, NAMESPACE))
    return namespace.is_known and namespace.value is None
