"""What is there of an approver; what an apply would change of it, object by object; and the writes."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.cli.approver.installation import NAMESPACE, Live, Manifest
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.evidence.gather.inquiry import of_each
from kubevouch.kube.errors import Conflict, KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.sources.stored import HOLDS, PART_OF

_MANAGER: Final = "kubevouch"
"""The manager of all fields that this product applies."""

_AT_ONCE: Final = 8
"""Objects that are asked about at once: each would get a connection of its own, with its TLS handshake, for a request or two."""

_SERVERS_OWN: Final = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
)


class ChangedSinceShown(KubevouchError):
    """Somebody else changed an object, so that other things would be written than those that were agreed to."""

    exit_code = ExitCode.STOPPED


@dataclass(frozen=True)
class Change:
    """What would become of one object. live: None where the cluster lacks it. conflict: the API server's words."""

    manifest: Manifest
    live: Mapping[str, Any] | None
    after: Mapping[str, Any]
    conflict: str = ""

    @property
    def diff(self) -> list[str]:
        """The lines of a unified diff against the live object; none where nothing differs."""
        name = str(self.manifest)
        before = [] if self.live is None else _lines(self.live)
        after = _lines(self.after)
        return list(
            difflib.unified_diff(before, after, f"live {name}", f"applied {name}", lineterm="")
        )


async def read_live(api: ApiClient, wanted: Sequence[Manifest]) -> Live:
    """Those of the objects that are there and bear our label. Raises KubeError for one that cannot be read."""
    live: dict[str, Mapping[str, Any]] = {}
    errors: list[KubeError] = []

    async def read(manifest: Manifest) -> None:
        # An error that is raised here would cancel the others in the middle of their handshakes.
        try:
            found = await _look(api, manifest)
        except KubeError as error:
            errors.append(error)
            return
        if found is not None and _is_ours(found):
            live[manifest.reference] = found

    await of_each(wanted, read, at_once=_AT_ONCE)
    if errors:
        raise errors[0]
    return live


async def changes(api: ApiClient, wanted: Sequence[Manifest]) -> tuple[Change, ...]:
    """Asks the API server in a dry run what would become of each object. Changes nothing."""
    return tuple(await of_each(wanted, lambda each: _change(api, each), at_once=_AT_ONCE))


async def check_as_shown(api: ApiClient, shown: Sequence[Change]) -> None:
    """Raises ChangedSinceShown for an object of which an apply would change something else now."""
    now = await changes(api, [each.manifest for each in shown])
    for before, after in zip(shown, now, strict=True):
        if after.conflict or _edits(before) != _edits(after):
            seen, expected = "has changed since it was shown", "nothing was changed"
            raise ChangedSinceShown(str(after.manifest), seen, expected)


def _edits(change: Change) -> list[str]:
    """The lines that come and go; what stands beside them may change at any time, such as records."""
    return [line for line in change.diff if line.startswith(("+", "-"))]


async def _change(api: ApiClient, manifest: Manifest) -> Change:
    live = await _look(api, manifest)
    try:
        after = await api.apply(manifest.resource, manifest.body, manager=_MANAGER, dry_run=True)
    except NotFound:
        if live is None and manifest.namespace == NAMESPACE:  # which is not there yet
            return Change(manifest, None, manifest.body)
        raise
    except Conflict as error:
        return Change(manifest, live, manifest.body, conflict=error.message or str(error))
    # Our own words say enough about a new object; its defaults would hide them.
    return Change(manifest, live, manifest.body if live is None else after.whole())


async def _look(api: ApiClient, manifest: Manifest) -> Mapping[str, Any] | None:
    """The live object; None if the cluster lacks it."""
    try:
        found = await api.get_raw(manifest.resource, manifest.name, manifest.namespace)
    except NotFound:
        return None
    return found.whole()


async def apply_all(api: ApiClient, wanted: Sequence[Manifest]) -> None:
    """Applies each, in order: a namespace before what lies in it."""
    for each in wanted:
        await api.apply(each.resource, each.body, manager=_MANAGER)


async def delete_all(api: ApiClient, manifests: Sequence[Manifest]) -> None:
    """Deletes, in order, each object that is there, ours by its label, and holds nothing that is written down of nodes."""
    for each in manifests:
        live = await _look(api, each)
        if live is None or not _is_ours(live) or HOLDS in live["metadata"]["labels"]:
            continue
        try:
            uid = live["metadata"]["uid"]
            await api.delete(each.resource, each.name, each.namespace, uid=uid)
        except NotFound:
            continue  # somebody else was quicker


def _is_ours(live: Mapping[str, Any]) -> bool:
    return bool((live["metadata"].get("labels") or {}).get(PART_OF) == "kubevouch")


def _lines(thing: Mapping[str, Any]) -> list[str]:
    """Without what the server writes itself, and without what controllers say of it."""
    metadata = {key: each for key, each in thing["metadata"].items() if key not in _SERVERS_OWN}
    rest = {key: each for key, each in thing.items() if key not in ("status", "metadata")}
    return goyaml.written({**rest, "metadata": metadata}).splitlines()
