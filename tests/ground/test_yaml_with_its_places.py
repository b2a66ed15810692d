"""The nodes of a YAML text say where they are written, what is odd is told with its place, and nothing goes beyond the bounds."""

import contextlib
import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubevouch import goyaml
from kubevouch.goyaml import Oddity, Position, UnreadableYaml, YamlNode
from tests.support.rows import only_long


def composed(text: str) -> YamlNode:
    node = goyaml.compose(text, lambda *_: None)
    assert node is not None
    return node


def oddities(text: str) -> list[tuple[Oddity, int, int, str]]:
    found: list[tuple[Oddity, int, int, str]] = []
    goyaml.compose(text, lambda oddity, at, path: found.append((oddity, *at[:2], path)))
    return found


def fault(text: str) -> tuple[str, int, int]:
    with pytest.raises(UnreadableYaml) as caught:
        goyaml.compose(text, lambda *_: None)
    return caught.value.text, caught.value.line, caught.value.column


def test_each_entry_knows_its_key_and_where_key_and_value_are_written() -> None:
    text = "# é\na: 'one'\nyes : {b: [1, 2]} # c\n"
    [first, second] = composed(text).entries
    written = [
        text[node.start.offset : node.end.offset]
        for entry in (first, second)
        for node in (entry.key_node, entry.node)
    ]
    assert written == ["a", "'one'", "yes", "{b: [1, 2]}"]
    assert (first.key, second.key) == ("a", "true")
    assert (first.node.flow, second.node.flow) == (False, True)
    assert second.key_node.start == Position(3, 1, text.index("yes"))


def test_an_alias_stands_where_its_anchor_does() -> None:
    [anchored, alias] = composed("a: &x 1\nb: *x\n").entries
    assert alias.node is anchored.node
    assert alias.node.start < alias.key_node.end


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {b: 1, b: 2}", [(Oddity.DUPLICATE_KEY, 1, 11, "a.b")]),
        ("a: [{b: &x {}}, {<<: *x}]", [(Oddity.MERGE_KEY, 1, 18, "a[1]")]),
        ("a: {x: 1}\nb: {x: 1, <<: {x: 2}}", [(Oddity.MERGE_KEY, 2, 11, "b")]),
        ("a: 1\n---\nb: 2", [(Oddity.FURTHER_DOCUMENT, 2, 1, "")]),
        ("a: 1\n...\n]", [(Oddity.FURTHER_DOCUMENT, 3, 1, "")]),
        ("a: 1\n...\n", []),
        ('{"<<": 1, a.b: [1]}', []),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_its_place(
    text: str, expected: list[tuple[Oddity, int, int, str]]
) -> None:
    assert oddities(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [\n", ("not YAML", 2, 1)),
        ("a: b\x07", ("not YAML", 1, 5)),
        ("%YAML 1.2\n---\na: 1", ("not YAML", 1, 1)),
        ("a:\n  b: *c", ("alias", 2, 6)),
        ("a: !!int 1", ("unsupported tag tag:yaml.org,2002:int", 1, 4)),
        ("a: 1\n~: 2", ("a key must be a string, integer or boolean", 2, 1)),
        ("1.5: 2", ("a key must be a string, integer or boolean", 1, 1)),
        ("a: 1\n[b]: 2", ("a key must be a scalar", 2, 1)),
        ("<<: 1", ("<< needs", 1, 5)),
        ('"\\ud83d"', ("a string contains an unpaired surrogate", 1, 1)),
        ("a: " + "[" * 65, ("nested deeper", 1, 68)),
        only_long(
            "[" + "1," * goyaml.MAX_VALUES, ("more than 100000 values", 1, 2 * goyaml.MAX_VALUES)
        ),
        ("#" * (goyaml.MAX_BYTES + 1), ("1048577 bytes long", 0, 0)),
    ],
    ids=lambda value: shlex.quote(value[:20]) if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_told_with_its_place(
    text: str, expected: tuple[str, int, int]
) -> None:
    told, *place = fault(text)
    assert told.startswith(expected[0])
    assert place == list(expected[1:])


def test_levels_are_counted_through_aliases() -> None:
    lines = ["a: &a [x]"]
    lines += [f"{to}: &{to} {'[' * 20}*{of}{']' * 20}" for of, to in zip("abc", "bcd", strict=True)]
    assert composed("\n".join(lines)).height == 62
    assert fault("\n".join([*lines, "e: [[[*d]]]"]))[1:] == (5, 7)


WORDS = st.text(alphabet="abyn019 .-_:#'\"é\U0001f600\n", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 63) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.sampled_from([True, False, None]), st.booleans())
def test_both_parsers_and_both_doors_read_the_same(
    value: object, flow: bool | None, unicode: bool
) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=unicode)
    assert composed(text).value == goyaml.read(text.encode())


@given(VALUES)
def test_what_is_written_is_read_again_and_moves_no_cursor(value: object) -> None:
    text = goyaml.written({"a": value})
    assert goyaml.read(text.encode()) == {"a": value}
    assert all(line.isprintable() and line.isascii() for line in text.splitlines())


@given(st.text(max_size=60) | st.text("{}[]:,-&*!|>'\"%@`#?<~ \n\tay01.\\\ufeff\x85", max_size=60))
def test_any_text_is_composed_or_refused(text: str) -> None:
    try:
        node = goyaml.compose(text, lambda *_: None)
    except UnreadableYaml:
        return
    if node is not None:
        assert 0 <= node.start.offset <= node.end.offset <= len(text)


@given(
    st.binary(max_size=60) | st.text("{}[]:,-&*!|>'\"%@ \n\tay01.\\", max_size=60).map(str.encode)
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(UnreadableYaml):
        goyaml.read(data)
