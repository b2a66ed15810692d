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
    UNREADABLE,
    CsrFacts,
    RuleResult,
    cannot_tell,
    listed,
    not_asked,
    passes,
    passes_if,
    refuses,
)
from kubevouch.policy.reasons import HoldReason


def signer(facts: CsrFacts) -> RuleResult:
    """The CSR is for kubernetes.io/kubelet-serving, the only signer that this policy covers."""
    return passes_if(
        good=facts.csr.signer == KUBELET_SERVING,
        reason=HoldReason.WRONG_SIGNER,
        message="this policy is only for kubelets' serving certificates",
        seen=facts.csr.signer,
        allowed=KUBELET_SERVING,
    )


def requestor(facts: CsrFacts) -> RuleResult:
    """The requestor is a node, by username *and* group (pkg/auth/nodeidentifier/default.go).

    Anybody who may create CSRs, such as the holder of a bootstrap token, can write any subject.
    Only the username identifies the requestor.
    """
    csr = facts.csr
    return passes_if(
        good=requestor_node(csr) is not None and NODES_GROUP in csr.groups,
        reason=HoldReason.NOT_A_NODE,
        message="only a kubelet may request a kubelet's serving certificate",
        seen=f"user {csr.username}, groups {listed(csr.groups)}",
        allowed=f"user {NODE_USER}<node>, group {NODES_GROUP}",
    )


def subject(facts: CsrFacts) -> RuleResult:
    """The subject is exactly O=system:nodes and CN=<the requestor's username>.

    The signer never compares the CN with the username (pkg/controller/certificates/signer/signer.go).
    """
    csr = facts.csr
    if csr.parsed is None:
        return UNREADABLE
    name = csr.parsed.subject
    exact = name.organizations == (NODES_GROUP,) and name.common_name == csr.username
    return passes_if(
        good=exact and len(name.attributes) == 2,
        reason=HoldReason.WRONG_SUBJECT,
        message="the subject is not the requestor",
        seen=str(name),
        allowed=f"O={NODES_GROUP}, CN={csr.username}",
    )


def live_node(facts: CsrFacts) -> RuleResult:
    """The requestor's Node exists."""
    node = requestor_node(facts.csr)
    if node is None or facts.node_exists is None:
        return cannot_tell("it is unknown whether the requestor's Node exists")
    return passes_if(
        good=facts.node_exists,
        reason=HoldReason.NO_SUCH_NODE,
        message="no Node has this name",
        seen=node,
        allowed="an existing Node",
    )


_A_SECOND = timedelta(seconds=1)
_ONLY_THE_APPROVER = "only the running approver checks this"


def same_node(facts: CsrFacts) -> RuleResult:
    """The Node has not been recreated since we first saw the CSR, and is not younger than the CSR.

    Otherwise an earlier Node with the same name may have made the CSR.
    """
    seen = facts.node_seen
    if seen is None:
        return not_asked(_ONLY_THE_APPROVER)
    if facts.csr.created is None or (seen.uid and seen.created is None):
        return cannot_tell("it is unknown when the Node or the CSR was created")
    if seen.uid != seen.first_uid:
        return refuses(
            HoldReason.NODE_REPLACED,
            "the Node has been deleted or recreated since the CSR was made",
            seen=f"UID {seen.uid}" if seen.uid else "no Node",
            allowed=f"UID {seen.first_uid}",
        )
    # The API server writes whole seconds.
    if seen.created is not None and seen.created - facts.csr.created >= _A_SECOND:
        return refuses(
            HoldReason.NODE_REPLACED,
            "the Node is younger than the CSR",
            seen=f"created at {seen.created.isoformat()}",
            allowed=f"not after {facts.csr.created.isoformat()}",
        )
    return passes(f"UID {seen.uid}")


def own_key(facts: CsrFacts) -> RuleResult:
    """No other node has requested a certificate for this public key."""
    if facts.key_shown_by is None:
        return not_asked(_ONLY_THE_APPROVER)
    others = sorted(facts.key_shown_by - {requestor_node(facts.csr)})
    return passes_if(
        good=not others,
        reason=HoldReason.KEY_OF_ANOTHER_NODE,
        message="another node has requested a certificate for the same public key",
        seen=listed(others) if others else "no other node has used the key",
        allowed="a key that no other node has used",
    )


def client_standing(facts: CsrFacts) -> RuleResult:
    """The CSR was created with the node's own client certificate (see policy.credentials)."""
    known = facts.standing
    if known is None:
        return not_asked(_ONLY_THE_APPROVER)
    if known.reason is HoldReason.NOT_ASKED:
        return not_asked(known.why)
    allowed = "the client certificate the node joined with, a pinned one, or a renewal of either"
    if known.outcome is Outcome.PASS:
        return passes(known.why, allowed)
    is_borrowed = known.reason is HoldReason.BORROWED_IDENTITY
    seen = "a borrowed client certificate" if is_borrowed else "a doubtful client certificate"
    why = f"{known.why}{_advice(facts)}"
    return RuleResult("", known.outcome, known.reason, why, seen, allowed)


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
    user's extra fields, and so into spec.extra of the CSR (k8s.io/apiserver
    pkg/authentication/request/x509/x509.go). A second client certificate for the node's name, such
    as one requested with a bootstrap token, has another hash.
    """
    ids, known = facts.csr.credential_ids, facts.client_certificates
    if known is None and not (ids == () and facts.credentials_told):
        return not_asked("the node's disk was not read")
    allowed = "" if known is None else listed([f"{_X509}{each}" for each in sorted(known)])
    if not ids:
        return _without_credential_id(facts, allowed)
    if not known:
        return cannot_tell("this node has no readable client certificate", seen=listed(ids))
    return passes_if(
        good=len(ids) == 1 and ids[0] in {f"{_X509}{each}" for each in known},
        reason=HoldReason.OTHER_CREDENTIAL,
        message="the client certificate that the requestor used is not on this node's disk: somebody may have stolen the node's identity",
        seen=listed(ids),
        allowed=allowed,
    )


_X509 = "X509SHA256="


def _without_credential_id(facts: CsrFacts, allowed: str) -> RuleResult:
    seen = "none: the API server is older than Kubernetes 1.32"
    if facts.credentials_told:
        return cannot_tell(
            "the CSR has no credential ID, but other CSRs do: either somebody impersonated the node, "
            "or one API server is older than Kubernetes 1.32",
            HoldReason.NO_CREDENTIAL_ID,
            seen="none",
            allowed=allowed,
        )
    if not facts.without_credential_id:
        return cannot_tell(
            "the CSR has no credential ID: anybody with a client certificate for this node's name may have made it",
            HoldReason.NO_CREDENTIAL_ID,
            seen=seen,
            allowed=allowed,
        )
    return passes(f"{seen}; the operator accepts this")
