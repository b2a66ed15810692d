"""Lists: which revision they are of, which part of them is asked for, and which objects are selected.

apiserver's pkg/storage/etcd3/store.go (GetList), and metav1's ListOptions validation.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.history import EVERYTHING, Trigger
from kubevouch_lab.apiserver.kinds import PODS, Kind
from kubevouch_lab.apiserver.selectors import Matches, exact, fields_match, labels_match
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of, namespace_of

_LIST_OPTIONS = ("meta.k8s.io", "ListOptions")


@dataclass(frozen=True)
class ListPage:
    """A part of a list. remaining is None where it cannot be told cheaply (as with a selector)."""

    items: list[Object]
    revision: int
    token: str = ""
    remaining: int | None = None

    def metadata(self) -> Object:
        """As ListMeta."""
        found: Object = {"resourceVersion": str(self.revision)}
        if self.token:
            found["continue"] = self.token
            if self.remaining is not None:
                found["remainingItemCount"] = self.remaining
        return found

    def body(self, kind: Kind) -> Object:
        """As a list of that kind. As in a real one, an item carries neither kind nor apiVersion."""
        items = [
            {key: value for key, value in item.items() if key not in {"kind", "apiVersion"}}
            for item in self.items
        ]
        named = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
        return {**named, "metadata": self.metadata(), "items": items}


def selected(kind: Kind, query: Mapping[str, str]) -> Matches:
    """What both selectors of a query let through."""
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    by_labels, by_fields = labels_match(labels), fields_match(fields, kind.fields)
    return lambda thing: by_labels(thing) and by_fields(thing)


def trigger_of(kind: Kind, query: Mapping[str, str]) -> Trigger:
    """The one value that a field selector asks of a field by which the store tells objects apart."""
    selector = query.get("fieldSelector", "")
    for field in ("metadata.name", *(("spec.nodeName",) if kind is PODS else ())):
        if value := exact(selector, field):
            return field, value
    return EVERYTHING


def page(store: Store, kind: Kind, namespace: str, query: Mapping[str, str]) -> ListPage:
    """The part of a list that a query asks for: objects as they are now, whichever page it is.

    All pages bear the revision of the first: a watch from there tells what has changed since.
    """
    matches = selected(kind, query)
    limit = min(max(0, number(query.get("limit", "0"), "limit")), 1 << 31)
    revision, after = _start(store, query)
    stored = store.list(kind, namespace, trigger=trigger_of(kind, query))
    left = stored if after is None else stored[bisect_right(stored, after, key=_place) :]
    # No more than the page is looked at: a list of thousands in small pages costs each but once.
    found = filter(matches, left)
    things = list(islice(found, limit + 1) if limit else found)
    if not limit or len(things) <= limit:
        return ListPage(things, revision)
    plain = not query.get("labelSelector") and not query.get("fieldSelector")
    token = _token(revision, _place(things[limit - 1]))
    return ListPage(things[:limit], revision, token, len(left) - limit if plain else None)


def _start(store: Store, query: Mapping[str, str]) -> tuple[int, tuple[str, str] | None]:
    """The revision to list, and the place after which to go on."""
    asked, token = query.get("resourceVersion", ""), query.get("continue", "")
    if "sendInitialEvents" in query:
        raise refused("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if query.get("resourceVersionMatch", "NotOlderThan") != "NotOlderThan":
        raise refused("resourceVersionMatch", "a kubevouch lab lists only current objects")
    if token:
        if asked not in {"", "0"}:
            text = "specifying resource version is not allowed when using continue"
            raise status.bad_request(text)
        revision, after = _resumed(token)
        if revision < store.compacted:
            raise status.expired()
        return revision, after
    wanted = number(asked or "0", "resourceVersion")
    if wanted > store.revision:
        raise _too_large(wanted, store.revision)
    return store.revision, None


def refused(field: str, why: str) -> status.StatusError:
    """422: an option of a list or a watch that may not be there."""
    cause = ("FieldValueForbidden", field, f"Forbidden: {why}")
    return status.invalid(*_LIST_OPTIONS, "", [cause])


def _too_large(wanted: int, current: int) -> status.StatusError:
    """504: a revision that is not reached yet."""
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return status.StatusError(504, "Timeout", message, details, {"Retry-After": "1"})


def _place(thing: Object) -> tuple[str, str]:
    return namespace_of(thing), name_of(thing)


def _token(revision: int, after: tuple[str, str]) -> str:
    raw = msgspec.json.encode([revision, *after])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _resumed(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        revision, namespace, name = msgspec.json.decode(raw, type=tuple[int, str, str])
    except (ValueError, binascii.Error):
        raise status.bad_request("continue key is not valid") from None
    return revision, (namespace, name)


def number(text: str, what: str) -> int:
    """A parameter that is a number; 400 for anything else."""
    try:
        return int(text)
    except ValueError:
        raise status.bad_request(f'Invalid value: "{text}": {what} is not a number') from None
