"""What an API server answers: a request in, an answer out. Knows the store and the rules, nothing of the wire."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kubevouch.clock import Clock
from tests.support.scripted import status
from tests.support.scripted.approvals import decided
from tests.support.scripted.kinds import CSRS, PODS
from tests.support.scripted.patches import json_patched, merge_patched
from tests.support.scripted.paths import Asked, asked
from tests.support.scripted.reviews import REVIEWS, Attributes, Authorize, everything, reviewed
from tests.support.scripted.seen import Seen
from tests.support.scripted.selectors import fields_match, labels_match
from tests.support.scripted.store import Object, Store
from tests.support.scripted.watches import Watching

ANONYMOUS = "system:anonymous"
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/merge-patch+json": merge_patched,
    "application/json-patch+json": json_patched,
}


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
        wanted = asked(request.method, request.path)
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

    def watching(self, request: Seen) -> Watching | None:
        """The watch that this request asks for, None if it asks for something else. Raises StatusError."""
        wanted = asked(request.method, request.path)
        if wanted is None or wanted.verb != "list" or wanted.subresource:
            return None
        if request.query.get("watch", "") not in ("true", "1"):
            return None
        kind = wanted.kind
        attributes = Attributes(
            self._user(request), "watch", kind.group, wanted.resource, wanted.namespace, ""
        )
        if not self.authorize(attributes):
            raise status.forbidden(kind.group, kind.plural, "", attributes.cannot())
        matches = [
            labels_match(request.query.get("labelSelector", "")),
            fields_match(request.query.get("fieldSelector", "")),
        ]
        return Watching(
            kind,
            wanted.namespace,
            lambda thing: all(match(thing) for match in matches),
            request.query,
        )

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
        matches = [
            labels_match(request.query.get("labelSelector", "")),
            fields_match(request.query.get("fieldSelector", "")),
        ]
        limit = int(request.query.get("limit", "0"))
        token = request.query.get("continue", "")
        page = self.store.page(wanted.kind, wanted.namespace, matches, limit, token)
        metadata: Object = {"resourceVersion": page.resource_version}
        if page.token:
            metadata |= {"continue": page.token, "remainingItemCount": page.remaining}
        # As the real one: an item of a list carries neither kind nor apiVersion.
        items = [
            {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}
            for item in page.items
        ]
        kind = {"kind": f"{wanted.kind.kind}List", "apiVersion": wanted.kind.api_version}
        whole = {**kind, "metadata": metadata, "items": items}
        return _json(whole)

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
                return decided(stored, replacement, f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}")
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
