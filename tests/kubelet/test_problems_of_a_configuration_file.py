"""What is wrong with a configuration file is named, with its place; nothing makes the reader fail."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.document import LARGEST, LARGEST_KEPT, read_document
from tests.kubelet.judged import HEAD

CONFIG = "/var/lib/kubelet/config.yaml"


def problems(content: bytes, *, drop_in: bool = False) -> list[tuple[str, int, int, str, bool]]:
    found = read_configuration(content, "", drop_in=drop_in).problems
    return [(p.kind.value, p.line, p.column, p.key, p.fatal) for p in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEAD, []),
        (HEAD + b"ServerTLSBootstrap: true\n", [("wrong-case", 3, 1, "ServerTLSBootstrap", False)]),
        (HEAD + b"authentication:\n  x509:\n    clientCAfile: /a\n", [("wrong-case", 5, 5, "authentication.x509.clientCAfile", False)]),
        (HEAD + b"serverTlsBootstrapp: true\n", [("unknown-key", 3, 1, "serverTlsBootstrapp", False)]),
        (HEAD + b"port: 1\nport: 2\n", [("duplicate-key", 4, 1, "port", False)]),
        (HEAD + b"evictionHard: {a: b, a: c}\n", [("duplicate-key", 3, 22, "evictionHard.a", False)]),
        (HEAD + b"evictionHard: {Anything: b}\n", []),
        (HEAD + b"failSwapOn: &x true\nseccompDefault: *x\n", []),
        (HEAD + b"evictionHard: &x {a: b}\nevictionSoft:\n  <<: *x\n", [("merge-key", 5, 3, "evictionSoft", False)]),
        (HEAD + b"---\na: b\n", [("further-document", 3, 1, "", False)]),
        (HEAD + b"...\n]\n", [("further-document", 4, 1, "", False)]),
        (HEAD.replace(b"\n", b"\r\n"), []),
        (b"\xef\xbb\xbf" + HEAD, []),
        (b'{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}', []),
        (b"", [("unreadable", 0, 0, "", True)]),
        (b"# nothing\n", [("unreadable", 0, 0, "", True)]),
        (b"- a\n", [("unreadable", 1, 1, "", True)]),
        (b"# c\nhello\n", [("unreadable", 2, 1, "", True)]),
        (b"a: b\n", [("unknown-key", 1, 1, "a", False), ("unreadable", 0, 0, "apiVersion", True)]),
        (b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: X\n", [("unreadable", 0, 0, "kind", True)]),
        (HEAD + b"serverTLSBootstrap: 'true'\n", [("unreadable", 3, 21, "serverTLSBootstrap", True)]),
        (HEAD + b"featureGates:\n  A: 1\n", [("unreadable", 4, 3, "featureGates", True)]),
        (HEAD + b"a:\n\tb: c\n", [("unreadable", 4, 1, "", True)]),
        (HEAD + b"a: [\n", [("unreadable", 4, 1, "", True)]),
        (HEAD + b"a: caf\xe9\n", [("unreadable", 3, 7, "", True)]),
        (HEAD + b"a: b\0\n", [("unreadable", 3, 5, "", True)]),
        (b"{a: b}", [("unreadable", 1, 2, "", True)]),
        (b'{"a": NaN}', [("unreadable", 1, 1, "", True)]),
        (b'{"a": ' + b"1" * 5_000 + b"}", [("unknown-key", 1, 2, "a", False), ("unreadable", 0, 0, "apiVersion", True)]),
        (HEAD + b"a: [\n---\n", [("unreadable", 4, 1, "", True)]),
        (HEAD + b"a: .inf\n", [("unreadable", 3, 4, "", True)]),
        (HEAD + b"a: " + b"[" * 90 + b"]" * 90, [("unreadable", 3, 68, "", True)]),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", [("unreadable", 1, 70, "", True)]),
        (HEAD + b"#" * LARGEST, [("unreadable", 0, 0, "", True)]),
        (HEAD + b"a: &a [*a]\n", [("unreadable", 3, 8, "", True)]),
        (HEAD + b"a: *b\n", [("unreadable", 3, 4, "", True)]),
    ],
    ids=lambda value: repr(value[-40:]) if isinstance(value, bytes) else "",
)  # fmt: skip
def test_problems_are_named_with_their_place(
    content: bytes, expected: list[tuple[str, int, int, str, bool]]
) -> None:
    assert problems(content) == expected


def test_a_bomb_of_aliases_stays_small() -> None:
    lines = [b"a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        b"%c: &%c [%s]" % (after, after, b", ".join([b"*%c" % before] * 10))
        for before, after in zip(b"abcdefgh", b"bcdefghi", strict=True)
    ]
    document = read_document(HEAD + b"\n".join(lines))
    assert document.root is None
    assert document.problems[-1].text == "more than 100000 values, with aliases expanded"


def test_what_many_nodes_have_is_read_once_and_a_large_file_is_not_kept() -> None:
    """A document is ten times as large as its text, and a node may write a file of any size."""
    usual = HEAD + b"port: 10251\n"
    assert read_document(bytes(bytearray(usual))) is read_document(bytes(bytearray(usual)))
    large = usual + b"#" * LARGEST_KEPT
    assert read_document(large).tree == read_document(usual).tree
    assert read_document(large) is not read_document(large)


def test_a_drop_in_is_read_more_strictly() -> None:
    twice = HEAD + b"port: 1\nport: 2\n"
    assert problems(twice, drop_in=True) == [("duplicate-key", 4, 1, "port", True)]
    assert problems(HEAD + b"Port: 1\n", drop_in=True) == [("wrong-case", 3, 1, "Port", True)]


def test_kubeadms_own_file_is_without_problems(cases: Path) -> None:
    before = read_configuration((cases / "kubeadm-1.36-config.yaml").read_bytes(), CONFIG)
    after = read_configuration((cases / "kubeadm-1.36-config-fixed.yaml").read_bytes(), CONFIG)
    assert before.problems == after.problems == ()
    assert before.values is not None
    assert after.values is not None
    assert not before.values.server_tls_bootstrap
    assert after.values.server_tls_bootstrap


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: HEAD + tail))
def test_any_bytes_are_read_or_told_to_be_unreadable(content: bytes) -> None:
    file = read_configuration(content, "x")
    assert (file.values is None) == (file.fatal is not None)


@given(st.text(alphabet="{}[]:,-&*!|>'\"%@`#?<~ \n\tabTrue01.\\\ufeff\x85", max_size=80))
def test_any_text_of_yamls_own_characters_is_read_or_told_to_be_unreadable(text: str) -> None:
    file = read_configuration(HEAD + text.encode(), "x")
    assert (file.values is None) == (file.fatal is not None)
