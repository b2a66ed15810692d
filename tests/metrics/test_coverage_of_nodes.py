"""Which of the ready nodes are not read."""

from datetime import UTC, datetime, timedelta

from kubevouch.metrics.scraping import ScrapeResult, first_of, unread

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_what_was_read_not_long_ago_counts_whatever_came_since() -> None:
    results = {
        "read": ScrapeResult("", NOW, NOW),
        "failed-since": ScrapeResult("deadline", NOW, NOW - 45 * SECOND),
        "failed-for-long": ScrapeResult("deadline", NOW, NOW - 46 * SECOND),
        "never": ScrapeResult("deadline", NOW, None),
        "not-ready": ScrapeResult("deadline", NOW, None),
        "gone": ScrapeResult("", NOW, NOW),
    }
    nodes = ["read", "failed-since", "failed-for-long", "never", "new"]
    found = unread(nodes, results, now=NOW, recent=45 * SECOND)
    assert found == ("failed-for-long", "never", "new")


def test_ten_names_are_enough() -> None:
    names = tuple(f"n{number}" for number in range(12))
    assert first_of(names).endswith("n9 and 2 more")
    assert first_of(names[:10]).endswith(", n9")
