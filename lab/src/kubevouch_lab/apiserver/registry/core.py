"""Nodes, namespaces, services, configuration and secrets: pkg/registry/core and pkg/apis/core/validation."""

import base64
import binascii
import re
from datetime import datetime
from ipaddress import ip_network

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.registry.fields import (
    below,
    default,
    forbidden,
    immutable,
    items,
    refused,
    required,
)
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, name_of, namespace_of, uid_of

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LONGEST = 1024 * 1024


class Nodes(Strategy):
    """A kubelet registers with its status."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """All of it is kept."""
        del kind, info, now
        below(new, "spec")
        return new

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """An address range is given once."""
        del kind
        before = (old or {}).get("spec") or {}
        if not before.get("podCIDR"):
            return []
        now = (new.get("spec") or {}).get("podCIDR")
        if now == before["podCIDR"]:
            return []
        why = 'node updates may not change podCIDR except from "" to valid'
        return [forbidden("spec.podCIDRs", why)]


class NamespaceStrategy(Strategy):
    """A namespace is Active, and bears its name as a label."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Its finalizer is the cluster's."""
        del kind, info, now
        new["spec"] = {"finalizers": ["kubernetes"]}
        new["status"] = {"phase": "Active"}
        return _named(new)

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """A client can change neither the spec nor the label."""
        return _named({**super().main(kind, old, new), "spec": old["spec"]})

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """/finalize changes the finalizers of the spec."""
        if info.subresource == "finalize":
            return {**old, "spec": new.get("spec") or {}}
        return super().update(kind, info, old, new, now)


def _named(space: Object) -> Object:
    below(space["metadata"], "labels")["kubernetes.io/metadata.name"] = name_of(space)
    return space


class Services(Strategy):
    """A service gets an address, and keeps it."""

    returns_deleted = True
    creates_on_update = True

    def __init__(self, network: str = "10.96.0.0/12") -> None:
        """network: of all Services that do not say another family, as kubeadm sets it."""
        self._network = ip_network(network)

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """The address follows from the uid."""
        new = super().create(kind, info, new, now)
        self._default(below(new, "spec"), uid_of(new))
        return {**new, "status": {"loadBalancer": {}}}

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Addresses that were allocated stay if the client leaves them out."""
        spec = below(new, "spec")
        if spec.get("type", "ClusterIP") != "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not spec.get(key) and key in old["spec"]:
                    spec[key] = old["spec"][key]
        self._default(spec, uid_of(new))
        return super().main(kind, old, new)

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """An address is for good; a service without ports is headless or somewhere else."""
        del kind
        spec = new["spec"]
        causes: list[Cause] = []
        portless = spec.get("clusterIP") == "None" or spec["type"] == "ExternalName"
        if not items(spec, "ports") and not portless:
            causes.append(required("spec.ports"))
        before = (old or {}).get("spec") or {}
        kept = before.get("clusterIP") and before.get("type") == spec["type"] != "ExternalName"
        if kept and any(spec.get(key) != before.get(key) for key in ("clusterIP", "clusterIPs")):
            why = "may not change once set"
            causes.append(refused("spec.clusterIPs[0]", [spec["clusterIP"]], why))
        return causes

    def _default(self, spec: Object, uid: str) -> None:
        default(spec, type="ClusterIP", sessionAffinity="None")
        for port in items(spec, "ports"):
            default(port, protocol="TCP", targetPort=port.get("port"))
        if spec["type"] == "ExternalName":
            return
        family = f"IPv{self._network.version}"
        default(
            spec, internalTrafficPolicy="Cluster", ipFamilies=[family], ipFamilyPolicy="SingleStack"
        )
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._address(uid)
        default(spec, clusterIPs=[spec["clusterIP"]])

    def _address(self, uid: str) -> str:
        number = int(uid.replace("-", "")[:8], 16)
        return str(self._network[256 + number % (self._network.num_addresses - 512)])


class ConfigMaps(Strategy):
    """Text by keys."""

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Keys are plain, values are text, and what is immutable stays."""
        del kind
        causes = [*_keys(new, "data"), *_keys(new, "binaryData")]
        data = new.get("data") or {}
        causes += [
            refused(f"data[{key}]", value, "must be a string")
            for key, value in data.items()
            if not isinstance(value, str)
        ]
        return [*causes, *_size(data), *_frozen(old, new)]


class Secrets(Strategy):
    """Bytes by keys, of a type."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """StringData is for writing only."""
        return default(_encoded(super().create(kind, info, new, now)), type="Opaque")

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """The type stays if the client leaves it out."""
        return default(_encoded(super().main(kind, old, new)), type=old.get("type", "Opaque"))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Keys are plain, the type stays, and what is immutable too."""
        del kind
        causes = [*_keys(new, "data"), *_size(new.get("data") or {})]
        if old is not None:
            causes += immutable("type", old.get("type"), new.get("type"))
        return [*causes, *_frozen(old, new)]


def _encoded(secret: Object) -> Object:
    for key, value in (secret.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise status.bad_request(
                f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data in data[{key}]'
            ) from None
    written = secret.pop("stringData", None) or {}
    for key, value in written.items():
        below(secret, "data")[key] = base64.b64encode(value.encode()).decode()
    return secret


def _keys(thing: Object, field: str) -> list[Cause]:
    return [
        refused(f"{field}[{key}]", key, _KEY_TEXT)
        for key in thing.get(field) or {}
        if not _KEY.fullmatch(key) or len(key) > 253
    ]


def _size(data: Object) -> list[Cause]:
    if sum(len(value) for value in data.values() if isinstance(value, str)) <= _LONGEST:
        return []
    return [("FieldValueTooLong", "data", f"Too long: may not be more than {_LONGEST} bytes")]


def _frozen(old: Object | None, new: Object) -> list[Cause]:
    if not old or old.get("immutable") is not True:
        return []
    why = "field is immutable when `immutable` is set"
    return [
        forbidden(field, why)
        for field in ("immutable", "data", "binaryData")
        if old.get(field) != new.get(field)
    ]


class Events(Strategy):
    """What happened to an object stands in the object's namespace."""

    creates_on_update = True

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Of what has no namespace, in `default`."""
        del kind, old
        space = (new.get("involvedObject") or {}).get("namespace", "")
        here = namespace_of(new)
        if space in {"", here} and (space or here in {"default", "kube-system"}):
            return []
        return [refused("involvedObject.namespace", space, "does not match event.namespace")]
