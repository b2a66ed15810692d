"""Whatever a client sends, it is answered: with a Status that says what is wrong, and never with a broken server."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.apiserver.schema.types import (
    ListOf,
    MapOf,
    Message,
    Ref,
    Type,
    message_for,
    messages,
)
from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority

STORED = [kind for kind in KINDS.values() if kind.stored]
FORMS = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "application/yaml",
    "text/plain; x=y",
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_WORDS = st.sampled_from((
    "spec", "status", "metadata", "name", "namespace", "labels", "data", "stringData", "rules", "verbs", "roleRef", "subjects", "kind",
    "selector", "matchLabels", "template", "containers", "image", "ports", "port", "replicas", "type", "service", "group", "version",
    "$patch", "delete", "replace", "a", "10", "Deployment", "default",
))  # fmt: skip
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | _WORDS
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=20,
)
_KINDS = st.sampled_from(STORED)
_BYTES = st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode())


_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "str": _WORDS | st.just(""),
    "int": st.integers(-5, 5),
    "long": st.integers(-5, 5),
    "bool": st.booleans(),
    "bytes": st.sampled_from(["", "YQ==", "YWFhYQ=="]),
    "Time": st.sampled_from(["2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z"]),
    "MicroTime": st.just("2026-01-02T03:04:05.000006Z"),
    "Quantity": st.sampled_from(["1", "100m", "2Gi", "-1"]),
    "IntOrString": st.sampled_from([0, 80, "25%", "http"]),
}


@st.composite
def _of_its_type(draw: st.DrawFn, message: Message, depth: int = 6) -> Any:
    """An object of that type: well-formed to a decoder, senseless to everybody else."""
    names = sorted(set(message.fields) - {"metadata"})
    chosen = draw(st.lists(st.sampled_from(names), max_size=5, unique=True)) if names else []
    return {name: draw(_value(message.fields[name].type, depth - 1)) for name in chosen}


def _value(kind: Type, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(kind, ListOf):
        return st.lists(_value(kind.of, depth), max_size=2 if depth > 0 else 0)
    if isinstance(kind, MapOf):
        return st.dictionaries(_WORDS, _value(kind.of, depth), max_size=2 if depth > 0 else 0)
    if isinstance(kind, Ref):
        return _of_its_type(messages()[kind.name], depth) if depth > 0 else st.just({})
    return _SCALARS.get(kind, _JSON)


class Asked:
    """A server, asked from a test that is not async."""

    def __init__(self, runner: asyncio.Runner, lab: Bench) -> None:
        self._runner = runner
        self._lab = lab
        self.codes: set[int] = set()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        form: str = FORMS[0],
        accept: str = "",
        **query: str,
    ) -> int:
        asking = self._lab.ask(method, path, body, form, accept, **query)
        code, answer = self._runner.run(asking)
        self.codes.add(code)
        assert code < 500 or (code == 504 and answer["details"]["causes"]), (code, answer)
        if code >= 400 and isinstance(answer, dict):
            assert (answer["kind"], answer["code"], bool(answer["message"])) == (
                "Status",
                code,
                True,
            )
        return int(code)


@pytest.fixture
def ask(tmp_path: Path, authority: Authority) -> Iterator[Asked]:
    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        running = bench(tmp_path, authority)
        lab = runner.run(running.__aenter__())
        stack.callback(lambda: runner.run(running.__aexit__(None, None, None)))
        yield Asked(runner, lab)


def _path(kind: Kind, name: str = "") -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    space = "/namespaces/default" if kind.namespaced else ""
    return f"{root}{space}/{kind.plural}" + (f"/{name}" if name else "")


def test_any_options_of_a_delete(ask: Asked) -> None:
    names = ("preconditions", "propagationPolicy", "orphanDependents", "dryRun", "kind")
    fields = dict.fromkeys(names, _JSON)

    @quick
    @given(body=st.fixed_dictionaries({}, optional=fields))
    def attempt(body: Any) -> None:
        ask("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
        ask("DELETE", "/api/v1/nodes/n", body)

    attempt()


def test_any_well_formed_object_of_any_kind(ask: Asked) -> None:
    @quick
    @given(data=st.data(), kind=_KINDS)
    def attempt(data: st.DataObject, kind: Kind) -> None:
        message = message_for(kind)
        body = {**data.draw(_of_its_type(message)), "metadata": {"name": "thing"}}
        ask("POST", _path(kind), body)
        ask("PUT", _path(kind, "thing"), {**data.draw(_of_its_type(message)), **body})
        ask("PATCH", _path(kind, "thing"), data.draw(_of_its_type(message)), FORMS[3])
        for sub in kind.subresources:
            if set(sub.verbs) & {"update", "create"}:
                method = "PUT" if "update" in sub.verbs else "POST"
                ask(method, _path(kind, f"thing/{sub.name}"), body)
        for name in ("", "thing"):
            ask("GET", _path(kind, name), accept=TABLE)
        ask("DELETE", _path(kind, "thing"))

    attempt()
    # Some of them were good enough to be kept, and some were not.
    assert {200, 201, 422} <= ask.codes


def test_any_bytes_in_any_form(ask: Asked) -> None:
    ask("POST", _path(STORED[0]), b'{"metadata": {"name": "thing"}}')

    @quick
    @given(
        method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
        form=st.sampled_from(FORMS),
        raw=_BYTES | _BYTES.map(lambda rest: b"k8s\0" + rest),
        name=st.sampled_from(
            ["", "thing", "thing/status", "thing/binding", "thing/scale", "a/b/c"]
        ),
        kind=_KINDS,
    )
    def attempt(method: str, form: str, raw: bytes, name: str, kind: Kind) -> None:
        ask(method, _path(kind, name), raw, form)

    attempt()


def test_any_query(ask: Asked) -> None:
    names = st.sampled_from((
        "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "dryRun", "fieldValidation",
        "propagationPolicy", "includeObject", "pretty",
    ))  # fmt: skip
    odd = ["a=b", "a in (b", "!", "metadata.name=x", "=", "9" * 30, "-1", "e30", "true"]
    values = (st.text(max_size=8) | st.sampled_from(odd)).filter(str.isprintable)

    @quick
    @given(query=st.dictionaries(names, values, max_size=3))
    def attempt(query: dict[str, str]) -> None:
        for method in ("GET", "DELETE"):
            ask(method, "/api/v1/namespaces/default/configmaps", **query)
        ask("POST", "/api/v1/nodes", b'{"metadata": {"generateName": "n-"}}', **query)

    attempt()


def test_any_path(ask: Asked) -> None:
    steps = st.sampled_from((
        "api", "apis", "v1", "apps", "watch", "namespaces", "default", "pods", "nodes", "proxy", "status", "log", "x", "..", "version",
        "openapi", "v2", "v3",
    ))  # fmt: skip

    @quick
    @given(
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
        path=st.lists(steps, max_size=8),
    )
    def attempt(method: str, path: list[str]) -> None:
        # A watch would be served until its end.
        if "watch" not in path or method != "GET":
            ask(method, "/" + "/".join(path))

    attempt()
