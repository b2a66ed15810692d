"""Rows as Prometheus reads them: the parser of its own Python client is the judge."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.inventory.metrics import LONGEST_PLACE, exposition_of
from kubevouch.inventory.rows import row_of
from kubevouch.tls import FailureKind
from kubevouch.x509 import read_certificates, verify
from tests.inventory.found import AT, at_node
from tests.support.authority import Authority

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
ADDRESS = "10.0.0.1"
OURS, OTHERS = Authority(), Authority()

Samples = dict[str, list[tuple[dict[str, str], float]]]


def kubelet(
    authority: Authority = OURS,
    *,
    node: str | None = "n",
    address: str = ADDRESS,
    dns: str = "n",
    cn: str | None = None,
) -> FoundCertificate:
    """What the kubelet of `n` serves, judged as its clients judge it. node: who it says it is, or else the CN."""
    pair = authority.serving(
        dns, address, node=node, common_name=cn, not_before=BEGINS, not_after=ENDS
    )
    chain = read_certificates(pair.chain, "test")
    roots = read_certificates(OURS.pem, "test")
    verdict = verify(chain[0], intermediates=(), roots=roots, name=ADDRESS, at=AT)
    return at_node("n", chain=chain, where=f"{ADDRESS}:10250", verdict=verdict)


def silent(failure: FailureKind) -> FoundCertificate:
    return replace(kubelet(), chain=(), verdict=None, failure=failure, fault="nobody answers")


def samples(*found: FoundCertificate) -> Samples:
    """By name, as Prometheus' parser reads the page."""
    text = "".join(exposition_of(row_of(each, AT) for each in found))
    read: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        for each in family.samples:
            read.setdefault(each.name, []).append((each.labels, each.value))
    return read


def test_the_moments_of_a_life_are_told_with_what_it_is_for_and_where_it_is() -> None:
    read = samples(kubelet())
    labels = {"use": "kubelet-serving", "node": "n", "where": f"{ADDRESS}:10250"}
    assert read["kubevouch_certificate_not_after_timestamp_seconds"] == [(labels, ENDS.timestamp())]
    assert read["kubevouch_certificate_not_before_timestamp_seconds"] == [
        (labels, BEGINS.timestamp())
    ]
    [(info, one)] = read["kubevouch_certificate_info"]
    assert (info["renewed_by"], info["state"], one) == (
        "the kubelet, if its CSR is approved",
        "read",
        1.0,
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (kubelet(), ""),
        (kubelet(OTHERS), "unknown-authority"),
        (kubelet(address="10.9.9.9"), "address-not-covered"),
        (kubelet(node="other"), "wrong-identity"),
        (kubelet(node=None, cn="n"), ""),
        (kubelet(node=None, cn="n", dns="other"), "wrong-identity"),
        (kubelet(node=None, cn="other"), "wrong-identity"),
        (silent(FailureKind.REFUSED), "refused"),
        (silent(FailureKind.ALERT), "alert"),
    ],
)
def test_a_kubelet_without_proof_has_its_reason(found: FoundCertificate, reason: str) -> None:
    read = samples(found)
    assert read["kubevouch_kubelet_serving_verified"] == [({"node": "n"}, float(not reason))]
    failures = [({"node": "n", "reason": reason}, 1.0)] if reason else None
    assert read.get("kubevouch_kubelet_serving_failure_info") == failures


@pytest.mark.parametrize("found", [silent(FailureKind.OUR_SIDE), replace(kubelet(), verdict=None)])
def test_what_could_not_be_told_is_no_series(found: FoundCertificate) -> None:
    read = samples(found)
    assert "kubevouch_kubelet_serving_verified" not in read
    assert "kubevouch_kubelet_serving_failure_info" not in read


def test_what_cannot_be_read_has_no_dates_but_is_there() -> None:
    read = samples(silent(FailureKind.REFUSED))
    assert "kubevouch_certificate_not_after_timestamp_seconds" not in read
    [(info, _)] = read["kubevouch_certificate_info"]
    assert info["state"] == "unreadable"


def test_what_else_was_presented_is_verified_under_its_use() -> None:
    found = replace(kubelet(OTHERS), use=CertificateUse.API_SERVER, node="")
    read = samples(found)
    labels = {"use": "apiserver", "node": "", "where": f"{ADDRESS}:10250"}
    assert read["kubevouch_certificate_verified"] == [(labels, 0.0)]
    assert read["kubevouch_certificate_verify_failure_info"] == [
        ({**labels, "reason": "unknown-authority"}, 1.0)
    ]
    assert "kubevouch_kubelet_serving_verified" not in read


def test_two_certificates_at_one_place_are_two_series() -> None:
    authority = replace(kubelet(), use=CertificateUse.CLUSTER_CA)
    read = samples(authority, authority)
    places = [
        labels["where"] for labels, _ in read["kubevouch_certificate_not_after_timestamp_seconds"]
    ]
    assert places == [authority.where, f"{authority.where} (2)"]


def test_a_place_is_as_long_as_a_label_may_be_and_whatever_is_in_it_is_read_back() -> None:
    odd = 'apiservice "a\\b"\n' + "x" * 5_000
    [(labels, _)] = samples(replace(kubelet(), where=odd))["kubevouch_certificate_info"]
    assert labels["where"] == odd[: LONGEST_PLACE - 1] + "…"
