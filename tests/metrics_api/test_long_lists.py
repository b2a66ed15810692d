"""Long lists: how much is done before everybody else has a turn, and what is sent is a list all the same."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kubevouch.metrics.fleet import RunningPod, RunningPods
from kubevouch.metrics.serving.api import AT_ONCE, MetricsApi
from kubevouch.metrics.serving.selectors import SelectorError, selection_of
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.messages import HttpRequest, HttpResponse
from real.oracle import list_options_corpus as corpus
from tests.support.clocks import WoundClock
from tests.support.go import answers_today
from tests.support.metered import AT, fixed_fleet, metered, node, pod

PREFIX = "/apis/metrics.k8s.io/v1beta1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
NAMESPACES = {"a": 3, "big": 3000, "z": 20}
PODS = [
    pod(namespace, f"p{number:04}", app=f"w{number % 5}")
    for namespace, count in NAMESPACES.items()
    for number in reversed(range(count))
]
NODES = {name: node(name) for name in (f"n{number:04}" for number in range(3000))}


@cache
def fleet_of_thousands() -> MetricsStore:
    return metered(
        dict.fromkeys(NODES, (5, 6)),
        {"n0000": {(each.namespace, each.name): {"c": (1_000, 2048)} for each in PODS}},
    )


class Turns(WoundClock):
    """Counts how often everybody else had a turn."""

    turns = 0

    async def sleep(self, seconds: float) -> None:
        self.turns += 1
        await super().sleep(seconds)


class Watched:
    """The store, and how much was looked up between two turns."""

    def __init__(self, clock: Turns) -> None:
        self._clock = clock
        self.by_turn: dict[int, int] = {}

    def _seen(self) -> None:
        self.by_turn[self._clock.turns] = self.by_turn.get(self._clock.turns, 0) + 1

    def node(self, name: str) -> Any:
        self._seen()
        return fleet_of_thousands().node(name)

    def pod(self, namespace: str, name: str) -> Any:
        self._seen()
        return fleet_of_thousands().pod(namespace, name)


class LookedAt(RunningPods):
    """Pods, and how many of them were looked at."""

    seen = 0

    def of(self, namespace: str) -> tuple[RunningPod, ...]:
        found = super().of(namespace)
        self.seen += len(found)
        return found


async def listed(
    path: str, *, store: Watched | None = None, clock: Turns | None = None, **said: str
) -> tuple[HttpResponse, bytes]:
    accept, encoding = said.pop("accept", ""), said.pop("encoding", "")
    headers = {"accept": (accept,), "accept-encoding": (encoding,)} if accept or encoding else {}
    asked = HttpRequest("GET", PREFIX + path, {k: (v,) for k, v in said.items()}, headers)
    api = MetricsApi(store or fleet_of_thousands(), fixed_fleet(NODES, PODS_OF), clock or Turns(AT))  # type: ignore[arg-type]
    answer = await api.answer(asked)
    assert answer.code == 200
    rest = [piece async for piece in answer.rest] if answer.rest else []
    return answer, answer.body + b"".join(rest)


PODS_OF = LookedAt(PODS)
FORMS = {"": "items", TABLE: "rows"}


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("path", ["/pods", "/nodes", "/namespaces/big/pods"])
async def test_a_long_list_is_made_step_by_step_and_whole(path: str, accept: str) -> None:
    clock = Turns(AT)
    store = Watched(clock)
    answer, body = await listed(path, store=store, clock=clock, accept=accept)
    assert answer.rest is not None
    assert max(store.by_turn.values()) <= AT_ONCE
    found = json.loads(body)[FORMS[accept]]
    own = [each["object"] if accept == TABLE else each for each in found]
    named = [(each["metadata"].get("namespace"), each["metadata"]["name"]) for each in own]
    assert named == sorted(named)
    assert len(set(named)) == (3023 if path == "/pods" else 3000)


async def test_few_of_many_are_found_step_by_step() -> None:
    clock = Turns(AT)
    _, body = await listed("/pods", clock=clock, fieldSelector="metadata.namespace=z")
    assert len(json.loads(body)["items"]) == 20
    assert clock.turns >= len(PODS) // AT_ONCE


async def test_the_longest_selectors_hold_up_nobody_either() -> None:
    """Whoever may list the pods of a namespace of its own gives them the labels that take longest."""
    clock = Turns(AT)
    store = Watched(clock)
    requirements = 1600
    selector = ",".join(["app!=x"] + ["!x"] * requirements)
    _, body = await listed("/pods", store=store, clock=clock, labelSelector=selector)
    assert len(json.loads(body)["items"]) == len(PODS)
    assert max(store.by_turn.values()) * requirements <= 50 * AT_ONCE


async def test_who_asks_for_a_namespace_looks_at_no_other() -> None:
    """An HPA asks for some twenty pods every fifteen seconds, and there may be hundreds of HPAs."""
    PODS_OF.seen = 0
    _, body = await listed("/namespaces/z/pods", labelSelector="app=w1")
    assert len(json.loads(body)["items"]) == 4
    assert PODS_OF.seen == 20
    await listed("/namespaces/none/pods")
    assert PODS_OF.seen == 20


async def test_a_long_list_is_compressed_and_a_short_one_is_not() -> None:
    plain = (await listed("/pods"))[1]
    answer, body = await listed("/pods", encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    answer, body = await listed("/namespaces/z/pods", encoding="gzip")
    assert "Content-Encoding" not in answer.headers
    assert json.loads(body)


def test_pods_come_and_go_in_order() -> None:
    pods = RunningPods([pod("a", "c"), pod("a", "a"), pod("b", "x")])
    assert [each.name for each in pods.of("a")] == ["a", "c"]
    pods.put(pod("a", "b"))
    pods.put(pod("a", "c", app="new"))
    pods.remove(("a", "a"))
    pods.remove(("a", "none"))
    pods.remove(("none", "a"))
    assert [(each.name, dict(each.labels)) for each in pods.of("a")] == [
        ("b", {}),
        ("c", {"app": "new"}),
    ]
    assert [each.name for each in pods.everywhere()] == ["b", "c", "x"]
    pods.put(RunningPod("b", "y", {}, "n7"))
    asked = [("b", "y"), ("b", "x"), ("a", "a"), ("none", "y")]
    found = [pods.get(key) for key in asked]
    assert [each and each.node for each in found] == ["n7", "", None, None]
    pods.remove(("b", "y"))
    pods.remove(("b", "x"))
    assert pods.of("b") == ()


# Selectors of lists. The judge is apimachinery itself; its answers are recorded (real/oracle/list_options).


CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "go-list-options.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def chosen(query: dict[str, list[str]]) -> list[str] | str:
    """The names of the chosen objects; or, since the words are not compared, "BadRequest"."""
    request = HttpRequest("GET", "/", {name: tuple(values) for name, values in query.items()})
    try:
        found = selection_of(request)
    except SelectorError:
        return "BadRequest"
    named = [
        each["name"]
        for each in corpus.OBJECTS
        if found.labels(each["labels"]) and found.fields(each["namespace"], each["name"])  # type: ignore[arg-type]
    ]
    assert not found.everything or len(named) == len(corpus.OBJECTS)
    return named  # type: ignore[return-value]


def test_every_query_is_answered_as_by_go() -> None:
    wrong = [
        (query, got, theirs)
        for query, go in ((case["query"], case["go"]) for case in CASES)
        if (got := chosen(query))
        != (theirs := go["refused"]["reason"] if "refused" in go else go.get("chosen", []))
    ]
    assert not wrong


@pytest.mark.needs_go
def test_go_still_gives_the_recorded_answers() -> None:
    asked = corpus.questions()
    assert [case["query"] for case in CASES] == [each["query"] for each in asked]
    assert answers_today(corpus.judged, asked) == [case["go"] for case in CASES]
