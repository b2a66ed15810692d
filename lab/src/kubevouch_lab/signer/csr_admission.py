"""Who may decide and who may sign: the admission plugins of kube-apiserver for signing requests.

Sources: plugin/pkg/admission/certificates/{approval,signing,subjectrestriction,util.go} in Kubernetes.
"""

from kubevouch.x509 import X509Error
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.request import Authorizer, RequestInfo
from kubevouch_lab.objects import Object, status_of
from kubevouch_lab.signer.csr_strategy import parsed

_GROUP = "certificates.k8s.io"
_CLIENT = "kubernetes.io/kube-apiserver-client"


class CsrAdmission:
    """CertificateApproval, CertificateSigning and CertificateSubjectRestriction: the object as it is, or a 403."""

    def __init__(self, authorize: Authorizer) -> None:
        self._authorize = authorize

    def __call__(self, info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """Signing requests only; everything else passes."""
        if (info.group, info.resource) != (_GROUP, "certificatesigningrequests") or new is None:
            return new
        if old is None:
            _subject(info, new)
        elif info.subresource == "approval":
            self._may(info, old, "approve")
        elif info.subresource == "status" and _signs(old, new):
            self._may(info, old, "sign")
        return new

    def _may(self, info: RequestInfo, stored: Object, verb: str) -> None:
        """The name of the signer counts, or all of its domain: `kubernetes.io/*`."""
        signer = stored["spec"]["signerName"]
        names = (signer, f"{signer.partition('/')[0]}/*")
        for name in names:
            asked = RequestInfo(verb, "", info.user, _GROUP, "*", "signers", name=name)
            if self._authorize(asked)[0]:
                return
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise status.forbidden(info.group, info.resource, info.name, why)


def _signs(old: Object, new: Object) -> bool:
    before, after = status_of(old), status_of(new)
    return any(before.get(key) != after.get(key) for key in ("certificate", "conditions"))


def _subject(info: RequestInfo, new: Object) -> None:
    spec = new.get("spec") or {}
    if spec.get("signerName") != _CLIENT:
        return
    try:
        groups = parsed(spec).subject.organizations
    except X509Error as error:
        why = f"could not parse CSR: {error.seen}"
        raise status.forbidden(info.group, info.resource, info.name, why) from None
    if "system:masters" in groups:
        why = f"use of {_CLIENT} signer with system:masters group is not allowed"
        raise status.forbidden(info.group, info.resource, info.name, why)
