"""What a lab of thousands of nodes does otherwise: kubelets without connections, metrics servers that wait for their turn."""

import asyncio
from datetime import timedelta

import pytest

from kubevouch_lab.apiserver.outage import Outage
from kubevouch_lab.cluster.light_api import LightApi
from kubevouch_lab.cluster.metrics_server import Turns
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.kubelets.api import MERGE, ApiEndpoint, ApiError
from kubevouch_lab.pki import KeyPair
from lab.tests.bodies import pod
from lab.tests.plane import Plane
from tests.support.clocks import SteppedClock

NODES = "/api/v1/nodes"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def api(running: Plane, node: str = "", token: str = "") -> LightApi:
    reviews = Reviews(running.store, running.authentication, running.authorize, running.clock)
    pair = running.authority.client(f"system:node:{node}", "system:nodes")
    shown = KeyPair(pair.chain, pair.key) if node else None
    endpoint = ApiEndpoint("https://lab", running.authority.pem)
    return LightApi(running.server, reviews, endpoint, shown, token)


async def test_a_light_kubelet_may_what_its_certificate_may(running: Plane) -> None:
    for name in ("n1", "n2"):
        made = await api(running, name).ask("POST", NODES, {"metadata": {"name": name}})
        assert made["metadata"]["uid"]
    mine = api(running, "n1")
    labels = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    changed = await mine.ask("PATCH", f"{NODES}/n1/status", labels, form=MERGE)
    assert changed["status"]["conditions"][0]["status"] == "True"
    spec = {"user": "nobody", "resourceAttributes": {"verb": "get", "resource": "nodes"}}
    review = await mine.ask("POST", REVIEWS, {"spec": spec})
    assert review["status"]["allowed"] is False
    for asking, path, code in (
        (mine, f"{NODES}/n2/status", 403),
        (api(running), f"{NODES}/n1/status", 403),
        (api(running, token="false"), f"{NODES}/n1/status", 401),
        (mine, f"{NODES}/n3/status", 404),
    ):
        with pytest.raises(ApiError) as refused:
            await asking.ask("PATCH", path, labels, form=MERGE)
        assert refused.value.code == code, path


async def test_a_light_kubelet_watches_and_hears_of_an_outage(running: Plane) -> None:
    mine = api(running, "n1")
    await mine.ask("POST", NODES, {"metadata": {"name": "n1"}})
    pods = {"fieldSelector": "spec.nodeName=n1"}
    listed = await mine.ask("GET", "/api/v1/pods", query=pods)
    since = {"resourceVersion": listed["metadata"]["resourceVersion"]}
    seen = aiter(mine.watch("/api/v1/pods", pods | since))
    first = asyncio.ensure_future(anext(seen))
    await asyncio.sleep(0)
    await running.does("create", "--validate=false", "-f", "-", stdin=pod(nodeName="n1"))
    kind, found = await first
    assert (kind, found["metadata"]["name"]) == ("ADDED", "p")
    await running.server.begin_outage(Outage.OVERLOADED)
    with pytest.raises(ApiError) as refused:
        await mine.ask("GET", f"{NODES}/n1")
    assert refused.value.code == 0
    await running.server.end_outage()
    assert await mine.ask("GET", "/healthz") == {}


async def test_scrapes_of_all_metrics_servers_follow_one_another() -> None:
    clock, at = SteppedClock(), []
    turns = Turns(clock, 0.5)

    async def scrape() -> None:
        await turns.next()
        at.append(clock.monotonic())

    began = clock.monotonic()
    tasks = [asyncio.ensure_future(scrape()) for _ in range(3)]
    await clock.wind(timedelta(seconds=5))
    await asyncio.gather(*tasks)
    assert [each - began for each in at] == pytest.approx([0.0, 0.5, 1.0])
    await turns.next()
    assert clock.monotonic() == began + 5
