"""A kubelet that was not verified is reported as unverified, however it answers. An impostor gets no token of a node that is verified elsewhere."""

import pytest

from kubevouch.metrics.results import unverified
from kubevouch.metrics.scraping import ScrapeSettings
from tests.metrics.conftest import PATH, Cluster, Page
from tests.metrics.test_other_addresses import BOTH, claim
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import Raw, Serve

SIGNED_FOR = ScrapeSettings(insecure_nodes=frozenset(["n1"]), timeout=3.0)


def ending(node: str) -> Raw:
    body = Page(node).text()
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Raw(head, body, then="close")


@pytest.mark.parametrize("everywhere", [False, True])
async def test_an_unverified_kubelet_that_ends_its_connection_does_not_look_verified(
    cluster: Cluster, everywhere: bool
) -> None:
    """It kept itself out of the log, the Events and the count of unverified kubelets by `Connection: close`."""
    stranger = cluster.stranger("n1")
    await cluster.add("n1", Serve(stranger.context, {PATH: ending("n1")}))
    settings = ScrapeSettings(insecure_everywhere=True) if everywhere else SIGNED_FOR
    async with cluster.collecting(settings=settings) as collector:
        assert await cluster.round() == {"n1": None}
        reached = collector.results["n1"].reached
        assert "certificate signed by unknown authority" in reached.doubt
        assert reached.credential == ("" if everywhere else "token")
        assert unverified(collector.results.values()) == {"none" if everywhere else "token": 1}
        assert len(cluster.heard.changes) == 1


@pytest.mark.parametrize("how", ["is slow", "breaks off", "sends too much"])
async def test_an_impostor_gets_no_token_where_the_kubelet_is_verified_and_fails(
    cluster: Cluster, how: str
) -> None:
    """A kubelet that took half of the time for its page handed the token to whoever answered at the preferred address."""
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    answer = {
        "is slow": Raw(begun % 100, b"#", then="hold"),
        "breaks off": Raw(begun % 100, b"#", then="close"),
        "sends too much": Raw(begun % (1 << 30), b"#", then="hold"),
    }[how]
    pair = cluster.authority.serving("127.0.0.1", node="n1")
    own = await cluster.add("n2", Serve(server_context(pair), {PATH: answer}), port=impostor.port)
    claim(cluster, impostor)
    async with cluster.collecting(addressing=BOTH, settings=SIGNED_FOR):
        await cluster.round("n1")
        failure = cluster.heard.failure("n1")
    assert b"Authorization: Bearer first-token" in own.sent
    assert impostor.sent == b""
    assert failure is not None


async def test_an_impostor_gets_no_token_where_the_kubelet_breaks_off_that_was_read_before(
    cluster: Cluster,
) -> None:
    """It ends in the middle of its page, as when it is restarted, and is not there when it is sought again."""
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    pair = cluster.authority.serving("127.0.0.1", node="n1")
    answers: dict[str, tuple[int, bytes] | Raw] = {PATH: (200, Page("n1").text())}
    own = await cluster.add("n2", Serve(server_context(pair), answers), port=impostor.port)
    claim(cluster, impostor)
    async with cluster.collecting(addressing=BOTH, settings=SIGNED_FOR) as collector:
        assert (await cluster.round("n1"))["n1"] is None
        assert collector.results["n1"].reached.address == "127.0.0.1"
        answers[PATH] = Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"#", then="close")
        own.behaviour = cluster.stranger("n1", "127.0.0.1")
        await cluster.round("n1")
        failure = cluster.heard.failure("n1")
    assert failure is not None
    assert failure.reason == "no-answer"
    assert own.sent.count(b"Authorization: Bearer first-token") == 2
    assert impostor.sent == b""
