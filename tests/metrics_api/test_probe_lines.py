"""Probes, and paths that nobody serves, as metrics-server 0.9.0 answers: its pages were asked with ?verbose."""

from datetime import timedelta
from typing import Any

import pytest

from kubevouch.metrics.serving.server import checks
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.probes import Probes, shutdown_check
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
    )
    found["readyz"] += (shutdown_check(lambda: other.get("stopping", False)),)
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


# What is wrong, the page and the check that tell it, and why.
FAILING: list[tuple[dict[str, Any], str, str, str]] = [
    ({"stored": False}, "readyz", "metric-storage-ready", "no metrics to serve"),
    ({"held_back": True}, "readyz", "metric-storage-ready", "n1 is not read"),
    ({"synced": False}, "readyz", "metric-informer-sync", "cache for node informer has not synced"),
    ({"synced": False}, "healthz", "metadata-informer-sync", "1 informers not started yet: [/v1, Resource=pods]"),
    ({"stopping": True}, "readyz", "shutdown", "process is shutting down"),
    ({"late": 23.0}, "livez", "metric-collection-timely", "metric collection didn't finish on time"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "page", "name", "why"), FAILING)
async def test_what_fails_is_named(what: dict[str, Any], page: str, name: str, why: str) -> None:
    answer = await asked(f"/{page}", **what)
    assert answer.code == 500
    assert f"[-]{name} failed: reason withheld\n" in answer.body.decode()
    single = await asked(f"/{page}/{name}", **what)
    assert single.body.decode() == f"internal server error: {why}\n"


@pytest.mark.parametrize("what", [{"stopping": True}, {"held_back": True}, {"late": 22.0}])
async def test_a_server_that_is_not_ready_is_alive(what: dict[str, Any]) -> None:
    assert (await asked("/livez", **what)).code == 200


@pytest.mark.parametrize(
    "path", ["/livez/", "/livez/nope", "/livez/poststarthook", "/readyz/ping/x", "/livez/shutdown"]
)
async def test_a_check_that_is_not_there_is_a_404(path: str) -> None:
    assert (await asked(path)).code == 404
