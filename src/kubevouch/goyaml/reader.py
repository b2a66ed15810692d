"""Nodes and values from the text of a YAML file. The only file that imports `yaml`.

Sources: decode.go in go.yaml.in/yaml/v2, yaml.go in sigs.k8s.io/yaml.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import yaml

from kubevouch.goyaml.scalars import TAG, Scalar, key_text, plain_scalar, tagged_scalar

Value = Any  # a Scalar, a list of values, or a dict of values by text

MAX_BYTES: Final = 1024 * 1024
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 64

# libyaml's parser is what Go's was ported from; PyYAML's own stands in where it is not built in.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Fault(StrEnum):
    """Why nothing can be read."""

    TOO_LARGE = "too-large"
    NOT_YAML = "not-yaml"
    NO_VALUE = "no-value"
    """YAML, and Go makes nothing of it: a list for a key, an unknown alias, a word that is not what its tag says."""
    NESTED_TOO_DEEPLY = "nested-too-deeply"
    TOO_MANY_VALUES = "too-many-values"


class Oddity(StrEnum):
    """What is read, and not said plainly."""

    ALIAS = "alias"
    MERGE_KEY = "merge-key"
    DUPLICATE_KEY = "duplicate-key"
    FURTHER_DOCUMENT = "further-document"


class Place(NamedTuple):
    """Line and column count from 1, `offset` (characters) from 0."""

    line: int
    column: int
    offset: int


class Unreadable(ValueError):
    """The text says what is wrong; whoever knows the file's name adds it. `line` and `column` are 0 if unknown."""

    def __init__(self, fault: Fault, text: str, place: Place | None = None) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text
        self.line, self.column = (place.line, place.column) if place else (0, 0)

    def __str__(self) -> str:
        # Other texts hold the words that are wrong.
        known = self.fault is Fault.NOT_YAML and self.line
        return f"line {self.line}: {self.text}" if known else self.text


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it is written: at `start`, and up to `end`. That of an alias is where its anchor is.

    entries: what is written in a mapping. flow: a mapping in braces.
    size, height: the values in it and itself, and the levels beneath it, aliases followed.
    """

    value: Value
    start: Place
    end: Place
    entries: tuple["Entry", ...] = ()
    flow: bool = False
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a mapping. `key` is its text in JSON. merges: it is `<<` and brings keys of its own."""

    key: str
    merges: bool
    key_node: Node
    node: Node


Note = Callable[[Oddity, Place, str], None]
"""Is told of an oddity: where, and for a key its dotted path, for `<<` that of its mapping."""


def read(data: bytes) -> Value:
    """The value of the first document; None if there is none. Raises Unreadable."""
    node = _composed(data, _LOADER, lambda *_: None)
    return node.value if node else None


def compose(text: str, note: Note) -> Node | None:
    """The first document and its places; None if there is none. What is odd is told on the way.

    By PyYAML's own parser, whose places and refusals are the same on every machine. It takes no tabs between words,
    and a second for 100 KB.

    Raises:
        Unreadable: it is no YAML to Go, or beyond our bounds.
    """
    return _composed(text, yaml.SafeLoader, note)


def _composed(data: bytes | str, loader: Any, note: Note) -> Node | None:  # noqa: ANN401 - PyYAML's
    if len(data) > MAX_BYTES:
        what = f"{len(data)} bytes long, more than {MAX_BYTES}"
        raise Unreadable(Fault.TOO_LARGE, what)
    try:
        return _Composer(yaml.parse(data, Loader=loader), note).document()
    except yaml.MarkedYAMLError as error:
        raise _refused(error) from None
    except yaml.reader.ReaderError as error:
        raise _no_text(data, error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        what = "not YAML: " + " ".join(str(error).split())[:200]
        raise Unreadable(Fault.NOT_YAML, what) from None


def _refused(error: yaml.MarkedYAMLError) -> Unreadable:
    place = _place(error.problem_mark)
    # libyaml looks ahead, and has its own bound of a thousand levels.
    if error.problem == "exceeded maximum nesting depth":
        return _too_deep(place)
    return Unreadable(Fault.NOT_YAML, f"not YAML: {error.problem or error.context}", place)


def _no_text(data: bytes | str, error: yaml.reader.ReaderError) -> Unreadable:
    at = error.position
    if isinstance(data, bytes):
        return Unreadable(Fault.NOT_YAML, f"byte {at}: not YAML: {error.reason}")
    place = Place(data.count("\n", 0, at) + 1, at - data.rfind("\n", 0, at), at)
    what = f"not YAML: the character U+{error.character:04X} is not allowed"
    return Unreadable(Fault.NOT_YAML, what, place)


def _place(mark: Any) -> Place:  # noqa: ANN401 - PyYAML's mark, or None
    return Place(mark.line + 1, mark.column + 1, mark.index) if mark else Place(0, 0, 0)


class _Composer:
    """Nodes from parser events, counted."""

    def __init__(self, events: Iterator[Any], note: Note) -> None:
        self._events = events
        self._note = note
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def document(self) -> Node | None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version not in (None, (1, 1)):
                    what = "not YAML: a %YAML line with another version than 1.1"
                    raise Unreadable(Fault.NOT_YAML, what, _place(event.start_mark))
                node = self._node(next(self._events), "", 0)
                next(self._events)  # the document's end
                self._look_further()
                return node
        return None

    def _look_further(self) -> None:
        """Go reads the first document and never looks at what follows it, be it broken."""
        try:
            after = next(self._events)
        except yaml.MarkedYAMLError as error:
            self._note(Oddity.FURTHER_DOCUMENT, _place(error.problem_mark), "")
        except yaml.YAMLError:
            self._note(Oddity.FURTHER_DOCUMENT, _place(None), "")
        else:
            if isinstance(after, yaml.DocumentStartEvent):
                self._note(Oddity.FURTHER_DOCUMENT, _place(after.start_mark), "")

    def _node(self, event: Any, path: str, depth: int) -> Node:  # noqa: ANN401 - PyYAML's event
        start = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor or "", start, depth)
        self._count(1, start)
        if isinstance(event, yaml.ScalarEvent):
            try:
                node = Node(_scalar(event), start, _place(event.end_mark))
            except ValueError as error:
                raise Unreadable(Fault.NO_VALUE, str(error), start) from None
        elif depth > MAX_DEPTH:
            raise _too_deep(start)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(start, path, depth)
        else:
            node = self._mapping(event, start, path, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, anchor: str, place: Place, depth: int) -> Node:
        self._note(Oddity.ALIAS, place, "")
        node = self._anchors.get(anchor)
        if node is None:
            what = f"alias *{anchor} stands before its anchor, or inside it"
            raise Unreadable(Fault.NO_VALUE, what, place)
        self._count(node.size, place)
        if depth + node.height > MAX_DEPTH:
            raise _too_deep(place)
        return node

    def _count(self, more: int, place: Place) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            what = f"more than {MAX_VALUES} values, aliases counted"
            raise Unreadable(Fault.TOO_MANY_VALUES, what, place)

    def _sequence(self, start: Place, path: str, depth: int) -> Node:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, f"{path}[{len(nodes)}]", depth + 1))
        return _collection([node.value for node in nodes], start, event, nodes)

    def _mapping(self, opening: Any, start: Place, path: str, depth: int) -> Node:  # noqa: ANN401
        found: dict[str, Value] = {}
        entries: list[Entry] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_node = self._node(event, path, depth + 1)
            if _is_merge(event):
                value = next(self._events)
                node = self._node(value, path, depth + 1)
                self._note(Oddity.MERGE_KEY, key_node.start, path)
                found |= _merged(node, aliased=isinstance(value, yaml.AliasEvent))
                entries.append(Entry("<<", True, key_node, node))  # noqa: FBT003
                continue
            key = _key(key_node)
            dotted = f"{path}.{key}" if path else key
            node = self._node(next(self._events), dotted, depth + 1)
            if key in found:
                self._note(Oddity.DUPLICATE_KEY, key_node.start, dotted)
            found[key] = node.value
            entries.append(Entry(key, False, key_node, node))  # noqa: FBT003
        within = [node for entry in entries for node in (entry.key_node, entry.node)]
        return _collection(
            found, start, event, within, entries=tuple(entries), flow=opening.flow_style
        )


def _collection(value: Value, start: Place, end: Any, within: list[Node], **more: Any) -> Node:  # noqa: ANN401
    size = 1 + sum(node.size for node in within)
    height = 1 + max((node.height for node in within), default=0)
    return Node(value, start, _place(end.end_mark), size=size, height=height, **more)


def _too_deep(place: Place) -> Unreadable:
    return Unreadable(Fault.NESTED_TOO_DEEPLY, f"nested deeper than {MAX_DEPTH} levels", place)


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    if _SURROGATE.search(event.value):
        raise ValueError("half of a surrogate pair in a text")
    if event.tag:
        return tagged_scalar(event.value, event.tag)
    return plain_scalar(event.value) if event.implicit[0] else event.value


def _key(node: Node) -> str:
    if isinstance(node.value, list | dict):
        raise Unreadable(Fault.NO_VALUE, "a key must be a word", node.start)
    try:
        return key_text(node.value)
    except ValueError as error:
        raise Unreadable(Fault.NO_VALUE, str(error), node.start) from None


def _is_merge(event: Any) -> bool:  # noqa: ANN401 - PyYAML's event
    written = isinstance(event, yaml.ScalarEvent) and event.value == "<<"
    return written and (event.implicit[0] or event.tag == f"{TAG}merge")


def _merged(node: Node, *, aliased: bool) -> dict[str, Value]:
    """What `<<` brings: a mapping, or a list of mappings, written there, of which the first wins."""
    listed = isinstance(node.value, list) and not aliased
    merged: dict[str, Value] = {}
    for source in reversed(node.value if listed else [node.value]):
        if not isinstance(source, dict):
            raise Unreadable(Fault.NO_VALUE, "<< merges something that is no mapping", node.start)
        merged |= source
    return merged
