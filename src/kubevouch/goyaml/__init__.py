"""YAML and JSON as Go's sigs.k8s.io/yaml reads them, with limits. No other file in src imports `yaml`.

kubectl reads kubeconfigs and manifests with that library, and a kubelet reads its configuration
with it. A file must mean the same here: `yes` is a boolean, `1e3` is a number, `12:30:45` and
`2001-01-01` are strings, the last of duplicate keys wins, `<<` overrides the keys before it, and
only the first document counts. Tags other than !!str are errors. tests/kubeconfig has recorded results
of kubectl, and tests/kubelet has results of a kubelet.

- `read`: the value in a file
- `compose`: nodes with their positions, for an edit; also reports each `Oddity`
- `scalars`: the meaning of a single scalar
- `written`: a value as YAML for people

The text may be hostile. Nodes are built from parser events: depth, values and the values behind
aliases are counted before anything is built, and no tag constructs an object. This package does not
know what the file is for.

Sources: decode.go in go.yaml.in/yaml/v2, yaml.go in sigs.k8s.io/yaml.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import yaml

from kubevouch.goyaml.scalars import Scalar, key_text, plain_scalar

Value = Any  # a Scalar, a list of values, or a dict of values by text

MAX_BYTES: Final = 1024 * 1024
MAX_VALUES: Final = 100_000
MAX_DEPTH: Final = 64

# Go's parser is a port of libyaml. Without libyaml, use PyYAML's own parser.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Oddity(StrEnum):
    """Valid YAML that an automatic edit of the file cannot handle."""

    MERGE_KEY = "merge-key"
    DUPLICATE_KEY = "duplicate-key"
    FURTHER_DOCUMENT = "further-document"


class Position(NamedTuple):
    """A position in a text. `line` and `column` start at 1, `offset` (in characters) at 0."""

    line: int
    column: int
    offset: int


class UnreadableYaml(ValueError):
    """The text is not YAML that Go reads, or exceeds our limits. The caller adds the file's name.

    `line` and `column` are 0 if unknown.
    """

    def __init__(self, text: str, position: Position | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.line, self.column = (position.line, position.column) if position else (0, 0)

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A value with its start and end in the text. An alias has the position of its anchor.

    entries: the entries of a mapping. flow: True for a mapping in braces. size: the number of
    values, including the node itself. height: the number of levels below the node. `size` and
    `height` count what aliases refer to.
    """

    value: Value
    start: Position
    end: Position
    entries: tuple["MappingEntry", ...] = ()
    flow: bool = False
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A key and its value in a mapping. key: as JSON writes it. merges: True if the key is `<<`."""

    key: str
    merges: bool
    key_node: YamlNode
    node: YamlNode


Note = Callable[[Oddity, Position, str], None]
"""Called for each oddity with its position and a dotted path: that of the duplicate key, or of the
mapping that contains `<<`; "" for a further document."""


def read(data: bytes, note: Note = lambda *_: None) -> Value:
    """The value of the first document; None if there is no document. note: called as in `compose`.

    Raises UnreadableYaml.
    """
    node = _composed(data, _LOADER, note)
    return node.value if node else None


def compose(text: str, note: Note) -> YamlNode | None:
    """The first document with positions; None if there is no document.

    Calls `note` for each merge key and duplicate key, and once if another document follows. Uses
    PyYAML's pure Python parser: its positions and error messages are the same on every machine.
    That parser rejects tabs between words, and takes a second for 100 KB.

    Raises:
        UnreadableYaml: Go does not read the text as YAML, or it exceeds our limits.
    """
    return _composed(text, yaml.SafeLoader, note)


def _composed(data: bytes | str, loader: Any, note: Note) -> YamlNode | None:  # noqa: ANN401 - PyYAML's
    if len(data) > MAX_BYTES:
        raise UnreadableYaml(f"{len(data)} bytes long, more than {MAX_BYTES}")
    try:
        return _Composer(yaml.parse(data, Loader=loader), note).document()
    except yaml.MarkedYAMLError as error:
        raise _refused(error) from None
    except yaml.reader.ReaderError as error:
        raise _no_text(data, error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise UnreadableYaml("not YAML: " + " ".join(str(error).split())[:200]) from None


def _refused(error: yaml.MarkedYAMLError) -> UnreadableYaml:
    position = _position_of(error.problem_mark)
    # libyaml reads ahead, and has its own limit of a thousand levels.
    if error.problem == "exceeded maximum nesting depth":
        return _too_deep(position)
    return UnreadableYaml(f"not YAML: {error.problem or error.context}", position)


def _no_text(data: bytes | str, error: yaml.reader.ReaderError) -> UnreadableYaml:
    at = error.position
    if isinstance(data, bytes):
        return UnreadableYaml(f"byte {at}: not YAML: {error.reason}")
    position = Position(data.count("\n", 0, at) + 1, at - data.rfind("\n", 0, at), at)
    what = f"not YAML: the character U+{error.character:04X} is not allowed"
    return UnreadableYaml(what, position)


def _position_of(mark: Any) -> Position:  # noqa: ANN401 - PyYAML's mark, or None
    return Position(mark.line + 1, mark.column + 1, mark.index) if mark else Position(0, 0, 0)


class _Composer:
    """Builds nodes from parser events, and counts values and depth."""

    def __init__(self, events: Iterator[Any], note: Note) -> None:
        self._events = events
        self._note = note
        self._anchors: dict[str, YamlNode] = {}
        self._values = 0

    def document(self) -> YamlNode | None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version not in (None, (1, 1)):
                    what = "not YAML: the version in %YAML is not 1.1"
                    raise UnreadableYaml(what, _position_of(event.start_mark))
                node = self._node(next(self._events), "", 0)
                next(self._events)  # the document's end
                self._look_further()
                return node
        return None

    def _look_further(self) -> None:
        """Notes a second document. Go reads only the first one, even if the rest is broken."""
        try:
            after = next(self._events)
        except yaml.MarkedYAMLError as error:
            self._note(Oddity.FURTHER_DOCUMENT, _position_of(error.problem_mark), "")
        except yaml.YAMLError:
            self._note(Oddity.FURTHER_DOCUMENT, _position_of(None), "")
        else:
            if isinstance(after, yaml.DocumentStartEvent):
                self._note(Oddity.FURTHER_DOCUMENT, _position_of(after.start_mark), "")

    def _node(self, event: Any, path: str, depth: int) -> YamlNode:  # noqa: ANN401 - PyYAML's event
        start = _position_of(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor or "", start, depth)
        self._count(1, start)
        if isinstance(event, yaml.ScalarEvent):
            try:
                node = YamlNode(_scalar(event), start, _position_of(event.end_mark))
            except ValueError as error:
                raise UnreadableYaml(str(error), start) from None
        elif depth > MAX_DEPTH:
            raise _too_deep(start)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(start, path, depth)
        else:
            node = self._mapping(event, start, path, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, anchor: str, position: Position, depth: int) -> YamlNode:
        node = self._anchors.get(anchor)
        if node is None:
            what = f"alias *{anchor} is before its anchor, or inside it"
            raise UnreadableYaml(what, position)
        self._count(node.size, position)
        if depth + node.height > MAX_DEPTH:
            raise _too_deep(position)
        return node

    def _count(self, more: int, position: Position) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            what = f"more than {MAX_VALUES} values, with aliases expanded"
            raise UnreadableYaml(what, position)

    def _sequence(self, start: Position, path: str, depth: int) -> YamlNode:
        nodes: list[YamlNode] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, f"{path}[{len(nodes)}]", depth + 1))
        return _collection([node.value for node in nodes], start, event, nodes)

    def _mapping(self, opening: Any, start: Position, path: str, depth: int) -> YamlNode:  # noqa: ANN401
        found: dict[str, Value] = {}
        entries: list[MappingEntry] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_node = self._node(event, path, depth + 1)
            if _is_merge(event):
                value = next(self._events)
                node = self._node(value, path, depth + 1)
                self._note(Oddity.MERGE_KEY, key_node.start, path)
                found |= _merged(node, aliased=isinstance(value, yaml.AliasEvent))
                entries.append(MappingEntry("<<", True, key_node, node))  # noqa: FBT003
                continue
            key = _key(key_node)
            dotted = f"{path}.{key}" if path else key
            node = self._node(next(self._events), dotted, depth + 1)
            if key in found:
                self._note(Oddity.DUPLICATE_KEY, key_node.start, dotted)
            found[key] = node.value
            entries.append(MappingEntry(key, False, key_node, node))  # noqa: FBT003
        within = [node for entry in entries for node in (entry.key_node, entry.node)]
        return _collection(
            found, start, event, within, entries=tuple(entries), flow=opening.flow_style
        )


def _collection(  # PyYAML's marks are untyped
    value: Value,
    start: Position,
    end: Any,  # noqa: ANN401
    within: list[YamlNode],
    **more: Any,  # noqa: ANN401
) -> YamlNode:
    size = 1 + sum(node.size for node in within)
    height = 1 + max((node.height for node in within), default=0)
    return YamlNode(value, start, _position_of(end.end_mark), size=size, height=height, **more)


def _too_deep(position: Position) -> UnreadableYaml:
    return UnreadableYaml(f"nested deeper than {MAX_DEPTH} levels", position)


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    if _SURROGATE.search(event.value):
        raise ValueError("a string contains an unpaired surrogate")
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        raise ValueError(f"unsupported tag {event.tag[:40]}")
    return plain_scalar(event.value) if event.implicit[0] and not event.tag else event.value


def _key(node: YamlNode) -> str:
    if isinstance(node.value, list | dict):
        raise UnreadableYaml("a key must be a scalar", node.start)
    try:
        return key_text(node.value)
    except ValueError as error:
        raise UnreadableYaml(str(error), node.start) from None


def _is_merge(event: Any) -> bool:  # noqa: ANN401 - PyYAML's event
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]


def _merged(node: YamlNode, *, aliased: bool) -> dict[str, Value]:
    """The keys that `<<` adds, from a mapping or a list of mappings. In a list, the first mapping wins."""
    listed = isinstance(node.value, list) and not aliased
    merged: dict[str, Value] = {}
    for source in reversed(node.value if listed else [node.value]):
        if not isinstance(source, dict):
            raise UnreadableYaml("<< needs a mapping", node.start)
        merged |= source
    return merged


_UNFOLDED: Final = 10_000


class _Writer(yaml.SafeDumper):
    """Writes strings of several lines as block scalars."""


def _text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


def _style(text: str) -> str | None:
    """The quoting style of a string. Quotes strings that Go would misread, such as `1e3`, which PyYAML leaves plain."""
    if "\n" in text:
        return "|"
    try:
        return None if plain_scalar(text) == text else '"'
    except ValueError:
        return '"'


_Writer.add_representer(str, _text)


def written(value: Value) -> str:
    """The value as block-style YAML with sorted keys. Unprintable and non-ASCII characters are escaped."""
    text: str = yaml.dump(value, Dumper=_Writer, default_flow_style=False, width=_UNFOLDED)
    return text
