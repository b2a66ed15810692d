"""Who asks, and as whom. No flag of any verb overrides these."""

from kubevouch.policy.csr import KUBELET_SERVING, NODE_USER, NODES_GROUP, requestor_node
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.rule import (
    HoldReason,
    RuleResult,
    cannot_tell,
    listed,
    passes,
    refuses,
    unreadable,
)


def signer(facts: CsrFacts) -> RuleResult:
    """The signer decides what a certificate may do; this policy knows one."""
    seen = facts.csr.signer
    if seen is None:
        return cannot_tell("signer", "a bare request names no signer", allowed=KUBELET_SERVING)
    if seen != KUBELET_SERVING:
        return refuses(
            "signer",
            HoldReason.WRONG_SIGNER,
            "this policy judges serving certificates of kubelets only",
            seen=seen,
            allowed=KUBELET_SERVING,
        )
    return passes("signer", seen, KUBELET_SERVING)


def requestor(facts: CsrFacts) -> RuleResult:
    """A node's own credential made it: name *and* group (pkg/auth/nodeidentifier/default.go).

    Anyone who may create requests can write any subject (a bootstrap token, say); only the username tells
    who it was.
    """
    csr = facts.csr
    allowed = f"user {NODE_USER}<node>, group {NODES_GROUP}"
    if csr.username is None or csr.groups is None:
        return cannot_tell("requestor", "a bare request does not say who made it", allowed=allowed)
    seen = f"user {csr.username}, groups {listed(csr.groups)}"
    if requestor_node(csr) is None or NODES_GROUP not in csr.groups:
        return refuses(
            "requestor",
            HoldReason.NOT_A_NODE,
            "only a kubelet may ask for a kubelet's serving certificate",
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
    if csr.username is None:
        return cannot_tell("subject", "a bare request does not say who made it", seen=seen)
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
            "it asks to be somebody other than its requestor",
            seen=seen,
            allowed=allowed,
        )
    return passes("subject", seen, allowed)


def live_node(facts: CsrFacts) -> RuleResult:
    """A Node of that name is in the cluster now: no certificate for one that is gone."""
    node = requestor_node(facts.csr)
    if node is None or facts.node_exists is None:
        return cannot_tell("live-node", "which Node it is, or whether it is there, is not known")
    if not facts.node_exists:
        return refuses(
            "live-node",
            HoldReason.NO_SUCH_NODE,
            "there is no Node of that name",
            seen=node,
            allowed="a Node of the cluster",
        )
    return passes("live-node", node)
