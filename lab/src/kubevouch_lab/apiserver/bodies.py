"""What a client sends: bounded, in a known form, and shaped like an object before anything looks into it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kubevouch import goyaml
from kubevouch_lab.apiserver import protobuf, status
from kubevouch_lab.apiserver.accept import JSON
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.patches import json_patched, merge_patched
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from kubevouch_lab.apiserver.schema.types import message_for
from kubevouch_lab.apiserver.strategic import strategic_patched
from kubevouch_lab.objects import Object

YAML = "application/yaml"
# apiserver's MaxRequestBodyBytes.
LONGEST = 3 * 1024 * 1024
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
APPLY = "application/apply-patch+yaml"
# A patch of more operations than this is refused (handlers/patch.go, maxJSONPatchOperations).
_MOST_OPERATIONS = 10_000


def content_type(header: str) -> str:
    """The media type without its parameters; JSON where none is said."""
    return header.split(";", maxsplit=1)[0].strip().lower() or JSON


def decoded(raw: bytes, header: str, default: tuple[str, str] = ("", "")) -> Object:
    """The object in a body; 415 for a form that is not read here, 400 for what is not an object.

    default: apiVersion and kind of a body in protobuf that does not say them.
    """
    form = content_type(header)
    if form == protobuf.MEDIA_TYPE:
        return shaped(protobuf.decoded(raw, default))
    if form == YAML:
        return shaped(_yaml(raw))
    if form != JSON:
        raise status.unsupported_media_type([JSON, YAML, protobuf.MEDIA_TYPE])
    return shaped(_json(raw))


def check_kind(body: Object, api_version: str, kind: str) -> None:
    """400 for a body that says to be something else than what the path takes."""
    if body.get("apiVersion") not in {None, "", api_version}:
        raise status.bad_request(
            f"the API version in the data ({body['apiVersion']}) does not match the expected API version ({api_version})"
        )
    if body.get("kind") not in {None, "", kind}:
        said, version = body["kind"], api_version.rpartition("/")[2]
        raise status.bad_request(
            f'{said} in version "{version}" cannot be handled as a {kind}: no kind "{said}" is registered for version "{api_version}"'
        )


def patch(raw: bytes, header: str, kind: Kind) -> Callable[[Object], Object]:
    """What a patch makes of an object; 415 for a form that is not read here. APPLY goes another way: `configuration`."""
    form = content_type(header)
    if form not in PATCHES:
        raise status.unsupported_media_type([*PATCHES, APPLY])
    change = _json(raw)
    if form == PATCHES[0]:
        if isinstance(change, list) and len(change) > _MOST_OPERATIONS:
            message = f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(change)}"
            raise status.StatusError(413, "RequestEntityTooLarge", message)
        return lambda thing: shaped(json_patched(thing, change))
    if not isinstance(change, dict):
        raise status.bad_request("the patch is not an object")
    if form == PATCHES[1]:
        return lambda thing: shaped(merge_patched(thing, change))
    return lambda thing: shaped(strategic_patched(thing, change, message_for(kind)))


def configuration(raw: bytes, kind: Kind, info: RequestInfo, query: Mapping[str, str]) -> Object:
    """What a server-side apply sends (handlers/patch.go, applyPatcher; metav1's ValidatePatchOptions)."""
    if not query.get("fieldManager"):
        text = "Required value: is required for apply patch"
        cause = ("FieldValueRequired", "fieldManager", text)
        raise status.invalid("meta.k8s.io", "PatchOptions", "", [cause])
    found = shaped(_yaml(raw))
    for key, value in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if found.get(key) != value:
            text = f"the {key} in the configuration ({found.get(key)}) does not match {value}"
            raise status.bad_request(text)
    metadata = found.get("metadata") or {}
    if metadata.get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")
    if metadata.get("name") != info.name:
        said = metadata.get("name", "")
        text = f"the name of the object ({said}) does not match the name on the URL ({info.name})"
        raise status.bad_request(text)
    return found


def check_force(query: Mapping[str, str]) -> None:
    """Only an apply can be forced."""
    if "force" in query:
        text = "Forbidden: may not be specified for non-apply patch"
        cause = ("FieldValueForbidden", "force", text)
        raise status.invalid("meta.k8s.io", "PatchOptions", "", [cause])


def shaped(thing: Any) -> Object:  # noqa: ANN401 - JSON
    """The same object, if it and its metadata have the shape that every object has; else 400."""
    if not isinstance(thing, dict):
        raise status.bad_request("json: cannot unmarshal into Go value: the body is not an object")
    for field in ("kind", "apiVersion"):
        if not isinstance(thing.get(field), str | None):
            raise status.bad_request(f"json: cannot unmarshal into field {field} of type string")
    try:
        checked("v1", "PartialObjectMetadata", thing)
    except WrongType as error:
        raise status.bad_request(str(error)) from None
    return thing


def _json(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def _yaml(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    """Most clients send JSON, which is read at once."""
    if raw.lstrip().startswith(b"{"):
        return _json(raw)
    try:
        return goyaml.read(raw)
    except goyaml.UnreadableYaml as error:
        raise status.bad_request(f"error converting YAML to JSON: yaml: {error}") from None
