"""KV411, KV412 and KV414: who approves serving CSRs, and which CSRs are pending.

A pending CSR may be stale, or be from a waiting kubelet or from a node that `apply` is changing. It
may also request names of another node or of the cluster.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Finding, api_proof, counted, finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.wire import is_our_side, is_self_signed, port_states, signed_for
from kubevouch.evidence.approvers import (
    OUR_APPROVER,
    Approver,
    OurApprover,
    last_approval,
)
from kubevouch.evidence.snapshot import Evidence, PolicyEvidence, Served
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import allowed_names_of, claims_value
from kubevouch.policy.csr import asked_of, csr_of, requestor_node
from kubevouch.policy.decide import BELONGING_RULES, decide
from kubevouch.policy.facts import RuleResult, csr_facts
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.policy.sources.configuration import why_unreadable
from kubevouch.x509.kinds import NODE_PREFIX


def running_approvers(evidence: Evidence) -> tuple[Approver, ...]:
    """Returns the running approvers of serving CSRs, ours last.

    Our approver does not count if it has no leader, or if the leader cannot read its configuration.
    """
    ours = evidence.our_approver.value
    running = [each for each in evidence.approvers.or_else(()) if each.running]
    if ours is not None:
        running = [each for each in running if each.name != OUR_APPROVER]
        if not approves_nothing(ours):
            running.append(Approver(OUR_APPROVER, "it holds its Lease", running=True))
    return tuple(running)


def unseen_approver(evidence: Evidence) -> Approver | None:
    """Returns the approver that wrote the newest approval, if no running approver was found.

    It may run outside the cluster, or have stopped. Approvals by people do not count.
    """
    if running_approvers(evidence):
        return None
    # Our approver decides nothing now, or has no Deployment and no Lease, so its approvals are
    # older.
    but = {OUR_APPROVER} if evidence.our_approver.is_known else set()
    return last_approval(evidence.csrs.or_else(()), evidence.at, but)


def no_approver_is_seen(evidence: Evidence) -> bool:
    """Whether no running approver was found; False if unknown."""
    known = evidence.approvers.is_known and evidence.our_approver.is_known
    return known and evidence.csrs.is_known and not running_approvers(evidence)


def has_no_approver(evidence: Evidence) -> bool:
    """Whether no running approver was found, and no CSR was approved by an approver recently."""
    return no_approver_is_seen(evidence) and unseen_approver(evidence) is None


def approves_nothing(ours: OurApprover) -> str:
    """Why our approver approves nothing, as a phrase after "the approver". Empty if it approves, or if that is unknown."""
    if not ours.decides:
        return f"is installed and decides nothing: {ours.why_not}"
    if unread := why_unreadable(ours.configuration):
        return f"runs, but approves nothing, since its configuration cannot be read: {unread.seen}"
    return ""


_EARLIEST_ROTATION = 0.7
"""A kubelet renews at 70 to 90 % of a certificate's life (client-go certificate_manager.go,
nextRotationDeadline)."""


@rule(Code.ROTATION_WILL_STALL)
def rotation_will_stall(evidence: Evidence) -> Iterator[Finding]:
    """Kubelets serve issued certificates, but no running approver was found that would approve their next CSRs."""
    if not no_approver_is_seen(evidence):
        return
    known = {each.node for each in evidence.served if each.is_trusted}
    trusted = {node: leaf for node, leaf in signed_for(evidence).items() if node in known}
    if not trusted:
        return
    stalls = min(
        c.not_before + (c.not_after - c.not_before) * _EARLIEST_ROTATION for c in trusted.values()
    )
    dark = min(c.not_after for c in trusted.values())
    stall = f"rotation stalls from {stalls:%Y-%m-%d}, certificates expire from {dark:%Y-%m-%d}"
    ours = evidence.our_approver.value
    if unseen := unseen_approver(evidence):
        title = f"no running approver was found: {unseen.evidence}. If it has stopped, {stall}"
    elif ours and ours.decides:
        title = f"the approver approves nothing: {stall}"
    else:
        title = f"no approver runs: {stall}"
    yield finding(Code.ROTATION_WILL_STALL, title, subjects=sorted(trusted))


@rule(Code.OTHERS_APPROVE_BESIDE_OURS)
def others_beside_ours(evidence: Evidence) -> Iterator[Finding]:
    """Another approver approves the same CSRs as our approver."""
    names = [each.name for each in running_approvers(evidence)]
    others = [each for each in names if each != OUR_APPROVER]
    if others and OUR_APPROVER in names:
        verb = "approves" if len(others) == 1 else "approve"
        title = f"{named(others)} also {verb} serving CSRs, and our approver cannot block that"
        yield finding(Code.OTHERS_APPROVE_BESIDE_OURS, title, subjects=others)


def node_of(csr: CertificateSigningRequest) -> str:
    """The node that made a CSR."""
    return csr.spec.username.removeprefix(NODE_PREFIX)


def pending_csrs(evidence: Evidence) -> dict[str, list[CertificateSigningRequest]]:
    """Undecided CSRs by requestor, oldest first."""
    found: dict[str, list[CertificateSigningRequest]] = defaultdict(list)
    for csr in evidence.csrs.or_else(()):
        if not csr.status.conditions:
            found[node_of(csr)].append(csr)
    return found


def newest_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each node, decided or not."""
    return {node_of(csr): csr for csr in evidence.csrs.or_else(())}


def _undecided(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """Each node's newest CSR, if it is undecided."""
    newest = newest_csrs(evidence)
    return {
        node: found[-1]
        for node, found in pending_csrs(evidence).items()
        if newest[node] is found[-1]
    }


def strange_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """Each node's newest CSR if it is pending and requests a name or address that the Node does not claim.

    Leaves out nodes that serve no certificate from the signer. A kubelet requests what its Node
    claims, and makes a new CSR when the claims change (pkg/kubelet/certificate/kubelet.go).
    """
    nodes = {each.name: each for each in evidence.nodes.or_else(())}
    serving = signed_for(evidence)
    found = {}
    for name, csr in _undecided(evidence).items():
        asked, node = asked_of(csr_of(csr)), nodes.get(name)
        if asked is None or node is None or name not in serving:
            continue
        if not all(claims_value(node, value) for value in asked.values):
            found[name] = csr
    return found


def waiting_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each kubelet that waits for a decision.

    Leaves out kubelets whose served certificate is unknown, since their CSRs may be stale.
    """
    known = {
        served.node
        for served, port in zip(evidence.served, port_states(evidence), strict=True)
        if not is_our_side(served) or port.code is Code.NO_SERVING_CERTIFICATE
    }
    asking = known - left_over_csrs(evidence).keys()
    return {node: csr for node, csr in _undecided(evidence).items() if node in asking}


def asking_for_a_run(evidence: Evidence) -> set[str]:
    """Nodes with an unfinished change by `apply`, if their newest CSR is pending.

    `apply` made the kubelet create this CSR, and will approve it. If CSRs are unknown, returns all
    nodes with an unfinished change.
    """
    armed = {each.node for each in evidence.armed}
    return armed & _undecided(evidence).keys() if evidence.csrs.is_known else armed


def signing_themselves(evidence: Evidence) -> dict[str, Served]:
    """Kubelets that serve a self-signed certificate, by node.

    Leaves out the nodes of `asking_for_a_run`, since `apply` has installed a temporary certificate.
    """
    seeded = asking_for_a_run(evidence)
    return {
        served.node: served
        for served in evidence.served
        if (leaf := served.dialled.leaf) and is_self_signed(leaf) and served.node not in seeded
    }


def left_over_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The stale CSRs of nodes that now serve a self-signed certificate, by node.

    Each CSR is the newest of its node and still pending. The kubelet has restarted since it made
    the CSR: with serverTLSBootstrap a kubelet serves only issued certificates
    (pkg/kubelet/kubelet.go), or the certificate that `apply` has installed in an unfinished change.
    """
    own = signing_themselves(evidence)
    return {node: csr for node, csr in _undecided(evidence).items() if node in own}


@rule(Code.CSR_OUTSIDE_POLICY)
def outside_policy(evidence: Evidence) -> Iterator[Finding]:
    """A pending CSR requests a name or address of another node or of the cluster.

    Other rules of the policy are not checked, since honest mistakes break them, too.
    """
    csrs = [each for each in evidence.csrs.or_else(()) if not each.status.conditions]
    refused = outside_policy_csrs(evidence, csrs)
    proofs = []
    for request in csrs:
        if request.name in refused:
            asked = ", ".join(result.seen for result in refused[request.name])
            who = requestor_node(csr_of(request)) or request.spec.username
            proofs.append(api_proof(request.name, f"{who} requests {asked}", evidence.csrs))
    if proofs:
        what = counted(len(proofs), "pending CSR requests", "pending CSRs request")
        title = f"{what} names or addresses of another node or of the cluster"
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
    """CSRs that request names or addresses of another node or of the cluster, with the rules that refuse them."""
    if evidence.names is None or not csrs:
        return {}
    indexed = IndexedEvidence(PolicyEvidence(evidence.nodes, evidence.csrs, evidence.names))
    found = {each.name: _refused(each, indexed, evidence) for each in csrs}
    return {name: results for name, results in found.items() if results}


def _refused(
    csr: CertificateSigningRequest, indexed: IndexedEvidence, evidence: Evidence
) -> list[RuleResult]:
    """The refusals that an operator cannot override.

    Leaves out refusals of values that an operator can pin, such as the API server's address on a
    control-plane node.
    """
    asked = csr_of(csr)
    node = indexed.node(requestor_node(asked) or "")
    facts = csr_facts(
        asked, indexed, at=evidence.at, allowed=allowed_names_of(node) if node else None
    )
    if not indexed.knows_nodes:
        # Any node may be a control plane with its own endpoint.
        anyones = msgspec.structs.replace(facts.reserved, endpoint_addresses={})
        facts = msgspec.structs.replace(facts, reserved=anyones)
    results = decide(facts, BELONGING_RULES).results
    return [r for r in results if r.outcome is Outcome.REFUSE and not r.operator_may_allow]
