"""A YAML file as nodes that know their place, read the way a kubelet reads it, and bounded.

The nodes are PyYAML's; what their words mean is Go's (`scalars`). The nodes are kept because an edit of one key must
know where it stands, and because a mapping built by PyYAML would hide a key that is there twice.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kubevouch.kubelet.problems import Problem, ProblemKind
from kubevouch.kubelet.scalars import TAG, Scalar, key_text, plain_scalar, tagged_scalar

LARGEST: Final = 128 * 1024
"""Bytes. kubeadm writes about 1,200; PyYAML reads 100 KB a second or so."""
DEEPEST: Final = 64
"""Levels. A KubeletConfiguration has five; a kubelet takes 10,000."""
MOST_NODES: Final = 20_000
"""Nodes after aliases are followed, so that a bomb of aliases stays small."""

_BARE: Final = "bare"

Tree = dict[str, "Value"]
Value = Scalar | list[Any] | Tree


@dataclass(frozen=True, slots=True)
class Document:
    """The first document of a file: kubelets read no other.

    text: the file, without its byte order mark. root: None if there is a fatal problem. tree: what a kubelet sees,
    as JSON-like values; of a key that is there twice the later. json: the file is JSON to a kubelet.
    """

    text: str
    root: MappingNode | None = None
    tree: Tree = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    json: bool = False


class _Stop(Exception):
    """A problem that ends the reading."""

    def __init__(self, kind: ProblemKind, text: str, place: tuple[int, int] = (0, 0)) -> None:
        super().__init__(text)
        self.problem = Problem(kind, text, *place, fatal=True)


def read_document(content: bytes) -> Document:
    """Any bytes: a document, or one without a root whose problems say why. Never raises."""
    problems: list[Problem] = []
    text = ""
    try:
        text = _text(content, problems)
        is_json = _check_json(text, problems)
        # PyYAML takes no tabs. In JSON they stand between words only, so that a space marks the same place.
        root = _root(text.replace("\t", " ") if is_json else text, problems)
        tree = _Reading(problems).mapping(root, "", 0)
    except _Stop as stop:
        return Document(text, problems=(*problems, stop.problem))
    return Document(text, root, tree, tuple(problems), is_json)


def _text(content: bytes, problems: list[Problem]) -> str:
    if len(content) > LARGEST:
        what = f"{len(content)} bytes; no more than {LARGEST} are read"
        raise _Stop(ProblemKind.TOO_LARGE, what)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        what = f"not UTF-8 (byte 0x{content[error.start]:02x})"
        raise _Stop(ProblemKind.NOT_UTF8, what, (line, column)) from None
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff")
        problems.append(Problem(ProblemKind.BOM, "begins with a byte order mark", 1, 1))
    if "\r\n" in text:
        line = text.count("\n", 0, text.index("\r\n")) + 1
        problems.append(Problem(ProblemKind.CRLF, "lines end with CR LF", line))
    return text


def _check_json(text: str, problems: list[Problem]) -> bool:
    """To a kubelet a file whose first character is { is JSON and nothing else (utilyaml.IsJSONBuffer)."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        what = f"a file that begins with {{ is JSON to the kubelet, and this is not: {error.msg}"
        raise _Stop(ProblemKind.NOT_JSON, what, (error.lineno, error.colno)) from None
    except RecursionError:
        raise _too_deep((1, 1)) from None
    problems.append(Problem(ProblemKind.JSON, "is JSON", 1, 1))
    return True


def _too_deep(place: tuple[int, int]) -> _Stop:
    return _Stop(ProblemKind.NESTED_TOO_DEEPLY, f"nested deeper than {DEEPEST} levels", place)


class _Loader(yaml.SafeLoader):
    """Composes nodes, and stops before Python's own stack does."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        super().__init__(text)
        self._problems = problems
        self._depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:  # noqa: ANN401, ARG002
        """The tag where none is written. A bare word is left to Go's rules (`scalars`), not to PyYAML's."""
        if kind is ScalarNode:
            return _BARE if implicit[0] else f"{TAG}str"
        return f"{TAG}map" if kind is MappingNode else f"{TAG}seq"

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            self._problems.append(Problem(ProblemKind.ALIAS, "an alias (*)", *self.next_place()))
        if self._depth > DEEPEST:
            raise _too_deep(self.next_place())
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def next_place(self) -> tuple[int, int]:
        """Where the next event begins."""
        parser: Any = self
        return _place(parser.peek_event().start_mark)


def _root(text: str, problems: list[Problem]) -> MappingNode:
    try:
        loader = _Loader(text, problems)
        if not loader.check_node():
            raise _Stop(ProblemKind.EMPTY, "empty: there is no document in it")
        root = loader.get_node()
        if getattr(loader, "yaml_version", None) not in (None, (1, 1)):
            raise _Stop(
                ProblemKind.NOT_YAML, "a %YAML line: the kubelet reads YAML 1.1 only", (1, 1)
            )
        _look_further(loader, problems)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"the character U+{error.character:04X} is not allowed in YAML"
        raise _Stop(ProblemKind.NOT_YAML, what, (line, column)) from None
    except yaml.MarkedYAMLError as error:
        what = f"not YAML: {error.problem or error.context}"
        raise _Stop(ProblemKind.NOT_YAML, what, _place(error.problem_mark)) from None
    if not isinstance(root, MappingNode):
        kind = "a list" if isinstance(root, SequenceNode) else "a single value"
        what = f"{kind} where `key: value` lines were expected"
        raise _Stop(ProblemKind.NOT_A_MAPPING, what, _place(root.start_mark) if root else (1, 1))
    return root


def _look_further(loader: _Loader, problems: list[Problem]) -> None:
    """The kubelet reads the first document and never looks at what follows it, be it broken."""
    what = "a further document, which the kubelet does not read"
    try:
        if loader.check_node():
            problems.append(Problem(ProblemKind.FURTHER_DOCUMENT, what, *loader.next_place()))
    except yaml.MarkedYAMLError as error:
        problems.append(Problem(ProblemKind.FURTHER_DOCUMENT, what, *_place(error.problem_mark)))


def _place(mark: Any) -> tuple[int, int]:  # noqa: ANN401 - PyYAML's mark, or None
    """Line and column, from 1."""
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


def place_of(node: Node) -> tuple[int, int]:
    """Line and column of its first character, from 1."""
    return _place(node.start_mark)


class _Reading:
    """Nodes to values, following aliases within bounds, noting what is odd on the way."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._count = 0

    def mapping(self, node: MappingNode, path: str, depth: int) -> Tree:
        tree: Tree = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                self._note(ProblemKind.MERGE_KEY, "a merge key (<<)", key_node, path)
                for merged in self._merged(value_node, path, depth):
                    tree |= merged
                continue
            key = self._key(key_node, path)
            dotted = f"{path}.{key}" if path else key
            if key in tree:
                self._note(ProblemKind.DUPLICATE_KEY, f"the key {key} again", key_node, dotted)
            tree[key] = self.value(value_node, dotted, depth + 1)
        return tree

    def value(self, node: Node, path: str, depth: int) -> Value:
        self._count += 1
        if self._count > MOST_NODES:
            what = f"more than {MOST_NODES} values once aliases are followed"
            raise _Stop(ProblemKind.TOO_MANY_ALIASES, what, place_of(node))
        if depth > DEEPEST:
            raise _too_deep(place_of(node))
        if isinstance(node, MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [
                self.value(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)
            ]
        return self._scalar(node)

    def _scalar(self, node: Node) -> Scalar:
        assert isinstance(node, ScalarNode)
        text = str(node.value)
        try:
            return plain_scalar(text) if node.tag == _BARE else tagged_scalar(text, node.tag)
        except ValueError as error:
            raise _Stop(ProblemKind.NOT_YAML, f"not YAML: {error}", place_of(node)) from None

    def _key(self, node: Node, path: str) -> str:
        key = key_text(self._scalar(node)) if isinstance(node, ScalarNode) else None
        if key is None:
            what = f"a key must be a word{f' (in {path})' if path else ''}"
            raise _Stop(ProblemKind.NOT_YAML, what, place_of(node))
        return key

    def _merged(self, node: Node, path: str, depth: int) -> list[Tree]:
        """What `<<` brings: a mapping, or a list of them in which the earlier wins."""
        nodes = node.value[::-1] if isinstance(node, SequenceNode) else [node]
        trees = [self.value(found, path, depth + 1) for found in nodes]
        if not all(isinstance(tree, dict) for tree in trees):
            what = "not YAML: a merge key (<<) takes a mapping"
            raise _Stop(ProblemKind.NOT_YAML, what, place_of(node))
        return [tree for tree in trees if isinstance(tree, dict)]

    def _note(self, kind: ProblemKind, text: str, node: Node, path: str) -> None:
        self._problems.append(Problem(kind, text, *place_of(node), path))


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "<<" and node.tag == _BARE
