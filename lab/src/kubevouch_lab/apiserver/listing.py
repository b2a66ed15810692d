"""Lists: which revision they are of, which part of them is asked for, and which objects are selected.

apiserver's pkg/storage/etcd3/store.go (GetList), pkg/storage/continue.go, and metav1's ListOptions validation.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.forms import Form
from kubevouch_lab.apiserver.history import EVERYTHING, Trigger
from kubevouch_lab.apiserver.kinds import PODS, Kind
from kubevouch_lab.apiserver.selectors import Matches, exact, fields_match, labels_match
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object

_LIST_OPTIONS = ("meta.k8s.io", "ListOptions")
_INCONSISTENT = -1
_CONTINUE_OR_RESTART = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned and now may "
    "show up in the list."
)


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


def page(store: Store, form: Form, namespace: str, query: Mapping[str, str]) -> ListPage:
    """The part of a list that a query asks for."""
    matches = selected(form.kind, query)
    limit = max(0, _number(query.get("limit", "0"), "limit"))
    revision, after = _moment(store, query, limit)
    stored = store.as_of(form.base, namespace, revision, trigger=trigger_of(form.kind, query))
    left = stored if after is None else stored[bisect_right(stored, after, key=_place) :]
    # No more than the page is looked at: a list of thousands in small pages costs each but once.
    found = filter(matches, map(form.outward, left))
    things = list(islice(found, limit + 1) if limit else found)
    if not limit or len(things) <= limit:
        return ListPage(things, revision)
    plain = not query.get("labelSelector") and not query.get("fieldSelector")
    token = _token(revision, _place(things[limit - 1]))
    return ListPage(things[:limit], revision, token, len(left) - limit if plain else None)


def _moment(
    store: Store, query: Mapping[str, str], limit: int
) -> tuple[int, tuple[str, str] | None]:
    """The revision to list, and the place after which to go on."""
    asked, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    token = query.get("continue", "")
    if "sendInitialEvents" in query:
        text = "Forbidden: sendInitialEvents is forbidden for list"
        cause = ("FieldValueForbidden", "sendInitialEvents", text)
        raise status.invalid(*_LIST_OPTIONS, "", [cause])
    _check(asked, match, token)
    if token:
        revision, after = _resumed(token)
        if revision == _INCONSISTENT:
            return store.revision, after
        if revision < store.compacted:
            raise _expired(after)
        return revision, after
    wanted = _number(asked or "0", "resourceVersion")
    if wanted > store.revision:
        raise too_large(wanted, store.revision)
    if wanted and (match == "Exact" or (limit and not match)):
        if wanted < store.compacted:
            raise status.expired("The resourceVersion for the provided list is too old.")
        return wanted, None
    return store.revision, None


def _check(asked: str, match: str, token: str) -> None:
    """metav1's ValidateListOptions, and what storage says to a continue token beside a version."""
    why = ""
    if match and not asked:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match and token:
        why = "resourceVersionMatch is forbidden when continue is provided"
    elif match == "Exact" and asked == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    elif match not in {"", "Exact", "NotOlderThan"}:
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        cause = ("FieldValueNotSupported", "resourceVersionMatch", text)
        raise status.invalid(*_LIST_OPTIONS, "", [cause])
    if why:
        cause = ("FieldValueForbidden", "resourceVersionMatch", f"Forbidden: {why}")
        raise status.invalid(*_LIST_OPTIONS, "", [cause])
    if token and asked not in {"", "0"}:
        raise status.bad_request("specifying resource version is not allowed when using continue")


def too_large(wanted: int, current: int) -> status.StatusError:
    """504: a revision that is not reached yet."""
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return status.StatusError(
        504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1}, {"Retry-After": "1"}
    )


def _place(thing: Object) -> tuple[str, str]:
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _token(revision: int, after: tuple[str, str]) -> str:
    start = "/".join(part for part in after if part) + "\0"
    body = {"v": "meta.k8s.io/v1", "rv": revision, "start": start}
    return base64.urlsafe_b64encode(msgspec.json.encode(body)).decode().rstrip("=")


def _resumed(token: str) -> tuple[int, tuple[str, str]]:
    try:
        body = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, start = int(body["rv"]), str(body["start"]).removesuffix("\0")
    except (ValueError, KeyError, TypeError, binascii.Error, msgspec.DecodeError):
        raise status.bad_request("continue key is not valid") from None
    namespace, _, name = start.rpartition("/")
    return revision, (namespace, name)


def _expired(after: tuple[str, str]) -> status.StatusError:
    error = status.expired(_CONTINUE_OR_RESTART)
    error.metadata["continue"] = _token(_INCONSISTENT, after)
    return error


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise status.bad_request(f'Invalid value: "{text}": {what} is not a number') from None
