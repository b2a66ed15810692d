"""The fields of the API types as values, read from fields/*.txt.

A line there is one type: `Name: field; field; ...`, or `Name = RealName: ...` where two packages have types of one
name. A field is its JSON name (`!` after it: required), its protobuf number (`1.2`: number 2 of the message in
number 1, which JSON leaves out), its type and what a strategic patch does with it (`@key`: a list merged by that key,
`@`: merged as a set, `~`: retainKeys). Types: str, int (32 bit), long (64 bit), bool (`?` after it: zero and absent
differ), bytes, Time, MicroTime, Quantity, IntOrString, `any` (any JSON: runtime.RawExtension), another line's name,
`[T]` a list, `{T}` a mapping from strings. `[package]` stands before the types of a package. Sources: api/*/v1/{types.go,generated.proto} of Kubernetes 1.36.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from kubevouch_lab.apiserver.kinds import KINDS, Kind

_FILES = ("meta", "core", "work", "cluster")
_FIELD = re.compile(
    r"(?P<name>[\w$-]+)(?P<required>!?) (?P<number>[\d.]+) (?P<type>[\w\[\]{}]+)(?P<pointer>\??)"
    r"( (?P<patch>@\w*))?(?P<retain> ~)?"
)
SCALARS = frozenset(
    {
        "str",
        "int",
        "long",
        "bool",
        "bytes",
        "Time",
        "MicroTime",
        "Quantity",
        "IntOrString",
        "any",
    }
)


@dataclass(frozen=True)
class ListOf:
    """A JSON array."""

    of: "Type"


@dataclass(frozen=True)
class MapOf:
    """A JSON object with free keys."""

    of: "Type"


@dataclass(frozen=True)
class Ref:
    """Another type, by its name in the table."""

    name: str


# One of SCALARS, or made of others.
Type = str | ListOf | MapOf | Ref


@dataclass(frozen=True)
class Field:
    """A field. merge_key: None: a list is replaced whole; "": merged as a set; else merged by that key."""

    name: str
    number: tuple[int, ...]
    type: Type
    required: bool = False
    pointer: bool = False
    merge_key: str | None = None


@dataclass(frozen=True)
class Message:
    """A type. name: in the table; package and real_name: as Kubernetes names it."""

    name: str
    package: str
    real_name: str
    fields: Mapping[str, Field]


@cache
def messages() -> Mapping[str, Message]:
    """All types by their name in the table."""
    found = {}
    for file in _FILES:
        text = resources.files(__package__).joinpath("fields", f"{file}.txt").read_text("utf-8")
        found.update({one.name: one for one in _messages(text)})
    return found


@cache
def message_of(api_version: str, kind: str) -> Message | None:
    """The type of a body's apiVersion and kind, None if it is not in the table."""
    group, _, version = api_version.rpartition("/")
    for one in messages().values():
        if one.real_name == kind and _serves(one.package, group, version):
            return one
    return _meta(kind)


def message_for(kind: Kind) -> Message:
    """The type of a kind that is served."""
    found = message_of(kind.api_version, kind.kind)
    if found is None:
        raise LookupError(kind.resource)
    return found


@cache
def has_type_meta(name: str) -> bool:
    """Whether apiVersion and kind are fields of a type: of a kind, also where it stands inside another."""
    kinds = {message_for(kind).name for kind in KINDS.values()}
    return name in kinds or name in {"Binding", "DeleteOptions", "Scale", "Status", "TokenRequest"}


def _meta(kind: str) -> Message | None:
    """DeleteOptions and Status belong to every group."""
    found = messages().get(kind)
    return found if found and found.package.endswith(".meta.v1") else None


_PACKAGES = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "apiregistration.k8s.io": "apiregistration",
}


def _serves(package: str, group: str, version: str) -> bool:
    """`certificates.k8s.io`, `v1` is the package `io.k8s.api.certificates.v1`."""
    name = _PACKAGES.get(group, group.partition(".")[0])
    return package.endswith(f".{name}.{version}")


def _messages(text: str) -> Iterator[Message]:
    package = ""
    for line in _joined(text):
        if line.startswith("["):
            package = line.strip("[]")
            continue
        head, _, body = line.partition(":")
        name, _, real_name = head.partition(" = ")
        fields = [_field(part.strip()) for part in body.split(";")]
        yield Message(name, package, real_name or name, {one.name: one for one in fields})


def _joined(text: str) -> Iterator[str]:
    """Lines with their continuations, which are indented."""
    whole = re.sub(r"\n +", " ", text)
    return (line for line in whole.splitlines() if line and not line.startswith("#"))


def _field(text: str) -> Field:
    found = _FIELD.fullmatch(text)
    if not found:
        raise ValueError(text)
    patch = found["patch"]
    return Field(
        found["name"],
        tuple(map(int, found["number"].split("."))),
        _type(found["type"]),
        required=bool(found["required"]),
        pointer=bool(found["pointer"]),
        merge_key=None if patch is None else patch[1:],
    )


def _type(text: str) -> Type:
    if text.startswith("["):
        return ListOf(_type(text[1:-1]))
    if text.startswith("{"):
        return MapOf(_type(text[1:-1]))
    return text if text in SCALARS else Ref(text)
