"""All rules over one request: the one judge of `csr explain`, `csr approve` and `fix`."""

import msgspec

from kubevouch.evidence.approvers import BY_US
from kubevouch.kube.resources import CsrCondition
from kubevouch.outcome import Outcome, combined
from kubevouch.policy import addresses, form, identity, names, timing
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.rule import Rule, RuleResult

RULES: tuple[Rule, ...] = (
    form.size,
    form.canonical,
    identity.signer,
    identity.requestor,
    identity.subject,
    identity.live_node,
    form.usages,
    form.key,
    form.lifetime,
    form.count,
    names.plain_names,
    names.reserved_names,
    names.foreign_names,
    names.allowed_names,
    addresses.usable_addresses,
    addresses.reserved_addresses,
    addresses.foreign_addresses,
    addresses.allowed_addresses,
    timing.undecided,
    timing.newest,
    timing.fresh,
)
"""In the order in which `csr explain` prints them."""


class Decision(msgspec.Struct, frozen=True):
    """What the policy says of one request, rule by rule."""

    csr: str
    """Its name."""

    outcome: Outcome
    results: tuple[RuleResult, ...]

    @property
    def held_by(self) -> tuple[RuleResult, ...]:
        """The rules that do not pass: those that refuse first."""
        refused = tuple(r for r in self.results if r.outcome is Outcome.REFUSE)
        return refused + tuple(r for r in self.results if r.outcome is Outcome.CANNOT_TELL)


def decide(facts: CsrFacts, rules: tuple[Rule, ...] = RULES) -> Decision:
    """Asks every rule; only where each of them passes may the request be approved."""
    results = tuple(rule(facts) for rule in rules)
    return Decision(
        csr=facts.csr.name,
        outcome=combined(tuple(result.outcome for result in results)),
        results=results,
    )


def approval(who: str) -> CsrCondition:
    """The condition that stands for a decision that passed. It can never be taken back."""
    message = f"kubevouch: {who}: every rule passed"
    return CsrCondition(type="Approved", status="True", reason=BY_US, message=message)
