"""Approving CSRs: the policy first, then the operator, then one by one at the version that was judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.csr.find import serving_csr
from kubevouch.cli.csr.judgement import CsrEvidence, CsrJudgement
from kubevouch.cli.csr.render import (
    exit_of,
    print_decision,
    say_that_the_approver_holds_it,
    warn,
    what_was_decided,
)
from kubevouch.cli.csr.sources import Sources
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.decide import Decision, approval
from kubevouch.policy.rule import listed

_EXPECTED = "kubevouch csr list shows what there is"
AGAINST_APPROVER: Final = "--against-approver"
"""The flag for what the running approver refuses."""


@dataclass(frozen=True)
class Judged:
    """One CSR as it was read, what the policy says of it, and the names and addresses that an approval vouches for."""

    found: CertificateSigningRequest
    judgement: CsrJudgement
    node: str | None
    vouches: str

    @property
    def decision(self) -> Decision:
        """What the policy says."""
        return self.judgement.decision

    @property
    def passes(self) -> bool:
        """Whether every rule passes that could be asked here."""
        return self.decision.outcome is Outcome.PASS

    def may_be_approved(self, *, against_approver: bool) -> bool:
        """Whether every rule passes, and the approver does not refuse it by Events that could be read, or is known to be wrong."""
        held = self.judgement.held
        refused = self.judgement.outcome is Outcome.REFUSE or (held is not None and held.unread)
        return self.passes and (against_approver or not refused)


def approve_named(
    terminal: Terminal,
    access: ClusterAccess,
    names: tuple[str, ...],
    sources: Sources,
    *,
    yes: bool,
    against_approver: bool = False,
) -> ExitCode:
    """Approves the CSRs of these names, each only if every rule passes. One that is decided about already is a finding.

    So is one that the running approver holds by a rule that an Event names, unless it is to be approved against that. What the
    approver says is shown before the question.
    """

    async def judge(api: ApiClient, clock: Clock) -> tuple[list[Judged], list[ExitCode]]:
        evidence = await sources.gather(api, clock)
        warn(terminal, sources.warnings(evidence))
        found = [await serving_csr(api, name, expected=_EXPECTED) for name in dict.fromkeys(names)]
        waiting, settled = undecided(terminal, found)
        return [judged(each, sources, evidence, tries_a_word=True) for each in waiting], settled

    seen, settled = with_api(terminal, access, judge)
    passing = [each for each in seen if each.may_be_approved(against_approver=against_approver)]
    for each in seen:
        if each not in passing:
            _refuse(terminal, each)
    codes = [*settled, *(ExitCode.OK if e in passing else exit_of(e.judgement) for e in seen)]
    if not passing:
        return combined_exit_code(codes)
    for each in passing:
        say_that_the_approver_holds_it(terminal, each.found.name, each.judgement)
    vouched = "; ".join(
        f"{each.found.name}: {each.found.spec.username} is {each.vouches}" for each in passing
    )
    what = f"approve on {where(access)}, which cannot be undone: {vouched}{unasked(passing)}"
    terminal.confirm(what, yes=yes)
    return combined_exit_code([*codes, approve_judged(terminal, access, passing, sources)])


def _refuse(terminal: Terminal, each: Judged) -> None:
    """Says why it is not approved; where only the approver holds it, how it is approved all the same."""
    if not each.passes:
        behind = ". It was not approved"
        print_decision(terminal, each.judgement, each.node, each.found, behind=behind)
        return
    say_that_the_approver_holds_it(terminal, each.found.name, each.judgement)
    held = each.judgement.held
    may = " It may be that the approver refuses it." if held and held.unread else ""
    text = f"It was not approved.{may} If you know that the approver is wrong, give {AGAINST_APPROVER} as well."
    terminal.wrapped(text)


def undecided(
    terminal: Terminal, found: Sequence[CertificateSigningRequest]
) -> tuple[list[CertificateSigningRequest], list[ExitCode]]:
    """Those that nobody has decided about; of each other one it is said that it stays as it is, which is a finding."""
    settled = [each for each in found if each.status.conditions]
    for each in settled:
        terminal.wrapped(f"{each.name} stays as it is: {what_was_decided(each)}")
    return [each for each in found if not each.status.conditions], [ExitCode.FINDINGS] * len(
        settled
    )


def judged(
    found: CertificateSigningRequest,
    sources: Sources,
    evidence: CsrEvidence,
    *,
    tries_a_word: bool = False,
) -> Judged:
    """Asks the policy. Writes nothing. tries_a_word: as of Sources.judged."""
    csr = csr_of(found)
    asked = (*csr.parsed.dns_names, *csr.parsed.ip_addresses) if csr.parsed else ()
    judgement = sources.judged(csr, evidence, tries_a_word=tries_a_word)
    return Judged(found, judgement, requestor_node(csr), listed(asked))


def where(access: ClusterAccess) -> str:
    """The cluster, as a question names it."""
    return access.server + (f" (context {access.context})" if access.context else "")


def unasked(passing: list[Judged]) -> str:
    """The rules that nobody asked about some of these, as a question names them."""
    rules = sorted({rule for each in passing for rule in each.decision.not_asked})
    return f" (not asked: {', '.join(rules)})" if rules else ""


def approve_judged(
    terminal: Terminal, access: ClusterAccess, passing: list[Judged], sources: Sources
) -> ExitCode:
    """Asks the policy about each again, since the operator may have taken long, and approves what was shown.

    What somebody else decides about or deletes meanwhile is said, and does not stop the others.
    """

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        codes = []
        for each in passing:
            found = each.found
            evidence = await sources.gather(api, clock)
            again = sources.judged(csr_of(found), evidence, tries_a_word=True)
            known = again.held is None or again.held == each.judgement.held
            outcome = again.decision.outcome if known else again.outcome
            if outcome is not Outcome.PASS:
                codes.append(exit_of(again))
                print_decision(terminal, again, each.node, found)
                continue
            condition = approval(
                found.spec.username,
                again.names.why,
                not_asked=again.decision.not_asked,
                besides=again.held.text if again.held else "",
            )
            codes.append(await decided(terminal, api, found, condition))
        return combined_exit_code(codes)

    return with_api(terminal, access, work)


async def decided(
    terminal: Terminal, api: ApiClient, found: CertificateSigningRequest, condition: CsrCondition
) -> ExitCode:
    """Writes the condition, at the version of the CSR that was read, and says so; or that somebody else was faster."""
    terminal.nothing_changed = False
    try:
        await api.patch_approval(found, condition)
    except (Conflict, NotFound) as error:
        terminal.error(str(error))
        return error.exit_code
    terminal.out(one_line(f"{found.name} {condition.type.lower()}"))
    return ExitCode.OK
