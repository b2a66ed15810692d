"""ReplicaSets: as many pods as they want, and what their status says. Pure, and the loop that acts.

Source: pkg/controller/replicaset/{replica_set,replica_set_utils}.go and pkg/controller/controller_utils.go.
"""

from kubevouch_lab.apiserver.kinds import PODS, REPLICA_SETS
from kubevouch_lab.controllers.loop import Controller
from kubevouch_lab.controllers.owners import owned, owner_reference
from kubevouch_lab.objects import (
    Object,
    condition,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)

_FINISHED = frozenset({"Succeeded", "Failed"})


class ReplicaSets(Controller):
    """Makes and deletes pods. Deployments write what ReplicaSets want."""

    kinds = (REPLICA_SETS, PODS)

    def _one(self, thing: Object) -> None:
        space = namespace_of(thing)
        mine = alive(owned(self._store.list(PODS, space), thing))
        wanted = replicas_of(thing)
        for _ in range(wanted - len(mine)):
            self._client.create(PODS, new_pod(thing), space)
        for pod in surplus(mine, len(mine) - wanted):
            self._client.delete(PODS, name_of(pod), space)
        self._write_status(thing)

    def _write_status(self, replica_set: Object) -> None:
        name, space = name_of(replica_set), namespace_of(replica_set)
        current = self._client.find(REPLICA_SETS, name, space)
        if current is None:
            return
        pods = alive(owned(self._store.list(PODS, space), current))
        status = replica_set_status(current, pods)
        if status != status_of(current):
            self._client.update(REPLICA_SETS, {**current, "status": status}, "status")


def replicas_of(thing: Object) -> int:
    """spec.replicas, 1 by default."""
    wanted = (thing.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def alive(pods: list[Object]) -> list[Object]:
    """Those that count: not finished."""
    return [pod for pod in pods if status_of(pod).get("phase") not in _FINISHED]


def is_ready(pod: Object) -> bool:
    """Its condition Ready is True."""
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def new_pod(replica_set: Object) -> Object:
    """A pod of the set's template."""
    template = replica_set["spec"]["template"]
    metadata = template.get("metadata") or {}
    made: Object = {
        "generateName": f"{replica_set['metadata']['name']}-",
        "namespace": namespace_of(replica_set),
        "ownerReferences": [owner_reference(replica_set)],
    }
    made |= {key: dict(metadata[key]) for key in ("labels", "annotations") if metadata.get(key)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": dict(template["spec"])}


def surplus(pods: list[Object], count: int) -> list[Object]:
    """The pods to delete first: those without a node, then those not ready, then the youngest."""
    youngest = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    ordered = sorted(youngest, key=lambda pod: (bool(pod["spec"].get("nodeName")), is_ready(pod)))
    return ordered[: max(count, 0)]


def replica_set_status(replica_set: Object, pods: list[Object]) -> Object:
    """The numbers that `kubectl get rs` shows."""
    spec = replica_set["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    ready = [pod for pod in pods if is_ready(pod)]
    labelled = [pod for pod in pods if labels.items() <= labels_of(pod).items()]
    counted = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": len(ready),
        "availableReplicas": len(ready),
    }
    return {
        **{key: value for key, value in status_of(replica_set).items() if key == "conditions"},
        "replicas": len(pods),
        **{key: value for key, value in counted.items() if value},
        "observedGeneration": replica_set["metadata"].get("generation", 1),
        "terminatingReplicas": 0,
    }
