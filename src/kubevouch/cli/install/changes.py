"""Reads a server's live objects, computes and applies changes, and waits until the server is ready."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.install.product import Live, Manifest, Product
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.evidence.gather.inquiry import of_each
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import DEPLOYMENTS, PODS, Pod
from kubevouch.policy.sources.stored import HOLDS

_MANAGER: Final = "kubevouch"
"""The field manager for everything that kubevouch applies."""

_AT_ONCE: Final = 8
"""The maximum number of concurrent reads. Each read opens a TLS connection for only one or two requests."""

_PAUSE: Final = 1.0
_SERVERS_OWN: Final = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
)


class ChangedSinceShown(KubevouchError):
    """Somebody else changed an object. An apply would differ from the diff that the operator confirmed."""

    exit_code = ExitCode.STOPPED


class NotOurs(KubevouchError):
    """The object belongs to another server or a Helm release. An install would silently take it over."""

    exit_code = ExitCode.STOPPED


@dataclass(frozen=True)
class Change:
    """What an apply changes in one object.

    live: the object before the apply; None if it does not exist. conflict: the API server's message about a
    conflict, or "".
    """

    manifest: Manifest
    live: Mapping[str, Any] | None
    after: Mapping[str, Any]
    conflict: str = ""

    @property
    def diff(self) -> list[str]:
        """A unified diff against the live object; empty if nothing changes."""
        name = str(self.manifest)
        before = [] if self.live is None else _lines(self.live)
        after = _lines(self.after)
        return list(
            difflib.unified_diff(before, after, f"live {name}", f"applied {name}", lineterm="")
        )


async def read_live(api: ApiClient, product: Product) -> Live:
    """Reads our live objects. Raises KubeError."""
    known = product.objects
    found = await of_each(known, lambda each: _look(api, each), at_once=_AT_ONCE)
    pairs = zip(known, found, strict=True)
    return {each.reference: live for each, live in pairs if live is not None and product.owns(live)}


async def changes(
    api: ApiClient, product: Product, wanted: Sequence[Manifest]
) -> tuple[Change, ...]:
    """What an apply would change in each object, according to a server-side dry run. Raises NotOurs."""
    made = {each.name for each in wanted if each.resource.kind == "Namespace"}
    asked = of_each(wanted, lambda each: _change(api, product, each, made), at_once=_AT_ONCE)
    return tuple(await asked)


async def check_as_shown(api: ApiClient, product: Product, shown: Sequence[Change]) -> None:
    """Raises ChangedSinceShown if an object would now change differently."""
    now = await changes(api, product, [each.manifest for each in shown])
    for before, after in zip(shown, now, strict=True):
        if after.conflict or _edits(before) != _edits(after):
            seen, expected = "has changed since it was shown", "nothing was changed"
            raise ChangedSinceShown(str(after.manifest), seen, expected)


def _edits(change: Change) -> list[str]:
    """The added and removed lines of the diff, without context lines.

    Context lines may change at any time, for example when the approver updates its records.
    """
    return [line for line in change.diff if line.startswith(("+", "-"))]


async def _change(api: ApiClient, product: Product, manifest: Manifest, made: set[str]) -> Change:
    """What an apply would change in one object. made: namespaces that the same apply creates."""
    live = await _look(api, manifest)
    if live is not None and (why := product.is_others(live)):
        raise NotOurs(str(manifest), why)
    try:
        after = await api.apply(manifest.resource, manifest.body, manager=_MANAGER, dry_run=True)
    except NotFound:
        if live is None and manifest.namespace in made:  # the namespace does not exist yet
            return Change(manifest, None, manifest.body)
        raise
    except Conflict as error:
        return Change(manifest, live, manifest.body, conflict=error.message or str(error))
    # Shows a new object as in the manifest: the API server's defaults would hide its content.
    return Change(manifest, live, manifest.body if live is None else after.whole())


async def _look(api: ApiClient, manifest: Manifest) -> Mapping[str, Any] | None:
    """The live object; None if it does not exist."""
    try:
        found = await api.get_raw(manifest.resource, manifest.name, manifest.namespace)
    except NotFound:
        return None
    return found.whole()


async def apply_all(api: ApiClient, wanted: Sequence[Manifest]) -> None:
    """Applies the objects in order."""
    for each in wanted:
        await api.apply(each.resource, each.body, manager=_MANAGER)


async def delete_all(
    api: ApiClient, product: Product, going: Sequence[Manifest], *, written_down: bool = False
) -> None:
    """Deletes those of the objects that are ours, in order.

    written_down: whether to delete ConfigMaps with pins, records or configuration, too.
    """
    for each in going:
        live = await _look(api, each)
        if live is None or not product.owns(live):
            continue
        if HOLDS in live["metadata"]["labels"] and not written_down:
            continue
        try:
            uid = live["metadata"]["uid"]
            await api.delete(each.resource, each.name, each.namespace, uid=uid)
        except NotFound:
            continue  # already deleted


def stopped_halfway(terminal: Terminal, error: KubevouchError) -> ExitCode:
    """Prints why the command stopped, and how to continue."""
    terminal.error(str(error))
    terminal.note("The command stopped halfway; repeat it to continue.")
    return ExitCode.STOPPED


def _lines(thing: Mapping[str, Any]) -> list[str]:
    """The object as YAML lines, without its status and the fields that the API server sets."""
    metadata = {key: each for key, each in thing["metadata"].items() if key not in _SERVERS_OWN}
    rest = {key: each for key, each in thing.items() if key not in ("status", "metadata")}
    return goyaml.written({**rest, "metadata": metadata}).splitlines()


async def wait_until_ready(
    api: ApiClient, clock: Clock, terminal: Terminal, product: Product, seconds: float
) -> tuple[str, ...]:
    """Waits until every pod has the new version and is ready.

    Returns an empty tuple. If the server is not ready after `seconds`, returns the reasons.
    """
    began = clock.monotonic()
    while True:
        found = (await api.get_raw(DEPLOYMENTS, product.name, product.namespace)).whole()
        missing = _missing(found) or (product.why_not and await product.why_not(api))
        if not missing:
            terminal.doing("")
            return ()
        if clock.monotonic() - began >= seconds:
            terminal.doing("")
            pods = await api.list_all(PODS, product.namespace, label_selector=product.pods)
            return (missing, *(text for pod in pods if (text := _hindrance(pod))))
        terminal.doing(f"waiting for the {product.title}: {missing}")
        await clock.sleep(_PAUSE)


def _missing(deployment: Mapping[str, Any]) -> str:
    """Returns why the Deployment's rollout is incomplete, or "" (as in kubectl's rollout_status.go)."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status") or {}
    seen, now = status.get("observedGeneration", 0), deployment["metadata"].get("generation", 0)
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if seen < now:
        return "no controller has seen the Deployment yet"
    if updated < wanted or status.get("replicas", 0) > updated:
        return f"{updated} of {wanted} pods have the new version"
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
