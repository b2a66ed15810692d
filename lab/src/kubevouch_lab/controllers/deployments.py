"""Deployments: a ReplicaSet for each template, and how one gives way to the next. Pure, and the loop that acts.

Source: pkg/controller/deployment/{deployment_controller,rolling,sync,progress}.go. There is no history: an old ReplicaSet
without pods is deleted. Pauses, the strategy Recreate and the progress deadline are not looked at.
"""

import hashlib
import json
from datetime import datetime

from kubevouch_lab.apiserver.kinds import DEPLOYMENTS, REPLICA_SETS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.controllers.loop import Controller
from kubevouch_lab.controllers.owners import owned, owner_reference
from kubevouch_lab.controllers.replica_sets import replicas_of
from kubevouch_lab.objects import (
    Object,
    condition,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)

HASH = "pod-template-hash"


class Deployments(Controller):
    """Writes ReplicaSets; what they want, `replica_sets` does."""

    kinds = (DEPLOYMENTS, REPLICA_SETS)

    def _one(self, thing: Object) -> None:
        space = namespace_of(thing)
        new, old = self._sets(thing)
        if new is None:
            first = new_replica_set(thing)
            first["spec"]["replicas"] = grown(thing, first, old)
            self._client.create(REPLICA_SETS, first)
        else:
            for name, replicas in scales(thing, new, old).items():
                self._client.patch(REPLICA_SETS, name, {"spec": {"replicas": replicas}}, space)
        for each in old:
            if not replicas_of(each) and not status_of(each).get("replicas"):
                self._client.delete(REPLICA_SETS, name_of(each), space)
        self._write_status(thing)

    def _sets(self, deployment: Object) -> tuple[Object | None, list[Object]]:
        """The ReplicaSet of the present template, and the others."""
        mine = owned(self._store.list(REPLICA_SETS, namespace_of(deployment)), deployment)
        hashed = template_hash(deployment["spec"]["template"])
        new = next((each for each in mine if labels_of(each).get(HASH) == hashed), None)
        return new, [each for each in mine if each is not new]

    def _write_status(self, deployment: Object) -> None:
        current = self._client.find(DEPLOYMENTS, name_of(deployment), namespace_of(deployment))
        if current is None:
            return
        new, old = self._sets(current)
        status = deployment_status(current, new, old, self._clock.now())
        if status != status_of(current):
            self._client.update(DEPLOYMENTS, {**current, "status": status}, "status")


def template_hash(template: Object) -> str:
    """A name for a template. Kubernetes' own hash is of Go's memory."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def new_replica_set(deployment: Object) -> Object:
    """The ReplicaSet of a deployment's present template."""
    spec, name = deployment["spec"], name_of(deployment)
    template, selector = spec["template"], spec["selector"]
    hashed = template_hash(template)
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH: hashed}
    matched = {**(selector.get("matchLabels") or {}), HASH: hashed}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name}-{hashed}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "selector": {**selector, "matchLabels": matched},
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }


def bounds(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; both are never 0 (ResolveFenceposts)."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    wanted = replicas_of(deployment)
    surge = -(-_hundredths(rolling.get("maxSurge", "25%"), wanted) // 100)
    unavailable = _hundredths(rolling.get("maxUnavailable", "25%"), wanted) // 100
    return surge, min(unavailable, wanted) if surge or unavailable else 1


def _hundredths(value: int | str, whole: int) -> int:
    """Of a number, or of a percentage of the replicas."""
    return value * 100 if isinstance(value, int) else int(value.removesuffix("%")) * whole


def scales(deployment: Object, new: Object, old: list[Object]) -> dict[str, int]:
    """How many replicas each ReplicaSet is to want now, by name; those that stay are left out."""
    more = grown(deployment, new, old)
    if more != replicas_of(new):
        return {name_of(new): more}
    return _shrunk(deployment, new, [each for each in old if replicas_of(each)])


def grown(deployment: Object, new: Object, old: list[Object]) -> int:
    """How many replicas the new one may have by now; as many as are wanted, if it has more."""
    wanted, present = replicas_of(deployment), int(new["spec"].get("replicas", 0))
    room = wanted + bounds(deployment)[0] - present - sum(map(replicas_of, old))
    return min(wanted, present + max(room, 0))


def _shrunk(deployment: Object, new: Object, active: list[Object]) -> dict[str, int]:
    """Old ones give way: first those that are not available, then as many as may be missing."""
    least = replicas_of(deployment) - bounds(deployment)[1]
    room = sum(map(replicas_of, active)) + _available(new) - least
    spare = _available(new) + sum(map(_available, active)) - least
    result: dict[str, int] = {}
    for each in active:
        idle = min(max(room, 0), replicas_of(each) - _available(each))
        busy = min(max(min(spare, room - idle), 0), _available(each))
        room, spare = room - idle - busy, spare - busy
        if idle or busy:
            result[name_of(each)] = replicas_of(each) - idle - busy
    return result


def _available(replica_set: Object) -> int:
    return int(status_of(replica_set).get("availableReplicas", 0))


def deployment_status(
    deployment: Object, new: Object | None, old: list[Object], now: datetime
) -> Object:
    """The numbers that kubectl shows and `rollout status` waits for, and the conditions."""
    every = [*old, *([new] if new else [])]
    total, ready, available = (
        sum(status_of(each).get(key, 0) for each in every)
        for key in ("replicas", "readyReplicas", "availableReplicas")
    )
    updated, wanted = status_of(new or {}).get("replicas", 0), replicas_of(deployment)
    counted = {
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(sum(map(replicas_of, every)) - available, 0),
        "replicas": total,
    }
    enough = available >= wanted - bounds(deployment)[1]
    done = updated == total == available == wanted
    return {
        **{key: value for key, value in counted.items() if value},
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "terminatingReplicas": 0,
        "conditions": [
            _condition(deployment, "Available", _AVAILABLE[enough], now),
            _condition(deployment, "Progressing", _PROGRESSING[done], now),
        ],
    }


_AVAILABLE = {
    True: ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
    False: (
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    ),
}
_PROGRESSING = {
    True: ("True", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed."),
    False: ("True", "ReplicaSetUpdated", "ReplicaSet is progressing."),
}


def _condition(deployment: Object, kind: str, said: tuple[str, str, str], now: datetime) -> Object:
    """The condition; its times stay while status and reason do (SetDeploymentCondition)."""
    old = condition(deployment, kind)
    value, reason, message = said
    if old and (old["status"], old["reason"]) == (value, reason):
        return old
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastUpdateTime": moment(now),
        "lastTransitionTime": old["lastTransitionTime"]
        if old and old["status"] == value
        else moment(now),
    }
