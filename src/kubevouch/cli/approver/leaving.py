"""A namespace that is being deleted: what keeps it, and until when it does."""

from collections.abc import Mapping
from typing import Any, Final

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NAMESPACES

_PAUSE: Final = 1.0


def why_it_is_still_there(namespace: Mapping[str, Any]) -> str:
    """What keeps a namespace that is being deleted, in Kubernetes' words; empty if it is not being deleted.

    The namespace controller says it in conditions (pkg/controller/namespace/deletion/status_condition_utils.go). As long as
    one aggregated API does not answer, the metrics API for example, no namespace can go.
    """
    if not namespace["metadata"].get("deletionTimestamp"):
        return ""
    told = [
        f"{each.get('type')}: {each.get('message')}"
        for each in (namespace.get("status") or {}).get("conditions") or ()
        if str(each.get("type", "")).startswith("Namespace") and each.get("status") == "True"
    ]
    return one_line("; ".join(told)) or "Kubernetes has not said what it waits for"


async def wait_until_gone(
    api: ApiClient, clock: Clock, terminal: Terminal, seconds: float, uid: str
) -> str:
    """Nothing once the namespace is gone, or another one has its name; else, after so many seconds, what keeps it."""
    began = clock.monotonic()
    try:
        while True:
            try:
                found = (await api.get_raw(NAMESPACES, NAMESPACE)).whole()
            except NotFound:
                return ""
            if found["metadata"].get("uid") != uid:
                return ""
            why = why_it_is_still_there(found)
            if clock.monotonic() - began >= seconds:
                return why
            terminal.doing(f"waits until the namespace {NAMESPACE} is gone")
            await clock.sleep(_PAUSE)
    finally:
        terminal.doing("")
