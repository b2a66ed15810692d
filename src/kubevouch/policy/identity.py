"""Who asks, and as whom. No flag of any verb overrides these."""

from kubevouch.policy.question import KUBELET_SERVING, NODE_USER, NODES_GROUP, Question, Request
from kubevouch.policy.ruling import Reason, Ruling, cannot_tell, listed, passes, refuses, unreadable


def requestor_node(request: Request) -> str | None:
    """The node whose credential made the request: the API server writes the username itself (strategy.go)."""
    if request.username is None or not request.username.startswith(NODE_USER):
        return None
    return request.username.removeprefix(NODE_USER) or None


def signer(question: Question) -> Ruling:
    """The signer decides what a certificate may do; this policy knows one."""
    seen = question.request.signer
    if seen is None:
        return cannot_tell("signer", "a bare request names no signer", allowed=KUBELET_SERVING)
    if seen != KUBELET_SERVING:
        return refuses(
            "signer",
            Reason.WRONG_SIGNER,
            "this policy judges serving certificates of kubelets only",
            seen=seen,
            allowed=KUBELET_SERVING,
        )
    return passes("signer", seen, KUBELET_SERVING)


def requestor(question: Question) -> Ruling:
    """A node's own credential made it: name *and* group (pkg/auth/nodeidentifier/default.go).

    Anyone who may create requests can write any subject (a bootstrap token, say); only the username tells
    who it was.
    """
    request = question.request
    allowed = f"user {NODE_USER}<node>, group {NODES_GROUP}"
    if request.username is None or request.groups is None:
        return cannot_tell("requestor", "a bare request does not say who made it", allowed=allowed)
    seen = f"user {request.username}, groups {listed(request.groups)}"
    if requestor_node(request) is None or NODES_GROUP not in request.groups:
        return refuses(
            "requestor",
            Reason.NOT_A_NODE,
            "only a kubelet may ask for a kubelet's serving certificate",
            seen=seen,
            allowed=allowed,
        )
    return passes("requestor", seen, allowed)


def subject(question: Question) -> Ruling:
    """The subject is exactly O=system:nodes and CN=<the requestor's username>.

    The signer never compares the CN with the username (pkg/controller/certificates/signer/signer.go).
    """
    request = question.request
    if request.parsed is None:
        return unreadable("subject")
    seen = str(request.parsed.subject)
    if request.username is None:
        return cannot_tell("subject", "a bare request does not say who made it", seen=seen)
    allowed = f"O={NODES_GROUP}, CN={request.username}"
    name = request.parsed.subject
    exact = (
        name.organizations == (NODES_GROUP,)
        and name.common_name == request.username
        and len(name.attributes) == 2
    )
    if not exact:
        return refuses(
            "subject",
            Reason.WRONG_SUBJECT,
            "it asks to be somebody other than its requestor",
            seen=seen,
            allowed=allowed,
        )
    return passes("subject", seen, allowed)


def live_node(question: Question) -> Ruling:
    """A Node of that name is in the cluster now: no certificate for one that is gone."""
    node = requestor_node(question.request)
    if node is None or question.node_exists is None:
        return cannot_tell("live-node", "which Node it is, or whether it is there, is not known")
    if not question.node_exists:
        return refuses(
            "live-node",
            Reason.NO_SUCH_NODE,
            "there is no Node of that name",
            seen=node,
            allowed="a Node of the cluster",
        )
    return passes("live-node", node)
