"""KV412: an undecided CSR requests names or addresses of another node or of the cluster."""

from collections.abc import Collection, Iterator

import msgspec

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import api_proof, counted, finding
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import allowed_names_of
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.decide import BELONGING_RULES
from kubevouch.policy.facts import RuleResult, csr_facts
from kubevouch.policy.node_index import IndexedEvidence


@rule(Code.CSR_OUTSIDE_POLICY)
def outside_policy(evidence: Evidence) -> Iterator[Finding]:
    """Refused by a rule that no flag overrides. What another rule holds may be an honest mistake."""
    csrs = [each for each in evidence.csrs.or_else(()) if not each.status.conditions]
    refused = outside_policy_csrs(evidence, csrs)
    proofs = []
    for request in csrs:
        if request.name in refused:
            asked = ", ".join(result.seen for result in refused[request.name])
            who = requestor_node(csr_of(request)) or request.spec.username
            proofs.append(api_proof(request.name, f"{who} asks for {asked}", evidence.csrs))
    if proofs:
        what = counted(len(proofs), "pending CSR asks", "pending CSRs ask")
        title = f"{what} for another node's, or the cluster's own, names or addresses"
        yield finding(
            Code.CSR_OUTSIDE_POLICY,
            title,
            subjects=[p.subject for p in proofs],
            proofs=proofs,
            details={"csr": proofs[0].subject, "asked": proofs[0].seen},
        )


def outside_policy_csrs(
    evidence: Evidence, csrs: Collection[CertificateSigningRequest]
) -> dict[str, list[RuleResult]]:
    """Those of these CSRs that ask for what is another node's or the cluster's, by name, with the rules that say so."""
    if evidence.names is None or not csrs:
        return {}
    indexed = IndexedEvidence(PolicyEvidence(evidence.nodes, evidence.csrs, evidence.names))
    found = {each.name: _refused(each, indexed, evidence) for each in csrs}
    return {name: results for name, results in found.items() if results}


def _refused(
    csr: CertificateSigningRequest, indexed: IndexedEvidence, evidence: Evidence
) -> list[RuleResult]:
    """What nothing overrides.

    What the node may have by a pin is no attempt: a control-plane node has its API server's address as its own.
    """
    asked = csr_of(csr)
    node = indexed.node(requestor_node(asked) or "")
    facts = csr_facts(
        asked, indexed, at=evidence.at, allowed=allowed_names_of(node) if node else None
    )
    if not indexed.knows_nodes:
        # Any of them might be a control plane, with its own endpoint.
        anyones = msgspec.structs.replace(facts.reserved, endpoint_addresses={})
        facts = msgspec.structs.replace(facts, reserved=anyones)
    results = [rule(facts) for rule in BELONGING_RULES]
    return [r for r in results if r.outcome is Outcome.REFUSE and not r.operator_may_allow]
