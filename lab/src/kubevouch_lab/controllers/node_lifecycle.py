"""Nodes that are no longer heard of: Ready becomes Unknown, taints come and go, their pods are no longer ready.

What counts is when this process last saw a Lease or a heartbeat change, not the times in them: a node's clock may be
wrong. Evictions are not made.

Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from dataclasses import dataclass

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import LEASES, NODES, PODS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import Controller, attempt_each
from kubevouch_lab.objects import Object, condition, name_of, status_of

_EVERY = 5.0
"""Seconds: --node-monitor-period."""
_GRACE = 40.0
"""Seconds until a silent node is Unknown: --node-monitor-grace-period."""
_KINDS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_UNREACHABLE = "node.kubernetes.io/unreachable"
_NOT_READY = "node.kubernetes.io/not-ready"
_MESSAGE = "Kubelet stopped posting node status."
_NEVER = "Kubelet never posted node status."


@dataclass(frozen=True)
class Seen:
    """What a node last showed, and when (monotonic seconds) that was new."""

    sign: str
    at: float


class NodeLifecycle(Controller):
    """Looks every five seconds."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        super().__init__(store, client, clock)
        self._seen: dict[str, Seen] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY)

    async def look(self) -> None:
        """All nodes, once; others have their turns between a hundred of them."""
        nodes = self._store.list(NODES)
        for number, node in enumerate(nodes):
            attempt_each([node], self._one)
            if number % 100 == 99:
                await self._clock.sleep(0)
        known = {name_of(node) for node in nodes}
        self._seen = {name: seen for name, seen in self._seen.items() if name in known}

    def _one(self, thing: Object) -> None:
        name, now = name_of(thing), self._clock.monotonic()
        node = self._store.get(NODES, name)
        sign = self._sign(node)
        if self._seen.get(name, Seen("", 0.0)).sign != sign:
            self._seen[name] = Seen(sign, now)
        if now - self._seen[name].at > _GRACE:
            node = self._lost(node)
        wanted = taints_of(node, moment(self._clock.now()))
        if wanted != ((node.get("spec") or {}).get("taints") or []):
            self._client.patch(NODES, name, {"spec": {"taints": wanted or None}})
        if (condition(node, "Ready") or {}).get("status") != "True":
            self._pods_not_ready(name)

    def _sign(self, node: Object) -> str:
        lease = self._store.find(LEASES, name_of(node), "kube-node-lease") or {}
        beat = (condition(node, "Ready") or {}).get("lastHeartbeatTime", "")
        return f"{(lease.get('spec') or {}).get('renewTime', '')} {beat}"

    def _lost(self, node: Object) -> Object:
        """Every condition that only the kubelet could know becomes Unknown."""
        now = moment(self._clock.now())
        found = [dict(each) for each in status_of(node).get("conditions") or []]
        by_kind = {each["type"]: each for each in found}
        changed = False
        for kind in _KINDS:
            if kind not in by_kind:
                made = {"type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated"}
                made |= {"message": _NEVER, "lastTransitionTime": now}
                created = node["metadata"]["creationTimestamp"]
                found.append({**made, "lastHeartbeatTime": created})
                changed = True
            elif by_kind[kind]["status"] != "Unknown":
                by_kind[kind] |= {"status": "Unknown", "reason": "NodeStatusUnknown"}
                by_kind[kind] |= {"message": _MESSAGE, "lastTransitionTime": now}
                changed = True
        if not changed:
            return node
        status = {**status_of(node), "conditions": found}
        # The heartbeat stays as it was, so that this is no sign of life.
        return self._client.update(NODES, {**node, "status": status}, "status")

    def _pods_not_ready(self, node: str) -> None:
        now = moment(self._clock.now())
        for pod in self._store.pods_of(node):
            ready = condition(pod, "Ready")
            if not ready or ready["status"] != "True":
                continue
            conditions = [
                {**each, "status": "False", "lastTransitionTime": now} if each is ready else each
                for each in pod["status"]["conditions"]
            ]
            changed = {**pod, "status": {**pod["status"], "conditions": conditions}}
            self._client.update(PODS, changed, "status")


def taints_of(node: Object, now: str) -> list[Object]:
    """The node's taints with those of its condition Ready: none, not-ready or unreachable."""
    status = (condition(node, "Ready") or {}).get("status", "Unknown")
    key = {"True": "", "False": _NOT_READY}.get(status, _UNREACHABLE)
    present = (node.get("spec") or {}).get("taints") or []
    kept = [each for each in present if each["key"] not in {_NOT_READY, _UNREACHABLE} - {key}]
    if key:
        for effect in ("NoSchedule", "NoExecute"):
            if not any(each["key"] == key and each["effect"] == effect for each in kept):
                kept.append({"key": key, "effect": effect, "timeAdded": now})
    return kept
