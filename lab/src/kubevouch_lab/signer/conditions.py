"""The conditions of a signing request: a decision is made once, and is never taken back.

Source: pkg/apis/certificates/validation/validation.go and pkg/registry/certificates/certificates/strategy.go.
"""

from collections.abc import Iterator

from kubevouch_lab.objects import Object

Cause = tuple[str, str, str]
_DECISIONS = ("Approved", "Denied", "Failed")
_BY_APPROVERS = ("Approved", "Denied")


def settled_times(before: list[Object], after: list[Object], now: str) -> list[Object]:
    """The same conditions, their times filled in where they are empty."""
    known = {each.get("type"): each for each in before}
    settled = []
    for each in after:
        old = known.get(each.get("type"), {})
        same = old.get("status") == each.get("status")
        kept = (old.get("lastTransitionTime") or now) if same else now
        settled.append(
            {
                **each,
                "lastUpdateTime": each.get("lastUpdateTime") or now,
                "lastTransitionTime": each.get("lastTransitionTime") or kept,
            }
        )
    return settled


def unchanged_decisions(before: list[Object], after: list[Object]) -> list[Object]:
    """The new conditions with the old decisions in their places, as far as there are as many of them."""
    result = list(after)
    for kind in _BY_APPROVERS:
        old = [each for each in before if each.get("type") == kind]
        places = [at for at, each in enumerate(result) if each.get("type") == kind]
        if len(old) == len(places):
            for at, each in zip(places, old, strict=True):
                result[at] = each
    return result


def malformed(before: list[Object], after: list[Object]) -> Iterator[Cause]:
    """What no condition may be. What the stored object already has wrong is let be."""
    seen: set[str] = set()
    known = [each.get("type", "") for each in before]
    both = set(_BY_APPROVERS) <= set(known)
    twice = len(set(known)) < len(known)
    for index, each in enumerate(after):
        where, kind, value = f"status.conditions[{index}]", each.get("type"), each.get("status")
        if not kind and "" not in known:
            yield "FieldValueRequired", f"{where}.type", "Required value"
        if not value:
            yield "FieldValueRequired", f"{where}.status", "Required value"
        elif kind in _DECISIONS and value != "True":
            text = f'Unsupported value: "{value}": supported values: "True"'
            yield "FieldValueNotSupported", f"{where}.status", text
        elif value not in {"True", "False", "Unknown"}:
            text = f'Unsupported value: "{value}": supported values: "False", "True", "Unknown"'
            yield "FieldValueNotSupported", f"{where}.status", text
        if not both and kind in _BY_APPROVERS and (set(_BY_APPROVERS) - {kind}) & seen:
            text = "Approved and Denied conditions are mutually exclusive"
            yield "FieldValueInvalid", f"{where}.type", f'Invalid value: "{kind}": {text}'
        if not twice and kind in seen:
            yield "FieldValueDuplicate", f"{where}.type", f'Duplicate value: "{kind}"'
        seen.add(kind or "")


def withdrawn(before: list[Object], after: list[Object]) -> Iterator[Cause]:
    """Decisions that were there and are no more."""
    for kind in _DECISIONS:
        if sum(c.get("type") == kind for c in after) < sum(c.get("type") == kind for c in before):
            text = f'Forbidden: updates may not remove a condition of type "{kind}"'
            yield "FieldValueForbidden", "status.conditions", text
