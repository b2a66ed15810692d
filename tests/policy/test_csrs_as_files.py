"""Whole decisions: each file of cases/ is a CSR as an API server has it, and what must be decided, written by hand.

A case starts from what kubeadm 1.36.3 recorded (tests/fixtures/kubeadm-1.36: CSRs and Nodes) and says what differs:

    csr, change       the recorded CSR, and a JSON merge patch over it
    nodes             merge patches over Nodes by name, new ones among them; nodesUnknown: they could not be listed
    askedAgain        the same kubelet has made another CSR since
    seen, allow       what was proven, and what the operator says
    clientCertificates, withoutCredentialId, planMadeAt    what `apply` knows besides
    at                the moment; without it the second after the CSR was made
    expected          the outcome, and the rules that say so, in any order
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import NameSource, allowed_names_of, confirmed, with_said
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.node_index import IndexedEvidence
from tests.support.rows import of_each

from . import kubeadm_cluster
from .test_each_rule import CASES as PIECES
from .test_each_rule import case_of

Object = dict[str, Any]
RECORDED = Path(__file__).parents[1] / "fixtures" / "kubeadm-1.36"
CASES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "cases").glob("*.json"))
}
NAMES = replace(
    kubeadm_cluster.NAMES,
    services={
        "kubernetes.default": "Service default/kubernetes",
        "metrics-server.kube-system": "Service kube-system/metrics-server",
    },
    pod_networks=(),
)


def recorded(file: str) -> Iterator[Object]:
    yield from json.loads((RECORDED / file).read_text())["items"]


def patched(found: Object, patch: Object) -> Object:
    """RFC 7396."""
    whole = dict(found)
    for key, value in patch.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict):
            whole[key] = patched(whole.get(key, {}), value)
        else:
            whole[key] = value
    return whole


def nodes_of(case: Object) -> dict[str, Node]:
    known = {each["metadata"]["name"]: each for each in recorded("nodes.json")}
    patches = case.get("nodes", {})
    new = {name: {"metadata": {"name": name}} for name in patches if name not in known}
    return {
        name: msgspec.convert(patched(each, patches.get(name, {})), Node)
        for name, each in {**known, **new}.items()
    }


def decided(case: Object) -> Decision:
    found = next(each for each in recorded("csr.json") if each["metadata"]["name"] == case["csr"])
    found = patched(found, case.get("change", {}))
    if not case.get("decided"):
        found["status"] = {}
    kept = msgspec.convert(found, CertificateSigningRequest)
    created = kept.metadata.creation_timestamp
    assert created is not None
    at = datetime.fromisoformat(case["at"]) if "at" in case else created + timedelta(seconds=1)
    doubt = Doubt(DoubtKind.FAILED, "no answer") if case.get("nodesUnknown") else None
    again = msgspec.structs.replace(
        kept, metadata=msgspec.structs.replace(kept.metadata, name="csr-later")
    )
    later = (again,) if case.get("askedAgain") else ()
    evidence = IndexedEvidence(
        PolicyEvidence(
            nodes=Measured(
                Vantage.API_SERVER, at, None if doubt else tuple(nodes_of(case).values()), doubt
            ),
            csrs=Measured(Vantage.API_SERVER, at, (kept, *later)),
            names=NAMES,
        )
    )
    csr = csr_of(kept)
    node = evidence.node(requestor_node(csr) or "")
    seen = {value: NameSource(source) for value, source in case["seen"].items()}
    said = case.get("allow", [])
    allowed = None
    if node is not None:
        allowed = with_said(confirmed(allowed_names_of(node, seen=seen), said), said)
    certificates = case["clientCertificates"]
    facts = msgspec.structs.replace(
        csr_facts(csr, evidence, at=at, allowed=allowed),
        client_certificates=None if certificates is None else frozenset(certificates),
        without_credential_id=case.get("withoutCredentialId", False),
    )
    return decide(facts)


@of_each(CASES)
def test_a_csr_is_decided_as_its_file_says(name: str) -> None:
    case = CASES[name]
    decision = decided(case)
    assert decision.outcome.value == case["expected"]["outcome"], decision.why
    held = {each.rule for each in decision.held_by if each.outcome is decision.outcome}
    assert held == set(case["expected"]["heldBy"]), decision.why


def test_one_line_says_why_the_gravest_first() -> None:
    decision = decided(CASES["capitals"])
    first, second = decision.why.split("; plain-names ")
    assert first.startswith(
        "allowed-names (NameNotAllowed): K8S-WORKER-1.INTERNAL.EXAMPLE.COM: not"
    )
    assert second.startswith(
        "(NameNotPlain): 'K8S-WORKER-1.INTERNAL.EXAMPLE.COM' (capital letters)"
    )
    assert decided(CASES["as-recorded"]).why == ""


def test_the_operators_word_helps_only_where_it_makes_every_rule_pass() -> None:
    assert decided(CASES["contested"]).operator_may_allow == ("192.168.88.112",)
    assert decided(CASES["capitals"]).operator_may_allow == ()
    assert decided(CASES["service-address"]).operator_may_allow == ()


# P passes, R refuses, C cannot tell: every outcome that a rule has, by hand.
OUTCOMES = {
    "size": "PR",
    "canonical": "PR",
    "signer": "PR",
    "requestor": "PR",
    "credential-id": "PRC",
    "client-standing": "PRC",
    "own-key": "PR",
    "subject": "PRC",
    "live-node": "PRC",
    "same-node": "PRC",
    "usages": "PR",
    "key": "PRC",
    "lifetime": "PR",
    "count": "PRC",
    "plain-names": "PRC",
    "reserved-names": "PRC",
    "foreign-names": "PRC",
    "allowed-names": "PRC",
    "usable-addresses": "PRC",
    "reserved-addresses": "PRC",
    "foreign-addresses": "PRC",
    "allowed-addresses": "PRC",
    "undecided": "PR",
    "newest": "PRC",
    "fresh": "PRC",
    "budget": "PR",
}


def test_every_rule_has_a_case_for_each_of_its_outcomes_and_has_no_other() -> None:
    letters = {Outcome.PASS: "P", Outcome.REFUSE: "R", Outcome.CANNOT_TELL: "C"}
    decisions = [case_of(said).judged() for said in PIECES.values()]
    decisions += map(decided, CASES.values())
    found: dict[str, set[str]] = {}
    for decision in decisions:
        for result in decision.results:
            found.setdefault(result.rule, set()).add(letters[result.outcome])
    assert {rule: set(outcomes) for rule, outcomes in OUTCOMES.items()} == found
