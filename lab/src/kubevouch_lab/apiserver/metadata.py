"""What the API server itself writes into an object's metadata (apiserver's pkg/registry/rest/meta.go)."""

from datetime import datetime

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.objects import Object
from kubevouch_lab.rng import Entropy, uids

# apimachinery's pkg/util/rand: no vowels, nothing that looks like something else.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE = 63 - 5
# What only the server may say; a client's words are dropped.
_SERVERS_OWN = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
)
_NEVER_KEPT = ("managedFields", "selfLink")


def clone(thing: Object) -> Object:
    """A copy that shares nothing with it."""
    copied: Object = msgspec.json.decode(msgspec.json.encode(thing))
    return copied


def moment(now: datetime) -> str:
    """metav1.Time: `2026-11-24T12:00:00Z`."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def generated(base: str, entropy: Entropy) -> str:
    """A name of a generateName: five characters more."""
    return base[:_LONGEST_BASE] + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy(5))


def born(kind: Kind, thing: Object, namespace: str, now: datetime, entropy: Entropy) -> Object:
    """A copy of a body with the metadata of something new; 400 or 422 where the body contradicts the request."""
    thing = clone(thing)
    metadata = thing.setdefault("metadata", {}) or {}
    thing["metadata"] = metadata
    if metadata.get("resourceVersion"):
        raise status.bad_request("resourceVersion should not be set on objects to be created")
    for key in (*_SERVERS_OWN, *_NEVER_KEPT):
        metadata.pop(key, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated(metadata["generateName"], entropy)
    if not metadata.get("name"):
        text = "Required value: name or generateName is required"
        raise status.invalid(
            kind.group, kind.kind, "", [("FieldValueRequired", "metadata.name", text)]
        )
    if kind.namespaced:
        if metadata.get("namespace") not in {None, "", namespace}:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = namespace
    elif metadata.pop("namespace", ""):
        raise status.bad_request("namespace may not be set on a cluster-scoped object")
    metadata["uid"] = uids(entropy)()
    metadata["creationTimestamp"] = moment(now)
    if kind.generation:
        metadata["generation"] = 1
    return _typed(kind, thing)


def carried_over(kind: Kind, old: Object, new: Object) -> Object:
    """A copy of a replacement with what only the server may say taken from the old one.

    409 for another uid or a resourceVersion that is not the stored one; 400 for another name.
    """
    new = clone(new)
    metadata = new.get("metadata") or {}
    new["metadata"] = metadata
    kept = old["metadata"]
    _same_place(kind, metadata, kept)
    if metadata.get("resourceVersion") not in {None, "", kept["resourceVersion"]}:
        raise status.conflict(kind.group, kind.plural, kept["name"])
    if metadata.get("uid") not in {None, "", kept["uid"]}:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {kept['uid']}"
        raise status.conflict(kind.group, kind.plural, kept["name"], why)
    for key in (*_SERVERS_OWN, *_NEVER_KEPT, "namespace"):
        metadata.pop(key, None)
        if key in kept:
            metadata[key] = kept[key]
    if "generateName" in kept:
        metadata.setdefault("generateName", kept["generateName"])
    return _typed(kind, new)


def _same_place(kind: Kind, metadata: Object, kept: Object) -> None:
    name = metadata.get("name")
    if not name:
        raise status.bad_request(
            f"the name of the object ({kept['name']} based on URL) was undeterminable: name must be provided"
        )
    if name != kept["name"]:
        raise status.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({kept['name']})"
        )
    namespace = metadata.get("namespace")
    if kind.namespaced and namespace not in {None, "", kept["namespace"]}:
        raise status.bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the request ({kept['namespace']})"
        )


def _typed(kind: Kind, thing: Object) -> Object:
    """kind, apiVersion and metadata first, as every answer has them; empty collections of metadata are left out."""
    metadata = {
        key: value for key, value in thing["metadata"].items() if value not in ({}, [], None)
    }
    rest = {
        key: value for key, value in thing.items() if key not in {"kind", "apiVersion", "metadata"}
    }
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata, **rest}
