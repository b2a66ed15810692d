"""The server's own metrics. The oracle is prometheus_client, as parser and as the other who writes histograms."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.metrics.scraping import ScrapeResult
from kubevouch.metrics.serving.instruments import Instruments, scrape_buckets
from kubevouch.serve.messages import HttpRequest
from kubevouch.serve.series import AT_ONCE, Distribution, label
from kubevouch.serve.server import exposition
from tests.support.metered import metered

# What metrics-server 0.9.0 has at a resolution of 15 seconds, name and type.
UPSTREAM = {
    "metrics_server_api_metric_freshness_seconds": "histogram",
    "metrics_server_kubelet_last_request_time_seconds": "gauge",
    "metrics_server_kubelet_request_duration_seconds": "histogram",
    "metrics_server_kubelet_request": "counter",
    "metrics_server_manager_tick_duration_seconds": "histogram",
    "metrics_server_storage_points": "gauge",
}
FRESHNESS = ["1", "1.364", "1.8604960000000004", "2.5377165440000007", "3.4614453660160014", "4.721411479245826", "6.440005257691307", "8.784167171490942", "11.981604021913647", "16.342907885890217", "22.291726356354257", "30.405914750067208", "41.47366771909167", "56.57008276884105", "77.16159289669919", "105.2484127110977", "143.55883493793726", "195.81425085534644", "267.09063816669254", "364.31163045936864", "+Inf"]  # fmt: skip
TICKS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "12.5", "15", "22.5", "30", "+Inf"]  # fmt: skip
STORE = metered({"n1": (1, 1)}, {"n1": {("a", "p"): {"c": (1, 1), "d": (1, 1)}}})


class Scrapes(dict[str, ScrapeResult]):
    """The last result of each node, as the scraper keeps them, and the instruments, which count every scrape."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.instruments = Instruments(registry or CollectorRegistry(), 15.0)

    def pages(self) -> Iterator[str]:
        return self.instruments.pages(STORE, self)

    def scraped(self, node: str, *, ended: float, seconds: float, reason: str = "") -> None:
        self.instruments.scraped(node, ended=ended, seconds=seconds, reason=reason)
        self[node] = scrape_result(ended, reason)


def scrape_result(ended: float, reason: str = "", doubt: str = "") -> ScrapeResult:
    at = datetime.fromtimestamp(ended, UTC)
    return ScrapeResult(reason, at, None if reason else at, doubt)


def samples(pieces: Iterator[str]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families("".join(pieces))
        for sample in family.samples
    }


async def test_every_metric_of_metrics_server_is_there_and_ours_are_under_our_name() -> None:
    registry = CollectorRegistry()
    found = Scrapes(registry)
    found.scraped("n1", ended=1.0, seconds=0.1, reason="timeout")
    scraped = await exposition(registry, found.pages)(HttpRequest("GET", "/metrics"))
    body = scraped.body.decode()
    families = {each.name: each.type for each in text_string_to_metric_families(body)}
    assert UPSTREAM.items() <= families.items()
    assert all(name.startswith("kubevouch_") for name in families.keys() - UPSTREAM.keys())


def test_buckets_are_those_of_metrics_server() -> None:
    found = samples(Scrapes().pages())
    for name, expected in (
        ("metrics_server_api_metric_freshness_seconds_bucket", FRESHNESS),
        ("metrics_server_manager_tick_duration_seconds_bucket", TICKS),
    ):
        assert [labels[0][1] for own, labels in found if own == name] == expected
    assert scrape_buckets(10.0)[-1] == 10.0


def test_a_distribution_is_written_as_a_histogram_of_prometheus() -> None:
    registry, bounds = CollectorRegistry(), (0.005, 0.5, 1.0, 10.0)
    other = Histogram("h", "text", ["node"], buckets=bounds, registry=registry)
    own = Distribution(bounds)
    for value in (0.0, 0.005, 0.0051, 0.5, 0.75, 1.0, 3.25, 10.0, 11.5, 3600.0):
        other.labels('odd "name"\\\n').observe(value)
        own.observe(value)
    own.observe_each([0.25] * 3)
    for _ in range(3):
        other.labels('odd "name"\\\n').observe(0.25)
    head = "# TYPE h histogram\n"
    ours = samples(iter([head, own.lines("h", label("node", 'odd "name"\\\n'))]))
    theirs = samples(iter([generate_latest(registry).decode()]))
    assert ours == {
        (name, tuple((key, text.removesuffix(".0") if key == "le" else text) for key, text in labels)): value
        for (name, labels), value in theirs.items()
        if not name.endswith("_created")
    }  # fmt: skip


def test_a_node_is_told_with_its_last_result_until_it_is_gone() -> None:
    names = ["n1", "n2"]
    found = Scrapes()
    found.scraped("n1", ended=1795671768.5, seconds=0.02)
    found.scraped("n2", ended=1795671769.0, seconds=10.0, reason="timeout")
    told = samples(found.pages())
    node = {name: (("node", name),) for name in names}
    success, failure = (
        f"kubevouch_kubelet_scrape_last_{each}" for each in ("success", "failure_info")
    )
    assert told["metrics_server_kubelet_last_request_time_seconds", node["n1"]] == 1795671768.5
    assert told["metrics_server_kubelet_request_duration_seconds_sum", node["n2"]] == 10.0
    assert told["metrics_server_kubelet_request_total", (("success", "false"),)] == 1
    assert (told[success, node["n1"]], told[success, node["n2"]]) == (1, 0)
    assert [key for key in told if key[0] == failure] == [
        (failure, (("node", "n2"), ("reason", "timeout")))
    ]
    assert told["metrics_server_storage_points", (("type", "container"),)] == 2
    found.instruments.forget("n2")
    found.scraped("n1", ended=1795671784.0, seconds=0.02)
    assert not [key for key in samples(found.pages()) if ("node", "n2") in key[1]]


def test_a_node_that_went_and_came_back_has_no_result_of_the_one_before_it() -> None:
    """One of its name may have been deleted and made anew between two looks at the metrics."""
    found = Scrapes()
    found.scraped("n1", ended=1.0, seconds=0.1, reason="timeout")
    del found["n1"]
    assert not [key for key in samples(found.pages()) if ("node", "n1") in key[1]]
    found.scraped("n1", ended=16.0, seconds=0.1)
    assert samples(found.pages())["kubevouch_kubelet_scrape_last_success", (("node", "n1"),)] == 1


def test_a_round_takes_as_long_as_its_slowest_scrape() -> None:
    found = Scrapes()
    for ended, seconds in ((15.0, 0.1), (20.0, 3.0), (29.9, 0.2), (30.1, 0.3), (46.0, 0.1)):
        found.scraped("n1", ended=ended, seconds=seconds)
    told = samples(found.pages())
    name = "metrics_server_manager_tick_duration_seconds"
    assert (told[f"{name}_count", ()], told[f"{name}_sum", ()]) == (2, 3.3)


def test_pages_of_many_nodes_are_made_in_pieces() -> None:
    """Else a scrape of 5,000 nodes' series stops everything for half a second."""
    names = [f"node-{number:05}" for number in range(3 * AT_ONCE + 1)]
    found = Scrapes()
    for name in names:
        found.scraped(name, ended=1.0, seconds=0.1)
    pieces = list(found.pages())
    assert len(pieces) > 9
    for piece in pieces:
        named = {line.partition('node="')[2][:10] for line in piece.splitlines() if "node=" in line}
        assert len(named) <= AT_ONCE
    assert {
        labels[0][1] for name, labels in samples(iter(pieces)) if name.endswith("last_success")
    } == set(names)


def test_kubelets_that_are_not_verified_are_counted() -> None:
    found = Scrapes()
    for number, doubt in enumerate(["expired", "expired", ""]):
        found[f"n{number}"] = scrape_result(1.0, doubt=doubt)
    assert samples(found.pages())["kubevouch_kubelets_unverified", ()] == 2
    assert "unverified" not in "".join(Scrapes().pages())
