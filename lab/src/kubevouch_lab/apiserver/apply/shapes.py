"""How values of the API's types are merged by server-side apply.

By the table of fields (a merge key is a list's key, a struct or a mapping is merged field by field) but for what stands
here. Source: client-go's applyconfigurations/internal/internal.go of Kubernetes 1.36 (elementRelationship, keys).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from kubevouch_lab.apiserver.schema.types import (
    Field,
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    messages,
)

# Types whose values are replaced whole.
_ATOMIC: Final = frozenset((
    "ConfigMapKeySelector", "DiscoveryEndpointPort", "EndpointAddress", "EndpointPort", "FileKeySelector", "LabelSelector",
    "LocalObjectReference", "MatchResources", "NamedRuleWithOperations", "NodeSelector", "NodeSelectorTerm",
    "ObjectFieldSelector", "ObjectReference", "OwnerReference", "ParamKind", "ParamRef", "ResourceFieldSelector", "RoleRef",
    "SecretKeySelector", "Subject", "TypedLocalObjectReference", "Variable",
))  # fmt: skip
# Lists and mappings whose relationship is another than that of a strategic patch. (): a set. None: replaced whole.
_DIFFERENT: Final[Mapping[tuple[str, str], tuple[str, ...] | None]] = {
    ("CertificateSigningRequestStatus", "conditions"): ("type",),
    ("Container", "ports"): ("containerPort", "protocol"),
    ("ContainerRestartRuleOnExitCodes", "values"): (),
    ("Endpoint", "addresses"): (),
    ("EphemeralContainer", "ports"): ("containerPort", "protocol"),
    ("NodeAllocatableResourceClaimStatus", "containers"): (),
    ("PodSpec", "nodeSelector"): None,
    ("PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    ("PodStatus", "hostIPs"): None,
    ("ResourceRequirements", "claims"): ("name",),
    ("ResourceStatus", "resources"): ("resourceID",),
    ("ServiceSpec", "ports"): ("port", "protocol"),
    ("ServiceSpec", "selector"): None,
    ("ValidatingAdmissionPolicyBindingSpec", "validationActions"): (),
    ("ValidatingAdmissionPolicyStatus", "conditions"): ("type",),
}
# What a key is where an item does not say it.
KEY_DEFAULTS: Final = {"protocol": "TCP"}


@dataclass(frozen=True)
class Whole:
    """A scalar, or a value that is replaced whole."""


@dataclass(frozen=True)
class Struct:
    """An object of known fields."""

    message: Message


@dataclass(frozen=True)
class Mapped:
    """An object of free keys."""

    of: "Shape"


@dataclass(frozen=True)
class Keyed:
    """A list whose items are told apart by keys."""

    keys: tuple[str, ...]
    of: "Shape"


@dataclass(frozen=True)
class Values:
    """A list of values, each at most once."""


Shape = Whole | Struct | Mapped | Keyed | Values
WHOLE: Final = Whole()


def shape_of(message: Message) -> Shape:
    """The shape of a value of that type."""
    return WHOLE if message.name in _ATOMIC else Struct(message)


def shape_in(message: Message, key: str) -> Shape | None:
    """The shape of a field; None where the type does not have it."""
    return _shapes_in(message.name).get(key)


@cache
def _shapes_in(name: str) -> Mapping[str, Shape]:
    """The shapes of all fields of a type: each object that is written is walked through several times."""
    message = messages()[name]
    return {key: _of_field(message, field) for key, field in message.fields.items()}


def _of_field(message: Message, field: Field) -> Shape:
    if not isinstance(field.type, ListOf):
        return WHOLE if (message.name, field.name) in _DIFFERENT else _of_type(field.type)
    plain = (field.merge_key,) if field.merge_key else () if field.merge_key == "" else None
    keys = _DIFFERENT.get((message.name, field.name), plain)
    if keys is None:
        return WHOLE
    return Keyed(keys, _of_type(field.type.of)) if keys else Values()


def _of_type(kind: Type) -> Shape:
    if isinstance(kind, Ref):
        return shape_of(messages()[kind.name])
    return Mapped(_of_type(kind.of)) if isinstance(kind, MapOf) else WHOLE
