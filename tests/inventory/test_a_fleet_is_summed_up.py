"""Many certificates of one use are a few lines: counts, the first to end, and what is not like the others."""

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.inventory.fleet import MOST_ROWS, UseSummary, summed_up
from kubevouch.inventory.rows import Limits
from tests.inventory.found import DAY, at_node, rows


def _fleet(count: int) -> list[FoundCertificate]:
    return [at_node(f"node-{number:03}", (100 + number % 7) * DAY) for number in range(count)]


def _summary(*found: FoundCertificate) -> UseSummary:
    (summary,) = summed_up(rows(*found), Limits())
    assert isinstance(summary, UseSummary)
    return summary


def test_a_small_cluster_is_shown_row_by_row() -> None:
    assert len(summed_up(rows(*_fleet(MOST_ROWS)), Limits())) == MOST_ROWS


def test_a_fleet_is_one_line() -> None:
    summary = _summary(*_fleet(500))
    assert (summary.count, summary.states, summary.outliers) == (500, (("good", 500),), ())
    assert summary.first is not None
    assert summary.first.found.node == "node-000"


def test_other_uses_keep_their_rows() -> None:
    ca = at_node("", 900 * DAY, use=CertificateUse.CLUSTER_CA)
    lines = summed_up(rows(*_fleet(20), ca), Limits())
    assert [type(each) is UseSummary for each in lines] == [True, False]


def test_what_is_not_like_the_others_is_named_with_its_reason() -> None:
    summary = _summary(
        *_fleet(50),
        at_node("dead", None),
        at_node("old", -3 * DAY),
        at_node("soon", 5 * DAY),
        at_node("foreign", authority="other"),
        at_node("short", 20 * DAY, life=30 * DAY),
    )
    assert dict(summary.states) == {"good": 52, "no answer": 1, "ended": 1, "ends soon": 1}
    assert {each.row.found.node: each.why for each in summary.outliers} == {
        "dead": "no answer",
        "old": "ended",
        "soon": "ends soon",
        "foreign": "signed by another CA",
    }


def test_where_most_are_alike_in_trouble_a_few_stand_for_all() -> None:
    ended = [at_node(f"ended-{number:03}", -DAY) for number in range(400)]
    summary = _summary(*_fleet(50), *ended)
    assert [each.row.found.node for each in summary.outliers] == [
        "ended-000",
        "ended-001",
        "ended-002",
    ]
    assert [each.more for each in summary.outliers] == [0, 0, 397]


def test_where_half_have_one_authority_and_half_another_none_is_the_odd_one() -> None:
    half = [at_node(f"other-{number}", authority="other") for number in range(20)]
    assert _summary(*_fleet(20), *half).outliers == ()


def test_nothing_readable_has_no_first_end() -> None:
    summary = _summary(*(at_node(f"n{number}", None) for number in range(30)))
    assert summary.first is None
