"""The schemas of what is served, as OpenAPI: the kinds of metrics.k8s.io, of discovery, and of Kubernetes' metadata.

Types, defaults and list kinds are those that Kubernetes' servers publish, so that the API server's aggregator finds nothing
that contradicts its own; the descriptions are ours.
"""

from typing import Any, Final

Schema = dict[str, Any]

_METRICS: Final = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_OTHERS: Final = {
    "Quantity": "io.k8s.apimachinery.pkg.api.resource.",
    "Info": "io.k8s.apimachinery.pkg.version.",
}
_OWN: Final = ("ContainerMetrics", "NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList")

# A type: a word, a kind, {of values} or [of items]; `=` behind it: with its zero value as the default.
_TEXTS: Final = {"apiVersion": "string", "kind": "string"}
_FIELDS: Final[dict[str, dict[str, str]]] = {
    "APIGroup": {
        **_TEXTS, "name": "string=", "preferredVersion": "GroupVersionForDiscovery=",
        "serverAddressByClientCIDRs": "[ServerAddressByClientCIDR]", "versions": "[GroupVersionForDiscovery]",
    },
    "APIGroupList": {**_TEXTS, "groups": "[APIGroup]"},
    "APIResource": {
        "categories": "[string]", "group": "string", "kind": "string=", "name": "string=", "namespaced": "boolean=",
        "shortNames": "[string]", "singularName": "string=", "storageVersionHash": "string", "verbs": "[string]",
        "version": "string",
    },
    "APIResourceList": {**_TEXTS, "groupVersion": "string=", "resources": "[APIResource]"},
    "GroupVersionForDiscovery": {"groupVersion": "string=", "version": "string="},
    "ServerAddressByClientCIDR": {"clientCIDR": "string=", "serverAddress": "string="},
    "Info": {
        **dict.fromkeys(
            ("buildDate", "compiler", "gitCommit", "gitTreeState", "gitVersion", "goVersion", "major", "minor", "platform"),
            "string=",
        ),
        **dict.fromkeys(
            ("emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor"), "string"
        ),
    },
    "ListMeta": {
        "continue": "string", "remainingItemCount": "int64", "resourceVersion": "string", "selfLink": "string",
        "shardInfo": "ShardInfo",
    },
    "ShardInfo": {"selector": "string="},
    "ManagedFieldsEntry": {
        "apiVersion": "string", "fieldsType": "string", "fieldsV1": "FieldsV1", "manager": "string", "operation": "string",
        "subresource": "string", "time": "Time",
    },
    "ObjectMeta": {
        "annotations": "{string}", "creationTimestamp": "Time", "deletionGracePeriodSeconds": "int64",
        "deletionTimestamp": "Time", "finalizers": "[string]", "generateName": "string", "generation": "int64",
        "labels": "{string}", "managedFields": "[ManagedFieldsEntry]", "name": "string", "namespace": "string",
        "ownerReferences": "[OwnerReference]", "resourceVersion": "string", "selfLink": "string", "uid": "string",
    },
    "OwnerReference": {
        "apiVersion": "string=", "blockOwnerDeletion": "boolean", "controller": "boolean", "kind": "string=",
        "name": "string=", "uid": "string=",
    },
    "ContainerMetrics": {"name": "string=", "usage": "{Quantity}"},
    "NodeMetrics": {
        **_TEXTS, "metadata": "ObjectMeta=", "timestamp": "Time", "usage": "{Quantity}", "window": "Duration",
    },
    "NodeMetricsList": {**_TEXTS, "items": "[NodeMetrics]", "metadata": "ListMeta="},
    "PodMetrics": {
        **_TEXTS, "containers": "[ContainerMetrics]", "metadata": "ObjectMeta=", "timestamp": "Time", "window": "Duration",
    },
    "PodMetricsList": {**_TEXTS, "items": "[PodMetrics]", "metadata": "ListMeta="},
}  # fmt: skip
_REQUIRED: Final[dict[str, list[str]]] = {
    "APIGroup": ["name", "versions"],
    "APIGroupList": ["groups"],
    "APIResource": ["name", "singularName", "namespaced", "kind", "verbs"],
    "APIResourceList": ["groupVersion", "resources"],
    "GroupVersionForDiscovery": ["groupVersion", "version"],
    "ServerAddressByClientCIDR": ["clientCIDR", "serverAddress"],
    "Info": [
        *("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"),
        *("goVersion", "compiler", "platform"),
    ],
    "ShardInfo": ["selector"],
    "OwnerReference": ["apiVersion", "kind", "name", "uid"],
    "ContainerMetrics": ["name", "usage"],
    "NodeMetrics": ["timestamp", "window", "usage"],
    "NodeMetricsList": ["items"],
    "PodMetrics": ["timestamp", "window", "containers"],
    "PodMetricsList": ["items"],
}
_SIMPLE: Final[dict[str, Schema]] = {
    "Duration": {"type": "string"},
    "FieldsV1": {"type": "object"},
    "Time": {"type": "string", "format": "date-time"},
}
_ATOMIC: Final = {
    *(("APIGroup", "serverAddressByClientCIDRs"), ("APIGroup", "versions")),
    *(("APIGroupList", "groups"), ("APIResource", "categories"), ("APIResource", "shortNames")),
    *(("APIResourceList", "resources"), ("ObjectMeta", "managedFields"), ("PodMetrics", "containers")),
}  # fmt: skip
_MERGED: Final[dict[tuple[str, str], Schema]] = {
    ("ObjectMeta", "finalizers"): {
        "x-kubernetes-list-type": "set",
        "x-kubernetes-patch-strategy": "merge",
    },
    ("ObjectMeta", "ownerReferences"): {
        "x-kubernetes-list-map-keys": ["uid"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-patch-merge-key": "uid",
        "x-kubernetes-patch-strategy": "merge",
    },
}
_GROUPS: Final = {
    **dict.fromkeys(_OWN[1:], ("metrics.k8s.io", "v1beta1")),
    **dict.fromkeys(("APIGroup", "APIGroupList", "APIResourceList"), ("", "v1")),
}
_DESCRIPTIONS: Final = {
    "ContainerMetrics": "The usage of one container.",
    "NodeMetrics": "The usage of a node.",
    "NodeMetricsList": "A list of NodeMetrics.",
    "PodMetrics": "The usage of a pod, container by container.",
    "PodMetricsList": "A list of PodMetrics.",
    "Quantity": "A number with a suffix, such as 250m (thousandths) or 64Mi (times 1024 twice).",
    "name": "The name.",
    "usage": "CPU in cores, and memory in bytes: the working set at the end of the window.",
    "timestamp": "The end of the window that usage was measured in.",
    "window": "The length of that window, such as 15.02s.",
    "containers": "The usage of each container.",
    "labels": "The labels of the node or pod itself.",
    "creationTimestamp": "When this was answered.",
}


def full_name(kind: str) -> str:
    """A kind's name among the schemas, such as io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics."""
    return (_METRICS if kind in _OWN else _OTHERS.get(kind, _META)) + kind


class Schemas:
    """Writes schemas. place: the prefix of references. third: as of OpenAPI v3, which has defaults and choices."""

    def __init__(self, place: str, *, third: bool) -> None:
        self._place = place
        self._third = third

    def reference(self, kind: str) -> Schema:
        """A reference to a kind."""
        return {"$ref": f"{self._place}/{full_name(kind)}"}

    def of(self, *kinds: str) -> Schema:
        """The schemas of these kinds and of all that they refer to, by their full names."""
        found: dict[str, Schema] = {}
        left = list(kinds)
        while left:
            kind = left.pop()
            if kind not in found:
                found[kind] = self._schema(kind)
                left += [
                    word for text in _FIELDS.get(kind, {}).values() if (word := text.strip("[]{}=")) in _KINDS
                ]  # fmt: skip
        return {full_name(kind): found[kind] for kind in sorted(found, key=full_name)}

    def _schema(self, kind: str) -> Schema:
        schema = self._simple(kind) if kind not in _FIELDS else self._object(kind)
        if kind in _DESCRIPTIONS:
            schema["description"] = _DESCRIPTIONS[kind]
        return schema

    def _simple(self, kind: str) -> Schema:
        if kind == "Quantity":
            choice = [{"type": "string"}, {"type": "number"}]
            return {"oneOf": choice} if self._third else {"type": "string"}
        return dict(_SIMPLE[kind])

    def _object(self, kind: str) -> Schema:
        schema: Schema = {"type": "object"}
        if kind in _REQUIRED:
            schema["required"] = _REQUIRED[kind]
        schema["properties"] = {
            name: self._field(kind, name, text) for name, text in _FIELDS[kind].items()
        }
        if kind in _GROUPS:
            group, version = _GROUPS[kind]
            own = {"group": group, "kind": kind, "version": version}
            schema["x-kubernetes-group-version-kind"] = [own]
        if kind == "OwnerReference":
            schema["x-kubernetes-map-type"] = "atomic"
        return schema

    def _field(self, kind: str, name: str, text: str) -> Schema:
        field = self._type(text.removesuffix("="))
        more: Schema = {}
        if text.endswith("=") and self._third:
            more["default"] = {"string": "", "boolean": False}.get(field.get("type", ""), {})
        if (kind, name) in _ATOMIC:
            more["x-kubernetes-list-type"] = "atomic"
        more |= _MERGED.get((kind, name), {})
        if name in _DESCRIPTIONS:
            more["description"] = _DESCRIPTIONS[name]
        if more and self._third and "$ref" in field:
            # Beside a reference nothing else counts.
            field = {"allOf": [field]}
        return {**field, **more}

    def _type(self, text: str) -> Schema:
        if text.startswith("["):
            return {"type": "array", "items": self._type(text[1:-1])}
        if text.startswith("{"):
            return {"type": "object", "additionalProperties": self._type(text[1:-1])}
        if text == "int64":
            return {"type": "integer", "format": "int64"}
        return self.reference(text) if text in _KINDS else {"type": text}


_KINDS: Final = {*_FIELDS, *_SIMPLE, "Quantity"}
