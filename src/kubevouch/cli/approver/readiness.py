"""Waits until the approver's pods are ready and one of them leads, and says what keeps them from it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.approver.installation import DEPLOYMENT, ITS_PODS, NAMESPACE
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import DEPLOYMENTS, LEASES, PODS, Pod

_PAUSE: Final = 1.0
_RENEWED: Final = timedelta(seconds=5)
"""Whoever leads renews the Lease every two seconds."""


async def wait_until_ready(
    api: ApiClient, clock: Clock, terminal: Terminal, seconds: float
) -> tuple[str, ...]:
    """Nothing once every pod of the newest version is ready and one leads; else, after so many seconds, why not."""
    began = clock.monotonic()
    while True:
        found = (await api.get_raw(DEPLOYMENTS, DEPLOYMENT, NAMESPACE)).whole()
        missing = _missing(found) or await _why_none_leads(api)
        if not missing:
            terminal.doing("")
            return ()
        if clock.monotonic() - began >= seconds:
            terminal.doing("")
            pods = await api.list_all(PODS, NAMESPACE, label_selector=ITS_PODS)
            return (missing, *(text for pod in pods if (text := _hindrance(pod))))
        terminal.doing(f"waits for the approver: {missing}")
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


async def _why_none_leads(api: ApiClient) -> str:
    """Empty if somebody leads: only who leads decides, and a former approver's Lease has to run out first.

    By the API server's clock, which also wrote down when the Lease was renewed.
    """
    try:
        lease = await api.get(LEASES, LEASE, NAMESPACE)
    except NotFound:
        return "none of its pods leads yet"
    if not lease.spec.holder_identity or lease.written is None:
        return "none of its pods leads yet"
    silent = api.server_clock.now() - lease.written
    if silent < _RENEWED:
        return ""
    return f"none of its pods leads yet; the Lease was renewed {silent.total_seconds():.0f} s ago"


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


def say_how_it_ended(terminal: Terminal, hindrances: Sequence[str], wait: float) -> None:
    """Whether the approver is at work now, and what comes next. hindrances: of its pods, after so many seconds."""
    if not hindrances:
        terminal.out("The approver is ready: all of its pods are, and one leads.")
        terminal.command("NEXT  ", "kubevouch csr list")
        return
    terminal.out(f"The approver is applied, and not ready after {wait:.0f} s: {hindrances[0]}.")
    for text in hindrances[1:]:
        terminal.wrapped(text, "      ")
    terminal.command("NEXT  ", f"kubectl -n {NAMESPACE} get pods,events")
