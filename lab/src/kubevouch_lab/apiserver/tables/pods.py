"""Pods: what the STATUS column makes of phase, conditions and container states (printers.go, printPod)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubevouch_lab.apiserver.tables.ages import human_duration, moment
from kubevouch_lab.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Column,
    Printer,
    age_of,
    at,
    condition,
    items,
    name_of,
    text,
    whole,
    wide,
)
from kubevouch_lab.objects import ReadOnlyObject

_LOST = "NodeLost"  # the reason of a pod whose node answers no more
_TERMINAL = ("Succeeded", "Failed")


@dataclass
class _Restarts:
    count: int = 0
    last: datetime | None = None

    def add(self, container: Mapping[str, Any]) -> None:
        self.count += whole(container, "restartCount")
        ended = moment(at(container, "lastState.terminated.finishedAt"))
        if ended and (self.last is None or self.last < ended):
            self.last = ended

    def shown(self, now: datetime) -> str:
        if self.count and self.last:
            return f"{self.count} ({human_duration((now - self.last).total_seconds())} ago)"
        return str(self.count)


@dataclass
class _Seen:
    """What the containers say, as far as they have been looked at."""

    reason: str
    ready: int = 0
    restarts: _Restarts = field(default_factory=_Restarts)


def _pod(pod: ReadOnlyObject, now: datetime) -> list[Cell]:
    sidecars = {
        text(one, "name")
        for one in items(pod, "spec.initContainers")
        if at(one, "restartPolicy") == "Always"
    }
    total = len(items(pod, "spec.containers")) + len(sidecars)
    seen = _Seen(_first_reason(pod))
    of_sidecars = _Restarts()
    initializing = _init_containers(pod, sidecars, seen, of_sidecars)
    initialized = condition(pod, "Initialized")
    if not initializing or (initialized and initialized.get("status") == "True"):
        seen.restarts = of_sidecars
        _containers(pod, seen)
    return [
        name_of(pod),
        f"{seen.ready}/{total}",
        _last_word(pod, seen.reason),
        seen.restarts.shown(now),
        age_of(pod, now),
        *_wide(pod),
    ]


def _first_reason(pod: ReadOnlyObject) -> str:
    for one in items(pod, "status.conditions"):
        if at(one, "type") == "PodScheduled" and at(one, "reason") == "SchedulingGated":
            return "SchedulingGated"
    return text(pod, "status.reason") or text(pod, "status.phase")


def _init_containers(
    pod: ReadOnlyObject, sidecars: set[str], seen: _Seen, of_sidecars: _Restarts
) -> bool:
    """Looks at the init containers in order; True if one of them is not through yet."""
    wanted = len(items(pod, "spec.initContainers"))
    for index, one in enumerate(items(pod, "status.initContainerStatuses")):
        seen.restarts.add(one)
        sidecar = text(one, "name") in sidecars
        if sidecar:
            of_sidecars.add(one)
        ended = at(one, "state.terminated")
        if ended is not None and not whole(ended, "exitCode"):
            continue
        if sidecar and at(one, "started"):
            seen.ready += bool(at(one, "ready"))
            continue
        waiting = text(one, "state.waiting.reason")
        if ended is not None:
            seen.reason = f"Init:{_ending(ended)}"
        elif waiting and waiting != "PodInitializing":
            seen.reason = f"Init:{waiting}"
        else:
            seen.reason = f"Init:{index}/{wanted}"
        return True
    return False


def _ending(ended: Mapping[str, Any]) -> str:
    if reason := text(ended, "reason"):
        return reason
    if signal := whole(ended, "signal"):
        return f"Signal:{signal}"
    return f"ExitCode:{whole(ended, 'exitCode')}"


def _containers(pod: ReadOnlyObject, seen: _Seen) -> None:
    running, failure = False, ""
    for one in reversed(items(pod, "status.containerStatuses")):
        seen.restarts.add(one)
        ended = at(one, "state.terminated")
        if waiting := text(one, "state.waiting.reason"):
            seen.reason = waiting
        elif ended is not None:
            seen.reason = _ending(ended)
            failure = seen.reason if whole(ended, "exitCode") else failure
        elif at(one, "ready") and at(one, "state.running") is not None:
            running = True
            seen.ready += 1
    if seen.reason == "Completed":
        ready = condition(pod, "Ready")
        if running and ready and ready.get("status") == "True":
            seen.reason = "Running"
        elif failure:
            seen.reason = failure
        elif running:
            seen.reason = "NotReady"


def _last_word(pod: ReadOnlyObject, reason: str) -> str:
    if at(pod, "metadata.deletionTimestamp") is None:
        return reason
    if at(pod, "status.reason") == _LOST:
        return "Unknown"
    return reason if at(pod, "status.phase") in _TERMINAL else "Terminating"


def _wide(pod: ReadOnlyObject) -> list[Cell]:
    addresses = items(pod, "status.podIPs")
    gates = [text(one, "conditionType") for one in items(pod, "spec.readinessGates")]
    open_gates = [gate for gate in gates if (condition(pod, gate) or {}).get("status") == "True"]
    return [
        (text(addresses[0], "ip") if addresses else text(pod, "status.podIP")) or NONE,
        text(pod, "spec.nodeName") or NONE,
        text(pod, "status.nominatedNodeName") or NONE,
        f"{len(open_gates)}/{len(gates)}" if gates else NONE,
    ]


POD = Printer(
    (
        NAME,
        Column("Ready", "How many of its containers are ready, of how many."),
        Column("Status", "What its containers and its phase amount to."),
        Column("Restarts", "How often its containers were restarted, and when last."),
        AGE,
        wide("IP", "The address given to the pod."),
        wide("Node", "The node that it runs on."),
        wide("Nominated Node", "The node on which others make room for it."),
        wide("Readiness Gates", "How many of its readiness gates are open."),
    ),
    _pod,
)


def completed(pod: ReadOnlyObject) -> list[dict[str, str]] | None:
    """The row condition of a pod that has ended, None for others (printers.go, podSuccessConditions)."""
    phase = at(pod, "status.phase")
    if phase not in _TERMINAL:
        return None
    message = "The pod has completed successfully." if phase == "Succeeded" else "The pod failed."
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
