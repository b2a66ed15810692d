"""What PUT .../approval keeps of the body, and what it refuses.

Kubernetes' pkg/registry/certificates/certificates/strategy.go and pkg/apis/certificates/validation/validation.go:
only status.conditions are taken; spec and certificate are restored without a word; a decision cannot be withdrawn.
"""

from typing import Any

from kubevouch.lab.wire import status
from kubevouch.lab.wire.kinds import CSRS

Object = dict[str, Any]
_DECISIONS = ("Approved", "Denied", "Failed")


def decided(stored: Object, body: Object, now: str) -> Object:
    """The stored request with the body's conditions, or 422. `now` fills times that the body leaves out."""
    before = stored.get("status", {}).get("conditions") or []
    after = [dict(condition) for condition in (body.get("status") or {}).get("conditions") or []]
    causes = [*_malformed(after), *_withdrawn(before, after)]
    if causes:
        raise status.invalid(CSRS.group, CSRS.kind, stored["metadata"]["name"], causes)
    known = {condition["type"]: condition for condition in before}
    for condition in after:
        same = known.get(condition["type"], {}).get("status") == condition["status"]
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or now
        condition["lastTransitionTime"] = condition.get("lastTransitionTime") or (
            known[condition["type"]].get("lastTransitionTime", now) if same else now
        )
    metadata = {**stored["metadata"], **(body.get("metadata") or {})}
    return {
        **stored,
        "metadata": metadata,
        "status": {**stored.get("status", {}), "conditions": after},
    }


def _malformed(conditions: list[Object]) -> list[tuple[str, str, str]]:
    causes: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        where, kind = f"status.conditions[{index}]", condition.get("type", "")
        if not kind:
            causes.append(("FieldValueRequired", f"{where}.type", "Required value"))
        if not condition.get("status"):
            causes.append(("FieldValueRequired", f"{where}.status", "Required value"))
        elif kind in _DECISIONS and condition["status"] != "True":
            text = f'Invalid value: "{condition["status"]}": must be "True"'
            causes.append(("FieldValueInvalid", f"{where}.status", text))
        if kind in seen:
            causes.append(("FieldValueDuplicate", f"{where}.type", f'Duplicate value: "{kind}"'))
        if kind in {"Approved", "Denied"} and seen & ({"Approved", "Denied"} - {kind}):
            text = f'Invalid value: "{kind}": Approved and Denied conditions are mutually exclusive'
            causes.append(("FieldValueInvalid", f"{where}.type", text))
        seen.add(kind)
    return causes


def _withdrawn(before: list[Object], after: list[Object]) -> list[tuple[str, str, str]]:
    kept = {condition.get("type") for condition in after}
    return [
        (
            "FieldValueForbidden",
            "status.conditions",
            f'Forbidden: updates may not remove a condition of type "{condition["type"]}"',
        )
        for condition in before
        if condition["type"] in _DECISIONS and condition["type"] not in kept
    ]
