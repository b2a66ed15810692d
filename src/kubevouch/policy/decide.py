"""Lists all rules about a CSR, with subsets for special cases, and applies them.

The approver and the commands `csr`, `apply` and `doctor` use this module.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kubevouch.evidence.approvers import APPROVER_SAYS, BY_US, DENIED_BY_US
from kubevouch.kube.resources import CsrCondition, bounded_note
from kubevouch.outcome import Outcome, combined
from kubevouch.policy.claims import AllowedNames, OtherNodes
from kubevouch.policy.facts import (
    UNREADABLE,
    CsrFacts,
    EntitlementFacts,
    NameRule,
    Rule,
    RuleResult,
)
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.rules import form, identity, ownership, timing, usable

ENTITLEMENT_RULES: tuple[NameRule, ...] = (
    form.count,
    usable.plain_names,
    ownership.reserved_names,
    ownership.foreign_names,
    ownership.allowed_names,
    usable.usable_addresses,
    ownership.reserved_addresses,
    ownership.foreign_addresses,
    ownership.allowed_addresses,
)
"""Rules about the names and addresses of a CSR, or of a node before its first CSR."""

ONE_VALUE_RULES: tuple[NameRule, ...] = ENTITLEMENT_RULES[1:]
"""Rules about a single name or address: ENTITLEMENT_RULES without `form.count`."""

BELONGING_RULES: tuple[NameRule, ...] = (
    ownership.reserved_names,
    ownership.foreign_names,
    ownership.reserved_addresses,
    ownership.foreign_addresses,
)
"""Rules that forbid the names and addresses of the cluster and of other nodes. A genuine kubelet
never breaks them."""

RULES: tuple[Rule, ...] = (
    form.size,
    form.canonical,
    identity.signer,
    identity.requestor,
    identity.credential_id,
    identity.client_standing,
    identity.own_key,
    identity.subject,
    identity.live_node,
    identity.same_node,
    form.usages,
    form.key,
    form.lifetime,
    *ENTITLEMENT_RULES,
    timing.undecided,
    timing.newest,
    timing.fresh,
    timing.budget,
)
"""Every rule, in the order in which `csr explain` prints them."""

EVEN_IF_DECIDED: tuple[Rule, ...] = tuple(rule for rule in RULES if rule is not timing.undecided)
"""The rules for a CSR that another approver has approved."""

WHAT_IT_ASKS_FOR: tuple[Rule, ...] = tuple(
    rule
    for rule in RULES
    if rule not in (timing.undecided, timing.newest, timing.fresh, timing.budget)
)
"""The rules about the contents of a CSR, for a CSR that is already approved or denied."""


LONGEST_MESSAGE: Final = 1024
"""The maximum length of a condition's message, in bytes."""


class Decision(msgspec.Struct, frozen=True):
    """The results of all rules about a CSR, or about a node's claims."""

    about: str
    """The name of the CSR, or of the node."""

    outcome: Outcome
    results: tuple[RuleResult, ...]

    @property
    def held_by(self) -> tuple[RuleResult, ...]:
        """The results of the rules that do not pass.

        REFUSE comes before CANNOT_TELL. In both groups, rules that --allow cannot override come
        first.
        """
        held = [r for r in self.results if r.outcome is not Outcome.PASS]
        return tuple(
            sorted(
                held, key=lambda r: (r.outcome is not Outcome.REFUSE, bool(r.operator_may_allow))
            )
        )

    @property
    def not_asked(self) -> tuple[str, ...]:
        """The names of the rules that passed without a check, since their input was missing."""
        return tuple(r.rule for r in self.results if r.reason is HoldReason.NOT_ASKED)

    @property
    def why(self) -> str:
        """The rules that do not pass and what they found, in one line; empty if all pass.

        Rules with the same reason and message share an entry.
        """
        alike: dict[tuple[HoldReason, str], list[RuleResult]] = {}
        for each in self.held_by:
            alike.setdefault((each.reason, each.message), []).append(each)
        return "; ".join(map(_in_words, alike.values()))

    @property
    def operator_may_allow(self) -> tuple[str, ...]:
        """The values that the operator must allow so that every rule passes; empty if some rule cannot be overridden."""
        if not all(each.operator_may_allow for each in self.held_by):
            return ()
        return tuple(dict.fromkeys(v for each in self.held_by for v in each.operator_may_allow))


def _in_words(results: list[RuleResult]) -> str:
    rules, first = ", ".join(each.rule for each in results), results[0]
    seen = ", ".join(dict.fromkeys(each.seen for each in results if each.seen))
    return f"{rules} ({first.reason}): {f'{seen}: ' if seen else ''}{first.message}"


def decide(facts: CsrFacts, rules: tuple[Rule, ...] = RULES) -> Decision:
    """Applies the rules to a CSR. The CSR may be approved only if all rules pass.

    If the CSR cannot be parsed, the result of each rule about names and addresses is CANNOT_TELL.
    """
    unread = ENTITLEMENT_RULES if facts.csr.parsed is None else ()
    found = ((rule, UNREADABLE if rule in unread else rule(facts)) for rule in rules)
    return _decision(facts.csr.name, found)


def decide_entitlement(
    allowed: AllowedNames,
    other_nodes: OtherNodes | None,
    reserved: ReservedNames,
    rules: tuple[NameRule, ...] = ENTITLEMENT_RULES,
) -> Decision:
    """Checks the names and addresses that a node claims, before its first CSR.

    A kubelet requests all values in its Node's status, so one refused value holds its CSR.
    """
    facts = EntitlementFacts(allowed, other_nodes, reserved)
    return _decision(allowed.node, ((rule, rule(facts)) for rule in rules))


def _decision(about: str, found: Iterable[tuple[Rule | NameRule, RuleResult]]) -> Decision:
    """Combines the rules' results. A rule has the name of its function, with hyphens."""
    results = tuple(
        msgspec.structs.replace(result, rule=rule.__name__.replace("_", "-"))
        for rule, result in found
    )
    return Decision(about, combined([each.outcome for each in results]), results)


def approval(
    who: str, names_by: str = "", *, not_asked: Sequence[str] = (), besides: str = ""
) -> CsrCondition:
    """The condition that approves a CSR. An approval is final, and so is its message.

    who: the person or run that approves; "" for our approver. names_by: the source of the node's
    names. not_asked: the rules that were not checked. besides: a note that the installed approver has
    not approved the CSR.
    """
    passed = f"every checked rule passed; not checked: {', '.join(not_asked)}"
    parts = [passed if not_asked else "every rule passed", besides]
    parts.append(f"names and addresses: {names_by}" if names_by else "")
    says = f"kubevouch: {who}: " if who else APPROVER_SAYS
    message = bounded_note(f"{says}{'; '.join(filter(None, parts))}", LONGEST_MESSAGE)
    return CsrCondition(type="Approved", status="True", reason=BY_US, message=message)


def denial(reason: str) -> CsrCondition:
    """The condition that denies a CSR, with the operator's reason. A denial is final."""
    message = f"kubevouch: {reason}"
    return CsrCondition(type="Denied", status="True", reason=DENIED_BY_US, message=message)
