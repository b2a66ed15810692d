"""labelSelector and fieldSelector of the scripted API server: the lab's own, over one list of fields for all kinds."""

from kubevouch_lab.apiserver import selectors
from kubevouch_lab.apiserver.selectors import Matches, labels_match

__all__ = ["Matches", "fields_match", "labels_match"]

_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "spec.signerName",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.phase",
    "spec.unschedulable",
    "type",
)


def fields_match(selector: str) -> Matches:
    """`metadata.name=a,spec.signerName!=b`; a field that is not indexed is refused with 400."""
    return selectors.fields_match(selector, _FIELDS)
