"""A watch ends in what the store holds, whatever happened on the way; nothing is lost and nothing told twice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubevouch.errors import KubevouchError
from kubevouch.kube.backoff import FIRST, LONGEST, LONGEST_UNREACHED, Backoff
from kubevouch.kube.decode import RowForm
from kubevouch.kube.errors import (
    Forbidden,
    Gone,
    ResponseTooLarge,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import LIST_AFTER, Deleted, Event, Synced, Upserted, Watch
from kubevouch.kube.kubeconfig import User
from kubevouch.kube.resources import NODES, PODS, Object, Resource
from kubevouch_lab.apiserver import status
from tests.support.apiservers import access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.scripted import faults, kinds
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.seen import Seen as Request
from tests.support.tasks import meanwhile
from tests.support.unhurried import GENEROUS, until

NODE = kinds.KINDS["", "v1", "nodes"]
POD = kinds.KINDS["", "v1", "pods"]
PATH = "/api/v1/nodes"


def a_stream(request: Request) -> bool:
    """A watch that begins with a list."""
    return "sendInitialEvents" in request.query


def a_watch(request: Request) -> bool:
    return "watch" in request.query and not a_stream(request)


def a_list(request: Request) -> bool:
    return not a_watch(request)


def watches(server: ScriptedApiServer) -> int:
    return sum(a_watch(request) for request in server.requests)


@pytest.fixture(params=[True, False], ids=["listed by a watch", "listed by pages"])
async def server(
    authority: Authority, request: pytest.FixtureRequest
) -> AsyncIterator[ScriptedApiServer]:
    async with api_server(authority) as running:
        running.streams_lists = request.param
        yield running


by_pages = pytest.mark.parametrize("server", [False], indirect=True, ids=["listed by pages"])
by_a_watch = pytest.mark.parametrize("server", [True], indirect=True, ids=["listed by a watch"])


class Follower:
    """What a consumer makes of the events: a table, and the whole story."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self.story: list[str] = []
        self.troubles: list[KubevouchError] = []
        self.syncs = 0
        self.ended: Exception | None = None
        self.keeps: Callable[[str], bool] | None = None
        self.remembered: Callable[[], int] = lambda: 0
        self._stirred = asyncio.Event()

    def end(self, why: Exception) -> None:
        self.ended = why
        self._stirred.set()

    def take(self, event: Event[Object]) -> None:
        match event:
            case Upserted(object=thing):
                if self.keeps and not self.keeps(thing.name):
                    self.story.append(f"+{thing.name}")
                    self._stirred.set()
                    return
                # Told twice would be the same version again.
                before = self.table.get(thing.name)
                assert before is None or before.metadata != thing.metadata, thing.name
                self.table[thing.name] = thing
                self.story.append(f"+{thing.name}")
            case Deleted(key=(_, name)) if self.keeps and not self.keeps(name):
                pass
            case Deleted(key=(_, name), uid=uid):
                assert self.table.pop(name).uid == uid
                self.story.append(f"-{name}")
            case Synced():
                self.syncs += 1
        self._stirred.set()

    def report(self, error: KubevouchError) -> None:
        self.troubles.append(error)
        self._stirred.set()

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(GENEROUS):
            while not what():
                if self.ended is not None:
                    raise self.ended
                self._stirred.clear()
                await self._stirred.wait()

    def holds(self, server: ScriptedApiServer) -> bool:
        things = server.store.list(NODE)
        theirs = {thing["metadata"]["name"]: thing["metadata"]["uid"] for thing in things}
        versions = {thing["metadata"]["resourceVersion"] for thing in things}
        ours = {name: thing.uid for name, thing in self.table.items()}
        return theirs == ours and versions == {
            thing.metadata.resource_version for thing in self.table.values()
        }


@contextlib.asynccontextmanager
async def following(
    api: ApiClient,
    resource: Resource[Any] = NODES,
    *,
    clock: WoundClock | None = None,
    silence: float = 30.0,
    field_selector: str = "",
    rows: RowForm[Any] | None = None,
    keeps: Callable[[str], bool] | None = None,
) -> AsyncIterator[Follower]:
    """keeps: whether the consumer keeps what has this name; of the rest nothing is known but that it was reported."""
    follower = Follower()
    follower.keeps = keeps
    watch: Watch[Any] = Watch(
        api,
        resource,
        clock=clock or WoundClock(),
        rng=random.Random(4).random,
        report=follower.report,
        silence=silence,
        field_selector=field_selector,
        rows=rows,
        keeps=(lambda key: keeps(key[1])) if keeps else None,
    )
    follower.remembered = lambda: len(watch._known)

    async def follow() -> None:
        try:
            async for event in watch.events():
                follower.take(event)
        except Exception as error:
            follower.end(error)
            raise

    async with meanwhile(follow()):
        yield follower


async def opened(server: ScriptedApiServer) -> None:
    """Until the server has an open watch."""
    await until(lambda: server.watches.open)


def create(server: ScriptedApiServer, *names: str) -> None:
    for name in names:
        server.store.create(NODE, {"metadata": {"name": name}})


def relabel(server: ScriptedApiServer, name: str, label: str) -> None:
    def change(thing: dict[str, object]) -> dict[str, object]:
        metadata = thing["metadata"]
        assert isinstance(metadata, dict)
        return {**thing, "metadata": {**metadata, "labels": {"x": label}}}

    server.store.change(NODE, ("", name), change)


async def test_what_is_there_is_told_then_what_changes(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    create(server, *(f"n{number:04d}" for number in range(NODES.page + 1)))
    async with following(api) as follower:
        await follower.until(lambda: follower.syncs == 1)
        assert len(follower.story) == NODES.page + 1
        await opened(server)
        create(server, "new")
        relabel(server, "new", "1")
        server.store.delete(NODE, "n0000")
        await follower.until(lambda: follower.holds(server))
        assert follower.story[NODES.page + 1 :] == ["+new", "+new", "-n0000"]
    assert follower.troubles == []
    watch = server.requests[-1]
    assert watch.query["allowWatchBookmarks"] == "true"
    assert 300 <= int(watch.query["timeoutSeconds"]) <= 600
    assert watch.headers["Accept-Encoding"] == "identity"
    if (
        server.streams_lists
    ):  # 2,529 pods, by pages of 500, were 7,674 objects that the API server had to look at
        [asked] = [request for request in server.requests if request.path == PATH]
        stated = ("watch", "sendInitialEvents", "resourceVersionMatch", "allowWatchBookmarks")
        assert [asked.query[each] for each in stated] == ["true", "true", "NotOlderThan", "true"]
        assert "resourceVersion" not in asked.query


@by_pages
async def test_a_server_without_lists_by_a_watch_is_asked_for_pages_and_nothing_is_told(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    create(server, "a")
    clock = WoundClock()
    began = clock.monotonic()
    async with following(api, clock=clock) as follower:
        await opened(server)
        assert (follower.syncs, clock.monotonic()) == (1, began)
        server.watches.expire()
        await follower.until(lambda: follower.syncs == 2)
        await opened(server)
    assert [type(trouble) for trouble in follower.troubles] == [Gone]
    asked = ["list" if a_list(each) else "watch" for each in server.requests]
    streams = [number for number, each in enumerate(server.requests) if a_stream(each)]
    assert (asked, streams) == (["list", "list", "watch"] * 2, [0, 3])


def _line(kind: str, name: str, version: int) -> str:
    thing = f'{{"metadata":{{"name":"{name}","uid":"{name}","resourceVersion":"{version}"}}}}'
    return f'{{"type":"{kind}","object":{thing}}}\n'


BOOKMARK = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"900"}}}\n'
ENDS = BOOKMARK.replace('"900"', '"900","annotations":{"k8s.io/initial-events-end":"true"}')
UNREADABLE = '{"type":"ADDED","object":{"metadata":{"name":[],"resourceVersion":"5"}}}\n'


@by_a_watch
@pytest.mark.parametrize(
    ("play", "told"),
    [
        (faults.lines(_line("ADDED", "b", 7)), "the initial list of a watch did not end"),
        (faults.lines(_line("ADDED", "b", 7), '{"type', then="reset"), ""),
        (faults.lines(BOOKMARK, then="hold"), "the initial list of a watch did not end"),
        (faults.lines(UNREADABLE, ENDS, then="hold"), "unexpected JSON"),
        (faults.answer(504, "Too large resource version"), "504"),
        (faults.lines(then="hold"), None),
    ],
    ids=["ended", "reset", "not understood", "unreadable", "refused", "silent"],
)
async def test_a_list_by_a_watch_that_fails_is_no_list_and_pages_are_read(
    api: ApiClient, server: ScriptedApiServer, play: faults.Play, told: str | None
) -> None:
    """Of the objects that it showed none counts as the last, and none that it did not show as gone."""
    create(server, "a", "c")
    async with following(api, silence=0.3) as follower:
        await follower.until(lambda: follower.syncs == 1)
        server.store.delete(NODE, "c")
        await follower.until(lambda: "c" not in follower.table)
        server.faults.on(PATH, play, times=1, where=a_stream)
        server.watches.expire()
        await follower.until(lambda: follower.syncs == 2)
        assert follower.holds(server)
    assert {"-a", "+a"} & set(follower.story[3:]) == set()
    troubles = follower.troubles[1:]
    assert [told is not None and told in str(each) for each in troubles] == [True] * (
        told is not None
    )
    assert sum("limit" in request.query for request in server.requests) == 1


@by_a_watch
async def test_what_changes_before_the_list_ends_is_told_and_what_it_did_not_show_is_gone(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    create(server, "a", "b")
    script = [
        _line("ADDED", "b", 800),
        _line("ADDED", "d", 3),
        _line("ADDED", "e", 2),
        _line("MODIFIED", "e", 890),
        _line("DELETED", "d", 891),
    ]
    async with following(api) as follower:
        await follower.until(lambda: follower.syncs == 1)
        server.faults.on(PATH, faults.lines(*script, ENDS, then="hold"), times=1, where=a_stream)
        server.watches.expire()
        await follower.until(lambda: follower.syncs == 2)
    assert follower.story[2:] == ["-b", "+b", "+d", "+e", "+e", "-d", "-a"]


async def test_leaving_closes_the_connection(api: ApiClient, server: ScriptedApiServer) -> None:
    async with following(api):
        await opened(server)
    await until(lambda: not server.watches.open)


async def test_a_connection_broken_in_mid_line_goes_on_where_it_was(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    create(server, "a")
    async with following(api) as follower:
        await opened(server)
        create(server, "b")
        await follower.until(lambda: "b" in follower.table)
        await server.watches.cut()
        create(server, "c")
        await follower.until(lambda: follower.holds(server))
    assert follower.story == ["+a", "+b", "+c"]
    assert follower.syncs == 1


@pytest.mark.parametrize("as_event", [False, True])
async def test_410_leads_to_a_new_list_that_tells_what_is_gone(
    api: ApiClient, server: ScriptedApiServer, *, as_event: bool
) -> None:
    server.watches.gone_as_event = as_event
    create(server, "a", "b", "c")
    async with following(api) as follower:
        await opened(server)
        # Nobody sees the changes: the watch is cut, and the next finds its version forgotten.
        server.faults.on(PATH, faults.silence(), times=1, where=a_watch)
        before = watches(server)
        await server.watches.cut()
        await until(lambda: watches(server) != before)
        server.store.delete(NODE, "a")
        server.store.delete(NODE, "b")
        create(server, "b", "d")
        server.store.compact()
    async with following(api) as follower:
        await follower.until(lambda: follower.syncs == 1)
        await opened(server)
        follower.story.clear()
        server.faults.on(PATH, faults.refuse(status.expired()), times=1, where=a_watch)
        server.store.delete(NODE, "c")
        server.store.delete(NODE, "b")
        create(server, "b")
        server.store.compact()
        await follower.until(lambda: follower.syncs >= 2 and follower.holds(server))
    assert sorted(follower.story) == ["+b", "-b", "-c"]
    assert any(isinstance(trouble, Gone) for trouble in follower.troubles)


async def test_a_server_that_is_back_is_found_at_once_and_listed_no_second_time(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    create(server, "a")
    clock = WoundClock()
    async with following(api, clock=clock) as follower:
        await opened(server)
        await server.end()
        create(server, "b")
        await follower.until(lambda: len(follower.troubles) > 3 * LIST_AFTER)
        told, wound = len(follower.troubles), clock.monotonic()
        await server.listen()
        await follower.until(lambda: follower.holds(server))
        more = len(follower.troubles) - told
        assert clock.monotonic() - wound <= (more + 1) * LONGEST_UNREACHED
    assert follower.syncs == 1


async def test_after_a_restore_of_etcd_all_is_listed_anew(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    """To whoever watches from a version that is yet to come an API server says nothing until then, not even a bookmark."""
    create(server, "a", "b")
    backup = server.store.backup()
    async with following(api) as follower:
        await opened(server)
        server.store.delete(NODE, "a")
        relabel(server, "b", "later")
        create(server, "c", "d", "e")
        await follower.until(lambda: follower.holds(server))
        await server.end()
        server.store.restore(backup)
        create(server, "f")
        await server.listen()
        await follower.until(lambda: follower.holds(server))
    assert sorted(follower.table) == ["a", "b", "f"]
    assert follower.syncs == 2
    assert "was restored from a backup" in str(follower.troubles[-1])


async def test_a_silent_server_is_dialled_again(api: ApiClient, server: ScriptedApiServer) -> None:
    create(server, "a")
    server.faults.on(PATH, faults.lines(then="hold"), times=2, where=a_watch)
    async with following(api, silence=0.3) as follower:
        await opened(server)
        create(server, "b")
        await follower.until(lambda: follower.holds(server))
    assert follower.syncs == 1
    # It was waited for; that is nothing to tell anybody.
    assert follower.troubles == []


@by_pages
async def test_a_server_that_stays_silent_is_asked_for_a_list(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.faults.on(PATH, faults.lines(then="hold"), where=a_watch)
    async with following(api, silence=0.02) as follower:
        await follower.until(lambda: follower.syncs == 1)
        create(server, "unseen")
        await follower.until(lambda: "unseen" in follower.table)
    assert follower.syncs == 2


@pytest.mark.parametrize(
    ("play", "error"),
    [
        (faults.answer(500, "boom"), ServerError),
        (faults.answer(503, "no"), ServerError),
        (faults.refuse(status.too_many_requests(3)), TooManyRequests),
        (faults.refuse(status.forbidden("", "nodes", "", "no")), Forbidden),
    ],
)
async def test_refusals_are_reported_and_waited_out(
    api: ApiClient, server: ScriptedApiServer, play: faults.Play, error: type[KubevouchError]
) -> None:
    create(server, "a")
    server.faults.on(PATH, play, times=5, where=a_list)
    server.faults.on(PATH, play, times=3, where=a_watch)
    clock = WoundClock()
    async with following(api, clock=clock) as follower:
        await opened(server)
        create(server, "b")
        await follower.until(lambda: follower.holds(server))
    assert {type(trouble) for trouble in follower.troubles} == {error}
    assert follower.story == ["+a", "+b"]
    assert follower.syncs == 1
    assert clock.monotonic() >= 3 * FIRST / 2


@by_pages
async def test_a_server_that_ends_each_watch_at_once_is_not_stormed(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.faults.on(PATH, faults.lines(), times=4, where=a_watch)
    clock = WoundClock()
    async with following(api, clock=clock) as follower:
        await opened(server)
        assert clock.monotonic() >= (1 + 2 + 4 + 8) * FIRST / 2
    assert follower.troubles == []


async def test_bookmarks_move_the_version_on(api: ApiClient, server: ScriptedApiServer) -> None:
    create(server, "a")
    async with following(api):
        await opened(server)
        # Other kinds change: the node's own version grows old.
        for number in range(3):
            server.store.create(POD, {"metadata": {"name": f"p{number}"}})
        server.watches.bookmark()
        marked = server.store.version
        await until(lambda: not any(watch.bookmark for watch in server.watches._open))
        before = watches(server)
        await server.watches.cut()
        await until(lambda: watches(server) != before)
    assert server.requests[-1].query["resourceVersion"] == str(marked)


def _bookmark(version: object) -> str:
    return BOOKMARK.replace("900", str(version))


@by_pages
@pytest.mark.parametrize(
    ("said", "story", "trouble"),
    [
        (
            [
                _line("ADDED", "a", 1),
                _line("ADDED", "b", 907),
                _line("MODIFIED", "b", 907),
                _line("DELETED", "b", 908),
                _line("ADDED", "b", 907),
                _line("DELETED", "b", 908),
                _line("ADDED", "z", 909),
            ],
            ["+a", "+b", "-b", "+z"],
            "",
        ),
        (
            # As after a restore of etcd: no event tells what is different now, and what was seen before may be gone.
            [
                _line("ADDED", "b", 900),
                *map(_bookmark, (901, 901, "", "opaque", 902, 500)),
            ],
            ["+a", "+b", "-b"],
            "resourceVersion 500 after 902: etcd was restored",
        ),
        (
            [UNREADABLE.replace('"5"', '"5000"'), _line("ADDED", "b", 5001)],
            ["+a", "+b"],
            "unexpected JSON",
        ),
    ],
    ids=["said already", "an older bookmark leads to a list", "unreadable hides no other"],
)
async def test_what_a_watch_says_is_told_once(
    api: ApiClient, server: ScriptedApiServer, said: list[str], story: list[str], trouble: str
) -> None:
    create(server, "a")
    server.faults.on(PATH, faults.lines(*said, then="hold"), times=1, where=a_watch)
    async with following(api) as follower:
        await follower.until(lambda: follower.story == story)
    assert [trouble in str(each) for each in follower.troubles] == [True] * bool(trouble)


@by_pages
@pytest.mark.parametrize(
    "line", ["no JSON\n", '{"type":"WHAT","object":{}}\n', '{"object":{}}\n', "[]\n", "\n", ""]
)
async def test_lines_that_are_no_events_or_never_end_are_troubles_and_no_end(
    api: ApiClient, server: ScriptedApiServer, line: str
) -> None:
    play = faults.lines(line, then="hold") if line else faults.flood(17)
    server.faults.on(PATH, play, times=1, where=a_watch)
    create(server, "a")
    async with following(api) as follower:
        await follower.until(lambda: bool(follower.troubles))
        create(server, "b")
        await follower.until(lambda: follower.holds(server))
    if not line:
        [trouble] = follower.troubles
        assert isinstance(trouble, ResponseTooLarge)
        assert "a line of more than 16777216 bytes" in str(trouble)


@by_pages
async def test_a_version_that_is_never_taken_leads_to_a_list(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.faults.on(PATH, faults.answer(500, "boom"), times=LIST_AFTER + 1, where=a_watch)
    async with following(api) as follower:
        await opened(server)
    assert follower.syncs == 2


@by_pages
async def test_what_leaves_the_selector_is_lost_and_json_is_asked_for(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    def pod(name: str, phase: str) -> None:
        server.store.create(POD, {"metadata": {"name": name}, "status": {"phase": phase}})

    pod("runs", "Running")
    pod("done", "Succeeded")
    async with following(api, PODS, field_selector="status.phase=Running") as follower:
        await opened(server)
        assert list(follower.table) == ["runs"]
        server.store.change(
            POD, ("default", "runs"), lambda thing: {**thing, "status": {"phase": "Failed"}}
        )
        server.store.change(
            POD, ("default", "done"), lambda thing: {**thing, "status": {"phase": "Running"}}
        )
        await follower.until(lambda: "done" in follower.table)
    assert follower.story == ["+runs", "-runs", "+done"]
    asked = {a_watch(request): request.headers["Accept"] for request in server.requests}
    assert asked == {False: "application/json", True: "application/json"}


async def test_a_token_that_was_replaced_in_its_file_is_used(
    server: ScriptedApiServer, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    server.tokens = {"old": "me"}
    user = User(where="service account", token_file=str(file))
    async with client_of(access_to(server, authority, user)) as api, following(api) as follower:
        await opened(server)
        server.tokens = {"new": "me"}
        file.write_text("new")
        await server.watches.cut()
        create(server, "a")
        await follower.until(lambda: follower.holds(server))
    assert follower.syncs == 1
    assert not any(isinstance(trouble, Unauthorized) for trouble in follower.troubles)
    assert server.requests[-1].headers["Authorization"] == "Bearer new"


Step = tuple[str, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["make", "make", "change", "delete", "delete", "cut", "forget", "wait", "mark"]
        ),
        st.sampled_from("abcd"),
    ),
    max_size=24,
)


async def _play(server: ScriptedApiServer, steps: list[Step]) -> None:
    for step, name in steps:
        with contextlib.suppress(status.StatusError):
            match step:
                case "make":
                    create(server, name)
                case "change":
                    relabel(server, name, str(server.store.version))
                case "delete":
                    server.store.delete(NODE, name)
                case "cut":
                    await server.watches.cut()
                case "forget":
                    server.store.compact()
                case "mark":
                    server.watches.bookmark()
                case "wait":
                    await asyncio.sleep(0.002)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=STEPS, steps=STEPS, as_event=st.booleans(), streams=st.booleans())
def test_any_schedule_of_changes_and_broken_connections_ends_in_the_same_state(
    authority: Authority, before: list[Step], steps: list[Step], *, as_event: bool, streams: bool
) -> None:
    async def run() -> None:
        async with (
            api_server(authority) as server,
            client_of(access_to(server, authority)) as api,
        ):
            server.watches.gone_as_event, server.streams_lists = as_event, streams
            await _play(server, before)
            async with following(api) as follower:
                await opened(server)
                await _play(server, steps)
                await follower.until(lambda: follower.syncs > 0 and follower.holds(server))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("wait", "longest", "other"),
    [
        (Backoff.failed, LONGEST, Backoff.unreached),
        (Backoff.unreached, LONGEST_UNREACHED, Backoff.failed),
    ],
)
def test_waiting_doubles_up_to_its_bound_and_differs(
    wait: Callable[[Backoff], float], longest: float, other: Callable[[Backoff], float]
) -> None:
    """Nobody who answers is asked again soon, and makes no bad answer worse."""
    lowest, highest = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    waits = [(wait(lowest), wait(highest)) for _ in range(10)]
    assert waits[:3] == [(0.4, 0.8), (0.8, 1.6), (1.6, 3.2)]
    assert waits[-1] == (longest / 2, longest)
    assert other(lowest) == 0.4
    assert lowest.failed(at_least=20) == 20
    assert lowest.failed(at_least=3600) == LONGEST
    lowest.succeeded()
    assert wait(lowest) == 0.4


async def test_what_the_consumer_does_not_keep_is_not_remembered_and_the_rest_ends_as_ever(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    """Ten thousand objects that nobody keeps take no memory, in the list and in the watch."""
    create(server, "kept-1", "kept-2", *(f"{number:05}" for number in range(3_000)))
    async with following(api, keeps=lambda name: name.startswith("kept")) as follower:
        await follower.until(lambda: follower.syncs == 1)
        await opened(server)
        create(server, *(f"later-{number:05}" for number in range(3_000)), "kept-3")
        await follower.until(lambda: "kept-3" in follower.table)
        assert follower.remembered() < 2_100
        server.store.delete(NODE, "kept-1")
        await follower.until(lambda: "kept-1" not in follower.table)
        server.store.delete(NODE, "kept-2")
        server.store.compact()
        await server.watches.cut()
        await follower.until(lambda: set(follower.table) == {"kept-3"})
