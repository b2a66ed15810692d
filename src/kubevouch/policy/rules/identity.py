"""Rules about the identity of the requestor."""

from datetime import timedelta
from shlex import join

from kubevouch.outcome import Outcome
from kubevouch.policy.csr import (
    KUBELET_SERVING,
    NODE_USER,
    NODES_GROUP,
    certificate_id,
    requestor_node,
)
from kubevouch.policy.facts import (
    CsrFacts,
    RuleResult,
    cannot_tell,
    listed,
    not_asked,
    passes,
    refuses,
    unreadable,
)
from kubevouch.policy.reasons import HoldReason


def signer(facts: CsrFacts) -> RuleResult:
    """The CSR is for kubernetes.io/kubelet-serving, the only signer that this policy covers."""
    seen = facts.csr.signer
    if seen != KUBELET_SERVING:
        return refuses(
            "signer",
            HoldReason.WRONG_SIGNER,
            "this policy is only for kubelets' serving certificates",
            seen=seen,
            allowed=KUBELET_SERVING,
        )
    return passes("signer", seen, KUBELET_SERVING)


def requestor(facts: CsrFacts) -> RuleResult:
    """The requestor is a node, by username *and* group (pkg/auth/nodeidentifier/default.go).

    Anybody who may create CSRs, such as the holder of a bootstrap token, can write any subject.
    Only the username identifies the requestor.
    """
    csr = facts.csr
    allowed = f"user {NODE_USER}<node>, group {NODES_GROUP}"
    seen = f"user {csr.username}, groups {listed(csr.groups)}"
    if requestor_node(csr) is None or NODES_GROUP not in csr.groups:
        return refuses(
            "requestor",
            HoldReason.NOT_A_NODE,
            "only a kubelet may request a kubelet's serving certificate",
            seen=seen,
            allowed=allowed,
        )
    return passes("requestor", seen, allowed)


def subject(facts: CsrFacts) -> RuleResult:
    """The subject is exactly O=system:nodes and CN=<the requestor's username>.

    The signer never compares the CN with the username (pkg/controller/certificates/signer/signer.go).
    """
    csr = facts.csr
    if csr.parsed is None:
        return unreadable("subject")
    seen = str(csr.parsed.subject)
    allowed = f"O={NODES_GROUP}, CN={csr.username}"
    name = csr.parsed.subject
    exact = (
        name.organizations == (NODES_GROUP,)
        and name.common_name == csr.username
        and len(name.attributes) == 2
    )
    if not exact:
        return refuses(
            "subject",
            HoldReason.WRONG_SUBJECT,
            "the subject is not the requestor",
            seen=seen,
            allowed=allowed,
        )
    return passes("subject", seen, allowed)


def live_node(facts: CsrFacts) -> RuleResult:
    """The requestor's Node exists."""
    node = requestor_node(facts.csr)
    if node is None or facts.node_exists is None:
        return cannot_tell("live-node", "it is unknown whether the requestor's Node exists")
    if not facts.node_exists:
        return refuses(
            "live-node",
            HoldReason.NO_SUCH_NODE,
            "no Node has this name",
            seen=node,
            allowed="an existing Node",
        )
    return passes("live-node", node)


_A_SECOND = timedelta(seconds=1)


def same_node(facts: CsrFacts) -> RuleResult:
    """The Node has not been recreated since we first saw the CSR, and is not younger than the CSR.

    Otherwise another Node may be the requestor.
    """
    rule, seen = "same-node", facts.node_seen
    if seen is None:
        return not_asked(rule, "only the running approver checks this")
    if facts.csr.created is None or (seen.uid and seen.created is None):
        return cannot_tell(rule, "it is unknown when the Node or the CSR was created")
    if seen.uid != seen.first_uid:
        return refuses(
            rule,
            HoldReason.NODE_REPLACED,
            "the Node has been deleted or recreated since the CSR was made",
            seen=f"UID {seen.uid}" if seen.uid else "no Node",
            allowed=f"UID {seen.first_uid}",
        )
    # The API server writes whole seconds.
    if seen.created is not None and seen.created - facts.csr.created >= _A_SECOND:
        return refuses(
            rule,
            HoldReason.NODE_REPLACED,
            "the Node is younger than the CSR",
            seen=f"created at {seen.created.isoformat()}",
            allowed=f"not after {facts.csr.created.isoformat()}",
        )
    return passes(rule, f"UID {seen.uid}")


def own_key(facts: CsrFacts) -> RuleResult:
    """No other node has requested a certificate for this public key."""
    rule, shown_by = "own-key", facts.key_shown_by
    if shown_by is None:
        return not_asked(rule, "only the running approver checks this")
    others = sorted(shown_by - {requestor_node(facts.csr)})
    if others:
        return refuses(
            rule,
            HoldReason.KEY_OF_ANOTHER_NODE,
            "another node has requested a certificate for the same public key",
            seen=listed(others),
            allowed="a key that no other node has used",
        )
    return passes(rule, "no other node has used the key")


def client_standing(facts: CsrFacts) -> RuleResult:
    """The CSR was created with the node's own client certificate (see policy.credentials)."""
    rule, known = "client-standing", facts.standing
    if known is None:
        return not_asked(rule, "only the running approver checks this")
    if known.reason is HoldReason.NOT_ASKED:
        return not_asked(rule, known.why)
    allowed = "the client certificate from the node's join or pin, or its renewal"
    if known.outcome is Outcome.PASS:
        return passes(rule, known.why, allowed)
    is_borrowed = known.reason is HoldReason.BORROWED_IDENTITY
    seen = "a borrowed client certificate" if is_borrowed else "a doubtful client certificate"
    why = f"{known.why}{_advice(facts)}"
    return RuleResult(rule, known.outcome, known.reason, why, seen, allowed)


def _advice(facts: CsrFacts) -> str:
    """The command that confirms the client certificate; "" if no command helps."""
    csr, node = facts.csr, requestor_node(facts.csr)
    certificate = certificate_id(csr.credential_ids)
    if node is None or (csr.credential_ids and not certificate):
        return ""
    words: tuple[str, ...] = ("kubevouch", "csr", "approve", csr.name, "--credential", certificate)
    if facts.pins_are_read:
        by = ("--csr", csr.name) if certificate else ("--via", "ssh")
        words = ("kubevouch", "approver", "pin", node, *by)
    elif not certificate:
        words = ("kubectl", "certificate", "approve", csr.name)
    own_act = "" if certificate or facts.pins_are_read else ", at your own risk"
    return f"; if the CSR is the node's own: {join(words)}{own_act}"


def credential_id(facts: CsrFacts) -> RuleResult:
    """The CSR was created with a client certificate that is on this node's disk.

    Since Kubernetes 1.32 the API server writes the SHA-256 of the client certificate into the
    user's extra, and so into spec.extra of the CSR (k8s.io/apiserver
    pkg/authentication/request/x509/x509.go). A second client certificate for the node's name, such
    as one from a bootstrap token, has another hash.
    """
    rule, ids, known = "credential-id", facts.csr.credential_ids, facts.client_certificates
    if known is None and not (ids == () and facts.credentials_told):
        return not_asked(rule, "the node's disk was not read")
    allowed = "" if known is None else listed([f"{_X509}{each}" for each in sorted(known)])
    if not ids:
        return _without_credential_id(facts, allowed)
    if not known:
        return cannot_tell(rule, "this node has no readable client certificate", seen=listed(ids))
    if len(ids) != 1 or ids[0] not in {f"{_X509}{each}" for each in known}:
        return refuses(
            rule,
            HoldReason.OTHER_CREDENTIAL,
            "the CSR's client certificate is not on this node's disk: somebody may have stolen the node's identity",
            seen=listed(ids),
            allowed=allowed,
        )
    return passes(rule, ids[0], allowed)


_X509 = "X509SHA256="


def _without_credential_id(facts: CsrFacts, allowed: str) -> RuleResult:
    rule, seen = "credential-id", "none: the API server is older than Kubernetes 1.32"
    if facts.credentials_told:
        return cannot_tell(
            rule,
            "the CSR has no credential ID, but other CSRs do: either somebody impersonated the node, "
            "or one API server is older than Kubernetes 1.32",
            HoldReason.NO_CREDENTIAL_ID,
            seen="none",
            allowed=allowed,
        )
    if not facts.without_credential_id:
        return cannot_tell(
            rule,
            "the CSR has no credential ID: anybody with a client certificate for this node's name may have made it",
            HoldReason.NO_CREDENTIAL_ID,
            seen=seen,
            allowed=allowed,
        )
    return passes(rule, f"{seen}; the operator accepts this")
