"""Who wrote an object last, and when by the server's clock (metadata.managedFields).

Of an object that has been applied: who owns which field (`apply.ownership`). Of Leases and CSRs besides only what tells
a clock or an approver: one entry a manager and subresource, without the names of the fields. An entry's time is that of
its manager's last change (apimachinery's managedfields/internal/managedfieldsupdater.go).
"""

from datetime import datetime

from kubevouch_lab.apiserver.apply.ownership import Owner, is_tracked, with_owners
from kubevouch_lab.apiserver.kinds import CSRS, LEASES, Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.objects import Object

_KEPT_OF = (CSRS, LEASES)


def with_manager(
    kind: Kind, info: RequestInfo, old: Object | None, new: Object, now: datetime
) -> Object:
    """The object as it is to be kept: with an entry of who changes it, if it changes."""
    if info.applied is not None or (old is not None and is_tracked(old)):
        changed = old is None or info.applied is not None or _content(old) != _content(new)
        return (
            with_owners(kind, old, new, _writer(kind, info, now), info.applied) if changed else new
        )
    if kind not in _KEPT_OF or (old is not None and _content(old) == _content(new)):
        return new
    if kind is CSRS and not _is_kept_of_csr(old, new):
        return new
    entry = {
        "manager": _name(info),
        "operation": "Update",
        "apiVersion": kind.api_version,
        "time": moment(now),
        **({"subresource": info.subresource} if info.subresource else {}),
    }
    others = [
        each
        for each in new["metadata"].get("managedFields") or []
        if (each["manager"], each.get("subresource"))
        != (entry["manager"], entry.get("subresource"))
    ]
    return {**new, "metadata": {**new["metadata"], "managedFields": [*others, entry]}}


def _is_kept_of_csr(old: Object | None, new: Object) -> bool:
    """Whether a CSR's writers are kept: of one that was made with a name and nothing else nobody is.

    Of what makes a CSR its spec and status are reset, and so belong to nobody (pkg/registry/certificates/certificates/strategy.go,
    GetResetFields); and what has no entry gets none by an update (apimachinery's managedfields/internal/skipnonapplied.go).
    """
    if old is not None:
        return bool(old["metadata"].get("managedFields"))
    owned = ("generateName", "labels", "annotations", "finalizers", "ownerReferences")
    return any(new["metadata"].get(each) for each in owned)


def _writer(kind: Kind, info: RequestInfo, now: datetime) -> Owner:
    operation = "Update" if info.applied is None else "Apply"
    name, time = _name(info), moment(now)
    return Owner(name, operation, kind.api_version, time, frozenset(), info.subresource)


def _name(info: RequestInfo) -> str:
    return info.manager or info.user.name.rpartition(":")[2]


def _content(thing: Object) -> Object:
    bookkeeping = {"resourceVersion", "managedFields"}
    metadata = {key: each for key, each in thing["metadata"].items() if key not in bookkeeping}
    return {**thing, "metadata": metadata}
