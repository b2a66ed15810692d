"""The format of our ConfigMaps: one JSON text for each node, in sixteen shards, with bounded sizes.

`data[<node name>]` of ConfigMap `<prefix>-<shard>` is one entry. So kubectl can print each entry,
and the merge patches of two writers do not collide. Each entry has a version `v`. An entry with a
newer version than ours is unreadable.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from kubevouch import goyaml
from kubevouch.evidence import approvers
from kubevouch.policy.claims import as_address
from kubevouch.policy.rules.usable import malformed
from kubevouch.x509 import printable

T = TypeVar("T")
E = TypeVar("E", bound=msgspec.Struct)

PART_OF = approvers.PART_OF

HOLDS = "kubevouch.dev/holds"
"""The label for what a ConfigMap contains: pins, recorded, configuration or inventory."""

OURS = f"{PART_OF}=kubevouch"
"""The label selector for kubevouch's own objects."""

VERSION = 1
SHARDS = 16
LARGEST_ENTRY = 16 * 1024
"""The size limit of one entry, in bytes. 64 names of 253 characters just fit."""

MOST_ENTRIES = 10_000
"""The maximum number of entries per ConfigMap. etcd limits a ConfigMap to about 1 MiB."""

MOST_VALUES = 64
"""The maximum number of names in one entry; likewise of addresses and of certificates. The rules
allow fewer in a CSR."""

_MOST_MENTIONED = 2 * MOST_VALUES
_WORD = re.compile(r"[0-9A-Za-z:.-]{2,253}")
_WITH_PORT = re.compile(r"([^:]+):[0-9]+")
_QUAD = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])", re.ASCII)
_LONGEST_TEXT = 512
_LONGEST_SEEN = 200


def labels_of(what: str) -> dict[str, str]:
    """The labels of a ConfigMap. what: its contents, such as pins."""
    return {PART_OF: "kubevouch", HOLDS: what}


class Unreadable(msgspec.Struct, frozen=True):
    """An entry or document that exists but cannot be read. The CSRs of its nodes are held."""

    where: str
    seen: str
    expected: str
    mentioned: tuple[str, ...] = ()
    """The addresses and dotted names in the unreadable entry. No other node may have them."""

    def __str__(self) -> str:
        return f"{self.where}: {self.seen}; {self.expected}"


class Shard(msgspec.Struct, Generic[T], frozen=True):
    """The entries of one ConfigMap by node. An entry that cannot be read is an Unreadable."""

    entries: dict[str, T | Unreadable]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why entries cannot be read, without duplicates."""
        unread = (str(each) for each in self.entries.values() if isinstance(each, Unreadable))
        return tuple(dict.fromkeys(unread))


class NotAnEntry(ValueError):
    """Raised if a text is not a valid entry or document."""

    def __init__(self, seen: str, expected: str) -> None:
        super().__init__(seen, expected)
        # Some texts quote the input, which may be anything of any length.
        self.seen = printable(seen)[:_LONGEST_SEEN]
        self.expected = expected


def shard_of(prefix: str, node: str) -> str:
    """The name of the ConfigMap that contains a node's entry, such as kubevouch-pins-11."""
    return f"{prefix}-{int(hashlib.sha256(node.encode()).hexdigest()[0], 16)}"


def shard_names(prefix: str) -> tuple[str, ...]:
    """The names of all ConfigMaps with this prefix."""
    return tuple(f"{prefix}-{number}" for number in range(SHARDS))


def read_shard(
    name: str, data: Mapping[str, str], read: Callable[[str, bytes], T], *, prefix: str
) -> Shard[T]:
    """Reads the entries of the ConfigMap `name`. read: parses an entry from the node's name and the text, or raises NotAnEntry."""
    entries: dict[str, T | Unreadable] = {}
    if len(data) > MOST_ENTRIES:
        # We cannot choose which entries to ignore, so we ignore all.
        seen, right = f"{len(data)} entries", f"expected at most {MOST_ENTRIES}"
        return Shard({n: Unreadable(name, seen, right, mentioned(t)) for n, t in data.items()})
    for node, text in data.items():
        where = f"{name}, {node}"
        right = shard_of(prefix, node)
        if right != name:
            seen, expected = "in the wrong ConfigMap", f"expected {right}"
            entries[node] = Unreadable(where, seen, expected, mentioned(text))
            continue
        try:
            entries[node] = read(node, _bounded_bytes(text))
        except NotAnEntry as error:
            entries[node] = Unreadable(where, error.seen, error.expected, mentioned(text))
    return Shard(entries)


def _bounded_bytes(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > LARGEST_ENTRY:
        raise NotAnEntry(f"{len(raw)} bytes", f"expected at most {LARGEST_ENTRY}")
    return raw


def mentioned(text: str) -> tuple[str, ...]:
    """The addresses (in canonical form) and dotted names in a text, up to a limit."""
    found: dict[str, None] = {}
    for each in _WORD.finditer(text):
        for value in _values_in(each[0].strip(".").lower()):
            found[value] = None
            if len(found) == _MOST_MENTIONED:
                return tuple(found)
    return tuple(found)


def _values_in(word: str) -> Iterator[str]:
    """The addresses and the DNS name in one word of a text.

    Finds them even with a port, in a range, or with leading zeros.
    """
    address = as_address(word)
    if address is not None:
        yield str(address)
        return
    host = _WITH_PORT.fullmatch(word)
    name = host[1] if host else word
    if "." in name and not malformed(name):
        yield name
    parts = word.split("-") if ":" in word else ()
    quads = (".".join(str(int(n)) for n in each[0].split(".")) for each in _QUAD.finditer(word))
    yield from (str(there) for there in map(as_address, (*parts, *quads)) if there is not None)


def document_in(text: str, schema: str) -> dict[str, goyaml.Value]:
    """Parses a YAML document with this schema.

    Raises NotAnEntry if the text is not YAML, has another schema, or is ambiguous. Parsers disagree
    about a key that occurs twice, and about several documents.
    """
    twice: list[str] = []

    def note(oddity: goyaml.Oddity, at: goyaml.Position, path: str) -> None:
        if oddity is goyaml.Oddity.DUPLICATE_KEY:
            twice.append(f"line {at.line}: {path} again")
        elif oddity is goyaml.Oddity.FURTHER_DOCUMENT:
            twice.append(f"line {at.line}: another document")

    try:
        said = goyaml.read(text.encode(), note)
    except (goyaml.UnreadableYaml, UnicodeError) as error:
        raise NotAnEntry(str(error), "expected YAML") from None
    if twice:
        raise NotAnEntry(twice[0], "expected one document with each key once")
    version = said.get("schemaVersion") if isinstance(said, dict) else None
    if not isinstance(said, dict) or version != schema:
        raise NotAnEntry(f"schemaVersion {version!r}", f"expected {schema}")
    return said


class _Versioned(msgspec.Struct):
    v: int


def read_entry(node: str, raw: bytes, kind: type[E]) -> E:
    """Parses a node's entry. Raises NotAnEntry if it is invalid or its version is too new."""
    right = "expected an entry in kubevouch's format"
    try:
        version = msgspec.json.decode(raw, type=_Versioned).v
        said = msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.ValidationError as error:
        raise NotAnEntry(str(error), right) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotAnEntry(f"not JSON ({error})", right) from None
    if version > VERSION:
        newer = f"expected version {VERSION} or older: a newer kubevouch wrote it"
        raise NotAnEntry(f"version {version}", newer)
    if version < 1:
        raise NotAnEntry(f"version {version}", f"expected version {VERSION}")
    if "node" in said:  # the key in the ConfigMap already names the node
        raise NotAnEntry("Object contains unknown field `node`", right)
    del said["v"]
    return checked({**said, "node": node}, kind, right)


def check_nothing_twice(raw: bytes) -> None:
    """Raises NotAnEntry if a field occurs twice, since parsers disagree about it. raw: valid JSON."""

    def found(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise NotAnEntry(f"{_short(key)} twice", "expected each field once")
            seen.add(key)

    json.loads(raw, object_pairs_hook=found)


def written_entry(node: str, entry: msgspec.Struct, read: Callable[[str, bytes], object]) -> str:
    """The text of a node's entry, with sorted keys. Raises NotAnEntry if `read` would not accept it."""
    said = msgspec.to_builtins(entry)
    del said["node"]
    text = msgspec.json.encode({**said, "v": VERSION}, order="sorted")
    read(node, text)
    return text.decode()


def checked(said: object, kind: type[E], expected: str) -> E:
    """Converts a decoded entry to the type `kind`, and checks its values. Raises NotAnEntry."""
    try:
        return with_checks(msgspec.convert(said, kind))
    except msgspec.ValidationError as error:
        raise NotAnEntry(str(error), expected) from None


def with_checks(entry: E) -> E:
    """Removes repeated values and makes addresses canonical. Raises NotAnEntry for bad values."""
    found: dict[str, object] = {}
    for field, name in zip(entry.__struct_fields__, entry.__struct_encode_fields__, strict=True):
        match getattr(entry, field):
            case str(text):
                checked_text(text, name)
            case tuple(values) if field == "names":
                found[field] = _names(_bounded(values, name))
            case tuple(values) if field == "addresses":
                found[field] = _addresses(_bounded(values, name))
            case tuple(values):
                found[field] = _bounded(values, name)
    return msgspec.structs.replace(entry, **found)


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if why := malformed(name):
            raise NotAnEntry(f"name {_short(name)} ({why})", "expected host names")
    return names


def _addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in addresses:
        address = as_address(text)
        if address is None or "%" in text:
            raise NotAnEntry(f"address {_short(text)}", "expected IP addresses without a prefix")
        found[str(address)] = None
    return tuple(found)


def checked_text(text: str, what: str) -> str:
    """Returns the text. Raises NotAnEntry if it is too long, or not printable on one line."""
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise NotAnEntry(
            f"{what} {_short(text)}", f"expected one line of at most {_LONGEST_TEXT} characters"
        )
    return text


def _bounded(values: Iterable[str], what: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(values))
    if len(found) > MOST_VALUES:
        raise NotAnEntry(f"{len(found)} {what}", f"expected at most {MOST_VALUES}")
    return found


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}...")
