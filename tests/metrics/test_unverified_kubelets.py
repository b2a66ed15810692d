"""What a kubelet gets that cannot be verified: nothing, or a question without a credential.

The judge is what the kubelet received.
"""

from pathlib import Path

import pytest

from kubevouch.metrics.scraping import ScrapeSettings
from tests.metrics.conftest import ADDRESS, PATH, Cluster, Live, Page
from tests.metrics.test_the_client_certificate import PairInFiles
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import SILENCE, Raw, Serve

EVERYWHERE = ScrapeSettings(insecure=True)
UNTRUSTED = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


def failure_of(cluster: Cluster, name: str) -> tuple[str, str]:
    failure = cluster.heard.refused(name)
    return failure.reason, failure.text


@pytest.mark.parametrize("certified", [False, True])
async def test_an_unverified_kubelet_is_asked_without_a_token_and_a_client_certificate(
    cluster: Cluster, tmp_path: Path, certified: bool
) -> None:
    certificate = PairInFiles(cluster, tmp_path).read() if certified else None
    stranger = await cluster.add("n1", cluster.stranger("n1"))
    good = await cluster.add("n2")
    async with cluster.collecting(settings=EVERYWHERE, certificate=certificate) as collector:
        await cluster.rounds(2)
        reason, text = failure_of(cluster, "n1")
        assert reason == "unknown-authority"
        assert text == (
            f'Get "https://127.0.0.1:{stranger.port}/metrics/resource": {UNTRUSTED}; '
            'without a token, the kubelet answered "401 Scripted". `kubevouch plan` can fix this'
        )
        assert collector.store.node("n2") is not None
        assert collector.scraper.results["n1"].doubt.endswith(UNTRUSTED)
    assert stranger.sent.count(b"GET /metrics/resource ") == 2
    assert b"Authorization" not in stranger.sent
    assert b"token" not in stranger.sent
    assert not any(each.client_certificate for each in stranger.seen)
    assert good.sent.count(b"Authorization: Bearer first-token\r\n") == 2


async def test_a_page_that_anybody_may_read_is_read(cluster: Cluster) -> None:
    """With --kubelet-insecure-tls: a kubelet with anonymous authentication on."""
    open_to_all = cluster.stranger("n1")
    running = await cluster.add("n1", Serve(open_to_all.context, open_to_all.answers))
    async with cluster.collecting(settings=EVERYWHERE) as collector:
        for _ in range(2):
            assert await cluster.round() == {"n1": None}
        assert collector.store.node("n1") is not None
        assert collector.scraper.results["n1"].doubt
        assert len(cluster.heard.doubts) == 1
    assert b"Authorization" not in running.sent


@pytest.mark.parametrize("who", ["another node", "nobody's kubelet"])
async def test_an_impostor_gets_no_token_either(cluster: Cluster, who: str) -> None:
    if who == "another node":
        behaviour = Serve(cluster.serve("n2").context, {PATH: (401, b"Unauthorized")})
    else:
        pair = cluster.authority.serving(ADDRESS)
        behaviour = Serve(server_context(pair), {PATH: (401, b"Unauthorized")})
    running = await cluster.add("n1", behaviour)
    async with cluster.collecting(settings=EVERYWHERE):
        await cluster.round()
        reason, text = failure_of(cluster, "n1")
        assert reason == "wrong-identity"
        assert "not to node n1; without a token, the kubelet answered" in text
    assert running.sent.count(b"GET ") == 1
    assert b"Authorization" not in running.sent


async def test_without_the_flag_it_gets_nothing(cluster: Cluster) -> None:
    running = await cluster.add("n1", cluster.stranger("n1"))
    async with cluster.collecting() as collector:
        await cluster.round()
        assert failure_of(cluster, "n1")[1].endswith(UNTRUSTED)
        await cluster.round()
        assert collector.held_back == ""
    assert running.sent == b""


async def test_the_server_is_held_back_until_every_ready_node_was_read(
    cluster: Cluster,
) -> None:
    running = await cluster.add("n1", cluster.stranger("n1"))
    await cluster.add("n2")
    async with cluster.collecting(settings=EVERYWHERE) as collector:
        assert collector.held_back
        await cluster.rounds(2)
        assert collector.held_back == (
            "ready nodes without fresh metrics: n1; `kubevouch doctor` shows why"
        )
        # The node is fixed: its kubelet starts again, with a certificate.
        running.behaviour = cluster.serve("n1")
        running.cut()
        await cluster.round()
        assert collector.held_back == ""
        assert collector.scraper.results["n1"].doubt == ""
        assert running.sent.endswith(b"Authorization: Bearer first-token\r\n\r\n")
        # A node that joins, or one that is lost, does not take the metrics of the others away again.
        await cluster.add("n3", SILENCE)
        await cluster.heard.until(lambda: "n3" in collector.fleet.nodes)
        assert collector.held_back == ""


async def test_the_server_is_held_back_until_every_ready_node_had_two_scrapes(
    cluster: Cluster,
) -> None:
    """Each node has its own moments: the first of them has usage while another was asked once."""
    await cluster.add("n1")
    await cluster.add("n2")
    async with cluster.collecting() as collector:
        seen: list[tuple[int, str]] = []

        def look() -> None:
            rows = [collector.store.node(name) for name in ("n1", "n2")]
            seen.append((sum(row is not None for row in rows), collector.held_back))

        cluster.heard.look = look
        await cluster.round()
        await cluster.round()
        assert (1, "not every ready node has been measured twice yet") in seen
        assert all(held for rows, held in seen if rows < 2)
        assert collector.held_back == ""
        # A node that joins later holds nothing back.
        await cluster.add("n3")
        await cluster.heard.until(lambda: "n3" in collector.fleet.nodes)
        assert collector.held_back == ""


class MeasuresLate(Page):
    """A kubelet that has no new sample yet when it is asked for the second time."""

    def text(self) -> bytes:
        page = super().text()
        if self.taken == 1:
            self.taken = 0
            self.text = super().text  # type: ignore[method-assign]
        return page


async def test_a_kubelet_without_a_new_sample_is_asked_once_more(cluster: Cluster) -> None:
    """Two scrapes that find the same sample give no usage."""
    await cluster.add("n1")
    cluster.pod("n2-0", node="n2")
    slow = cluster.serve("n2")
    await cluster.add("n2", Serve(slow.context, Live(MeasuresLate("n2"))))
    async with cluster.collecting() as collector:
        await cluster.rounds(2)
        assert collector.store.node("n2") is None
        assert collector.held_back == "not every ready node has been measured twice yet"
        await cluster.round()
        assert collector.store.node("n2") is not None
        assert collector.held_back == ""


async def test_a_silent_node_holds_back_no_longer_than_it_has_time(
    cluster: Cluster,
) -> None:
    await cluster.add("n1")
    await cluster.add("n2", SILENCE)
    async with cluster.collecting(settings=ScrapeSettings(timeout=3.0)) as collector:
        await cluster.round()
        assert collector.held_back
        await cluster.round()
        assert collector.held_back == ""


@pytest.mark.parametrize("insecure", [False, True])
async def test_a_share_of_the_nodes_is_enough_where_that_is_asked_for(
    cluster: Cluster, insecure: bool
) -> None:
    """--ready-min-nodes, without any other flag and with --kubelet-insecure-tls."""
    for name in ("n1", "n2"):
        await cluster.add(name)
    await cluster.add("n3", cluster.stranger("n3"))
    for share, held_back in ((0.7, True), (0.6, False)):
        settings = ScrapeSettings(insecure=insecure, ready_min_nodes=share)
        async with cluster.collecting(settings=settings) as collector:
            assert collector.held_back
            await cluster.rounds(2)
            assert bool(collector.held_back) is held_back


async def test_a_node_that_is_not_ready_holds_nothing_back(cluster: Cluster) -> None:
    await cluster.add("n1")
    await cluster.add("n2", SILENCE)

    def lost(thing: dict[str, object]) -> dict[str, object]:
        status = thing["status"]
        assert isinstance(status, dict)
        return {
            **thing,
            "status": {**status, "conditions": [{"type": "Ready", "status": "Unknown"}]},
        }

    cluster.change_node("n2", lost)
    async with cluster.collecting(settings=EVERYWHERE) as collector:
        for _ in range(2):
            await cluster.round("n1")
        assert collector.held_back == ""


async def test_a_kubelet_is_verified_anew_after_a_minute(cluster: Cluster) -> None:
    running = await cluster.add("n1", cluster.stranger("n1"))
    async with cluster.collecting(settings=EVERYWHERE):
        await cluster.round()
        # Its certificate is replaced without a start: the open connection knows nothing of that.
        running.behaviour = cluster.serve("n1")
        await cluster.round()
        assert failure_of(cluster, "n1")[0] == "unknown-authority"
        await cluster.round(seconds=60)
        assert cluster.heard.failure("n1") is None
    assert running.sent.count(b"Authorization: ") == 1


async def test_who_answers_in_the_place_of_a_verified_kubelet_gets_no_token(
    cluster: Cluster,
) -> None:
    """It ends between two scrapes, as when it is restarted, and another one answers."""
    running = await cluster.add("n1")
    async with cluster.collecting(settings=EVERYWHERE) as collector:
        assert await cluster.round() == {"n1": None}
        running.behaviour = cluster.stranger("n1")
        running.cut()
        await cluster.round()
        assert collector.scraper.results["n1"].doubt.endswith(UNTRUSTED)
    assert running.sent.count(b"GET ") == 2
    assert running.sent.count(b"Authorization: ") == 1


async def test_an_unverified_kubelet_that_ends_its_connection_does_not_look_verified(
    cluster: Cluster,
) -> None:
    """It kept itself out of the log and the count of unverified kubelets by `Connection: close`."""
    body = Page("n1").text()
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = {PATH: Raw(head, body, then="close")}
    await cluster.add("n1", Serve(cluster.stranger("n1").context, answer))
    async with cluster.collecting(settings=EVERYWHERE) as collector:
        assert await cluster.round() == {"n1": None}
        assert "certificate signed by unknown authority" in collector.scraper.results["n1"].doubt
        assert len(cluster.heard.doubts) == 1
