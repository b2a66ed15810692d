"""The approver that every cluster has: kubelets' *client* certificates, by two permissions. Pure.

It never looks at kubernetes.io/kubelet-serving; nothing in a cluster does.

Source: pkg/controller/certificates/approver/sarapprove.go in Kubernetes.
"""

from kubevouch.x509 import X509Error
from kubevouch_lab.apiserver.request import Authorizer, RequestInfo, read_user
from kubevouch_lab.objects import Object, condition, status_of
from kubevouch_lab.signer.csr_strategy import parsed
from kubevouch_lab.signer.rules import KUBELET_CLIENT, kubelet_client_fault

REASON = "AutoApproved"
_MESSAGES = {
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
}


def approval(request: Object, authorize: Authorizer) -> str:
    """The message to approve a request with; empty if it is not approved (now: it is asked again)."""
    if not waits(request):
        return ""
    spec = request["spec"]
    try:
        asked = parsed(spec)
    except X509Error:
        return ""
    if kubelet_client_fault(asked, spec.get("usages") or []):
        return ""
    own = spec.get("username") == asked.subject.common_name
    for permission, message in _MESSAGES.items():
        if (own or permission == "nodeclient") and authorize(_asked(spec, permission))[0]:
            return message
    return ""


def waits(request: Object) -> bool:
    """Whether it is for this approver, and nobody has decided."""
    decided = condition(request, "Approved") or condition(request, "Denied")
    issued = status_of(request).get("certificate")
    return request["spec"]["signerName"] == KUBELET_CLIENT and not decided and not issued


def _asked(spec: Object, permission: str) -> RequestInfo:
    resource = "certificatesigningrequests"
    return RequestInfo(
        "create", "", read_user(spec), "certificates.k8s.io", "*", resource, permission
    )
