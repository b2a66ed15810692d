"""--warn and --fail: a time that is left, or a part of the life that is used."""

from datetime import timedelta

import pytest

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.inventory.rows import Concern, LifeLimit, Limits, read_life_limit
from tests.inventory.found import DAY, YEAR, at_node, rows


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("30d", LifeLimit(timedelta(days=30))),
        ("12h", LifeLimit(timedelta(hours=12))),
        ("1d12h", LifeLimit(timedelta(hours=36))),
        ("90m", LifeLimit(timedelta(minutes=90))),
        ("0s", LifeLimit()),
        ("92%", LifeLimit(used=0.92)),
        ("66.5%", LifeLimit(used=0.665)),
        ("100%", LifeLimit(used=1.0)),
        ("0%", LifeLimit(used=0.0)),
    ],
)
def test_a_limit_is_a_time_or_a_percentage(text: str, limit: LifeLimit) -> None:
    found = read_life_limit(text)
    assert found is not None
    assert found.left == limit.left
    assert found.used == pytest.approx(limit.used)


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "%", "101%", "-1d", "12h1d", "1.5d", "٣d", "30 d", "30d\n", "9999999d", "1e9%"],
)
def test_anything_else_is_no_limit(text: str) -> None:
    assert read_life_limit(text) is None


@pytest.mark.parametrize(
    ("left", "warn", "fail", "concern"),
    [
        (30 * DAY, "30d", None, Concern.WARN),
        (30 * DAY + timedelta(seconds=1), "30d", None, Concern.NONE),
        (30 * DAY, "60d", "30d", Concern.FAIL),
        (31 * DAY, "60d", "30d", Concern.WARN),
        (0.08 * YEAR, "92%", None, Concern.WARN),
        (0.09 * YEAR, "92%", None, Concern.NONE),
        (0.5 * YEAR, "92%", "50%", Concern.FAIL),
        (-DAY, "92%", None, Concern.FAIL),
        (-DAY, "92%", "0s", Concern.FAIL),
        (400 * DAY, "92%", None, Concern.FAIL),
    ],
)
def test_a_row_reaches_a_limit_to_the_second(
    left: timedelta, warn: str, fail: str | None, concern: Concern
) -> None:
    limit = read_life_limit(warn)
    assert limit is not None
    limits = Limits(limit, read_life_limit(fail) if fail else None)
    (row,) = rows(at_node("n", left))
    assert limits.concern(row) is concern


@pytest.mark.parametrize(
    ("use", "missing", "concern"),
    [
        (CertificateUse.KUBELET_SERVING, False, Concern.FAIL),
        (CertificateUse.ADMIN_CONF, True, Concern.FAIL),
        (CertificateUse.SUPER_ADMIN_CONF, False, Concern.FAIL),
        # A control plane that joined has none.
        (CertificateUse.SUPER_ADMIN_CONF, True, Concern.NONE),
    ],
)
def test_what_is_missing_or_unreadable_fails_whatever_the_limits_say(
    use: CertificateUse, missing: bool, concern: Concern
) -> None:
    (row,) = rows(at_node("n", None, missing=missing, use=use))
    assert Limits().concern(row) is concern
