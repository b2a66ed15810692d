"""Approves and denies CSRs after a prompt. Writes only if the CSR has not changed since it was shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.csr import render
from kubevouch.cli.csr.sources import Judged, Sources, serving_csr, warnings
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import Conflict, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CertificateSigningRequest, CsrCondition
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.decide import approval, denial
from kubevouch.policy.facts import listed

AGAINST_APPROVER: Final = "--against-approver"
"""The flag of `csr approve` that approves a CSR although the installed approver holds it."""

_LONGEST_REASON = 512
_PASSING = ("NAME", "AGE", "NODE", "ASKS FOR", "ALLOWED BY")


def approve_csrs(
    terminal: Terminal,
    access: ClusterAccess,
    names: tuple[str, ...],
    sources: Sources,
    *,
    yes: bool,
    against_approver: bool = False,
) -> ExitCode:
    """Approves each of these CSRs if every rule passes. Without names, considers all pending CSRs.

    The exit code is not 0 if a CSR is held, or was already decided. If our approver is installed, this function
    leaves CSRs to it, unless `against_approver` is set.
    """

    async def judge(api: ApiClient, clock: Clock) -> tuple[list[Judged], list[ExitCode], datetime]:
        evidence = await sources.gather(api, clock)
        if not names and (doubt := evidence.cluster.csrs.doubt):
            render.say_doubts(terminal, [doubt])
            return [], [ExitCode.COULD_NOT_TELL], evidence.at
        render.warn(terminal, warnings(evidence))
        found = [await serving_csr(api, name) for name in dict.fromkeys(names)]
        if not names:
            found = [e for e in evidence.cluster.csrs.or_else(()) if not e.status.conditions]
        waiting, settled = undecided(terminal, found)
        return [sources.judged(each, evidence) for each in waiting], settled, evidence.at

    seen, codes, at = with_api(terminal, access, judge)
    if not seen and not codes:
        terminal.out("No CSR for a kubelet's serving certificate is pending.")
    passing = [
        each
        for each in seen
        if each.decision.outcome is Outcome.PASS and (against_approver or not each.by.held)
    ]
    held = [each for each in seen if each not in passing]
    codes += [render.exit_of(each.by) for each in held]
    _show(terminal, passing, held, at, one_by_one=bool(names))
    if not passing:
        return combined_exit_code(codes)
    number = "1 CSR" if len(passing) == 1 else f"{len(passing)} CSRs"
    what = f"approve {number} on {named(access)}; this cannot be undone{_unchecked(passing)}"
    terminal.confirm(what, yes=yes, if_dry=combined_exit_code(codes))
    return combined_exit_code([*codes, _approve(terminal, access, passing, sources)])


def _show(
    terminal: Terminal, passing: list[Judged], held: list[Judged], at: datetime, *, one_by_one: bool
) -> None:
    """Prints passing CSRs as a table, and held CSRs as a second table, or one by one with every rule."""
    if passing:
        terminal.table(_PASSING, [_passing_row(each, at) for each in passing])
        terminal.out()
    for each in passing:
        render.print_left_to_approver(terminal, each)
    if held and not one_by_one:
        _list_held(terminal, held, at)
        return
    for each in held:
        _refuse(terminal, each)


def _list_held(terminal: Terminal, held: list[Judged], at: datetime) -> None:
    terminal.table(render.COLUMNS, [render.csr_row(each, at) for each in held])
    terminal.command("details, rule by rule: ", render.explaining(held))
    render.print_plan_hint(terminal, held)
    terminal.out()


def _passing_row(each: Judged, at: datetime) -> tuple[str, ...]:
    """A row that lists every requested name and address in full."""
    csr = csr_of(each.found)
    asked = (*csr.parsed.dns_names, *csr.parsed.ip_addresses) if csr.parsed else ()
    node = requestor_node(csr) or ""
    return each.name, render.age(each.found, at), node, listed(asked), each.by.names.source


def _refuse(terminal: Terminal, each: Judged) -> None:
    """Prints why a CSR is not approved. If only the approver holds it, prints how to override the approver."""
    if each.decision.outcome is not Outcome.PASS:
        render.print_decision(terminal, each, behind=". Not approved")
        return
    render.print_left_to_approver(terminal, each)
    terminal.wrapped(
        f"Not approved. If you know that the approver is wrong, add {AGAINST_APPROVER}."
    )


def undecided(
    terminal: Terminal, found: Sequence[CertificateSigningRequest]
) -> tuple[list[CertificateSigningRequest], list[ExitCode]]:
    """Prints the decided CSRs. Returns the undecided CSRs, and exit code 1 for each decided CSR."""
    settled = [each for each in found if each.status.conditions]
    for each in settled:
        terminal.wrapped(f"{each.name} stays unchanged: {render.decided_text(each)}")
    return [each for each in found if not each.status.conditions], [ExitCode.FINDINGS] * len(
        settled
    )


def _unchecked(passing: list[Judged]) -> str:
    """Text for the prompt: the rules that were not checked for some of these CSRs."""
    rules = sorted({rule for each in passing for rule in each.decision.not_asked})
    return f" (not checked: {', '.join(rules)})" if rules else ""


def _approve(
    terminal: Terminal, access: ClusterAccess, passing: list[Judged], sources: Sources
) -> ExitCode:
    """Evaluates the policy for each CSR again, since the prompt may have taken long, and approves the CSRs that pass.

    If somebody else has decided or deleted a CSR, prints an error and continues with the next one.
    """

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        codes = []
        for each in passing:
            evidence = await sources.gather(api, clock)
            again = sources.judged(each.found, evidence)
            known = again.by.held == each.by.held
            outcome = again.decision.outcome if known else again.by.outcome
            if outcome is not Outcome.PASS:
                codes.append(render.exit_of(again.by))
                render.print_decision(terminal, again)
                continue
            condition = approval(
                each.found.spec.username,
                again.by.names.why,
                not_asked=again.decision.not_asked,
                besides=again.by.held,
            )
            codes.append(await decided(terminal, api, each.found, condition))
        return combined_exit_code(codes)

    return with_api(terminal, access, work)


async def decided(
    terminal: Terminal, api: ApiClient, found: CertificateSigningRequest, condition: CsrCondition
) -> ExitCode:
    """Writes the condition if the CSR is unchanged since it was read, and prints the result or the conflict."""
    terminal.nothing_changed = False
    try:
        await api.patch_approval(found, condition)
    except (Conflict, NotFound) as error:
        terminal.error(str(error))
        return error.exit_code
    terminal.out(one_line(f"{found.name} {condition.type.lower()}"))
    return ExitCode.OK


def deny_named(
    terminal: Terminal,
    access: ClusterAccess,
    names: tuple[str, ...],
    reason: str,
    *,
    yes: bool,
) -> ExitCode:
    """Denies these CSRs. If a CSR is already decided, it stays unchanged, and the exit code is not 0."""
    reason = _checked(reason)

    async def look(api: ApiClient, _: Clock) -> tuple[list[CertificateSigningRequest], datetime]:
        found = [await serving_csr(api, each) for each in dict.fromkeys(names)]
        return found, api.server_clock.now()

    found, at = with_api(terminal, access, look)
    waiting, codes = undecided(terminal, found)
    if not waiting:
        return combined_exit_code(codes)
    terminal.table(render.COLUMNS[:4], [render.undecided_row(each, at) for each in waiting])
    which = listed([each.name for each in waiting])
    terminal.confirm(
        f"deny {which} on {named(access)}. A denial is final. The kubelet then creates a new CSR about every 30 s",
        yes=yes,
        if_dry=combined_exit_code(codes),
    )

    async def work(api: ApiClient, _: Clock) -> ExitCode:
        done = [await decided(terminal, api, each, denial(reason)) for each in waiting]
        return combined_exit_code(done)

    return combined_exit_code([*codes, with_api(terminal, access, work)])


def _checked(reason: str) -> str:
    """The reason without surrounding whitespace. Raises UsageError if it is not one short line."""
    text = reason.strip()
    if not text or len(text) > _LONGEST_REASON or not text.isprintable():
        seen = "is empty" if not text else "is too long, or not one line"
        expected = f"expected one line of at most {_LONGEST_REASON} characters"
        raise UsageError("--reason", seen, expected)
    return text
