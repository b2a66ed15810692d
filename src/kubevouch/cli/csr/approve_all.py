"""`csr approve --all`: a table of what waits and passes, a list of what is held, then a question."""

from datetime import datetime

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.approve import Judged, approve_judged, judged, unasked, where
from kubevouch.cli.csr.render import (
    age,
    exit_of,
    explaining,
    print_way_on,
    say_doubts,
    shortened,
    undecided_row,
    warn,
)
from kubevouch.cli.csr.sources import Sources, warnings
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.outcome import Outcome

_PASSING = ("NAME", "AGE", "NODE", "VOUCHES FOR", "BY")
_HELD = ("HELD", "AGE", "NODE", "ASKS FOR", "RULE")


def approve_all(
    terminal: Terminal, access: ClusterAccess, sources: Sources, *, yes: bool
) -> ExitCode:
    """Approves all that wait and pass every rule. What is held makes the exit code that of a finding or a doubt."""

    async def judge(api: ApiClient, clock: Clock) -> tuple[list[Judged] | None, datetime]:
        evidence = await sources.gather(api, clock)
        csrs = evidence.cluster.csrs
        if csrs.doubt is not None:
            say_doubts(terminal, [csrs.doubt])
            return None, evidence.at
        warn(terminal, warnings(evidence))
        waiting = [each for each in csrs.or_else(()) if not each.status.conditions]
        return [judged(each, sources, evidence) for each in waiting], evidence.at

    seen, at = with_api(terminal, access, judge)
    if seen is None:
        return ExitCode.COULD_NOT_TELL
    if not seen:
        terminal.out("No CSR for a kubelet's serving certificate waits.")
        return ExitCode.OK
    passing: list[Judged] = []
    held: list[Judged] = []
    for each in seen:
        (passing if each.judgement.outcome is Outcome.PASS else held).append(each)
    _show(terminal, passing, held, at)
    codes = [exit_of(each.judgement) for each in seen]
    if not passing:
        return combined_exit_code(codes)
    number = "1 CSR" if len(passing) == 1 else f"{len(passing)} CSRs"
    what = f"approve {number} on {where(access)}, which cannot be undone{unasked(passing)}"
    terminal.confirm(what, yes=yes)
    return combined_exit_code([*codes, approve_judged(terminal, access, passing, sources)])


def _show(terminal: Terminal, passing: list[Judged], held: list[Judged], at: datetime) -> None:
    if passing:
        terminal.table(_PASSING, [_passing_row(each, at) for each in passing])
    if passing and held:
        terminal.out()
    if held:
        terminal.table(_HELD, [_held_row(each, at) for each in held])
        why = explaining([(each.found.name, each.judgement) for each in held])
        terminal.command("why, rule by rule: ", why)
        print_way_on(terminal, [each.judgement for each in held])
    terminal.out()


def _passing_row(each: Judged, at: datetime) -> tuple[str, ...]:
    """Everything that the approval would vouch for: nothing of it is shortened."""
    return (
        each.found.name,
        age(each.found, at),
        each.node or "",
        each.vouches,
        each.judgement.names.source,
    )


def _held_row(each: Judged, at: datetime) -> tuple[str, ...]:
    if each.judgement.held and each.passes:
        return (*undecided_row(each.found, at), shortened(each.judgement.held))
    rules = ", ".join(f"{result.rule} ({result.reason})" for result in each.decision.held_by)
    return (*undecided_row(each.found, at), rules)
