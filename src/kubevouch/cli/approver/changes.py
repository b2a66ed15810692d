"""What an apply would change in the cluster, object by object; the apply itself; and taking it all out again."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kubevouch.cli.approver.installation import Manifest
from kubevouch.cli.approver.yaml_text import yaml_lines
from kubevouch.evidence.gather.at_once import of_each
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.sources.stored import PART_OF

MANAGER: Final = "kubevouch"
"""The manager of all fields that this product applies."""

AT_ONCE: Final = 8
"""Objects, or kinds of them, that are asked about at once: each would get a connection of its own, with its TLS handshake, for a request or two."""

_SERVERS_OWN: Final = (
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
)


@dataclass(frozen=True)
class Change:
    """What would become of one object. live: None where the cluster lacks it. conflict: what another manager owns."""

    manifest: Manifest
    live: Mapping[str, Any] | None
    after: Mapping[str, Any]
    tried: bool = True
    """Whether the API server was asked. Not of what lies in a namespace that is not there yet."""

    conflict: str = ""

    @property
    def is_new(self) -> bool:
        """Whether the object is not there yet."""
        return self.live is None

    @property
    def differs(self) -> bool:
        """Whether anything would change."""
        return self.live is None or bool(self.conflict) or _shown(self.live) != _shown(self.after)

    def diff(self) -> list[str]:
        """The lines of a unified diff against the live object; none where nothing differs."""
        before = [] if self.live is None else yaml_lines(_shown(self.live))
        after = yaml_lines(_shown(self.after))
        name = str(self.manifest)
        found = difflib.unified_diff(before, after, f"live {name}", f"applied {name}", lineterm="")
        return list(found)


async def changes(api: ApiClient, wanted: Sequence[Manifest], *, force: bool) -> tuple[Change, ...]:
    """Asks the API server in a dry run what would become of each object, of a few at once. Changes nothing."""
    found = await of_each(wanted, lambda each: _change(api, each, force=force), at_once=AT_ONCE)
    return tuple(found)


async def _change(api: ApiClient, manifest: Manifest, *, force: bool) -> Change:
    live = await look(api, manifest)
    try:
        after = await api.apply(
            manifest.resource, manifest.body, manager=MANAGER, force=force, dry_run=True
        )
    except NotFound as error:
        # Its namespace is not there yet.
        if live is None and manifest.namespace and error.reason == "NotFound":
            return Change(manifest, None, manifest.body, tried=False)
        raise
    except Conflict as error:
        return Change(manifest, live, manifest.body, conflict=error.message or str(error))
    # Of a new object our own words say enough; its defaults would hide them.
    return Change(manifest, live, manifest.body if live is None else after.whole())


async def look(api: ApiClient, manifest: Manifest) -> Mapping[str, Any] | None:
    """The live object; None if the cluster lacks it."""
    try:
        found = await api.get_raw(manifest.resource, manifest.name, manifest.namespace)
    except NotFound:
        return None
    return found.whole()


async def apply_all(api: ApiClient, wanted: Iterable[Manifest], *, force: bool) -> None:
    """Applies each, in order: a namespace before what lies in it."""
    for each in wanted:
        await api.apply(each.resource, each.body, manager=MANAGER, force=force)


async def delete(api: ApiClient, manifest: Manifest) -> bool:
    """Deletes the object if it is ours by its label; False if it is not there or not ours."""
    live = await look(api, manifest)
    if live is None or not is_ours(live):
        return False
    try:
        await api.delete(
            manifest.resource, manifest.name, manifest.namespace, uid=live["metadata"]["uid"]
        )
    except NotFound:
        return False
    return True


def is_ours(live: Mapping[str, Any]) -> bool:
    """Whether the object bears our label."""
    return bool((live["metadata"].get("labels") or {}).get(PART_OF) == "kubevouch")


def _shown(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the server writes itself, and without what controllers say of it."""
    metadata = {key: each for key, each in thing["metadata"].items() if key not in _SERVERS_OWN}
    rest = {key: each for key, each in thing.items() if key not in ("status", "metadata")}
    return {**rest, "metadata": metadata}
