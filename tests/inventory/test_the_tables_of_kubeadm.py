"""kubeadm's two tables, byte for byte. The judges are kubeadm and apimachinery: what they printed is recorded."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.evidence.gather.certificates.disks import certificates_on_disk
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.kubeadm_tables import (
    disk_tables,
    human_duration,
    kubeadm_lines,
)
from kubevouch.inventory.purpose import SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import CertificateRow, row_of, rows_of
from kubevouch.x509 import read_certificates
from real.oracle import duration_corpus
from tests.inventory.found import at_node
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.go import answers_today

CASES = Path(__file__).parent / "cases"
DURATIONS: list[tuple[int, str]] = [
    (seconds, text)
    for seconds, text in map(json.loads, (CASES / "go-durations.jsonl").read_text().splitlines())
]
CONTROL_PLANES: list[dict[str, Any]] = [
    json.loads(line) for line in (CASES / "kubeadm.jsonl").read_text().splitlines()
]
"""What real kubeadm printed of trees that it had made itself: see real/oracle/kubeadm_corpus.py."""

RECORDED = Path(__file__).parents[1] / "fixtures" / "kubeadm-1.36"
CERTIFICATE = read_certificates(Authority().pem, "test")[0]
AT = datetime(2026, 11, 26, tzinfo=UTC)


def _row(
    use: CertificateUse, ends: datetime, *, ca: str = "ca", external: bool = False
) -> CertificateRow:
    certificate = replace(CERTIFICATE, not_before=AT - timedelta(days=9), not_after=ends)
    found = FoundCertificate(
        use, f"/{use}", Vantage.NODE_DISK, AT, chain=(certificate,), ca=ca, externally_managed=external
    )  # fmt: skip
    return row_of(found, AT)


def _absent(use: CertificateUse, *, missing: bool = True) -> CertificateRow:
    return row_of(FoundCertificate(use, "/", Vantage.NODE_DISK, AT, missing=missing), AT)


def kubeadm_tables(rows: Iterable[CertificateRow], at: datetime) -> tuple[str, ...]:
    """The lines of one node, at this moment."""
    found = [row_of(each.found, at) for each in rows]
    return tuple(line for tables in disk_tables(found) for line in kubeadm_lines(tables))


def _as_said(said: dict[str, Any]) -> CertificateRow:
    ends = datetime.fromisoformat(said["expirationDate"])
    return _row(
        CertificateUse(said["name"]),
        ends,
        ca=said.get("caName", ""),
        external=said["externallyManaged"],
    )


def test_a_control_plane_is_shown_as_kubeadm_showed_it() -> None:
    said = json.loads((RECORDED / "kubeadm-certs-check-expiration.json").read_text())
    printed = (RECORDED / "kubeadm-certs-check-expiration.txt").read_text()
    entries = [*said["certificates"], *said["certificateAuthorities"]]
    at = datetime.fromisoformat(entries[0]["expirationDate"])
    at -= timedelta(seconds=entries[0]["residualTime"])
    rows = [_as_said(entry) for entry in reversed(entries)]
    assert "\n".join(kubeadm_tables(rows, at)) + "\n" == printed.partition("\n\n")[2]


@pytest.mark.parametrize("case", CONTROL_PLANES, ids=lambda case: case["name"])
def test_a_disk_is_shown_as_kubeadm_shows_it(case: dict[str, Any], tmp_path: Path) -> None:
    files: dict[str, str | None] = {**CONTROL_PLANES[0]["files"], **case["files"]}
    for path, text in files.items():
        if text is not None:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    for path in case["keys"]:
        (tmp_path / path).touch()  # that it is there is all that kubeadm looks at
    at = datetime.fromisoformat(case["at"])
    found = certificates_on_disk([tmp_path], SteppedClock(at))
    assert "\n".join(kubeadm_tables(rows_of(found), at)) + "\n" == case["printed"]


def test_every_name_that_kubeadm_uses_is_known_by_it() -> None:
    said = json.loads((RECORDED / "kubeadm-certs-check-expiration.json").read_text())
    named = {entry["name"] for kind in said.values() if isinstance(kind, list) for entry in kind}
    assert named == {use.value for use in SHOWN_BY_KUBEADM}


def test_what_kubeadm_does_not_show_is_not_in_its_tables() -> None:
    served = row_of(at_node("cp", use=CertificateUse.API_SERVER), AT)
    assert kubeadm_tables([_row(CertificateUse.KUBELET_SERVING, AT), served], AT) == ()


def test_of_a_file_with_two_authorities_the_first_is_shown() -> None:
    old, new = AT + timedelta(days=1), AT + timedelta(days=4000)
    first, second = (_row(CertificateUse.CLUSTER_CA, ends) for ends in (new, old))
    whole = replace(first.found, chain=(first.found.chain[0], second.found.chain[0]))
    lines = kubeadm_tables([second, row_of(whole, AT)], AT)
    assert [line.split()[0] for line in lines[-1:]] == ["ca"]
    assert "10y" in lines[-1]


def test_what_cannot_be_read_is_not_called_missing() -> None:
    rows = [_absent(CertificateUse.API_SERVER, missing=False), _absent(CertificateUse.ETCD_CA)]
    lines = kubeadm_tables(rows, AT)
    assert lines[1].rstrip() == "!UNREADABLE! apiserver"
    assert lines[4].rstrip() == "!MISSING! etcd-ca"


def test_a_residual_time_is_written_as_go_writes_it() -> None:
    assert len(DURATIONS) > 300
    for seconds, text in DURATIONS:
        assert human_duration(seconds) == text, seconds


def test_a_row_counts_whole_seconds_towards_zero() -> None:
    row = _row(CertificateUse.CLUSTER_CA, AT)
    for seconds, text in DURATIONS:
        if abs(seconds) > 10**9:
            continue  # before or after what Python has dates for
        fraction = timedelta(seconds=0.5 if seconds > 0 else -0.5 if seconds < 0 else 0)
        at = AT - timedelta(seconds=seconds) - fraction
        assert kubeadm_tables([row], at)[-1].split()[-2] == text


def test_the_year_9999_is_as_far_away_as_a_go_duration_reaches() -> None:
    row = _row(CertificateUse.CLUSTER_CA, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert "Dec 31, 9999 23:59 UTC   292y" in kubeadm_tables([row], AT)[-1]


@pytest.mark.needs_go
def test_go_still_writes_the_recorded_durations() -> None:
    asked = duration_corpus.questions()
    assert [seconds for seconds, _ in DURATIONS] == asked
    assert answers_today(duration_corpus.judged, asked) == [text for _, text in DURATIONS]
