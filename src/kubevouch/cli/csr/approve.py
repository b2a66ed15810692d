"""Approving requests by name: the policy first, one by one."""

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.render import print_judgement
from kubevouch.cli.csr.sources import Sources
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.policy_evidence import gather_policy_evidence
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import csr_of
from kubevouch.policy.decide import approval


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
        policy_evidence = await gather_policy_evidence(api, Inquiry(clock))
        sources.check(policy_evidence)
        decision = sources.judged(csr_of(found), policy_evidence, clock.now())
        if decision.outcome is not Outcome.PASS:
            print_judgement(terminal, decision)
            refused = decision.outcome is Outcome.REFUSE
            codes.append(ExitCode.FINDINGS if refused else ExitCode.COULD_NOT_TELL)
            continue
        await api.put_approval(raw, approval(found.spec.username))
        terminal.out(f"{name} approved")
        codes.append(ExitCode.OK)
    return combined_exit_code(codes)
