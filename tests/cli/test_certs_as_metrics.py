"""`certs -o prometheus`, read back by Prometheus' own parser."""

import io

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.cli.certs.render import print_rows
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.inventory.rows import Limits
from tests.inventory.found import AT, DAY, at_node, inventory

NOT_AFTER = "kubevouch_certificate_not_after_timestamp_seconds"


def _series(*found: FoundCertificate) -> list[tuple[str, dict[str, str], float]]:
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
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
