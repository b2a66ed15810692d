"""`certs -o prometheus`, read back by Prometheus' own parser."""

import io
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.cli.certs.render import print_rows
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.inventory.limits import Limits
from kubevouch.inventory.redaction import Redaction, Replaced
from tests.inventory.found import AT, DAY, at_node, inventory

NOT_AFTER = "kubevouch_certificate_not_after_timestamp_seconds"


def _series(
    *found: FoundCertificate, redaction: Callable[[str], str] = str
) -> list[tuple[str, dict[str, str], float]]:
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    terminal.redaction = redaction
    print_rows(terminal, inventory(*found), "prometheus", Limits())
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(out.getvalue())
        for sample in family.samples
    ]


def test_an_end_is_a_number_of_seconds() -> None:
    (end,) = (each for each in _series(at_node("w1")) if each[0] == NOT_AFTER)
    assert end[1] == {"use": "kubelet-serving", "node": "w1", "where": "w1:10250"}
    assert end[2] == (AT + 100 * DAY).timestamp()


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ('/a"b', '/a"b'),
        ("/a\\b", "/a\\b"),
        ("/a\nkubevouch 1", "/a\\nkubevouch 1"),
        ("/a\x1b[2J\x85", "/a\\x1b[2J\\x85"),
        ("/ü{}=,#", "/ü{}=,#"),
    ],
)
def test_a_hostile_path_stays_one_label(path: str, read: str) -> None:
    series = _series(at_node("", use=CertificateUse.KUBECONFIG, where=path))
    assert {labels["where"] for _, labels, _ in series} == {read}


def test_redaction_touches_values_only() -> None:
    names = [(Replaced.NODE, each) for each in ("node", "use", "where")]
    found = [at_node("node"), at_node("use", None), at_node("where")]
    series = _series(*found, redaction=Redaction(names))
    assert {labels["node"] for _, labels, _ in series} == {"node-1", "node-2", "node-3"}
    # A node of that name is still the one that its certificate is for, or is not.
    plain = [(name, value) for name, _, value in _series(*found)]
    assert [(name, value) for name, _, value in series] == plain
