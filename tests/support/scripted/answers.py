"""What an API server answers: a request in, an answer out. Knows the store and the rules, nothing of the wire.

What is read is read by the lab's own rules: paths, lists and their pages, watches, patches, errors. What is written is
kept as it comes: the lab's `Resources` would refuse or complete the odd, old and hostile objects that tests lay in
here, and its identity would want certificates and roles where a test says a word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import accept, listing, status
from kubevouch_lab.apiserver import request as requests
from kubevouch_lab.apiserver.patches import json_patched, merge_patched
from kubevouch_lab.apiserver.tables.table import table_for
from kubevouch_lab.apiserver.watching import Stream, stream
from kubevouch_lab.objects import Object
from kubevouch_lab.signer.conditions import malformed, settled_times, withdrawn
from tests.support.scripted.kinds import CSRS, KINDS, PODS, Kind
from tests.support.scripted.reviews import REVIEWS, Attributes, Authorize, everything, reviewed
from tests.support.scripted.seen import Seen
from tests.support.scripted.store import Store

ANONYMOUS = "system:anonymous"
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/merge-patch+json": merge_patched,
    "application/json-patch+json": json_patched,
}


@dataclass(frozen=True)
class Asked:
    """A request for a kind that is kept here: `verb` in RBAC's words; empty strings where there is none."""

    kind: Kind
    verb: str
    namespace: str
    name: str
    subresource: str
    resource: str
    """`pods`, or `pods/log`, as RBAC writes it."""


def asked(request: Seen) -> Asked | None:
    """What a request asks for, as the lab reads it; None for a path that holds nothing that is kept here."""
    info = requests.asked(request.method, request.path, request.query, requests.ANONYMOUS)
    kind = KINDS.get((info.group, info.version, info.resource))
    if kind is None or info.rest:
        return None
    if kind.plural != "namespaces" and info.namespace and not kind.namespaced:
        return None
    space = info.namespace if kind.namespaced else ""
    return Asked(kind, info.verb, space, info.name, info.subresource, info.attribute)


@dataclass(frozen=True)
class Answer:
    """Status code, body and headers of an answer."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Answers:
    """One API server's state and how it answers from it.

    tokens: bearer tokens and whose they are; any other token is a 401. None: every token is somebody's.
    authorize: asked for every request and every review.
    logs: a container's log, by namespace, pod and container.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.store = Store(clock)
        self.tokens: dict[str, str] | None = None
        self.authorize: Authorize = everything
        self.prints_tables = False
        """Whether it prints Tables for who asks for them; else it sends the objects, which such a client takes, too."""
        self.streams_lists = True
        """Whether a watch may begin with a list (WatchList, KEP-3157); off by default in Kubernetes 1.33 and before 1.32."""
        self.logs: dict[tuple[str, str, str], str] = {}
        self.version: Object = {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}

    def answer(self, request: Seen) -> Answer:
        """The true answer; errors are answers too."""
        try:
            return self._answer(request)
        except status.StatusError as error:
            return refusal(error)

    def _answer(self, request: Seen) -> Answer:
        user = self._user(request)
        if request.path == "/version":
            return _json(self.version)
        if request.path in REVIEWS and request.method == "POST":
            return _json(reviewed(request.path, _decoded(request), user, self.authorize), 201)
        wanted = asked(request)
        if wanted is None or not _served(wanted):
            return Answer(404, b"404 page not found\n", "text/plain")
        kind = wanted.kind
        attributes = Attributes(
            user, wanted.verb, kind.group, wanted.resource, wanted.namespace, wanted.name
        )
        if not self.authorize(attributes):
            raise status.forbidden(kind.group, kind.plural, wanted.name, attributes.cannot())
        verbs = {
            "list": self._list,
            "get": self._get,
            "create": self._create,
            "update": self._change,
            "patch": self._change,
            "delete": self._delete,
        }
        if wanted.verb not in verbs:
            raise status.method_not_allowed(kind.group, kind.plural, wanted.verb)
        return verbs[wanted.verb](wanted, request)

    def watching(self, request: Seen) -> Callable[[], Stream] | None:
        """Opens the watch that this request asks for, None if it asks for something else. Raises StatusError."""
        wanted = asked(request)
        if wanted is None or wanted.verb != "watch" or wanted.subresource:
            return None
        kind = wanted.kind
        attributes = Attributes(
            self._user(request), "watch", kind.group, wanted.resource, wanted.namespace, wanted.name
        )
        if not self.authorize(attributes):
            raise status.forbidden(kind.group, kind.plural, "", attributes.cannot())
        if "sendInitialEvents" in request.query and not self.streams_lists:
            field, reason = "sendInitialEvents", "FieldValueForbidden"
            text = f"Forbidden: {field} is forbidden for watch unless the WatchList feature gate is enabled"
            raise status.invalid("meta.k8s.io", "ListOptions", "", [(reason, field, text)])
        return lambda: stream(self.store.kept, kind, wanted.namespace, request.query)

    def _user(self, request: Seen) -> str:
        if request.certificate:
            return request.certificate.common_name
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return ANONYMOUS
        if self.tokens is None:
            return "somebody"
        if token not in self.tokens:
            raise status.unauthorized()
        return self.tokens[token]

    def _get(self, wanted: Asked, request: Seen) -> Answer:
        if (wanted.kind, wanted.subresource) == (PODS, "log"):
            return self._log(wanted, request)
        return _json(self.store.get(wanted.kind, wanted.name, wanted.namespace))

    def _list(self, wanted: Asked, request: Seen) -> Answer:
        page = listing.page(self.store.kept, wanted.kind, wanted.namespace, request.query)
        body = page.body(wanted.kind)
        printed = self._printed(wanted, request)
        if printed is not None:
            return _json(printed(page.items, page.metadata()))
        if accept.wanted_form(request.headers.get("Accept", "")) == "PartialObjectMetadataList":
            body |= {"items": [{"metadata": each["metadata"]} for each in body["items"]]}
        return _json(body)

    def formed(self, request: Seen) -> Callable[[Object], Object]:
        """In which form the objects of a watch are sent: of a Table only the first has its columns described."""
        wanted = asked(request)
        printed = self._printed(wanted, request) if wanted is not None else None
        if printed is None:
            return lambda thing: thing
        first = True

        def row(thing: Object) -> Object:
            nonlocal first
            if thing.get("kind") == "Status":
                return thing
            version = {"resourceVersion": thing["metadata"]["resourceVersion"]}
            shown = printed([thing], version, headers=first)
            first = False
            return shown

        return row

    def _printed(self, wanted: Asked, request: Seen) -> "Callable[..., Object] | None":
        """Prints objects as a Table, as the lab does; None if that is not asked for."""
        form = accept.wanted_form(request.headers.get("Accept", ""))
        if form != "Table" or not self.prints_tables:
            return None

        def table(things: Sequence[Object], metadata: Object, *, headers: bool = True) -> Object:
            return table_for(
                wanted.kind,
                things,
                list_metadata=metadata,
                include_object="Metadata",
                now=self._clock.now(),
                headers=headers,
            )

        return table

    def _create(self, wanted: Asked, request: Seen) -> Answer:
        return _json(self.store.create(wanted.kind, _decoded(request), wanted.namespace), 201)

    def _delete(self, wanted: Asked, request: Seen) -> Answer:
        options = _decoded(request) if request.body else {}
        uid = (options.get("preconditions") or {}).get("uid", "")
        self.store.delete(wanted.kind, wanted.name, wanted.namespace, uid=uid)
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _change(self, wanted: Asked, request: Seen) -> Answer:
        body = _decoded(request)
        patch = _PATCHES[_content_type(request)] if wanted.verb == "patch" else None

        def change(stored: Object) -> Object:
            replacement = patch(stored, body) if patch else body
            if not isinstance(replacement, dict):
                raise status.bad_request("the body is not an object")
            if wanted.subresource == "approval":
                return _decided(stored, replacement, f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}")
            if wanted.subresource == "status":
                return {**stored, "status": replacement.get("status", {})}
            if not wanted.kind.status:
                return replacement
            kept = {"status": stored["status"]} if "status" in stored else {}
            return {**{key: value for key, value in replacement.items() if key != "status"}, **kept}

        return _json(self.store.change(wanted.kind, (wanted.namespace, wanted.name), change))

    def _log(self, wanted: Asked, request: Seen) -> Answer:
        pod = self.store.get(PODS, wanted.name, wanted.namespace)
        container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        lines = self.logs.get((wanted.namespace, wanted.name, container), "").splitlines(
            keepends=True
        )
        if "tailLines" in request.query:
            lines = lines[max(0, len(lines) - int(request.query["tailLines"])) :]
        text = "".join(lines).encode()
        return Answer(200, text[: int(request.query.get("limitBytes", len(text)))], "text/plain")


def refusal(error: status.StatusError) -> Answer:
    """A Status error as an answer."""
    return Answer(error.code, msgspec.json.encode(error.body()), headers=error.headers)


def _decided(stored: Object, body: Object, now: str) -> Object:
    """What PUT .../approval keeps of the body, or 422: only conditions, by the lab's own rules (lab/signer/conditions.py).

    now: fills times that the body leaves out.
    """
    before = stored.get("status", {}).get("conditions") or []
    after = (body.get("status") or {}).get("conditions") or []
    causes = [*malformed(before, after), *withdrawn(before, after)]
    if causes:
        raise status.invalid(CSRS.group, CSRS.kind, stored["metadata"]["name"], causes)
    metadata = {**stored["metadata"], **(body.get("metadata") or {})}
    conditions = settled_times(before, after, now)
    return {
        **stored,
        "metadata": metadata,
        "status": {**stored.get("status", {}), "conditions": conditions},
    }


def _served(wanted: Asked) -> bool:
    """Whether the kind has that subresource, and the subresource that verb."""
    match wanted.subresource:
        case "":
            return True
        case "approval":
            return wanted.kind is CSRS and wanted.verb in {"get", "update", "patch"}
        case "log":
            return wanted.kind is PODS and wanted.verb == "get"
        case "status":
            return wanted.kind.status and wanted.verb in {"get", "update", "patch"}
    return False


def _content_type(request: Seen) -> str:
    found = request.headers.get("Content-Type", "").split(";")[0].strip()
    wanted = list(_PATCHES) if request.method == "PATCH" else ["application/json"]
    if found not in wanted:
        raise status.unsupported_media_type(wanted)
    return found


def _decoded(request: Seen) -> Any:
    _content_type(request)
    try:
        return msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        raise status.bad_request("the body is not JSON") from None


def _json(body: Object, code: int = 200) -> Answer:
    return Answer(code, msgspec.json.encode(body))
