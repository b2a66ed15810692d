"""Waits until the approver's pods are ready, and says what keeps them from it."""

from collections.abc import Mapping
from typing import Any, Final

from kubevouch.cli.approver.installation import DEPLOYMENT, NAMESPACE
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import DEPLOYMENTS, PODS, Pod

_PAUSE: Final = 1.0
_PODS: Final = f"app.kubernetes.io/name={DEPLOYMENT}"


async def wait_until_ready(
    api: ApiClient, clock: Clock, terminal: Terminal, seconds: float
) -> tuple[str, ...]:
    """Nothing once every pod of the newest version is ready; else, after so many seconds, why they are not."""
    began = clock.monotonic()
    while True:
        found = (await api.get_raw(DEPLOYMENTS, DEPLOYMENT, NAMESPACE)).whole()
        missing = _missing(found)
        if not missing:
            terminal.doing("")
            return ()
        if clock.monotonic() - began >= seconds:
            terminal.doing("")
            pods = await api.list_all(PODS, NAMESPACE, label_selector=_PODS)
            return (missing, *(text for pod in pods if (text := _hindrance(pod))))
        terminal.doing(f"waits for the approver's pods: {missing}")
        await clock.sleep(_PAUSE)


def _missing(deployment: Mapping[str, Any]) -> str:
    """What is not as it should be; empty if the roll-out is complete (kubectl's rollout_status.go)."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status") or {}
    seen, now = status.get("observedGeneration", 0), deployment["metadata"].get("generation", 0)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if seen < now:
        return "the Deployment has not been looked at yet"
    if updated < wanted or status.get("replicas", 0) > updated:
        return f"{updated} of {wanted} pods are of the new version"
    return "" if ready >= wanted else f"{ready} of {wanted} pods are ready"


def _hindrance(pod: Pod) -> str:
    if pod.ready:
        return ""
    for each in pod.status.container_statuses:
        if each.state.waiting is not None:
            waiting = each.state.waiting
            return one_line(f"pod {pod.name}: {waiting.reason}: {waiting.message}".rstrip(": "))
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and not condition.true:
            return one_line(f"pod {pod.name}: not scheduled: {condition.message}")
    return one_line(f"pod {pod.name}: {pod.status.phase or 'not seen by a kubelet'}, not ready")
