"""What a kubelet may write: the admission plugin NodeRestriction, and who may decide and sign requests.

Sources: plugin/pkg/admission/noderestriction/admission.go, staging/src/k8s.io/kubelet/pkg/apis/well_known_labels.go.
"""

from typing import NoReturn

from kubevouch.x509 import X509Error
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.nodes import LEASE_NAMESPACE, PREFIX, node_of
from kubevouch_lab.objects import Object, uid_of
from kubevouch_lab.signer.csr_strategy import parsed

_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)


class NodeRestriction:
    """`restriction(info, old, new)`: the object as it is, or a 403."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """Nodes only; everybody else passes."""
        node = node_of(info.user)
        if node is None:
            return new
        if not node:
            _refuse(info, f'could not determine node from user "{info.user.name}"')
        match info.group, info.resource:
            case "", "nodes":
                _node(info, node, old, new)
            case "", "pods":
                self._pod(info, node, old, new)
            case "", "serviceaccounts":
                self._token(info, node, new)
            case "coordination.k8s.io", "leases":
                _lease(info, node, old, new)
            case "certificates.k8s.io", "certificatesigningrequests":
                _request(info, node, old, new)
        return new

    def _pod(self, info: RequestInfo, node: str, old: Object | None, new: Object | None) -> None:
        bound = ((old or {}).get("spec") or {}).get("nodeName")
        if info.subresource == "status":
            if bound != node:
                _refuse(
                    info,
                    f'node "{node}" can only update pod status for pods with spec.nodeName set to itself',  # noqa: S608 - no SQL
                )
            if _labels(old) != _labels(new):
                _refuse(info, f'node "{node}" cannot update labels through pod status')
        elif info.subresource:
            _refuse(
                info, f'unexpected pod subresource "{info.subresource}", only status is allowed'
            )
        elif new is None:
            if bound != node:
                _refuse(
                    info, f'node "{node}" can only delete pods with spec.nodeName set to itself'
                )
        else:
            _refuse(info, "a kubevouch lab's nodes cannot create mirror pods or change pods")

    def _token(self, info: RequestInfo, node: str, new: Object | None) -> None:
        if info.subresource != "token" or info.verb != "create":
            return
        bound = ((new or {}).get("spec") or {}).get("boundObjectRef") or {}
        if bound.get("apiVersion") != "v1" or bound.get("kind") != "Pod" or not bound.get("name"):
            _refuse(info, "node requested token not bound to a pod")
        if not bound.get("uid"):
            _refuse(info, "node requested token with a pod binding without a uid")
        pod = self._store.get(PODS, bound["name"], info.namespace)
        if uid_of(pod) != bound["uid"]:
            text = (
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            _refuse(info, text)
        if pod["spec"].get("nodeName") != node:
            _refuse(info, "node requested token bound to a pod scheduled on a different node")


def _node(info: RequestInfo, node: str, old: Object | None, new: Object | None) -> None:
    named = info.name or (new or old or {}).get("metadata", {}).get("name", "")
    if named != node:
        _refuse(info, f'node "{node}" is not allowed to modify node "{named}"')
    if new is None:
        return
    before, after = (old or {}).get("spec") or {}, new.get("spec") or {}
    forbidden = _forbidden_labels(_labels(old), _labels(new))
    if old is None:
        if forbidden:
            listed = ", ".join(forbidden)
            _refuse(info, f'node "{node}" is not allowed to set the following labels: {listed}')
        return
    if (after.get("taints") or []) != (before.get("taints") or []):
        _refuse(info, f'node "{node}" is not allowed to modify taints')
    if forbidden:
        _refuse(info, f"is not allowed to modify labels: {', '.join(forbidden)}")
    owners = "ownerReferences"
    if (new["metadata"].get(owners) or []) != (old["metadata"].get(owners) or []):
        _refuse(info, f'node "{node}" is not allowed to modify ownerReferences')


def _lease(info: RequestInfo, node: str, old: Object | None, new: Object | None) -> None:
    if info.namespace != LEASE_NAMESPACE:
        _refuse(info, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if ((new or old or {}).get("metadata") or {}).get("name", info.name) != node:
        _refuse(info, "can only access node lease with the same name as the requesting node")


def _request(info: RequestInfo, node: str, old: Object | None, new: Object | None) -> None:
    """Since 1.31: a node asks for itself alone (AllowInsecureKubeletCertificateSigningRequests is gone)."""
    spec = (new or {}).get("spec") or {}
    if old is not None or new is None or spec.get("signerName") not in _NODE_SIGNERS:
        return
    try:
        asked = parsed(spec)
    except X509Error as error:
        _refuse(info, f"unable to parse csr: {error.seen}")
    if asked.subject.common_name != PREFIX + node:
        _refuse(info, f"can only create a node CSR with CN={PREFIX}{node}")


def _forbidden_labels(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Labels that were added, changed or removed and that no node may set; in order."""
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    return sorted(label for label in changed if not _free(label))


def _free(label: str) -> bool:
    domain = label.rpartition("/")[0]
    if _within(domain, "node-restriction.kubernetes.io"):
        return False
    if not _within(domain, "kubernetes.io") and not _within(domain, "k8s.io"):
        return True
    own = ("kubelet.kubernetes.io", "node.kubernetes.io")
    return label in _OWN_LABELS or any(_within(domain, each) for each in own)


def _within(domain: str, zone: str) -> bool:
    return domain == zone or domain.endswith(f".{zone}")


def _labels(thing: Object | None) -> dict[str, str]:
    return ((thing or {}).get("metadata") or {}).get("labels") or {}


def _refuse(info: RequestInfo, why: str) -> NoReturn:
    raise status.forbidden(info.group, info.resource, info.name, why)
