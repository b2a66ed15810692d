"""Deployments: a ReplicaSet for each template, rolled over by `rollouts`.

Source: pkg/controller/deployment/deployment_controller.go.
"""

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import DEPLOYMENTS, REPLICA_SETS
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers import rollouts
from kubevouch_lab.controllers.events import Recorder
from kubevouch_lab.controllers.loop import attempt, reconcile, soonest
from kubevouch_lab.controllers.owners import owned
from kubevouch_lab.controllers.replica_sets import replicas_of
from kubevouch_lab.objects import (
    Object,
    annotations_of,
    condition,
    name_of,
    namespace_of,
    status_of,
)

_KEPT = 10
_LOOK_AGAIN = 10.0


class Deployments:
    """Writes ReplicaSets; what they want, `replica_sets` does."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._events = Recorder(store, client, clock, "deployment-controller")

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (DEPLOYMENTS, REPLICA_SETS)
        await reconcile(self._store, kinds, self.sync, clock=self._clock)

    def sync(self) -> float | None:
        """All of them, once; again in a while as long as one has a deadline before it."""
        return soonest(
            attempt(lambda found=each: self._one(found))  # type: ignore[misc]
            for each in self._store.list(DEPLOYMENTS)
        )

    def _one(self, deployment: Object) -> float | None:
        if "deletionTimestamp" in deployment["metadata"]:
            return None
        space = namespace_of(deployment)
        new, old = self._sets(deployment)
        if new is None and not deployment["spec"].get("paused"):
            revision = max(map(rollouts.revision_of, old), default=0) + 1
            first = rollouts.new_replica_set(deployment, revision, 0)
            replicas = rollouts.scales(deployment, first, old).get(name_of(first), 0)
            first["spec"]["replicas"] = replicas
            made = self._client.create(REPLICA_SETS, first)
            self._say(deployment, name_of(made), 0, replicas)
        elif new is not None:
            for name, replicas in rollouts.scales(deployment, new, old).items():
                before = replicas_of(self._client.get(REPLICA_SETS, name, space))
                self._client.patch(REPLICA_SETS, name, {"spec": {"replicas": replicas}}, space)
                self._say(deployment, name, before, replicas)
            self._number(deployment, new, old)
        self._forget(deployment, old)
        return self._write_status(deployment)

    def _say(self, deployment: Object, name: str, before: int, after: int) -> None:
        if after != before:
            way = "up" if after > before else "down"
            text = f"Scaled {way} replica set {name} from {before} to {after}"
            self._events.say(deployment, "ScalingReplicaSet", text)

    def _sets(self, deployment: Object) -> tuple[Object | None, list[Object]]:
        """The ReplicaSet of the present template, and the others."""
        space = namespace_of(deployment)
        mine = owned(self._store.list(REPLICA_SETS, space), deployment)
        template = deployment["spec"]["template"]
        fitting = [each for each in mine if rollouts.same_template(each, template)]
        new = min(
            fitting, key=lambda each: str(each["metadata"]["creationTimestamp"]), default=None
        )
        return new, [each for each in mine if each is not new]

    def _number(self, deployment: Object, new: Object, old: list[Object]) -> None:
        """The new one has the highest revision; a template that comes back gets a new one."""
        latest = max(map(rollouts.revision_of, old), default=0)
        revision = max(rollouts.revision_of(new), latest + 1)
        wanted = rollouts.notes(deployment, revision)
        metadata = new["metadata"]
        if wanted.items() <= (metadata.get("annotations") or {}).items():
            return
        change = {"metadata": {"annotations": wanted}}
        self._client.patch(REPLICA_SETS, metadata["name"], change, metadata["namespace"])

    def _forget(self, deployment: Object, old: list[Object]) -> None:
        """Old ones beyond revisionHistoryLimit go."""
        limit = deployment["spec"].get("revisionHistoryLimit")
        idle = [
            each
            for each in sorted(old, key=rollouts.revision_of)
            if not replicas_of(each) and not status_of(each).get("replicas")
        ]
        for each in idle[: max(len(idle) - (_KEPT if limit is None else limit), 0)]:
            self._client.delete(REPLICA_SETS, name_of(each), namespace_of(each))

    def _write_status(self, deployment: Object) -> float | None:
        metadata = deployment["metadata"]
        current = self._client.find(DEPLOYMENTS, metadata["name"], metadata["namespace"])
        if current is None:
            return None
        new, old = self._sets(current)
        if new is not None:
            revision = annotations_of(new).get(rollouts.REVISION)
            if annotations_of(current).get(rollouts.REVISION) != revision:
                change = {"metadata": {"annotations": {rollouts.REVISION: revision}}}
                current = self._client.patch(
                    DEPLOYMENTS, metadata["name"], change, metadata["namespace"]
                )
        status = rollouts.deployment_status(current, new, old, self._clock.now())
        if status != status_of(current):
            self._client.update(DEPLOYMENTS, {**current, "status": status}, "status")
        progressing = condition({"status": status}, "Progressing") or {}
        under_way = progressing.get("reason") in {"ReplicaSetUpdated", "NewReplicaSetCreated"}
        return _LOOK_AGAIN if under_way else None
