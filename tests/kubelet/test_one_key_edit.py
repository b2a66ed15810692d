"""serverTLSBootstrap is set by a splice of bytes: one key more, every other byte as it was, or a refusal that says why."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from kubevouch.kubelet.splice import (
    Edit,
    Refusal,
    changed_line,
    set_server_tls_bootstrap,
    unified_diff,
)
from tests.kubelet.judged import HEAD, Case, recorded
from tests.support.rows import of_each

KEY = "serverTLSBootstrap"
ORIGINALS = {case.name: case for case in recorded("go-configuration.jsonl")}
EDITED = recorded("go-edits.jsonl")


def edited(content: bytes) -> bytes:
    edit = set_server_tls_bootstrap(content)
    assert isinstance(edit, Edit), str(edit)
    assert edit.before == content
    return edit.after


def alike(one: bytes, other: bytes) -> int:
    """How many bytes they begin with in common."""
    return sum(
        1
        for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )


def changed(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """What gave way, and what came in its place, without the bytes both have in front and behind."""
    start = alike(before, after)
    end = alike(before[start:][::-1], after[start:][::-1])
    return before[start : len(before) - end], after[start : len(after) - end]


# What a real kubelet reads in the edited files.


@of_each(EDITED, named=lambda case: case.name)
def test_a_kubelet_reads_the_edited_file_as_the_old_one_with_bootstrap_on(case: Case) -> None:
    original = ORIGINALS[case.name]
    assert edited(original.content) == case.content
    if original.values is None:
        # A kubelet that does not start with the old file does not with the new one: only keys that we do not read.
        assert case.values is None
        return
    assert case.values is not None
    assert original.configuration is not None
    assert case.configuration == {**original.configuration, KEY: True}


def test_most_files_that_a_kubelet_reads_are_edited() -> None:
    assert len(EDITED) > 45


# Shapes of files.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEAD, HEAD + b"serverTLSBootstrap: true\n"),
        (HEAD[:-1], HEAD + b"serverTLSBootstrap: true"),
        (HEAD + b"# end\n", HEAD + b"# end\nserverTLSBootstrap: true\n"),
        (HEAD + b"# end", HEAD + b"# end\nserverTLSBootstrap: true"),
        (HEAD + b"...\n", HEAD + b"serverTLSBootstrap: true\n...\n"),
        (b"---\n" + HEAD, b"---\n" + HEAD + b"serverTLSBootstrap: true\n"),
        (HEAD.replace(b"\n", b"\r\n"), (HEAD + b"serverTLSBootstrap: true\n").replace(b"\n", b"\r\n")),
        (b"\xef\xbb\xbf" + HEAD, b"\xef\xbb\xbf" + HEAD + b"serverTLSBootstrap: true\n"),
        (HEAD + b"serverTLSBootstrap: false # x\na: 1\n", HEAD + b"serverTLSBootstrap: true # x\na: 1\n"),
        (HEAD + b"serverTLSBootstrap:   no\r\na: 1\n", HEAD + b"serverTLSBootstrap:   true\r\na: 1\n"),
        (HEAD + b"serverTLSBootstrap:\n", HEAD + b"serverTLSBootstrap: true\n"),
        (HEAD + b'"serverTLSBootstrap" : ~\n', HEAD + b'"serverTLSBootstrap" : true\n'),
        (HEAD + b"a: |\n  x", b"serverTLSBootstrap: true\n" + HEAD + b"a: |\n  x"),
        (b'{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","serverTLSBootstrap":false}', b'{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","serverTLSBootstrap":true}'),
    ],
    ids=lambda value: repr(value[-40:]),
)  # fmt: skip
def test_the_line_goes_where_it_changes_nothing_else(before: bytes, after: bytes) -> None:
    assert edited(before) == after


def test_kubeadms_own_file_and_config_map(cases: Path) -> None:
    before = (cases / "kubeadm-1.36-config.yaml").read_bytes()
    after = edited(before)
    assert after == before + b"serverTLSBootstrap: true\n"
    fixed = yaml.safe_load((cases / "kubeadm-1.36-config-fixed.yaml").read_bytes())
    assert yaml.safe_load(after) == fixed


@pytest.mark.parametrize("value", ["true", "True", "yes", "y", "on"])
def test_where_it_is_on_there_is_nothing_to_do(value: str) -> None:
    content = HEAD + f"serverTLSBootstrap: {value}\n".encode()
    edit = set_server_tls_bootstrap(content)
    assert isinstance(edit, Edit)
    assert edit.before == edit.after
    assert edit.diff("/x") == ""


def test_the_edit_of_an_edited_file_is_none() -> None:
    once = edited(HEAD)
    assert edited(once) == once


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (HEAD + b"ServerTLSBootstrap: true\n", "line 3, column 1: the key ServerTLSBootstrap has the wrong case: expected serverTLSBootstrap; rename or remove the key by hand first"),
        (HEAD + b"serverTLSBootstrap: false\nservertlsbootstrap: true\n", "line 4, column 1: the key servertlsbootstrap has the wrong case: expected serverTLSBootstrap; rename or remove the key by hand first"),
        (HEAD + b"port: 1\nport: 2\n", "line 4, column 1: the key port is a duplicate; remove the ambiguity by hand first"),
        (HEAD + b"serverTLSBootstrap: false\nserverTLSBootstrap: true\n", "line 4, column 1: the key serverTLSBootstrap is a duplicate; remove the ambiguity by hand first"),
        (HEAD + b"---\n" + HEAD, "line 3, column 1: another document, which the kubelet ignores; remove the ambiguity by hand first"),
        (HEAD + b"serverTLSBootstrap: &x false\n", "line 3, column 1: the value of serverTLSBootstrap has an anchor; set serverTLSBootstrap: true by hand"),
        (HEAD + b"a: &x false\nserverTLSBootstrap: *x\n", "line 4, column 1: the value of serverTLSBootstrap is an alias; set serverTLSBootstrap: true by hand"),
        (HEAD + b"serverTLSBootstrap: !!bool no\n", "line 3, column 21: unsupported tag tag:yaml.org,2002:bool; fix the file by hand first"),
        (b"x: &x {a: b}\n<<: *x\n" + HEAD, "line 2, column 1: a merge key (<<); set serverTLSBootstrap: true by hand"),
        (b'{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration"}', "line 1, column 1: the file is JSON, or YAML with braces; set serverTLSBootstrap: true by hand"),
        (b"- a\n", "line 1, column 1: a list instead of `key: value` lines; fix the file by hand first"),
        (b"", "the file has no YAML document; fix the file by hand first"),
        (HEAD + b"\xff\n", "line 3, column 1: not UTF-8 (byte 0xff); fix the file by hand first"),
        (HEAD + b"a:\tb\n", "line 3, column 3: not YAML: found character '\\t' that cannot start any token; fix the file by hand first"),
        (HEAD + b"serverTLSBootstrap: maybe\n", "line 3, column 21: serverTLSBootstrap: expected `bool`, got `str`; fix the file by hand first"),
        (HEAD + b"? serverTLSBootstrap\n", "found no place for a new line that sets only this key; set serverTLSBootstrap: true by hand"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_not_clear_is_refused_with_place_reason_and_remedy(
    content: bytes, refusal: str
) -> None:
    found = set_server_tls_bootstrap(content)
    assert isinstance(found, Refusal)
    assert str(found) == refusal


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"evictionHard: &x {a: b}\nevictionSoft: *x\n",
        HEAD + b"evictionHard: &x {a: b}\nevictionSoft:\n  <<: *x\n  c: d\n",
        HEAD + b"Port: 1\nnonsense: 2\n",
    ],
)
def test_oddities_elsewhere_are_left_alone(content: bytes) -> None:
    assert edited(content) == content + b"serverTLSBootstrap: true\n"


# Any file.

words = st.text(alphabet="abz019 .-_:#'\"é\U0001f600", max_size=12)
scalars = st.none() | st.booleans() | st.integers(-5, 70_000) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A KubeletConfiguration in any style that PyYAML writes, with comments between its lines."""
    tree: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
    }
    tree |= draw(st.dictionaries(words, values, max_size=4))
    if draw(st.booleans()):
        tree[KEY] = draw(st.sampled_from([True, False, None]))
    keys = draw(st.permutations(list(tree)))
    text = yaml.safe_dump(
        {key: tree[key] for key in keys},
        sort_keys=False,
        default_flow_style=draw(st.sampled_from([True, False, None])),
        default_style=draw(st.sampled_from([None, None, None, '"', "'"]))
        if KEY not in tree
        else None,
        indent=draw(st.integers(2, 6)),
        width=draw(st.sampled_from([20, 80, 1000])),
        allow_unicode=draw(st.booleans()),
        explicit_start=draw(st.booleans()),
        explicit_end=draw(st.booleans()),
        line_break=draw(st.sampled_from(["\n", "\r\n"])),
    )
    if draw(st.booleans()):
        text = "# one comment\n" + text
    if draw(st.booleans()):
        text += "# another"
    if draw(st.booleans()):
        text = text.rstrip()
    return text.encode()


@given(files())
def test_an_edit_adds_the_key_and_nothing_else(content: bytes) -> None:
    """PyYAML's own reading is the judge here, not ours."""
    found = set_server_tls_bootstrap(content)
    assume(isinstance(found, Edit))
    assert isinstance(found, Edit)
    old, new = yaml.safe_load(content), yaml.safe_load(found.after)
    assert json.dumps(new, sort_keys=True) == json.dumps({**old, KEY: True}, sort_keys=True)
    gone, come = changed(content, found.after)
    assert gone in b"false" or gone in b"null"
    assert len(come) <= len("      serverTLSBootstrap: true\r\n")


@given(st.binary(max_size=200).map(lambda tail: HEAD + tail) | st.binary(max_size=200))
def test_any_bytes_are_edited_soundly_or_refused(content: bytes) -> None:
    found = set_server_tls_bootstrap(content)
    if isinstance(found, Edit):
        assert isinstance(set_server_tls_bootstrap(found.after), Edit)
    else:
        assert found.reason
        assert found.remedy


# The diff of a plan.


def test_the_diff_shows_the_line_and_its_neighbours() -> None:
    assert unified_diff(
        HEAD, HEAD + b"serverTLSBootstrap: true\n", "/var/lib/kubelet/config.yaml"
    ) == (
        "--- a/var/lib/kubelet/config.yaml\n"
        "+++ b/var/lib/kubelet/config.yaml\n"
        "@@ -1,2 +1,3 @@\n"
        " apiVersion: kubelet.config.k8s.io/v1beta1\n"
        " kind: KubeletConfiguration\n"
        "+serverTLSBootstrap: true\n"
    )


def test_the_diff_cannot_reach_into_the_terminal() -> None:
    shown = unified_diff(b"a\n", b"a\x1b[2J\xff\r\n", "/x")
    assert shown.isascii()
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_a_path_adds_no_line_to_the_diff() -> None:
    shown = unified_diff(b"a\n", b"b\n", "/x\nNEXT     kubevouch undo 1234\x1b[2J")
    assert shown.splitlines() == [
        r"--- a/x\nNEXT     kubevouch undo 1234\x1b[2J",
        r"+++ b/x\nNEXT     kubevouch undo 1234\x1b[2J",
        "@@ -1 +1 @@",
        "-a",
        "+b",
    ]


# Which line an edit of config.yaml has changed: so much an undo takes out of a file that others have edited since.


OURS = b"serverTLSBootstrap: true\n"


@pytest.mark.parametrize(
    ("before", "ours", "replaced"),
    [
        (HEAD, OURS, b""),
        (HEAD[:-1], OURS, b""),
        (HEAD.replace(b"\n", b"\r\n"), b"serverTLSBootstrap: true\r\n", b""),
        (HEAD + b"serverTLSBootstrap: false # later\n", b"serverTLSBootstrap: true # later\n", b"serverTLSBootstrap: false # later\n"),
        (b"serverTLSBootstrap: false\n" + HEAD, OURS, b"serverTLSBootstrap: false\n"),
        (HEAD + b"serverTLSBootstrap:\n", OURS, b"serverTLSBootstrap:\n"),
        (HEAD + b"...\n", OURS, b""),
    ],
)  # fmt: skip
def test_it_is_the_line_of_our_key(before: bytes, ours: bytes, replaced: bytes) -> None:
    edit = set_server_tls_bootstrap(before)
    assert isinstance(edit, Edit)
    found = changed_line(edit.before, edit.after)
    assert found is not None
    assert (found.ours, found.before) == (ours, replaced)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\n", b"a\nb\n"),
        (b"a\nb\n", b"a\n"),
        (b"a\nb\n", b"x\ny\n"),
        (b"a\nb\n", b"a\nx\ny\nb\n"),
        (b"a\nb\nc\n", b"a\nx\n"),
    ],
)
def test_no_line_is_named_where_more_or_less_than_one_differs(before: bytes, after: bytes) -> None:
    assert changed_line(before, after) is None
