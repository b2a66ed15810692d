"""How a Deployment goes from one ReplicaSet to the next, and what its status says. Pure.

Source: pkg/controller/deployment/{rolling,recreate,sync,progress}.go and util/deployment_util.go.
"""

import json
from datetime import datetime, timedelta

from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.controllers.owners import owner_reference
from kubevouch_lab.controllers.replica_sets import replicas_of
from kubevouch_lab.objects import Object, annotations_of, condition, name_of, read_moment, status_of

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NOTES = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)


def template_hash(template: Object) -> str:
    """A name for a template: FNV-1a, in the letters that Kubernetes takes. Its own hash is of Go's memory."""
    value = 0x811C9DC5
    for byte in json.dumps(template, sort_keys=True, separators=(",", ":")).encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def same_template(replica_set: Object, template: Object) -> bool:
    """Whether it is the ReplicaSet of that template: equal but for the label that names the hash."""
    return _unlabelled(replica_set["spec"]["template"]) == _unlabelled(template)


def new_replica_set(deployment: Object, revision: int, replicas: int) -> Object:
    """The ReplicaSet of a deployment's present template."""
    spec, metadata = deployment["spec"], deployment["metadata"]
    template = spec["template"]
    hashed = template_hash(template)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: hashed}
    kept = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key not in _NOTES
    }
    selector = spec["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{hashed}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {**kept, **notes(deployment, revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH: hashed},
            },
            "template": {
                **template,
                "metadata": {**(template.get("metadata") or {}), "labels": labels},
            },
        },
    }


def notes(deployment: Object, revision: int) -> dict[str, str]:
    """The annotations that a deployment keeps on its ReplicaSets."""
    wanted = replicas_of(deployment)
    return {
        "deployment.kubernetes.io/desired-replicas": str(wanted),
        "deployment.kubernetes.io/max-replicas": str(wanted + bounds(deployment)[0]),
        REVISION: str(revision),
    }


def revision_of(thing: Object) -> int:
    """The revision in its annotations, 0 without one."""
    text = annotations_of(thing).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def bounds(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; both are never 0 (ResolveFenceposts)."""
    spec = deployment["spec"]
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    wanted = replicas_of(deployment)
    surge = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return surge, min(unavailable, wanted) if surge or unavailable else 1


def scales(deployment: Object, new: Object | None, old: list[Object]) -> dict[str, int]:
    """How many replicas each ReplicaSet is to want now, by name; those that stay are left out."""
    wanted = replicas_of(deployment)
    active = [each for each in old if replicas_of(each)]
    if deployment["spec"].get("paused"):
        every = [*active, *([new] if new and replicas_of(new) else [])]
        return _changed(every[0], wanted) if len(every) == 1 else {}
    if new is None:
        return {}
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        running = sum(status_of(each).get("replicas", 0) for each in old)
        if active:
            return {name_of(each): 0 for each in active}
        return {} if running else _changed(new, wanted)
    grown = _changed(new, _grown(deployment, new, active))
    return grown or _shrunk(deployment, new, active)


def deployment_status(
    deployment: Object, new: Object | None, old: list[Object], now: datetime
) -> Object:
    """The numbers that kubectl shows and `rollout status` waits for, and the conditions."""
    every = [*old, *([new] if new else [])]
    total, ready, available = (
        sum(status_of(each).get(key, 0) for each in every)
        for key in ("replicas", "readyReplicas", "availableReplicas")
    )
    updated = ((new or {}).get("status") or {}).get("replicas", 0)
    wanted = sum(replicas_of(each) for each in every)
    counted = {
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
        "replicas": total,
    }
    numbers = {key: value for key, value in counted.items() if value}
    numbers["observedGeneration"] = deployment["metadata"].get("generation", 1)
    numbers["terminatingReplicas"] = 0
    conditions = _conditions(deployment, numbers, new, now)
    return {**numbers, "conditions": conditions}


def _conditions(
    deployment: Object, numbers: Object, new: Object | None, now: datetime
) -> list[Object]:
    wanted = replicas_of(deployment)
    enough = numbers.get("availableReplicas", 0) >= wanted - bounds(deployment)[1]
    available = (
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    )
    found = [_condition(deployment, "Available", available, now)]
    progressing = _progress(deployment, numbers, new, now)
    if progressing is not None:
        found.append(progressing)
    elif kept := condition(deployment, "Progressing"):
        found.append(kept)
    return found


def _progress(
    deployment: Object, numbers: Object, new: Object | None, now: datetime
) -> Object | None:
    """What Progressing becomes; None: it stays."""
    before = status_of(deployment)
    old = condition(deployment, "Progressing")
    name = name_of(new) if new else name_of(deployment)
    what = "ReplicaSet" if new else "Deployment"
    wanted = replicas_of(deployment)
    keys = ("updatedReplicas", "replicas", "availableReplicas")
    if all(numbers.get(key, 0) == wanted for key in keys):
        if old and old["reason"] == "NewReplicaSetAvailable" and name in old["message"]:
            return None
        text = f'{what} "{name}" has successfully progressed.'
        return _condition(deployment, "Progressing", ("True", "NewReplicaSetAvailable", text), now)
    moved = (
        numbers.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or numbers.get("readyReplicas", 0) > before.get("readyReplicas", 0)
        or numbers.get("availableReplicas", 0) > before.get("availableReplicas", 0)
        or _old_ones(numbers) < _old_ones(before)
    )
    if moved or old is None or name not in old["message"]:
        text = f'{what} "{name}" is progressing.'
        return _condition(
            deployment, "Progressing", ("True", "ReplicaSetUpdated", text), now, fresh=True
        )
    limit = timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds") or 600)
    since = read_moment(old.get("lastUpdateTime") or "")
    if old["reason"] != "NewReplicaSetAvailable" and since and since + limit < now:
        text = f'{what} "{name}" has timed out progressing.'
        return _condition(
            deployment, "Progressing", ("False", "ProgressDeadlineExceeded", text), now
        )
    return None


def _condition(
    deployment: Object, kind: str, said: tuple[str, str, str], now: datetime, *, fresh: bool = False
) -> Object:
    """The condition; its times stay while status and reason do (SetDeploymentCondition)."""
    old = condition(deployment, kind)
    value, reason, message = said
    if not fresh and old and (old["status"], old["reason"]) == (value, reason):
        return old
    same = old is not None and old["status"] == value
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastUpdateTime": moment(now),
        "lastTransitionTime": old["lastTransitionTime"] if old and same else moment(now),
    }


def _old_ones(status: Object) -> int:
    return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))


def _grown(deployment: Object, new: Object, active: list[Object]) -> int:
    wanted, present = replicas_of(deployment), replicas_of(new)
    if present >= wanted:
        return wanted
    room = wanted + bounds(deployment)[0] - present - sum(map(replicas_of, active))
    return present + max(min(room, wanted - present), 0)


def _shrunk(deployment: Object, new: Object, active: list[Object]) -> dict[str, int]:
    """Old ones give way: first those that are not available, then as many as may be missing."""
    total = replicas_of(new) + sum(map(replicas_of, active))
    least = replicas_of(deployment) - bounds(deployment)[1]
    room = total - least - (replicas_of(new) - _available(new))
    if room <= 0 or not active:
        return {}
    result = {name_of(each): replicas_of(each) for each in active}
    oldest_first = sorted(active, key=lambda each: str(each["metadata"]["creationTimestamp"]))
    for each in oldest_first:
        cut = min(room, replicas_of(each) - _available(each))
        result[name_of(each)] -= max(cut, 0)
        room -= max(cut, 0)
    spare = min(room, _available(new) + sum(map(_available, active)) - least)
    for each in oldest_first:
        cut = max(min(spare, result[name_of(each)]), 0)
        result[name_of(each)] -= cut
        spare -= cut
    return {
        name_of(each): result[name_of(each)]
        for each in active
        if result[name_of(each)] != replicas_of(each)
    }


def _available(replica_set: Object) -> int:
    return int(status_of(replica_set).get("availableReplicas", 0))


def _changed(replica_set: Object, replicas: int) -> dict[str, int]:
    if replicas_of(replica_set) == replicas:
        return {}
    return {name_of(replica_set): replicas}


def _share(value: int | str, whole: int, *, up: bool) -> int:
    """A number, or a percentage of the replicas."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * whole
    return -(-share // 100) if up else share // 100


def _unlabelled(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
