"""What becomes of a CSR after the policy has decided, and the words of the condition."""

from enum import StrEnum

from kubevouch.evidence.approvers import APPROVER_SAYS, BY_US, DENIED_BY_US
from kubevouch.kube.resources import CsrCondition
from kubevouch.kube.resources.events import bounded_note
from kubevouch.outcome import Outcome
from kubevouch.policy.decide import LONGEST_MESSAGE, Decision
from kubevouch.policy.sources.choice import SourceAnswer
from kubevouch.policy.sources.configuration import DenyMode


class Action(StrEnum):
    """What becomes of a CSR."""

    APPROVE = "approve"
    HOLD = "hold"
    """It stays pending."""

    CANNOT_TELL = "cannot-tell"
    """It stays pending, and is looked at again soon."""

    DENY = "deny"


def action_of(decision: Decision, mode: DenyMode) -> Action:
    """The action for this decision. mode: whether a hard refusal is a denial."""
    if decision.outcome is Outcome.PASS:
        return Action.APPROVE
    if mode is DenyMode.HARD and any(each.hard for each in decision.held_by):
        return Action.DENY
    return Action.HOLD if decision.outcome is Outcome.REFUSE else Action.CANNOT_TELL


def approval_by(answer: SourceAnswer) -> CsrCondition:
    """The condition that approves. It names the source, and can never be withdrawn."""
    message = f"{APPROVER_SAYS}every rule passed; names and addresses: {answer.why}"
    return CsrCondition(
        type="Approved", status="True", reason=BY_US, message=bounded_note(message, LONGEST_MESSAGE)
    )


def denial_of(decision: Decision) -> CsrCondition:
    """The condition that denies. A kubelet whose CSR is denied sends another one every 32 seconds."""
    hard = "; ".join(f"{r.rule} ({r.reason}): {r}" for r in decision.held_by if r.hard)
    return CsrCondition(
        type="Denied",
        status="True",
        reason=DENIED_BY_US,
        message=bounded_note(f"{APPROVER_SAYS}{hard}", LONGEST_MESSAGE),
    )
