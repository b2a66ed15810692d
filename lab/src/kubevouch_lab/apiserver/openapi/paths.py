"""The paths of OpenAPI documents: as far as kubectl looks into them.

It looks for the patch of a kind (x-kubernetes-group-version-kind), which query parameters that takes (dryRun,
fieldValidation: cli-runtime's pkg/resource/query_param_verifier*.go), and which forms (kubectl's
pkg/cmd/apply/patcher.go).
"""

from collections.abc import Mapping

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.openapi.definitions import V2, V3, group_version_kind
from kubevouch_lab.apiserver.openapi.schema import message_for
from kubevouch_lab.objects import Object

_FORMS = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_WRITING = ("dryRun", "fieldManager", "fieldValidation")
# verb: method, action, on the collection
_OPERATIONS: Mapping[str, tuple[str, str, bool]] = {
    "list": ("get", "list", True),
    "create": ("post", "post", True),
    "deletecollection": ("delete", "deletecollection", True),
    "get": ("get", "get", False),
    "update": ("put", "put", False),
    "patch": ("patch", "patch", False),
    "delete": ("delete", "delete", False),
}


def paths(kind: Kind, refs: str) -> dict[str, Object]:
    """The two paths of a kind: its collection, its objects."""
    prefix = f"/apis/{kind.group}" if kind.group else "/api"
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"{prefix}/{kind.version}{namespace}/{kind.plural}"
    found: dict[str, Object] = {}
    for verb in kind.verbs:
        if verb in _OPERATIONS:
            method, action, many = _OPERATIONS[verb]
            where = collection if many else f"{collection}/{{name}}"
            found.setdefault(where, {})[method] = _operation(kind, action, refs)
    return found


def _operation(kind: Kind, action: str, refs: str) -> Object:
    schema = {"$ref": refs + message_for(kind).definition}
    made = _v2(action, schema) if refs == V2 else _v3(action, schema)
    return {
        **made,
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": group_version_kind(kind),
    }


def _takes(action: str) -> list[str]:
    names = list(_WRITING) if action in {"post", "put", "patch"} else []
    if action in {"delete", "deletecollection"}:
        names = ["dryRun"]
    return names


def _v2(action: str, schema: Object) -> Object:
    parameters: list[Object] = [
        {"in": "query", "name": name, "type": "string", "uniqueItems": True}
        for name in _takes(action)
    ]
    if action in {"post", "put"}:
        parameters.append({"in": "body", "name": "body", "required": True, "schema": schema})
    return {
        "consumes": list(_FORMS) if action == "patch" else ["*/*"],
        "produces": ["application/json"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": schema}},
    }


def _v3(action: str, schema: Object) -> Object:
    parameters = [
        {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
        for name in _takes(action)
    ]
    made: Object = {
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}}
        },
    }
    if action == "patch":
        body = {"$ref": f"{V3}io.k8s.apimachinery.pkg.apis.meta.v1.Patch"}
        made["requestBody"] = {"content": {form: {"schema": body} for form in _FORMS}}
    elif action in {"post", "put"}:
        made["requestBody"] = {"content": {"*/*": {"schema": schema}}}
    return made
