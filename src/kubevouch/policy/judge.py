"""All rules over one request: the one judge of `csr explain`, `csr approve` and `fix`."""

import msgspec

from kubevouch.evidence.approvers import BY_US
from kubevouch.kube.resources import CsrCondition
from kubevouch.outcome import Outcome, combined
from kubevouch.policy import addresses, form, identity, names, timing
from kubevouch.policy.question import Question
from kubevouch.policy.ruling import Rule, Ruling

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


class Judgement(msgspec.Struct, frozen=True):
    """What the policy says of one request, rule by rule."""

    request: str
    outcome: Outcome
    rulings: tuple[Ruling, ...]

    @property
    def held_by(self) -> tuple[Ruling, ...]:
        """The rules that do not pass: those that refuse first."""
        refused = tuple(r for r in self.rulings if r.outcome is Outcome.REFUSE)
        return refused + tuple(r for r in self.rulings if r.outcome is Outcome.CANNOT_TELL)


def judge(question: Question, rules: tuple[Rule, ...] = RULES) -> Judgement:
    """Asks every rule; only where each of them passes may the request be approved."""
    rulings = tuple(rule(question) for rule in rules)
    return Judgement(
        request=question.request.name,
        outcome=combined(tuple(ruling.outcome for ruling in rulings)),
        rulings=rulings,
    )


def approval(who: str) -> CsrCondition:
    """The condition that stands for a judgement that passed. It can never be taken back."""
    message = f"kubevouch: {who}: every rule passed"
    return CsrCondition(type="Approved", status="True", reason=BY_US, message=message)
