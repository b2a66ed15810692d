"""How many of the ready nodes are read, and what of a node's results is news."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.metrics.scraping import Coverage, ScrapeResult, coverage_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
READ = ScrapeResult("", NOW, NOW)
FAILED = ScrapeResult("deadline", NOW, None)
DOUBTED = msgspec.structs.replace(READ, doubt="x509: at 12:00")


def test_what_was_read_not_long_ago_counts_whatever_came_since() -> None:
    nodes = ["read", "failed-since", "failed-for-long", "never", "new"]
    results = {
        "read": READ,
        "failed-since": FAILED.after(msgspec.structs.replace(READ, read_at=NOW - 45 * SECOND)),
        "failed-for-long": FAILED.after(msgspec.structs.replace(READ, read_at=NOW - 46 * SECOND)),
        "never": FAILED,
        "not-ready": FAILED,
        "gone": READ,
    }
    found = coverage_of(nodes, results, now=NOW, recent=45 * SECOND)
    assert found == Coverage(5, ("failed-for-long", "never", "new"))
    assert found.share == 0.4


def test_without_a_ready_node_nothing_is_missing() -> None:
    assert coverage_of([], {}, now=NOW, recent=SECOND).share == 1.0


def test_ten_names_are_enough() -> None:
    names = tuple(f"n{number}" for number in range(12))
    assert Coverage(12, names).unread_named.endswith("n9 and 2 more")
    assert Coverage(12, names[:10]).unread_named.endswith(", n9")


@pytest.mark.parametrize(
    ("before", "now", "is_news"),
    [
        (None, READ, False),
        (None, FAILED, True),
        (READ, READ, False),
        (READ, FAILED, True),
        (FAILED, READ, True),
        (FAILED, msgspec.structs.replace(FAILED, reason="refused"), True),
        (READ, DOUBTED, True),
        (None, DOUBTED, True),
        (DOUBTED, msgspec.structs.replace(READ, doubt="x509: at 12:01"), False),
    ],
)
def test_what_is_news(before: ScrapeResult | None, now: ScrapeResult, *, is_news: bool) -> None:
    assert now.differs(before) is is_news


def test_a_result_knows_when_the_node_was_read_last() -> None:
    assert FAILED.after(READ).read_at == NOW
