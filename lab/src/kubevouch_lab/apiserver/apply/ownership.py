"""Entries of metadata.managedFields with their fields: who applied what, and who has changed it since.

Kept of an object from its first apply on; what it had before then belongs to `before-first-apply`, as with an object
that an API server has not tracked (managedfields' internal/skipnonapplied.go, structuredmerge.go).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.apply import fields
from kubevouch_lab.apiserver.apply.fields import Path
from kubevouch_lab.apiserver.apply.merging import merged, pruned
from kubevouch_lab.apiserver.apply.shapes import shape_of
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.schema.types import message_for
from kubevouch_lab.objects import Object

_BEFORE = "before-first-apply"


@dataclass(frozen=True)
class Owner:
    """An entry of managedFields. time: as it is written."""

    manager: str
    operation: str
    api_version: str
    time: str
    paths: frozenset[Path]
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the other entries."""
        return self.manager, self.operation, self.subresource

    def entry(self) -> Object:
        """As it stands in the object."""
        made = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.written(self.paths),
        }
        return {**made, "subresource": self.subresource} if self.subresource else made

    def shown(self) -> str:
        """As an error names it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"


def is_tracked(thing: Object) -> bool:
    """Whether the object has been applied once."""
    return any("fieldsV1" in each for each in thing["metadata"].get("managedFields") or [])


def owners_of(thing: Object) -> list[Owner]:
    """The entries of an object."""
    return [
        Owner(
            each.get("manager", ""),
            each.get("operation", ""),
            each.get("apiVersion", ""),
            each.get("time", ""),
            fields.read(each.get("fieldsV1")),
            each.get("subresource", ""),
        )
        for each in thing["metadata"].get("managedFields") or []
    ]


def apply_to(kind: Kind, live: Object, body: Object, info: RequestInfo, *, force: bool) -> Object:
    """What a configuration makes of an object; 409 where it would change what another manager owns."""
    shape = shape_of(message_for(kind))
    wanted = applied_paths(kind, body)
    owners = _before(kind, live)
    mine = next(
        (each for each in owners if each.key == (info.manager, "Apply", info.subresource)), None
    )
    others = [each for each in owners if each is not mine]
    made: Object = merged(shape, live, body)
    if mine is not None:
        held = [*wanted, *(path for each in others for path in each.paths)]
        made = pruned(shape, made, mine.paths - wanted, held)
    if not force:
        _check_conflicts(kind, live, made, others)
    return made


def applied_paths(kind: Kind, body: Object) -> frozenset[Path]:
    """The fields of a configuration; 500 for one that the kind does not have, in Go's words."""
    try:
        return frozenset(fields.values_by_path(shape_of(message_for(kind)), body))
    except fields.NotInTheSchema as error:
        metadata = body.get("metadata") or {}
        where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        text = f"failed to create typed patch object ({where}; {kind.api_version}, Kind={kind.kind}): {error}"
        raise status.StatusError(500, "", text) from None


def with_owners(
    kind: Kind, old: Object | None, new: Object, writer: Owner, applied: Object | None
) -> Object:
    """The new object with the entries of who owns what in it. applied: the configuration, where it was applied."""
    changes = _changed(kind, old or {"metadata": {}}, new)
    owners = [] if old is None else _before(kind, old) if applied is not None else owners_of(old)
    kept = {
        each.key: replace(each, paths=each.paths - changes.keys())
        for each in owners
        if each.key != writer.key
    }
    before = next((each for each in owners if each.key == writer.key), None)
    if applied is not None:
        paths = applied_paths(kind, applied)
    else:
        had = before.paths if before else frozenset()
        set_now = frozenset(path for path, is_there in changes.items() if is_there)
        paths = (had - changes.keys()) | set_now
    if before is not None and not changes and paths == before.paths:
        writer = replace(writer, time=before.time)
    entries = [*kept.values(), replace(writer, paths=paths)]
    metadata = {**new["metadata"], "managedFields": [e.entry() for e in entries if e.paths]}
    return {**new, "metadata": metadata}


def _before(kind: Kind, live: Object) -> list[Owner]:
    if is_tracked(live):
        return owners_of(live)
    paths = _known(kind, live)
    time = live["metadata"].get("creationTimestamp", "")
    return [Owner(_BEFORE, "Update", kind.api_version, time, frozenset(paths))]


def _known(kind: Kind, thing: Object) -> Mapping[Path, Any]:
    try:
        return fields.values_by_path(shape_of(message_for(kind)), thing)
    except fields.NotInTheSchema:
        return {}  # kept before it was looked at strictly: nobody's


def _changed(kind: Kind, old: Object, new: Object) -> dict[Path, bool]:
    """Fields that differ; True for one that is there now."""
    before, after = _known(kind, old), _known(kind, new)
    found = {path: False for path in before if path not in after}
    found.update(
        {path: True for path, value in after.items() if path not in before or before[path] != value}
    )
    return found


def _check_conflicts(kind: Kind, live: Object, made: Object, others: Iterable[Owner]) -> None:
    changed = {path for path, is_there in _changed(kind, live, made).items() if is_there}
    found = [
        (owner, path)
        for owner in sorted(others, key=lambda each: each.key)
        for path in sorted(owner.paths & changed)
    ]
    if not found:
        return
    if len(found) == 1:
        owner, path = found[0]
        text = f"conflict: conflict with {owner.shown()}: {fields.text(path)}"
    else:
        lines = []
        for owner in dict.fromkeys(owner for owner, _ in found):
            lines.append(f"conflicts with {owner.shown()}:")
            lines += [f"- {fields.text(path)}" for held_by, path in found if held_by is owner]
        text = "conflicts: " + "\n".join(lines)
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {owner.shown()}",
            "field": fields.text(path),
        }
        for owner, path in found
    ]
    message = f"Apply failed with {len(found)} {text}"
    raise status.StatusError(409, "Conflict", message, {"causes": causes})
