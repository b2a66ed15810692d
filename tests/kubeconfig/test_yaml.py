"""YAML is read as Go reads it, and nothing that stands in a file can do harm."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kubevouch import goyaml
from kubevouch.errors import KubevouchError
from kubevouch.kube.kubeconfig import parse
from tests.kubeconfig import scalars
from tests.support.rows import of_each

RECORDED = json.loads(scalars.RECORDED.read_text())


@pytest.fixture(params=["libyaml", "PyYAML"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers: the one that is used, and the one that stands in where PyYAML was built without it."""
    chosen = yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader
    monkeypatch.setattr("kubevouch.goyaml._LOADER", chosen)


def _value(text: str) -> Any:
    try:
        read = goyaml.read(f"v: {text}\n".encode())
    except goyaml.UnreadableYaml:
        return "refused"
    return read["v"]


@pytest.mark.usefixtures("loader")
@of_each(RECORDED, lambda recorded: repr(recorded[0]))
def test_plain_scalars_are_what_go_makes_of_them(recorded: tuple[str, Any]) -> None:
    text, made = recorded
    expected = "refused" if made is None else made["v"]
    found = _value(text)
    if isinstance(expected, float | int) and not isinstance(expected, bool):
        # kubectl prints 1e3 as 1000, and a large integer as the float it is.
        assert float(found) == float(expected)
        assert not isinstance(found, bool)
    else:
        assert (found, type(found)) == (expected, type(expected))


def test_every_scalar_of_the_corpus_has_been_recorded() -> None:
    assert [text for text, _ in RECORDED] == scalars.texts()


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl in the PATH")
async def test_kubectl_still_reads_scalars_as_recorded(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    assert kubectl
    readable = [(text, made) for text, made in RECORDED if made is not None]
    found = await scalars.read_by(kubectl, [text for text, _ in readable], tmp_path)
    assert found == [made for _, made in readable]


BOMBS = {
    "brackets": b"[" * 1_000_000,
    "braces": b"{a: " * 200_000,
    "dashes": b"- " * 500_000,
    "question marks": b"? " * 500_000,
    "a long list": b"- a\n" * 250_000,
    "aliases of aliases": b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 123)),
    "merges of merges": b"a: &a {x: 1, y: 2}\n"
    + b"".join(b"%c: &%c {<<: *%c, k%d: *%c}\n" % (n, n, n - 1, n, n - 1) for n in range(98, 123)),
}


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_what_is_nested_too_deeply_or_multiplied_by_aliases_is_refused(bomb: bytes) -> None:
    began = time.process_time()
    with pytest.raises(goyaml.UnreadableYaml):
        goyaml.read(bomb)
    # Far from the minutes that expanding them would take.
    assert time.process_time() - began < 60


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("cycle", [b"&a [*a]", b"&a {b: *a}", b"&a {<<: *a}"])
def test_an_anchor_that_holds_itself_is_refused(cycle: bytes) -> None:
    with pytest.raises(goyaml.UnreadableYaml):
        goyaml.read(cycle)


@pytest.mark.usefixtures("loader")
def test_no_tag_makes_an_object() -> None:
    assert goyaml.read(b"!!python/object/apply:os.system [ls]") == ["ls"]
    for text in (b"!!python/name:os.system ''", b"!!int 1", b"!!binary aGk=", b"!x 1"):
        with pytest.raises(goyaml.UnreadableYaml, match="unsupported tag "):
            goyaml.read(b"a: " + text)


@pytest.mark.usefixtures("loader")
def test_only_the_first_document_is_read() -> None:
    assert goyaml.read(b"a: 1\n---\nb: 2\n") == {"a": 1}
    assert goyaml.read(b"---\n---\nb: 2\n") is None
    assert goyaml.read(b"") is None


def test_a_file_of_more_than_a_mebibyte_is_refused() -> None:
    goyaml.read(b"# " + b"x" * (goyaml.MAX_BYTES - 2))
    with pytest.raises(goyaml.UnreadableYaml, match="more than"):
        goyaml.read(b"# " + b"x" * (goyaml.MAX_BYTES - 1))


_FRAGMENTS = st.sampled_from(
    [
        "apiVersion: v1\n",
        "kind: Config\n",
        "clusters:\n",
        "users:\n",
        "contexts:\n",
        "- name: a\n",
        "  user: {token: ",
        "}",
        "}\n",
        "{",
        "[",
        "]",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "exec: ",
        "env: ",
        "null",
        "~",
        "1e3",
        "---\n",
        "- ",
        "  ",
        "\t",
        ": ",
        ", ",
        "'",
        '"',
        "\\ud83d",
        "\\x00",
        "#",
        "%YAML 1.1\n",
        "\ufeff",
        "certificate-authority-data: ",
        "current-context: a\n",
        "as-user-extra: ",
        "extensions: ",
        "? ",
        "",
        " ",
        ">\n",
    ]
)


@given(
    st.one_of(
        st.binary(max_size=200), st.lists(_FRAGMENTS, max_size=30).map("".join).map(str.encode)
    )
)
@example(b"\xff\xfe")
@example("users: [{name: u, user: {token: \ud83d}}]".encode("utf-8", "surrogatepass"))
def test_any_bytes_are_a_kubeconfig_or_a_clear_error(data: bytes) -> None:
    error = _refusal(data)
    if error is not None:
        assert error.where.startswith("/nowhere/config")
        assert str(error).isprintable()


def _refusal(data: bytes) -> KubevouchError | None:
    try:
        parse(data, "/nowhere/config")
    except KubevouchError as error:
        return error
    return None


def test_a_name_cannot_move_the_cursor_of_whoever_reads_the_error() -> None:
    error = _refusal(b'users: [{name: "a\\n\\e[2J", user: {token: 1}}]')
    assert error is not None
    assert str(error).isprintable()
