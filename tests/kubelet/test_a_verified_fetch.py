"""A kubelet gets the token after it has proven to be the node's, and never before. The judge is what it received."""

import contextlib
import gzip
import random
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.fetch import (
    LONGEST_KEPT,
    FetchFailed,
    KubeletClient,
    quoted,
)
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.kubelet.io.trust import KubeletRoots, KubeletTrust
from kubevouch.metrics.pages import LARGEST, MOST_CONTAINERS
from kubevouch.system_clock import SystemClock
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import (
    Behaviour,
    Raw,
    ScriptedKubelet,
    Serve,
)
from tests.support.self_signed import DatedAuthority
from tests.support.unhurried import until

ADDRESS = "127.0.0.1"
PATH = "/metrics/resource"
TOKEN = "Bearer the-token-of-metrics-server"
PAGE = b"node_cpu_usage_seconds_total 1.5 7\n"
MOST = 1024 * 1024
NOW = datetime.now(UTC)


@contextlib.asynccontextmanager
async def kubelet(behaviour: Behaviour, host: str = ADDRESS) -> AsyncIterator[ScriptedKubelet]:
    async with ScriptedKubelet(behaviour, SystemClock(), host=host) as running:
        yield running


def serving(
    authority: Authority,
    *names: str,
    node: str | None = "n1",
    answers: Mapping[str, tuple[int, bytes] | Raw] | None = None,
) -> Serve:
    context = server_context(authority.serving(*(names or (ADDRESS,)), node=node))
    return Serve(context, {PATH: (200, PAGE)} if answers is None else answers)


def door(
    running: ScriptedKubelet,
    authority: Authority | DatedAuthority,
    *,
    node: str = "n1",
    address: str = "",
    clock: Clock | None = None,
    check_time: bool = True,
    unverified: bool = False,
) -> KubeletClient:
    return KubeletClient(
        Target(address or running.host, node, running.port),
        KubeletTrust(KubeletRoots(authority.pem), check_time=check_time),
        clock=clock or SystemClock(),
        names=NameResolver(SystemClock()),
        unverified=unverified,
    )


async def ask(fetch: KubeletClient, *, timeout: float = 30.0, path: str = PATH) -> bytes:
    return await fetch.page(path, TOKEN, timeout=timeout, most=MOST)


async def refused(fetch: KubeletClient, *, timeout: float = 30.0) -> FetchFailed:
    with contextlib.closing(fetch), pytest.raises(FetchFailed) as caught:
        await ask(fetch, timeout=timeout)
    return caught.value


async def gone(running: ScriptedKubelet) -> None:
    """Until the kubelet has seen the end of every connection: it will get nothing more."""
    await until(lambda: not running.open)


async def test_the_node_itself_gets_the_token_and_gives_its_page(authority: Authority) -> None:
    async with kubelet(serving(authority)) as running:
        with contextlib.closing(door(running, authority)) as fetch:
            assert await ask(fetch) == PAGE
        lines = running.sent.decode().split("\r\n")
    assert lines[0] == f"GET {PATH} HTTP/1.1"
    assert f"Host: {ADDRESS}:{running.port}" in lines
    assert f"Authorization: {TOKEN}" in lines


async def test_a_page_is_asked_for_and_read_in_gzip(authority: Authority) -> None:
    page = b"".join(b"node_cpu_usage_seconds_total %d 7\n" % each for each in range(10_000))
    async with kubelet(serving(authority, answers={PATH: Raw(gzipped(gzip.compress(page)))})) as it:
        with contextlib.closing(door(it, authority)) as fetch:
            assert await ask(fetch) == page
            assert await ask(fetch) == page
        assert len(it.seen) == 1
        assert b"\r\nAccept-Encoding: gzip\r\n" in it.sent


def word(chance: random.Random) -> str:
    return chance.randbytes(12).hex()


async def test_the_largest_page_fits_in_gzip_whatever_its_names(authority: Authority) -> None:
    """No name of a pod is like another one, there are as many as are ever read, and it is compressed in haste."""
    chance = random.Random(1)
    pods = [f'namespace="{word(chance)}",pod="{word(chance)}"' for _ in range(MOST_CONTAINERS // 2)]
    labels = [f'container="main",{pod}' for pod in pods]
    samples = {
        "container_cpu_usage_seconds_total": labels,
        "container_memory_working_set_bytes": labels,
        "container_start_time_seconds": labels,
        "container_swap_usage_bytes": labels,
        "pod_cpu_usage_seconds_total": pods,
        "pod_memory_working_set_bytes": pods,
        "pod_swap_usage_bytes": pods,
    }
    page = "".join(
        f"{family}{{{each}}} {chance.random() * 1e5!r} {1_795_000_000_000 + number}\n"
        for family, found in samples.items()
        for number, each in enumerate(found)
    ).encode()
    assert LARGEST // 2 < len(page) <= LARGEST
    answer = Raw(gzipped(gzip.compress(page, 1)))
    async with kubelet(serving(authority, answers={PATH: answer})) as running:
        with contextlib.closing(door(running, authority)) as fetch:
            assert await fetch.page(PATH, TOKEN, timeout=30.0, most=LARGEST) == page


async def test_one_connection_serves_many_fetches_until_it_is_old(authority: Authority) -> None:
    clock = WoundClock(NOW)
    async with kubelet(serving(authority)) as running:
        with contextlib.closing(door(running, authority, clock=clock)) as fetch:
            for _ in range(3):
                assert await ask(fetch) == PAGE
            assert len(running.seen) == 1
            clock.wind(timedelta(seconds=LONGEST_KEPT))
            assert await ask(fetch) == PAGE
            assert len(running.seen) == 2


YEAR = timedelta(days=365)


def expired(answer: tuple[int, bytes]) -> tuple[DatedAuthority, Serve]:
    """A kubelet whose certificate ended a year ago, and the authority that signed it."""
    authority = DatedAuthority(NOW - 3 * YEAR, NOW + YEAR)
    pair = authority.serving(ADDRESS, node="n1", not_before=NOW - 2 * YEAR, not_after=NOW - YEAR)
    return authority, Serve(server_context(pair), {PATH: answer})


@pytest.mark.parametrize("check_time", [True, False])
async def test_an_expired_certificate_gets_not_one_byte(*, check_time: bool) -> None:
    authority, behaviour = expired((200, PAGE))
    async with kubelet(behaviour) as running:
        failure = await refused(door(running, authority, check_time=check_time))
        await gone(running)
        assert running.sent == b""
    assert failure.reason == "expired"
    assert "x509: certificate has expired or is not yet valid: current time" in failure.text


async def test_under_another_clock_it_is_that_clock_which_decides() -> None:
    authority, behaviour = expired((200, PAGE))
    clock = WoundClock(NOW - YEAR - timedelta(seconds=60))
    async with kubelet(behaviour) as running:
        with contextlib.closing(door(running, authority, clock=clock, check_time=False)) as fetch:
            assert await ask(fetch) == PAGE
            # The connection is kept, and its certificate ends: it is not used any more.
            clock.wind(timedelta(seconds=120))
            with pytest.raises(FetchFailed, match="expired"):
                await ask(fetch)
        await gone(running)
        assert running.sent.count(b"GET ") == 1


async def test_an_ipv6_kubelet_is_dialled_and_named_in_brackets(authority: Authority) -> None:
    async with kubelet(serving(authority, "::1"), host="::1") as running:
        with contextlib.closing(door(running, authority)) as fetch:
            assert await ask(fetch) == PAGE
        assert f"Host: [::1]:{running.port}\r\n".encode() in running.sent
    async with kubelet(serving(authority, "fd00::1"), host="::1") as running:
        failure = await refused(door(running, authority))
        assert running.sent == b""
    assert failure.text.startswith(f'Get "https://[::1]:{running.port}/metrics/resource": ')
    assert failure.text.endswith("x509: certificate is valid for fd00::1, not ::1")


async def test_a_kubelet_may_be_dialled_by_name(authority: Authority) -> None:
    async with kubelet(serving(authority, "localhost")) as running:
        with contextlib.closing(door(running, authority, address="localhost")) as fetch:
            assert await ask(fetch) == PAGE


async def test_whatever_statuses_a_kubelet_makes_up_the_reasons_are_few(
    authority: Authority,
) -> None:
    """Each reason is a series of kubevouch_kubelet_failures_total for as long as the server runs."""
    answers: dict[str, Raw] = {}
    async with kubelet(serving(authority, answers=answers)) as running:
        with contextlib.closing(door(running, authority)) as fetch:
            reasons: dict[str, list[int]] = {}
            for status in range(201, 1000):
                answers[PATH] = Raw(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
                with pytest.raises(FetchFailed, match=f'status: "{status} X"') as caught:
                    await ask(fetch)
                reasons.setdefault(caught.value.reason, []).append(status)
    assert sorted(reasons) == ["http-401", "http-403", "http-404", "http-5xx", "http-other"]
    assert [reasons[f"http-{each}"] for each in (401, 403, 404)] == [[401], [403], [404]]
    assert reasons["http-5xx"] == list(range(500, 600))


def gzipped(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


async def test_a_connection_closed_while_it_was_idle_is_made_again(authority: Authority) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PAGE)
    answers = {PATH: Raw(page, PAGE, then="close")}
    async with kubelet(serving(authority, answers=answers)) as running:
        with contextlib.closing(door(running, authority)) as fetch:
            for _ in range(3):
                assert await ask(fetch) == PAGE
                await gone(running)
        assert len(running.seen) == 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(
    authority: Authority,
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    answers = {PATH: Raw(head + b"one" + head + b"two")}
    async with kubelet(serving(authority, answers=answers)) as running:
        with contextlib.closing(door(running, authority)) as fetch:
            assert await ask(fetch) == b"one"
            assert await ask(fetch) == b"one"
        assert len(running.seen) == 2


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/metrics/resource", "/metrics/resource"),
        ("metrics", "/metrics"),
        ("/a b?c=d#e", "/a%20b%3Fc=d%23e"),
        ("/x HTTP/1.1\r\nHost: evil\r\n\r\n", "/x%20HTTP/1.1%0D%0AHost:%20evil%0D%0A%0D%0A"),
        ("/ü", "/%C3%BC"),
    ],
)
def test_a_path_from_an_annotation_stays_a_path(path: str, shown: str) -> None:
    assert quoted(path) == shown


async def test_a_kept_connection_to_an_expired_kubelet_is_told_of_with_the_present_moment() -> None:
    """With --kubelet-insecure-tls the line is repeated, and Go's text names the time at which it looked."""
    authority, behaviour = expired((401, b"Unauthorized"))
    clock = WoundClock(NOW)
    async with kubelet(behaviour) as running:
        asked = door(running, authority, clock=clock, check_time=False, unverified=True)
        with contextlib.closing(asked) as fetch:
            for _ in range(2):
                with pytest.raises(
                    FetchFailed, match="without a token, the kubelet answered"
                ) as caught:
                    await ask(fetch)
                assert caught.value.reason == "expired"
                assert (
                    f"current time {clock.now():%Y-%m-%dT%H:%M:%S}Z is after" in caught.value.text
                )
                clock.wind(timedelta(seconds=15))
        # One to verify it, and the one that is kept.
        assert len(running.seen) == 2
