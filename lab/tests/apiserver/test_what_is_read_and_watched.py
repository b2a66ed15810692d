"""Lists and watches over HTTPS: pages of one moment, versions that are forgotten, selections that change."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NODES, PODS
from kubevouch_lab.apiserver.store import Store
from lab.tests.apiserver.bench import Bench
from lab.tests.bodies import pod
from lab.tests.kubectl import PATIENT

MAPS = "/api/v1/namespaces/default/configmaps"


def _make(lab: Bench, *names: str, **labels: str) -> list[int]:
    return [
        int(
            lab.local.create(
                CONFIG_MAPS, {"metadata": {"name": name, "labels": labels}}, "default"
            )["metadata"]["resourceVersion"]
        )
        for name in names
    ]


def _names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


class Watched:
    """A watch over HTTPS, event by event."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines

    async def event(self) -> tuple[str, Any]:
        async with asyncio.timeout(PATIENT):
            line = json.loads(await anext(self._lines))
        return line["type"], line["object"]

    async def short(self) -> tuple[str, str]:
        kind, thing = await self.event()
        return kind, thing["metadata"].get("name", "")

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENT):
            return await anext(self._lines, None) is None


@contextlib.asynccontextmanager
async def _watch(lab: Bench, path: str, **query: str) -> AsyncIterator[Watched]:
    params = {"watch": "1", **query}
    async with lab.session.get(lab.server.url + path, params=params) as answer:
        assert answer.status == 200
        yield Watched(aiter(answer.content))


async def test_an_item_of_a_list_bears_neither_kind_nor_version(lab: Bench) -> None:
    _make(lab, "a")
    _, listed = await lab.ask("GET", MAPS)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert "kind" not in listed["items"][0]
    assert int(listed["metadata"]["resourceVersion"]) == lab.store.revision


async def test_pages_show_what_is_there_and_bear_the_version_of_the_first(lab: Bench) -> None:
    """A watch from there tells what the pages have not shown."""
    _make(lab, *"abcde")
    _, page = await lab.ask("GET", MAPS, limit="2")
    assert page["metadata"]["remainingItemCount"] == 3
    lab.local.delete(CONFIG_MAPS, "d", "default")
    _make(lab, "bb")
    names, version = _names(page), page["metadata"]["resourceVersion"]
    while token := page["metadata"].get("continue"):
        _, page = await lab.ask("GET", MAPS, **{"limit": "2", "continue": token})
        assert page["metadata"]["resourceVersion"] == version
        names += _names(page)
    assert names == ["a", "b", "bb", "c", "e"]
    async with _watch(lab, MAPS, resourceVersion=version) as watched:
        assert await watched.short() == ("DELETED", "d")


async def test_a_page_whose_first_is_forgotten_is_gone(lab: Bench) -> None:
    _make(lab, *"abcd")
    _, page = await lab.ask("GET", MAPS, limit="2")
    _make(lab, "e")
    lab.store.compact()
    code, status = await lab.ask("GET", MAPS, **{"continue": page["metadata"]["continue"]})
    assert (code, status["reason"]) == (410, "Expired")


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({"continue": "junk"}, 400, "continue key is not valid"),
        ({"continue": "e30"}, 400, "continue key is not valid"),
        ({"limit": "many"}, 400, "not a number"),
        ({"resourceVersion": "x"}, 400, "not a number"),
        ({"resourceVersion": "1", "resourceVersionMatch": "Exact"}, 422, "only current objects"),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
        ({"resourceVersion": "999999"}, 504, "Too large resource version: 999999"),
        ({"fieldSelector": "spec.x=1"}, 400, '"spec.x" is not a known field selector'),
        ({"fieldSelector": "metadata.name"}, 400, "invalid selector"),
        ({"labelSelector": "a in b"}, 400, "unable to parse requirement"),
        ({"labelSelector": "a>1"}, 400, "unable to parse requirement"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    lab: Bench, query: dict[str, str], code: int, text: str
) -> None:
    answered, status = await lab.ask("GET", MAPS, **query)
    assert answered == code, status
    assert text in status["message"]


async def test_fields_of_a_kind_select(lab: Bench) -> None:
    for name, node in (("p", "n1"), ("q", "n2")):
        lab.local.create(PODS, pod(name, space="kube-system", nodeName=node), "kube-system")
    for query, names in (
        ("spec.nodeName=n1", ["p"]),
        ("spec.nodeName!=n1", ["q"]),
        ("spec.nodeName=n1,status.phase=Pending", ["p"]),
        ("status.phase==Running", []),
        ("metadata.namespace=kube-system,metadata.name=q", ["q"]),
    ):
        assert _names((await lab.ask("GET", "/api/v1/pods", fieldSelector=query))[1]) == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=x", ["a"]),
        ("app!=x", ["b", "c"]),
        ("app", ["a", "b"]),
        ("!app", ["c"]),
        ("app in (x, y),tier", ["b"]),
        ("app notin (x)", ["b", "c"]),
    ],
)
async def test_labels_select(lab: Bench, selector: str, names: list[str]) -> None:
    _make(lab, "a", app="x")
    _make(lab, "b", app="y", tier="2")
    _make(lab, "c")
    assert _names((await lab.ask("GET", MAPS, labelSelector=selector))[1]) == names


async def test_a_watch_tells_what_happened_since_and_what_happens(lab: Bench) -> None:
    since, _ = _make(lab, "a", "b")
    async with _watch(lab, MAPS, resourceVersion=str(since)) as watched:
        assert await watched.short() == ("ADDED", "b")
        lab.local.patch(CONFIG_MAPS, "a", {"data": {"k": "1"}}, "default")
        kind, thing = await watched.event()
        assert (kind, thing["kind"], thing["data"]) == ("MODIFIED", "ConfigMap", {"k": "1"})
        lab.local.patch(CONFIG_MAPS, "a", {"data": {"k": "1"}}, "default")
        lab.local.delete(CONFIG_MAPS, "a", "default")
        kind, thing = await watched.event()
        assert (kind, int(thing["metadata"]["resourceVersion"])) == ("DELETED", lab.store.revision)


@pytest.mark.parametrize("start", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_start_begins_with_what_is_there(
    lab: Bench, start: dict[str, str]
) -> None:
    _make(lab, "a", "b")
    async with _watch(lab, MAPS, **start) as watched:
        assert await watched.short() == ("ADDED", "a")
        assert await watched.short() == ("ADDED", "b")
        _make(lab, "c")
        assert await watched.short() == ("ADDED", "c")


async def test_to_who_selects_a_change_can_be_a_coming_or_a_going(lab: Bench) -> None:
    _make(lab, "a", "b", on="no")
    since = str(lab.store.revision)

    def label(name: str, value: str) -> None:
        change = {"metadata": {"labels": {"on": value}}}
        lab.local.patch(CONFIG_MAPS, name, change, "default")

    async with _watch(lab, MAPS, resourceVersion=since, labelSelector="on=yes") as watched:
        label("a", "yes")
        assert await watched.short() == ("ADDED", "a")
        lab.local.patch(CONFIG_MAPS, "b", {"data": {"k": "1"}}, "default")
        label("a", "no")
        kind, thing = await watched.event()
        assert (kind, thing["metadata"]["labels"]) == ("DELETED", {"on": "yes"})
        assert int(thing["metadata"]["resourceVersion"]) == lab.store.revision
        lab.local.delete(CONFIG_MAPS, "a", "default")
        label("b", "yes")
        assert await watched.short() == ("ADDED", "b")


async def test_a_kubelet_hears_of_its_own_pods_when_they_come_and_go(lab: Bench) -> None:
    since = str(lab.store.revision)
    selector = "spec.nodeName=n1"
    async with _watch(lab, "/api/v1/pods", resourceVersion=since, fieldSelector=selector) as mine:
        for name in ("a", "b"):
            lab.local.create(PODS, pod(name), "default")
        for name, node in (("a", "n2"), ("b", "n1")):
            binding = {"target": {"kind": "Node", "name": node}}
            await lab.ask("POST", f"/api/v1/namespaces/default/pods/{name}/binding", binding)
        assert await mine.short() == ("ADDED", "b")
        lab.local.delete(PODS, "a", "default")
        lab.local.delete(PODS, "b", "default")
        assert await mine.short() == ("DELETED", "b")
    async with _watch(lab, "/api/v1/pods", resourceVersion=since, fieldSelector=selector) as late:
        assert [await late.short(), await late.short()] == [("ADDED", "b"), ("DELETED", "b")]


def test_a_watch_from_a_version_to_come_hears_of_what_is_after_it() -> None:
    store = Store()
    with store.watch(CONFIG_MAPS, store.revision + 1) as watcher:
        for name in "ab":
            store.create(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "s"}})
        assert [change.where[1] for change in watcher.waiting()] == ["b"]


def test_what_is_remembered_is_bounded_by_its_size() -> None:
    store = Store()
    for number in range(200):
        thing = {"metadata": {"name": "a", "namespace": "s"}, "data": {"k": "x" * 50_000}}
        thing["data"]["n"] = str(number)
        if number:
            store.update(CONFIG_MAPS, thing)
        else:
            store.create(CONFIG_MAPS, thing)
    assert store.revision - store.compacted == 2 * 1024 * 1024 // 50_150
    with store.watch(CONFIG_MAPS, store.compacted) as watcher:
        assert watcher.revision == store.compacted


async def test_a_watch_from_a_forgotten_version_is_told_to_list_again(lab: Bench) -> None:
    (since,) = _make(lab, "a")
    _make(lab, "b")
    lab.store.compact()
    async with _watch(lab, MAPS, resourceVersion=str(since)) as watched:
        kind, status = await watched.event()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert status["message"] == f"too old resource version: {since} ({lab.store.compacted})"
        assert await watched.ended()


async def test_a_watch_ends_when_it_was_to_end_with_a_bookmark_for_who_wants_it(
    lab: Bench,
) -> None:
    _make(lab, "a")
    since = str(lab.store.revision)
    lab.local.create(NODES, {"metadata": {"name": "elsewhere"}})
    query = {"resourceVersion": since, "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    async with _watch(lab, MAPS, **query) as watched:
        kind, thing = await watched.event()
        assert kind == "BOOKMARK"
        assert thing == {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": str(lab.store.revision), "creationTimestamp": None},
        }
        assert await watched.ended()
    async with _watch(lab, MAPS, resourceVersion=since, timeoutSeconds="1") as watched:
        assert await watched.ended()


async def test_what_is_there_can_be_asked_for_by_a_watch_alone(lab: Bench) -> None:
    _make(lab, "a")
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true"}
    code, status = await lab.ask("GET", MAPS, watch="1", **query)
    assert (code, status["reason"]) == (422, "Invalid")
    async with _watch(lab, MAPS, resourceVersionMatch="NotOlderThan", **query) as watched:
        assert await watched.short() == ("ADDED", "a")
        kind, thing = await watched.event()
        annotations = thing["metadata"]["annotations"]
        assert (kind, annotations) == ("BOOKMARK", {"k8s.io/initial-events-end": "true"})
        _make(lab, "b")
        assert await watched.short() == ("ADDED", "b")


async def test_no_change_is_lost_or_doubled_between_a_list_and_its_watch(lab: Bench) -> None:
    async def write() -> None:
        for number in range(100):
            await lab.ask("POST", MAPS, {"metadata": {"name": f"c{number:03}"}})

    writing = asyncio.create_task(write())
    known: list[str] = []
    while len(known) < 100:
        _, listed = await lab.ask("GET", MAPS)
        known = _names(listed)
        version = listed["metadata"]["resourceVersion"]
        async with _watch(lab, MAPS, resourceVersion=version) as watched:
            for _ in range(min(10, 100 - len(known))):
                kind, name = await watched.short()
                assert kind == "ADDED"
                known.append(name)
    await writing
    assert known == sorted(set(known)) == [f"c{number:03}" for number in range(100)]


async def test_a_server_that_stops_ends_its_watches(lab: Bench) -> None:
    async with _watch(lab, MAPS, resourceVersion=str(lab.store.revision)) as watched:
        await lab.server.stop()
        assert await watched.ended()
