"""A request for a resource, from its HTTP form to its answer."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from kubevouch_lab.apiserver import bodies, http_watch, status
from kubevouch_lab.apiserver.accept import Wanted, wanted
from kubevouch_lab.apiserver.answers import Answers, encoded
from kubevouch_lab.apiserver.backends import Answer, Call, Special
from kubevouch_lab.apiserver.deletion import options
from kubevouch_lab.apiserver.field_validation import FieldValidation
from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.apiserver.listing import ListPage
from kubevouch_lab.apiserver.openapi.strict import WrongType, checked
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.rest import Resources
from kubevouch_lab.objects import Object

_WITHOUT_BODY = {"get", "list", "watch"}


def unknown_resource() -> status.StatusError:
    """404 for a path below a group and version that is served."""
    message = "the server could not find the requested resource"
    return status.StatusError(404, "NotFound", message)


def method_not_allowed() -> status.StatusError:
    """405 for a method that a path does not take."""
    message = "the server does not allow this method on the requested resource"
    return status.StatusError(405, "MethodNotAllowed", message)


class Verbs:
    """Answers requests for resources of the table of kinds."""

    def __init__(self, resources: Resources, answers: Answers) -> None:
        self._resources = resources
        self._answers = answers
        self._by_verb: dict[
            str, Callable[[RequestInfo, Kind, web.Request], Awaitable[web.StreamResponse]]
        ] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def answer(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        """The answer to a request that has been let in."""
        kind = KINDS[info.group, info.version, info.resource]
        served = kind.verbs
        if info.subresource:
            below = kind.subresource(info.subresource)
            if below is None or info.rest:
                raise unknown_resource()
            served = below.verbs
        if info.namespace and not kind.namespaced and kind.plural != "namespaces":
            raise unknown_resource()
        collective = info.verb == "create" and not info.subresource
        named = bool(info.name) or info.verb not in {"create", "update", "patch"}
        if info.verb not in served or not kind.stored or named == collective:
            raise method_not_allowed()
        if info.verb in {"create", "update", "patch", "delete"}:
            _check_dry_run(info.verb, request)
        return await self._by_verb[info.verb](info, kind, request)

    async def special(
        self, special: Special, info: RequestInfo, request: web.Request
    ) -> web.StreamResponse:
        """Hands a request to who serves it; the body is decoded before, where it is an object."""
        kind, raw, body = info.kind, await request.read(), None
        form = bodies.content_type(request.headers.get("Content-Type", ""))
        below = kind.subresource(info.subresource) if kind and info.subresource else None
        proxied = below is not None and below.name == "proxy"
        if raw and not proxied and info.verb not in _WITHOUT_BODY:
            body = bodies.decoded(raw, form, _expected(kind, info))
            if kind is not None and below is None:
                bodies.check_kind(kind, body)
        found = await special(Call(info, request.query, body, request))
        return _answered(found) if isinstance(found, Answer) else found

    async def _get(self, info: RequestInfo, kind: Kind, request: web.Request) -> web.StreamResponse:
        thing = self._resources.get(info)
        return self._answers.object(kind, thing, _wanted(request), request.query)

    async def _list(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        page = self._resources.list(info, request.query)
        return self._answers.list(kind, page, _wanted(request), request.query)

    async def _watch(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        form = _wanted(request)
        try:
            stream = self._resources.watch(info, request.query)
        except status.StatusError as error:
            if error.code != 410:
                raise
            return await http_watch.refuse(request, error)
        first = True

        def formed(thing: Object) -> Object:
            nonlocal first
            shown = self._answers.formed(kind, thing, form, request.query, headers=first)
            first = False
            return shown

        return await http_watch.serve(request, stream, formed)

    async def _create(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        fields = FieldValidation(kind, info, request.query)
        body = await _body(request, _expected(kind, info))
        _check_body(kind, info, body)
        made = self._resources.create(info, fields.body(body))
        answer = self._answers.object(kind, made, _wanted(request), request.query, 201)
        fields.say(answer)
        return answer

    async def _update(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        fields = FieldValidation(kind, info, request.query)
        body = await _body(request, _expected(kind, info))
        _check_body(kind, info, body)
        kept, created = self._resources.update(info, fields.body(body))
        code = 201 if created else 200
        answer = self._answers.object(kind, kept, _wanted(request), request.query, code)
        fields.say(answer)
        return answer

    async def _patch(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        raw, form = await request.read(), request.headers.get("Content-Type", "")
        if is_apply(info, request):
            return self._apply(info, kind, request, raw)
        bodies.check_force(request.query)
        fields = FieldValidation(kind, info, request.query)
        change = fields.patch(bodies.patch(raw, form, kind), bodies.shown(raw))
        kept = self._resources.patch(info, change)
        answer = self._answers.object(kind, kept, _wanted(request), request.query)
        fields.say(answer)
        return answer

    def _apply(
        self, info: RequestInfo, kind: Kind, request: web.Request, raw: bytes
    ) -> web.StreamResponse:
        body = bodies.configuration(raw, kind, info, request.query)
        force = request.query.get("force") == "true"
        kept, created = self._resources.apply(info, body, force=force)
        code = 201 if created else 200
        return self._answers.object(kind, kept, _wanted(request), request.query, code)

    async def _delete(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        how = options(await _options(request), request.query)
        last = self._resources.delete(_dry(info, dry=how.dry_run), how)
        return self._answers.object(kind, last, _wanted(request), request.query)

    async def _delete_collection(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        how = options(await _options(request), request.query)
        gone = self._resources.delete_collection(_dry(info, dry=how.dry_run), request.query, how)
        page = ListPage(gone, self._resources.store.revision)
        return self._answers.list(kind, page, _wanted(request), request.query)


def is_apply(info: RequestInfo, request: web.Request) -> bool:
    """Whether it is a server-side apply."""
    form = bodies.content_type(request.headers.get("Content-Type", ""))
    return info.verb == "patch" and form == bodies.APPLY


def _wanted(request: web.Request) -> Wanted:
    return wanted(",".join(request.headers.getall("Accept", [])))


async def _body(request: web.Request, default: tuple[str, str] = ("", "")) -> Object:
    return bodies.decoded(await request.read(), request.headers.get("Content-Type", ""), default)


def _expected(kind: Kind | None, info: RequestInfo) -> tuple[str, str]:
    """ApiVersion and kind of what a path takes."""
    if kind is None:
        return "", ""
    below = kind.subresource(info.subresource) if info.subresource else None
    if below is None or not below.kind:
        return kind.api_version, kind.kind
    if not below.version:
        return kind.api_version, below.kind
    return f"{below.group}/{below.version}" if below.group else below.version, below.kind


async def _options(request: web.Request) -> Object | None:
    if not (await request.read()).strip():
        return None
    try:
        return checked("v1", "DeleteOptions", await _body(request)).body
    except WrongType as error:
        raise status.bad_request(str(error)) from None


def _check_body(kind: Kind, info: RequestInfo, body: Object) -> None:
    below = kind.subresource(info.subresource) if info.subresource else None
    if below is None or not below.kind:
        bodies.check_kind(kind, body)
        return
    version, name = _expected(kind, info)
    bodies.check_kind(kind, body, name, version)


def _check_dry_run(verb: str, request: web.Request) -> None:
    said = request.query.getall("dryRun", [])
    if said not in ([], ["All"]):
        text = f'Unsupported value: ["{said[0]}"]: supported values: "All"'
        cause = ("FieldValueNotSupported", "dryRun", text)
        raise status.invalid("meta.k8s.io", f"{verb.title()}Options", "", [cause])


def _dry(info: RequestInfo, *, dry: bool) -> RequestInfo:
    return replace(info, dry_run=True) if dry else info


def _answered(answer: Answer) -> web.Response:
    if isinstance(answer.body, dict):
        return encoded(answer.body, answer.code, answer.headers)
    raw = answer.body.encode() if isinstance(answer.body, str) else answer.body
    return web.Response(
        status=answer.code,
        body=raw,
        content_type=answer.content_type,
        headers=dict(answer.headers),
    )
