"""The metadata of objects, and the description of a resource.

All structs here hold only the fields that kubevouch reads. Never write such a struct back to the
API server, since the object's other fields would be lost.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

_TOO_LONG = 32
"""No resourceVersion (64 bits) has so many digits. Python refuses to parse thousands of digits."""


class Narrow(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Base of all structs, with Kubernetes' JSON names.

    Unknown fields are ignored. Missing fields get Go's zero value.
    """


class Metadata(Narrow, frozen=True, kw_only=True):
    """ObjectMeta.

    Times are timezone-aware; None if absent. deletion_timestamp: set while the object is being
    deleted.
    """

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def version_number(self) -> int:
        """`resource_version` as a number; 0 if it is not a number.

        The number grows with each change (KEP-5504).
        """
        text = self.resource_version
        return int(text) if text.isascii() and text.isdigit() and len(text) < _TOO_LONG else 0


class _VersionMetadata(Narrow, frozen=True, kw_only=True):
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class VersionOnly(Narrow, frozen=True, kw_only=True):
    """An object's name, UID and resourceVersion, without any other field."""

    metadata: _VersionMetadata = _VersionMetadata()


class FieldsManager(Narrow, frozen=True, kw_only=True):
    """An entry of managedFields.

    time: when the manager last changed the object, by the API server's clock, in whole seconds.
    """

    manager: str = ""
    subresource: str = ""
    time: datetime | None = None


class ManagedMetadata(Metadata, frozen=True, kw_only=True):
    """ObjectMeta with managedFields. Few kinds use it, since managedFields are half of an object's bytes."""

    managed_fields: tuple[FieldsManager, ...] = ()


class Object(Narrow, frozen=True, kw_only=True):
    """Base of all kinds of objects."""

    metadata: Metadata = Metadata()

    @property
    def name(self) -> str:
        """The object's metadata.name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's metadata.namespace, "" if cluster-scoped."""
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """The object's metadata.uid."""
        return self.metadata.uid


class Condition(Narrow, frozen=True, kw_only=True):
    """One condition of a status. `status` is "True", "False" or "Unknown"."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None

    @property
    def true(self) -> bool:
        """Whether the status is "True"."""
        return self.status == "True"


ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True)
class Resource(Generic[ObjectT]):
    """A resource of the API: group, version, plural and kind, and the struct for its objects."""

    group: str
    version: str
    plural: str
    kind: str
    struct: type[ObjectT]
    namespaced: bool = False
    page: int = 500
    """Objects per page of a list: 500, as in client-go and kubectl. Fewer for a kind whose objects
    may be large."""
    only_metadata: bool = False
    """Whether `get_raw` and `apply` request only the object's metadata."""

    @property
    def api_version(self) -> str:
        """The apiVersion, such as `v1` or `certificates.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a list, an object or a subresource.

        Quotes each name, so a name cannot change the path.
        """
        steps = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            steps += ["namespaces", namespace]
        steps += [self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/" + "/".join(_step(step) for step in steps)


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]*")
"""Matches a name that needs no URL quoting, like almost every name in Kubernetes."""


def _step(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    # Clients would resolve a name of dots only as a relative path.
    return text.replace(".", "%2E") if text in {".", ".."} else quote(text, safe="")


def micro_time(moment: datetime) -> str:
    """A time in the format of metav1.MicroTime.

    Go requires exactly six fractional digits (apimachinery's micro_time.go).
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
