"""Prints CSRs, the policy's decisions about them, and the next command if a CSR is held."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from shlex import join, quote

from kubevouch.cli.common.legend import CSRS
from kubevouch.cli.common.terminal import Colour, Terminal, one_line
from kubevouch.cli.csr.policy_word import PolicyWord
from kubevouch.cli.csr.sources import Judged
from kubevouch.cli.install.products import APPROVER
from kubevouch.diagnose.catalogue import PLAN
from kubevouch.errors import ExitCode
from kubevouch.evidence.approvers import decided_by
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.by_hand import CsrJudgement
from kubevouch.policy.csr import NODE_USER, Csr, asked_of, csr_of, requestor_node
from kubevouch.policy.decide import Decision
from kubevouch.policy.facts import RuleResult
from kubevouch.policy.pin_proposals import allow_flag
from kubevouch.policy.reasons import HoldReason

_MOST_SHOWN = 4
_LONGEST = 64
_READ_LOG = f"kubectl -n {APPROVER.namespace} logs -l {APPROVER.pods} --tail=-1"
"""The command that prints the log of every approver pod. With a label selector, kubectl prints only ten lines by default."""

COLUMNS = tuple(CSRS)

_NOT_READ = {HoldReason.NOT_IN_EVIDENCE, HoldReason.SOURCE_UNREADABLE}
_OVER = {HoldReason.SUPERSEDED, HoldReason.TOO_OLD}


def exit_of(judgement: CsrJudgement) -> ExitCode:
    """Returns 0 if the CSR passes, 1 if a rule holds it, 3 if only unreadable data or the approver holds it."""
    if judgement.outcome is Outcome.PASS:
        return ExitCode.OK
    known = {each.reason for each in judgement.decision.held_by} - _NOT_READ
    told = judgement.outcome is Outcome.REFUSE or known
    return ExitCode.FINDINGS if told else ExitCode.COULD_NOT_TELL


def warn(terminal: Terminal, lines: list[str]) -> None:
    """Prints warnings, one per line."""
    for line in lines:
        terminal.note(one_line(f"Warning: {line}"))


def say_doubts(terminal: Terminal, doubts: Sequence[Doubt]) -> None:
    """Prints what could not be read. If rights are missing, also prints the command that prints the roles."""
    for doubt in doubts:
        terminal.error(doubt.text)
    if any(doubt.kind is DoubtKind.NOT_ALLOWED for doubt in doubts):
        terminal.command("NEXT     ", terminal.roles, beside_an_error=True)


def csr_json(each: Judged) -> dict[str, object]:
    """A CSR as JSON."""
    found = each.found
    return {
        **explained_json(each),
        "requestor": found.spec.username,
        "created": found.metadata.creation_timestamp,
        "asksFor": _asked_for(csr_of(found)),
        "condition": _condition(found),
    }


def explained_json(each: Judged) -> dict[str, object]:
    """A decision as JSON, with the CSR's conditions (empty if the CSR is pending)."""
    names = each.by.names
    return {
        "name": each.name,
        "decided": [
            {"type": c.type, "by": decided_by(c), "reason": c.reason, "message": c.message}
            for c in each.found.status.conditions
        ],
        "outcome": each.by.outcome,
        "approverHolds": each.by.held,
        "namesBy": {"source": names.source, "why": names.why},
        "results": each.decision.results,
    }


def csr_row(each: Judged, at: datetime) -> tuple[str, ...]:
    """The cells of a CSR's table row, one for each of COLUMNS."""
    found, decisions = each.found, each.found.status.conditions
    by = f" ({shortened(decided_by(decisions[0]))})" if decisions else ""
    policy = _in_short(each.by, is_decided=bool(decisions))
    return (*undecided_row(found, at), _condition(found) + by, policy)


def undecided_row(found: CertificateSigningRequest, at: datetime) -> tuple[str, ...]:
    """The cells of a CSR's table row for the first four COLUMNS, which show no decision."""
    node = found.spec.username.removeprefix(NODE_USER)
    csr = csr_of(found)
    asked = _asked_for(csr)
    # Abbreviates the node's own name, so that unusual values stand out.
    values = ["its name" if v == node else v for v in asked or ()]
    if asked is None:
        values = [csr.unreadable if csr.dropped else "unreadable"]
    return (found.name, age(found, at), shortened(node), _bounded(values))


def shortened(text: str) -> str:
    """The text, cut to the maximum length of a cell."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _bounded(values: list[str]) -> str:
    """The first few values, each shortened, and the number of other values."""
    if not values:
        return "nothing"
    shown = list(map(shortened, values))
    more = len(values) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _asked_for(csr: Csr) -> list[str] | None:
    """The requested names and addresses; None if the CSR cannot be parsed."""
    asked = asked_of(csr)
    return list(map(str, asked.values)) if asked else None


def _condition(found: CertificateSigningRequest) -> str:
    """The condition as in kubectl: Pending, or Approved,Issued."""
    words = [each.type for each in found.status.conditions] or ["Pending"]
    return ",".join([*words, *(["Issued"] if found.status.certificate else [])])


def age(found: CertificateSigningRequest, at: datetime) -> str:
    """The age as in kubectl, in one unit: 35s, 12m, 5h, 3d."""
    created = found.metadata.creation_timestamp
    if created is None:
        return "?"
    seconds = max(0, int((at - created).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _in_short(judgement: CsrJudgement, *, is_decided: bool) -> str:
    """The policy's decision, for a table cell. is_decided: whether the CSR is already approved or denied."""
    if judgement.decision.outcome is Outcome.PASS:
        passes = PolicyWord.PASSES if is_decided else PolicyWord.WOULD_APPROVE
        return shortened(judgement.held or passes)
    word = PolicyWord.WOULD_HOLD if is_decided else PolicyWord.HOLDS
    if exit_of(judgement) is ExitCode.COULD_NOT_TELL:
        word = PolicyWord.CANNOT_TELL
    return f"{word}: {judgement.decision.held_by[0].reason}"


def print_left_to_approver(terminal: Terminal, each: Judged) -> None:
    """If the CSR is left to the approver, prints why, and the command that shows the approver's log."""
    if each.by.held:
        log = f"{_READ_LOG} | grep -F {quote(each.name)}"
        terminal.wrapped(f"{each.by.held}. The reason is in the log: `{log}`", f"{each.name}: ")


def decided_text(found: CertificateSigningRequest) -> str:
    """Says how a CSR was decided, and what follows from the decision."""
    condition = found.status.conditions[0]
    words = {"Approved": "approved", "Denied": "denied", "Failed": "failed"}
    what = f"already {words.get(condition.type, condition.type)} ({condition.reason})"
    if found.condition("Approved") and found.status.certificate:
        return f"{what}; its certificate is valid until it expires"
    return f"{what}; this cannot be undone"


def print_decision(terminal: Terminal, each: Judged, *, behind: str = "") -> None:
    """Prints each rule with requested and allowed values, then the decision.

    behind: text to print after the decision, if the CSR is pending.
    """
    decision, judgement, found = each.decision, each.by, each.found
    node = requestor_node(csr_of(found))
    _print_results(terminal, decision, node)
    terminal.out()
    terminal.wrapped(judgement.names.why, "names and addresses: ")
    if not found.status.conditions:
        terminal.wrapped(f"{decision.about}: {_verdict(judgement)}{behind}")
        print_left_to_approver(terminal, each)
        print_plan_hint(terminal, [each])
        return
    if said := found.status.conditions[0].message:
        terminal.wrapped(said, "decision message: ")
    terminal.wrapped(
        f"{decision.about}: {decided_text(found)}. The policy's own decision: {_verdict(judgement)}"
    )


def _print_results(terminal: Terminal, decision: Decision, node: str | None) -> None:
    width = max(len(result.rule) for result in decision.results)
    word_width = max(len(_word(result)[0]) for result in decision.results)
    for result in decision.results:
        word, colour = _word(result)
        lead = f"{word:<{word_width}}  {result.rule:<{width}}  "
        behind = " " * len(lead)
        reason = f"{result.reason}: {result.message}"
        if result.reason is HoldReason.NOT_ASKED:
            terminal.wrapped(result.message, lead, colour)
        elif result.outcome is Outcome.PASS:
            terminal.wrapped(result.seen, lead, colour)
        elif result.seen:
            terminal.wrapped(result.seen, lead, colour)
            terminal.wrapped(reason, behind)
        else:
            terminal.wrapped(reason, lead, colour)
        if result.outcome is not Outcome.PASS and result.allowed:
            terminal.wrapped(f"allowed: {result.allowed}", behind)
        if result.operator_may_allow:
            words = " ".join(
                allow_flag(node or "NODE", value) for value in result.operator_may_allow
            )
            terminal.wrapped(f"if you know that the node owns this, add {words}", behind)


def _word(result: RuleResult) -> tuple[str, Colour | None]:
    """The word for the result of a rule, and its colour. A rule that was not checked is not shown as passed."""
    if result.reason is HoldReason.NOT_ASKED:
        return "not checked", None
    return _WORDS[result.outcome]


_WORDS = {
    Outcome.PASS: ("pass", Colour.GOOD),
    Outcome.REFUSE: ("HOLD", Colour.BAD),
    Outcome.CANNOT_TELL: ("cannot tell", Colour.WARNING),
}


def _verdict(judgement: CsrJudgement) -> str:
    decision = judgement.decision
    if decision.outcome is Outcome.PASS:
        return "every checked rule passes" if decision.not_asked else "every rule passes"
    told = exit_of(replace(judgement, held=""))
    word = "cannot tell:" if told is ExitCode.COULD_NOT_TELL else "held by"
    return f"{word} {', '.join(each.rule for each in decision.held_by)}"


def print_next(terminal: Terminal, found: Sequence[Judged]) -> None:
    """Prints the command that explains a held, pending CSR. Superseded CSRs need no action."""
    held = [
        each
        for each in found
        if not each.found.status.conditions
        and each.by.outcome is not Outcome.PASS
        and HoldReason.SUPERSEDED not in _reasons(each.decision)
    ]
    if held:
        terminal.out()
        terminal.command("NEXT   ", explaining(held))


def explaining(held: Sequence[Judged]) -> str:
    """The command that explains a held CSR, preferably one that its kubelet still waits for."""
    waits = (each.name for each in held if not _OVER & _reasons(each.decision))
    return join(("kubevouch", "csr", "explain", next(waits, held[0].name)))


def print_plan_hint(terminal: Terminal, held: Sequence[Judged]) -> None:
    """Prints the `plan` command if a rollout could prove what a CSR requests, and then approve it."""
    if any(_wants_a_plan(each.decision) for each in held):
        terminal.command("NEXT   ", PLAN)


def _wants_a_plan(decision: Decision) -> bool:
    """Whether the CSR lacks only a proof that a rollout would provide. The CSR may also be superseded or too old."""
    reasons = {r.reason for r in decision.held_by if not _may_be_proven(r)}
    says_so = HoldReason.ONLY_THE_NODE_SAYS_SO
    return says_so in reasons and reasons <= {says_so} | _OVER


def _may_be_proven(result: RuleResult) -> bool:
    """Whether the CSR is held for a reserved address that its Node claims, as a control plane does.

    The operator may allow such an address, and a rollout may prove it.
    """
    return result.reason is HoldReason.RESERVED_ADDRESS and bool(result.operator_may_allow)


def _reasons(decision: Decision) -> set[HoldReason]:
    return {each.reason for each in decision.held_by}
