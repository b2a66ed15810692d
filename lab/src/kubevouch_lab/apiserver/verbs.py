"""A request for a resource, from its HTTP form to its answer."""

from dataclasses import replace

from aiohttp import web

from kubevouch_lab.apiserver import bodies, http_watch, status
from kubevouch_lab.apiserver.answers import Answers, encoded
from kubevouch_lab.apiserver.backends import Call, Special
from kubevouch_lab.apiserver.deletion import Options, options
from kubevouch_lab.apiserver.field_validation import body_kind, known_body, known_patch
from kubevouch_lab.apiserver.forms import inward
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.listing import ListPage
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.rest import Resources
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from kubevouch_lab.objects import Object

_WITHOUT_BODY = {"get", "list", "watch"}


def unknown_resource() -> status.StatusError:
    """404 for a path below a group and version that is served."""
    message = "the server could not find the requested resource"
    return status.StatusError(404, "NotFound", message)


class Verbs:
    """Answers requests for resources of the table of kinds."""

    def __init__(self, resources: Resources, answers: Answers) -> None:
        self._resources = resources
        self._answers = answers

    async def answer(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        """The answer to a request that has been let in."""
        _check_served(kind, info)
        if not kind.stored:
            raise status.method_not_allowed(kind.group, kind.plural, info.verb)
        if info.verb in {"create", "update", "patch", "delete"}:
            _check_dry_run(info.verb, request)
        if kind.stored_as:
            group, version, resource = kind.stored_as
            info = replace(info, group=group, version=version, resource=resource)
        match info.verb:
            case "watch":
                return await self._watch(info, kind, request)
            case "list":
                page = self._resources.list(info, request.query)
            case "deletecollection":
                how = options(await _options(request), request.query)
                gone = self._resources.delete_collection(_dry(info, how), request.query)
                page = ListPage(gone, self._resources.store.revision)
            case _:
                thing, code = await self._one(info, kind, request)
                return self._answers.object(kind, thing, request, code)
        return self._answers.list(kind, page, request)

    async def _one(self, info: RequestInfo, kind: Kind, request: web.Request) -> tuple[Object, int]:
        """A verb on one object: the object, or a Status, and the code."""
        match info.verb:
            case "get":
                return self._resources.get(info), 200
            case "create":
                body = inward(kind, await _body(info, kind, request))
                return self._resources.create(info, body), 201
            case "update":
                return self._resources.update(info, await _body(info, kind, request)), 200
            case "patch":
                return await self._patch(info, kind, request)
        how = options(await _options(request), request.query)
        return self._resources.delete(_dry(info, how), how), 200

    async def special(self, special: Special, kind: Kind, call: Call) -> web.StreamResponse:
        """Hands a request to who serves it; the body is decoded before, where it is an object."""
        info, request = call.info, call.http
        _check_served(kind, info)
        if info.subresource != "proxy" and info.verb not in _WITHOUT_BODY:
            call = replace(call, body=await _body(info, kind, request))
        found = await special(call)
        return encoded(found, 201) if isinstance(found, dict) else found

    async def _watch(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> web.StreamResponse:
        try:
            stream = self._resources.watch(info, request.query)
        except status.StatusError as error:
            if error.code != 410:
                raise
            return await http_watch.refuse(request, error)
        first = True

        def formed(thing: Object) -> Object:
            nonlocal first
            shown = self._answers.formed(kind, thing, request, headers=first)
            first = False
            return shown

        return await http_watch.serve(request, stream, formed)

    async def _patch(
        self, info: RequestInfo, kind: Kind, request: web.Request
    ) -> tuple[Object, int]:
        raw, query = await request.read(), request.query
        if is_apply(info, request):
            body = bodies.configuration(raw, kind, info, query)
            force = query.get("force") == "true"
            kept, created = self._resources.apply(info, body, force=force)
            return kept, 201 if created else 200
        bodies.check_force(query)
        change = bodies.patch(raw, request.headers.get("Content-Type", ""), kind)
        return self._resources.patch(info, known_patch(kind, info, query, change)), 200


def _check_served(kind: Kind, info: RequestInfo) -> None:
    """404 for a path that the kind does not have, 405 for a verb."""
    served = kind.verbs
    if info.subresource:
        below = kind.subresource(info.subresource)
        if below is None or (info.rest and below.name != "proxy"):
            raise unknown_resource()
        served = below.verbs
    if info.namespace and not kind.namespaced and kind.plural != "namespaces":
        raise unknown_resource()
    collective = info.verb == "create" and not info.subresource
    named = bool(info.name) or info.verb not in {"create", "update", "patch"}
    if info.verb not in served or named == collective:
        raise status.method_not_allowed(kind.group, kind.plural, info.verb)


def is_apply(info: RequestInfo, request: web.Request) -> bool:
    """Whether it is a server-side apply."""
    form = bodies.content_type(request.headers.get("Content-Type", ""))
    return info.verb == "patch" and form == bodies.APPLY


async def _decoded(request: web.Request, default: tuple[str, str]) -> Object:
    return bodies.decoded(await request.read(), request.headers.get("Content-Type", ""), default)


async def _body(info: RequestInfo, kind: Kind, request: web.Request) -> Object:
    expected = body_kind(kind, info)
    body = await _decoded(request, expected)
    bodies.check_kind(body, *expected)
    return known_body(kind, info, request.query, body)


async def _options(request: web.Request) -> Object | None:
    if not (await request.read()).strip():
        return None
    try:
        return checked("v1", "DeleteOptions", await _decoded(request, ("", ""))).body
    except WrongType as error:
        raise status.bad_request(str(error)) from None


def _check_dry_run(verb: str, request: web.Request) -> None:
    said = request.query.getall("dryRun", [])
    if said not in ([], ["All"]):
        text = f'Unsupported value: ["{said[0]}"]: supported values: "All"'
        cause = ("FieldValueNotSupported", "dryRun", text)
        raise status.invalid("meta.k8s.io", f"{verb.title()}Options", "", [cause])


def _dry(info: RequestInfo, how: Options) -> RequestInfo:
    return replace(info, dry_run=True) if how.dry_run else info
