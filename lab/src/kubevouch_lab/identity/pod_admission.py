"""What the admission plugins ServiceAccount and Priority make of a new pod, and what no pod of the lab can be.

Sources: plugin/pkg/admission/{serviceaccount,priority}/admission.go in Kubernetes. Mirror pods are left as they are.
"""

from typing import NoReturn

from kubevouch_lab.apiserver import no_containers, status
from kubevouch_lab.apiserver.kinds import SERVICE_ACCOUNTS
from kubevouch_lab.apiserver.metadata import generated
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, annotations_of
from kubevouch_lab.rng import Entropy

_MIRROR = "kubernetes.io/config.mirror"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
# The two classes that every cluster has. There are no others: PriorityClasses are not served.
_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PodAdmission:
    """`admission(info, old, new)`: the pod with priority, account and the volume of its token; or a 403.

    A pod that wants to be spoken to (`kubectl run -i`, `debug node/... -i`) is refused: kubectl would wait for it for ever.
    """

    def __init__(self, store: Store, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    def __call__(self, info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """Creates of pods only; everything else passes."""
        if (info.group, info.resource, info.subresource) != ("", "pods", ""):
            return new
        if old is not None or new is None or _is_mirror(new):
            return new
        if any(each.get("stdin") for each in (new.get("spec") or {}).get("containers") or ()):
            _refuse(info, new, f"{no_containers.WHY}: kubectl -i (stdin) is not possible")
        spec = self._with_priority(info, new, dict(new.get("spec") or {}))
        return {**new, "spec": self._with_account(info, new, spec)}

    def _with_priority(self, info: RequestInfo, pod: Object, spec: Object) -> Object:
        name = spec.get("priorityClassName")
        if not name:
            return spec
        if name not in _PRIORITIES:
            _refuse(info, pod, f"no PriorityClass with name {name} was found")
        policy = "PreemptLowerPriority"
        return {**spec, "priority": _PRIORITIES[name], "preemptionPolicy": policy}

    def _with_account(self, info: RequestInfo, pod: Object, spec: Object) -> Object:
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        account = self._store.find(SERVICE_ACCOUNTS, name, info.namespace)
        if account is None:
            where = f"{info.namespace}/{name}"
            why = f'error looking up service account {where}: serviceaccount "{name}" not found'
            _refuse(info, pod, why)
        spec = {**spec, "serviceAccountName": name, "serviceAccount": name}
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = account.get("automountServiceAccountToken", True)
        return self._with_token(spec) if wanted else spec

    def _with_token(self, spec: Object) -> Object:
        """A projected volume, mounted into every container that has nothing there."""
        volume = generated("kube-api-access-", self._entropy)
        mount = {"name": volume, "readOnly": True, "mountPath": _TOKEN}
        changed = {
            key: [_mounted(each, mount) for each in spec[key]]
            for key in ("containers", "initContainers")
            if spec.get(key)
        }
        if all(changed[key] == spec[key] for key in changed):
            return spec
        return {**spec, **changed, "volumes": [*(spec.get("volumes") or []), _projected(volume)]}


def _mounted(container: Object, mount: Object) -> Object:
    mounts = container.get("volumeMounts") or []
    if any(each.get("mountPath") == mount["mountPath"] for each in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, mount]}


def _projected(name: str) -> Object:
    ca = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": ca},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}


def _is_mirror(pod: Object) -> bool:
    return _MIRROR in annotations_of(pod)


def _refuse(info: RequestInfo, pod: Object, why: str) -> NoReturn:
    name = pod["metadata"].get("name", "")
    raise status.forbidden(info.group, info.resource, name, why)
