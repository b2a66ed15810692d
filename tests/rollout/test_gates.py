"""The gates of a node: each in its turn, the first that is not passed is the one that is waited for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.evidence.snapshot import LoggedScrapeFailure
from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition
from kubevouch.kube.resources.certificates import CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.decide.gates import (
    GateEvidence,
    ProofGate,
    expected_metrics,
    gate_results,
)
from kubevouch.rollout.decide.plan import ChangeKind
from tests.diagnose.cases import snapshot

from .recorded import planned, recorded

SEEN = recorded("healthy-worker")
PLAN = planned(SEEN, ChangeKind.APPROVE)
APPROVED = CsrCondition(type="Approved", status="True", reason="KubevouchApprove", message="m")
CSR = CertificateSigningRequest(
    metadata=ManagedMetadata(name="csr-1"),
    status=CsrStatus(conditions=(APPROVED,), certificate=SEEN.served[0]),
)
THEN = datetime(2026, 11, 24, tzinfo=UTC)
ALL_PASSED = GateEvidence(
    plan=PLAN,
    new_process=True,
    csr=CSR,
    held="",
    approved_here=frozenset({"csr-1"}),
    served=(SEEN.seen_on_the_wire(),),
    api_path=None,
    ready=None,
    metrics_not_asked="",
    metrics_before=THEN,
    metrics_now=THEN + timedelta(seconds=15),
)


def status(**other: object) -> CertificateSigningRequest:
    return msgspec.structs.replace(CSR, status=msgspec.structs.replace(CSR.status, **other))


def condition(type_: str) -> CsrCondition:
    return CsrCondition(type=type_, status="True", reason="No", message="because")


def test_all_gates_are_passed_in_their_order() -> None:
    results = gate_results(ALL_PASSED)
    assert all(each.passed for each in results)
    assert [each.gate for each in results] == [
        each for each in ProofGate if each not in SEEN_ELSEWHERE
    ]


ANOTHER = recorded("healthy-control-plane")
SEEN_ELSEWHERE = (ProofGate.ANSWERS, ProofGate.STAYS_UP)
CASES: dict[str, tuple[dict[str, object], ProofGate, str]] = {
    # name: (what is different, the gate that stops it, what it says)
    "not restarted": ({"new_process": False}, ProofGate.PROCESS, "has not restarted"),
    "no CSR": ({"csr": None, "held": "the kubelet has made no CSR yet"}, ProofGate.CSR, "has made no CSR yet"),
    "denied": ({"csr": status(conditions=(condition("Denied"),))}, ProofGate.APPROVED, "csr-1 is Denied: No because"),
    "failed at the signer": ({"csr": status(conditions=(APPROVED, condition("Failed")))}, ProofGate.APPROVED, "csr-1 is Failed"),
    "held, and nobody has approved it": ({"csr": status(conditions=()), "held": "fresh (Old): it is old"}, ProofGate.APPROVED, "csr-1 is held: fresh (Old)"),
    "held, and somebody has approved it: that cannot be taken back": ({"held": "foreign-addresses (Foreign): 10.0.0.9"}, ProofGate.APPROVED, "csr-1 is held"),
    "undecided": ({"csr": status(conditions=()), "approved_here": frozenset()}, ProofGate.APPROVED, "csr-1 is not decided yet"),
    "approved by somebody, and not looked at by us": ({"approved_here": frozenset()}, ProofGate.APPROVED, "csr-1 is not decided yet"),
    "not signed": ({"csr": status(certificate=b"")}, ProofGate.ISSUED, "not signed yet"),
    "signed with bytes that are no certificate": ({"csr": status(certificate=b"-----")}, ProofGate.ISSUED, "not signed yet"),
    "signed for another node": ({"csr": status(certificate=ANOTHER.served[0])}, ProofGate.NAMES, "the signed certificate is for 127."),
    "signed for less than the plan": ({"plan": msgspec.structs.replace(PLAN, addresses=(*PLAN.addresses, Claim("10.0.0.9", NameSource.OPERATOR)))}, ProofGate.NAMES, "the signed certificate is for"),
    "not dialled": ({"served": ()}, ProofGate.SERVED, "not dialled yet"),
    "dark": ({"served": (recorded("pending-worker").seen_on_the_wire(),)}, ProofGate.SERVED, "KV307"),
    "serves another trusted certificate": ({"served": (ANOTHER.seen_on_the_wire(),)}, ProofGate.SERVED, "still serves another certificate"),
    "the API server cannot reach it": ({"api_path": "502"}, ProofGate.API_PATH, "502"),
    "not Ready": ({"ready": "the Node is not Ready"}, ProofGate.READY, "not Ready"),
    "no sample": ({"metrics_now": None}, ProofGate.METRICS, "no newer sample"),
    "an old sample": ({"metrics_now": THEN}, ProofGate.METRICS, "no newer sample"),
}  # fmt: skip
HOPELESS = {
    "held, and somebody has approved it: that cannot be taken back",
    "signed for another node",
    "signed for less than the plan",
}


@pytest.mark.parametrize("name", CASES)
def test_a_gate_stops_what_is_not_proven(name: str) -> None:
    different, gate, text = CASES[name]
    last = gate_results(replace(ALL_PASSED, **different))[-1]  # type: ignore[arg-type]
    assert (last.gate, last.passed, last.hopeless) == (gate, False, name in HOPELESS)
    assert text in last.text


def test_metrics_are_not_waited_for_where_nobody_measures() -> None:
    results = gate_results(
        replace(ALL_PASSED, metrics_not_asked="nobody measures", metrics_now=None)
    )
    assert all(each.passed for each in results)
    [metrics] = [each for each in results if each.gate is ProofGate.METRICS]
    assert metrics.text == "no new sample required, since nobody measures"
    first = gate_results(replace(ALL_PASSED, new_process=None, metrics_before=None))
    assert all(each.passed for each in first)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("healthy", True),
        ("expired", True),
        ("metrics-server-missing", False),
        ("metrics-are-served-from-outside-the-cluster", True),
        ("ours-with-the-flag-that-nobody-needs", True),
        ("ours-waits-for-every-node", False),
        ("ours-waits-for-a-share-of-the-nodes", False),
    ],
)
async def test_metrics_are_asked_for_only_where_they_will_come(case: str, expected: bool) -> None:
    evidence = await snapshot(case)
    assert (expected_metrics(evidence.metrics).nobody == "") is expected


async def test_metrics_broken_for_their_own_reasons_are_asked_of_nobody_who_had_none() -> None:
    """A right that metrics-server lacks: no certificate mends that, and no good node is put back for it."""
    found = expected_metrics((await snapshot("metrics-server-lacks-rights")).metrics)
    assert (
        "lacks a permission (system:serviceaccount:kube-system:metrics-server may not "
        in found.broken
    )
    assert found.why_not("w1").endswith("and the node had no sample before")
    assert replace(found, measured=frozenset({"w1"})).why_not("w1") == ""


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('Get "https://10.0.0.1:10250/metrics/resource": tls: failed to verify certificate: x509: expired', True),
        ('Get "https://10.0.0.1:10250/metrics/resource": remote error: tls: internal error', True),
        ("request failed, status: \"403 Forbidden\"", False),
        ("dial tcp 10.0.0.1:10250: i/o timeout\x1b[2J", False),
    ],
)  # fmt: skip
async def test_what_a_certificate_will_mend_is_waited_for(text: str, asked: bool) -> None:
    metrics = (await snapshot("expired")).metrics
    failures = (LoggedScrapeFailure("w1", text, "pod"),)
    found = expected_metrics(replace(metrics, failures=replace(metrics.failures, value=failures)))
    assert (found.why_not("w1") == "") is asked
    assert found.why_not("w2") == ""
    assert found.why_not("w1").isprintable() or asked
