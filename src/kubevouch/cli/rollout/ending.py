"""Warns at the end of a run if no approver works, and adds a suggested command to each error."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import join

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.runs import kept_here
from kubevouch.cli.common.terminal import Declined, NowhereToWrite, Terminal
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import INSTALL_APPROVER, Code
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.make import Finding
from kubevouch.diagnose.rules import approving, csrs
from kubevouch.diagnose.rules.approving import approves_nothing
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.gather.approvers import gather_our_approver
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import KubeconfigError, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.decide.advice import CONTEXTS, NextStep
from kubevouch.rollout.decide.entitled import NO_WORD, OperatorWord
from kubevouch.rollout.decide.next_step import commands_of, next_after_refusal
from kubevouch.rollout.decide.plan import Plan

_HANG = 7


def tell_who_approves(terminal: Terminal, access: ClusterAccess) -> None:
    """Warns if nobody will approve the CSRs of the next rotation."""
    found = with_api(terminal, access, _approver_findings)
    for each in found:
        terminal.long_line(f"{each.code}  {each.title}", hang=_HANG)
    if found:
        is_ours = Code.OUR_APPROVER_DECIDES_NOTHING in {each.code for each in found}
        terminal.command(" " * _HANG, "kubevouch doctor" if is_ours else INSTALL_APPROVER)


async def _approver_findings(api: ApiClient, clock: Clock) -> tuple[Finding, ...]:
    """The findings of `doctor` about approvers; empty after a KubeError.

    If our approver can approve, the result is empty, and no node is dialled.
    """
    rules = (csrs.our_approver, approving.rotation_will_stall)
    try:
        ours = await gather_our_approver(api, Inquiry(clock))
        if ours.value is not None and not approves_nothing(ours.value):
            return ()
        return diagnose(await gather(api, clock=clock), rules).findings
    except KubeError:
        return ()


@contextlib.contextmanager
def leading_on(
    terminal: Terminal,
    plan: Plan,
    path: Path,
    asked: Sequence[str],
    word: OperatorWord = NO_WORD,
) -> Iterator[None]:
    """Adds a suggested command to each error in the `with` block.

    path: the file to suggest for a new plan. asked: the operator's command line.
    """
    try:
        yield
    except (Declined, NowhereToWrite):
        raise
    except UsageError as error:
        error.leads_on = _after_usage(error, asked)
        raise
    except KubevouchError as error:
        is_kept = kept_here(terminal.environment)
        commands = commands_of(plan, str(path), word, is_kept, asked=asked)
        error.leads_on = _lines(next_after_refusal(error, plan, commands))
        raise


def _after_usage(error: UsageError, asked: Sequence[str]) -> tuple[str, ...]:
    """The command to run next if the kubeconfig is wrong, --yes is missing, or the error is about a file."""
    if isinstance(error, KubeconfigError):
        return (join(CONTEXTS),)
    if "--yes" in error.expected:
        return (join([*asked, "--yes"]),)
    return (join(["ls", "-l", error.where]),) if Path(error.where).is_absolute() else ()


def _lines(step: NextStep | None) -> tuple[str, ...]:
    return tuple(filter(None, (step.command, step.then))) if step else ()
