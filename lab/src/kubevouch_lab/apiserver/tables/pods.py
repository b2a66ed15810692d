"""Pods: what the STATUS column makes of phase and container states (printers.go, printPod).

Init containers are not looked at, since no kubelet of the lab runs any.
"""

from datetime import datetime

from kubevouch_lab.apiserver.tables.cells import (
    NONE,
    Cell,
    at,
    condition,
    items,
    since,
    text,
    whole,
)
from kubevouch_lab.objects import ReadOnlyObject

_TERMINAL = ("Succeeded", "Failed")


def pod_cells(pod: ReadOnlyObject, now: datetime) -> list[Cell]:
    """Ready, status and restarts; address and node."""
    containers = items(pod, "status.containerStatuses")
    ready = sum(bool(at(one, "ready")) for one in containers)
    return [
        f"{ready}/{len(items(pod, 'spec.containers'))}",
        _status(pod),
        _restarts(containers, now),
        since(at(pod, "metadata.creationTimestamp"), now),
        text(pod, "status.podIP") or NONE,
        text(pod, "spec.nodeName") or NONE,
        text(pod, "status.nominatedNodeName") or NONE,
        NONE,
    ]


def _status(pod: ReadOnlyObject) -> str:
    reason = text(pod, "status.reason") or text(pod, "status.phase")
    running = False
    for one in reversed(items(pod, "status.containerStatuses")):
        running = running or at(one, "state.running") is not None
        if waiting := text(one, "state.waiting.reason"):
            reason = waiting
        elif at(one, "state.terminated") is not None:
            ended = text(one, "state.terminated.reason")
            reason = ended or f"ExitCode:{whole(one, 'state.terminated.exitCode')}"
    if reason == "Completed" and running:
        return "Running" if condition(pod, "Ready") == "True" else "NotReady"
    return reason


def _restarts(containers: list[ReadOnlyObject], now: datetime) -> str:
    count = sum(whole(one, "restartCount") for one in containers)
    ends = [text(one, "lastState.terminated.finishedAt") for one in containers]
    return f"{count} ({since(max(ends), now)} ago)" if count and any(ends) else str(count)
