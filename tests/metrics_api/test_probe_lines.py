"""Probes, and paths that nobody serves, as metrics-server 0.9.0 answers: its pages were asked with ?verbose."""

from datetime import timedelta

import pytest

from kubevouch.metrics.serving.server import checks
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.probes import Probes
from tests.support.clocks import WoundClock
from tests.support.metered import AT, fixed_fleet, metered

GENERIC = (
    "ping",
    "log",
    "poststarthook/max-in-flight-filter",
    "poststarthook/storage-object-count-tracker-hook",
)
PAGES = {
    "livez": (*GENERIC, "metric-collection-timely", "metadata-informer-sync"),
    "readyz": (
        *GENERIC,
        "metric-storage-ready",
        "metric-informer-sync",
        "metadata-informer-sync",
        "shutdown",
    ),
    "healthz": (*GENERIC, "metadata-informer-sync"),
}
FULL = metered({"n1": (1, 1)}, {"n1": {("a", "p"): {"c": (1, 1)}}})


async def asked(
    path: str, *, verbose: bool = False, late: float = 0.0, **other: bool
) -> HttpResponse:
    clock = WoundClock(AT)
    found = checks(
        FULL if other.get("stored", True) else metered({}),
        fixed_fleet(synced=other.get("synced", True)),
        clock,
        last_round=lambda: AT - timedelta(seconds=late),
        held_back=lambda: "n1 is not read" if other.get("held_back") else "",
        resolution=15.0,
        stopping=lambda: other.get("stopping", False),
    )
    log = Log([].append, clock)  # type: ignore[arg-type]
    query = {"verbose": ("",)} if verbose else {}
    return await Probes(found, log).answer(HttpRequest("GET", path, query))


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_has_metrics_servers_lines_in_its_order(page: str) -> None:
    answer = await asked(f"/{page}", verbose=True)
    lines = [f"[+]{name} ok\n" for name in PAGES[page]]
    assert answer.body.decode() == "".join([*lines, f"{page} check passed\n"])
    assert (await asked(f"/{page}")).body == b"ok"
    for name in PAGES[page]:
        assert (await asked(f"/{page}/{name}")).body == b"ok"


FAILING = {
    ("stored", "readyz", "metric-storage-ready"): "no metrics to serve",
    ("synced", "readyz", "metric-informer-sync"): "cache for node informer has not synced",
    ("synced", "healthz", "metadata-informer-sync"): (
        "1 informers not started yet: [/v1, Resource=pods]"
    ),
}


@pytest.mark.parametrize(("what", "page", "name"), FAILING)
async def test_what_fails_is_named(what: str, page: str, name: str) -> None:
    answer = await asked(f"/{page}", **{what: False})
    assert answer.code == 500
    assert f"[-]{name} failed: reason withheld\n" in answer.body.decode()
    single = await asked(f"/{page}/{name}", **{what: False})
    assert single.body.decode() == f"internal server error: {FAILING[what, page, name]}\n"


async def test_a_stopping_server_is_alive_and_not_ready() -> None:
    assert (await asked("/livez", stopping=True)).code == 200
    assert b"[-]shutdown failed" in (await asked("/readyz", stopping=True)).body


async def test_without_scrapes_it_is_not_alive() -> None:
    assert (await asked("/livez", late=22.0)).code == 200
    assert b"[-]metric-collection-timely failed" in (await asked("/livez", late=23.0)).body


@pytest.mark.parametrize(
    "path", ["/livez/", "/livez/nope", "/livez/poststarthook", "/readyz/ping/x", "/livez/shutdown"]
)
async def test_a_check_that_is_not_there_is_a_404(path: str) -> None:
    assert (await asked(path)).code == 404


async def test_a_server_that_is_held_back_is_alive_and_not_ready() -> None:
    """While --kubelet-insecure-tls is set and ready nodes are not read."""
    answer = await asked("/readyz", held_back=True)
    assert answer.code == 500
    assert b"[-]metric-storage-ready failed: reason withheld\n" in answer.body
    assert (await asked("/livez", held_back=True)).code == 200
