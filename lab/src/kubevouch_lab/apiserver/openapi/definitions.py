"""OpenAPI schemas of the types in the table of fields.

One builder for OpenAPI 2 (`#/definitions/`) and 3 (`#/components/schemas/`); they differ in where a reference points
and in that 3 can say `oneOf`. What kubectl reads in them: types and required fields (validation before 1.27,
explain), x-kubernetes-group-version-kind, x-kubernetes-patch-strategy and -merge-key (apply).
"""

from collections.abc import Iterable, Mapping

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.openapi.schema import (
    Field,
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    has_type_meta,
    messages,
    top_level,
)
from kubevouch_lab.objects import Object

V2, V3 = "#/definitions/", "#/components/schemas/"
_PRIMITIVES: Mapping[str, tuple[str, str]] = {
    "str": ("string", ""),
    "int": ("integer", "int32"),
    "long": ("integer", "int64"),
    "bool": ("boolean", ""),
    "bytes": ("string", "byte"),
}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SHARED = {
    "Time": f"{_META}.Time",
    "MicroTime": f"{_META}.MicroTime",
    "Quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "IntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "any": "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
_KIND = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
}


def definitions(kinds: Iterable[Kind], refs: str) -> Object:
    """Schemas by name: of the kinds, of their lists, of Status and DeleteOptions, and of all that they hold."""
    wanted = set(kinds)
    found: Object = _shared(refs)
    queue = [messages()["DeleteOptions"], messages()["Status"], messages()["ListMeta"]]
    for kind, message in top_level():
        if kind not in wanted:
            continue
        queue.append(message)
        found[message.definition] = _top(kind, message, refs)
        if kind.stored:
            found[f"{message.definition}List"] = _list(kind, message, refs)
    queue += [messages()[name] for name in _bodies(wanted)]
    seen: set[str] = set()
    while queue:
        message = queue.pop()
        if message.name in seen:
            continue
        seen.add(message.name)
        found.setdefault(message.definition, _schema(message, refs))
        queue += [messages()[name] for one in message.fields.values() for name in _names(one.type)]
    return dict(sorted(found.items()))


def _bodies(kinds: Iterable[Kind]) -> list[str]:
    """The types of subresources' bodies that the table of kinds does not have."""
    named = {sub.kind for kind in kinds for sub in kind.subresources}
    return sorted(name for name in named if name in messages())


def group_version_kind(kind: Kind, suffix: str = "") -> Object:
    """`{"group": "", "version": "v1", "kind": "Node"}`."""
    return {"group": kind.group, "version": kind.version, "kind": kind.kind + suffix}


def _top(kind: Kind, message: Message, refs: str) -> Object:
    schema = _schema(message, refs)
    schema["x-kubernetes-group-version-kind"] = [group_version_kind(kind)]
    return schema


def _list(kind: Kind, message: Message, refs: str) -> Object:
    items = {"type": "array", "items": {"$ref": refs + message.definition}}
    metadata = {"$ref": f"{refs}{_META}.ListMeta"}
    return {
        "type": "object",
        "required": ["items"],
        "properties": {**_KIND, "items": items, "metadata": metadata},
        "x-kubernetes-group-version-kind": [group_version_kind(kind, "List")],
    }


def _schema(message: Message, refs: str) -> Object:
    fields = message.fields.values()
    required = [one.name for one in fields if one.required]
    properties = {one.name: _property(one, refs) for one in fields}
    if has_type_meta(message):
        properties = {**_KIND, **properties}
    made: Object = {"type": "object", "properties": properties}
    return {**made, "required": required} if required else made


def _property(one: Field, refs: str) -> Object:
    made = _typed(one.type, refs)
    strategies = ["merge"] if one.merge_key is not None else []
    strategies += ["retainKeys"] if one.retain_keys else []
    if strategies:
        made["x-kubernetes-patch-strategy"] = ",".join(strategies)
    if one.merge_key:
        made["x-kubernetes-patch-merge-key"] = one.merge_key
    return made


def _typed(kind: Type, refs: str) -> Object:
    if isinstance(kind, ListOf):
        return {"type": "array", "items": _typed(kind.of, refs)}
    if isinstance(kind, MapOf):
        return {"type": "object", "additionalProperties": _typed(kind.of, refs)}
    if isinstance(kind, Ref):
        return {"$ref": refs + messages()[kind.name].definition}
    if kind in _SHARED:
        return {"$ref": refs + _SHARED[kind]}
    primitive, form = _PRIMITIVES[kind]
    return {"type": primitive, "format": form} if form else {"type": primitive}


def _shared(refs: str) -> Object:
    moment = {"type": "string", "format": "date-time"}
    either: Object = {"type": "string", "format": "int-or-string"}
    quantity: Object = {"type": "string"}
    if refs == V3:
        text = {"type": "string"}
        either = {"format": "int-or-string", "oneOf": [{"type": "integer"}, text]}
        quantity = {"oneOf": [text, {"type": "number"}]}
    return {
        _SHARED["Time"]: moment,
        _SHARED["MicroTime"]: moment,
        _SHARED["Quantity"]: quantity,
        _SHARED["IntOrString"]: either,
        _SHARED["any"]: {"type": "object"},
    }


def _names(kind: Type) -> list[str]:
    if isinstance(kind, ListOf | MapOf):
        return _names(kind.of)
    return [kind.name] if isinstance(kind, Ref) else []
