"""Approving requests by name: the policy first, one by one."""

from kubevouch.cli.judgements import print_judgement
from kubevouch.cli.sources import Sources
from kubevouch.cli.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.evidence.measured import Asking
from kubevouch.evidence.registry import gather_registry
from kubevouch.kube.client import ApiClient
from kubevouch.kube.resources import CSRS
from kubevouch.outcome import Outcome
from kubevouch.policy.facts import request_of
from kubevouch.policy.judge import approval


async def approve_named(
    api: ApiClient, clock: Clock, terminal: Terminal, names: tuple[str, ...], sources: Sources
) -> ExitCode:
    """Each request is read again, judged, and approved at the very version that was judged."""
    codes = []
    for name in names:
        raw = await api.get_raw(CSRS, name)
        found = raw.read()
        if found.name != name:
            raise UsageError(name, f"the API server answered with {found.name!r}")
        registry = await gather_registry(api, Asking(clock))
        judgement = sources.judged(request_of(found), registry, clock.now())
        if judgement.outcome is not Outcome.PASS:
            print_judgement(terminal, judgement)
            refused = judgement.outcome is Outcome.REFUSE
            codes.append(ExitCode.FINDINGS if refused else ExitCode.COULD_NOT_TELL)
            continue
        await api.put_approval(raw, approval(found.spec.username))
        terminal.out(f"{name} approved")
        codes.append(ExitCode.OK)
    return combined_exit_code(codes)
