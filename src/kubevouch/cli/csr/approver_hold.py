"""What our running approver thinks of a CSR that passes here and that it has not approved. Pure.

That it has not approved it nobody can forge. Why, only its log tells for sure: whoever has a node's identity may write Events in its
name and change those that it wrote. So an Event may add to what holds a CSR, is never quoted, and none of them frees it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from kubevouch.outcome import Outcome, combined
from kubevouch.policy.decide import RULE_NAMES, Decision, NamedRule, rules_named
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import RuleResult, listed

_CUT = "..."
_SILENT = "the approver has not approved it, and no Event says why"
_UNREAD = "the approver has not approved it, and the Events that say why could not be read"


@dataclass(frozen=True)
class ApproverHold:
    """Why it is left to the approver. outcome: REFUSE by rules that Events name, CANNOT_TELL where they name none that counts.

    unread: its Events could not be read, so that it may refuse it.
    """

    outcome: Outcome
    text: str
    unread: bool = False


def would_have_held(notes: Collection[str]) -> ApproverHold | None:
    """What it would have held, of a CSR that somebody else approved. notes: of all Events that speak for it, from the rules on."""
    if named := _named(notes):
        return ApproverHold(Outcome.REFUSE, f"the approver would have held it: {_listed(named)}")
    return None


def held_besides(
    notes: Collection[str], not_asked: Collection[str], *, leads: bool = True
) -> ApproverHold | None:
    """By which of the rules that nobody asked here it holds a CSR that is held here, too; or held it, if it does not lead now."""
    if named := [each for each in _named(notes) if each.rule in not_asked]:
        holds = "the approver holds it" if leads else "the approver held it while it led"
        return ApproverHold(Outcome.REFUSE, f"{holds}: {_listed(named)}")
    return None


_REFUSALS = frozenset({HoldReason.NAME_NOT_ALLOWED, HoldReason.ADDRESS_NOT_ALLOWED})
_LOOKED_AT = frozenset({HoldReason.NOT_SERVED, HoldReason.TOO_MANY_NEW_NODES})
_MAY_SAY = {
    "allowed-names": _LOOKED_AT | {HoldReason.NAME_NOT_ALLOWED},
    "allowed-addresses": _LOOKED_AT | {HoldReason.ADDRESS_NOT_ALLOWED},
}
"""The reasons of these rules that only the approver can find. No other word counts: it may lead the operator to a denial."""


def as_the_approver_says(decision: Decision, notes: Collection[str]) -> Decision:
    """The same, with the approver's reason where a rule knows here no more than that nothing written down knows the node.

    What such a node serves, and what the rule for new nodes admits, only the approver looks at.
    """
    said: dict[str, set[HoldReason]] = defaultdict(set)
    for each in _named(notes):
        if each.reason is HoldReason.NODE_UNKNOWN or each.reason in _MAY_SAY.get(each.rule, ()):
            said[each.rule].add(each.reason)
    results = tuple(_with_its_reason(each, said[each.rule]) for each in decision.results)
    outcome = combined(tuple(each.outcome for each in results))
    return msgspec.structs.replace(decision, results=results, outcome=outcome)


def _with_its_reason(result: RuleResult, said: Collection[HoldReason]) -> RuleResult:
    if result.reason is not HoldReason.NODE_UNKNOWN or not said or result.reason in said:
        return result
    reason = min(said)
    outcome = Outcome.REFUSE if reason in _REFUSALS else Outcome.CANNOT_TELL
    message = f"the approver's Event says so, by what only it looks at (its log tells what). Here: {result.message}"
    return msgspec.structs.replace(result, outcome=outcome, reason=reason, message=message)


def approver_hold(
    notes: Collection[str] | None, *, not_asked: Collection[str], said: bool
) -> ApproverHold | None:
    """None: only what the operator says today, and the approver does not know, holds it.

    notes: of all Events on the CSR that speak for the approver; None: they could not be read. not_asked: the rules that nobody
    asked here. said: whether the operator says today what the node has; then only these rules count, and Events that were not
    cut have to name the others.
    """
    if notes is None:
        return ApproverHold(Outcome.CANNOT_TELL, _UNREAD, unread=True)
    named = _named(notes)
    counting = [each for each in named if not said or each.rule in not_asked]
    if counting:
        return ApproverHold(Outcome.REFUSE, f"the approver holds it: {_listed(counting)}")
    if named and not any(_CUT in note for note in notes):
        return None
    return ApproverHold(Outcome.CANNOT_TELL, _SILENT)


def _named(notes: Collection[str]) -> list[NamedRule]:
    found = {each for note in notes for each in rules_named(note)}
    return sorted(found, key=lambda each: (RULE_NAMES.index(each.rule), each.reason))


def _listed(named: Sequence[NamedRule]) -> str:
    return listed([f"{each.rule} ({each.reason})" for each in named])
