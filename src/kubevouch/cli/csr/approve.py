"""Approving CSRs by name: the policy first, then the operator, then one by one at the version that was judged."""

from dataclasses import dataclass

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.find import serving_csr
from kubevouch.cli.csr.render import print_decision
from kubevouch.cli.csr.sources import Sources
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.decide import Decision, approval
from kubevouch.policy.rule import listed

_EXPECTED = "kubevouch csr list shows what there is"


@dataclass(frozen=True)
class Judged:
    """One CSR as it was read, what the policy says of it, and what an approval vouches for."""

    found: CertificateSigningRequest
    decision: Decision
    node: str | None
    vouches: str


async def judge_named(
    api: ApiClient,
    clock: Clock,
    names: tuple[str, ...],
    sources: Sources,
    evidence: PolicyEvidence,
) -> list[Judged]:
    """Reads each CSR and asks the policy. Writes nothing.

    Raises:
        UsageError: one of them is not there, or is for another signer.
        KubeError: the API server does not tell.
    """
    judged = []
    for name in names:
        found = await serving_csr(api, name, expected=_EXPECTED)
        csr = csr_of(found)
        decision = sources.judged(csr, evidence, clock.now())
        asked = (*csr.parsed.dns_names, *csr.parsed.ip_addresses) if csr.parsed else ()
        judged.append(
            Judged(
                found, decision, requestor_node(csr), f"{found.spec.username} is {listed(asked)}"
            )
        )
    return judged


async def approve_judged(
    api: ApiClient,
    clock: Clock,
    terminal: Terminal,
    judged: list[Judged],
    sources: Sources,
) -> ExitCode:
    """Asks the policy about each again, since the operator may have taken long, and approves what was shown."""
    codes = []
    for each in judged:
        found = each.found
        evidence = await sources.gather(api, Inquiry(clock))
        decision = sources.judged(csr_of(found), evidence, clock.now())
        if decision.outcome is not Outcome.PASS:
            print_decision(terminal, decision, each.node)
            refused = decision.outcome is Outcome.REFUSE
            codes.append(ExitCode.FINDINGS if refused else ExitCode.COULD_NOT_TELL)
            continue
        await api.patch_approval(found, approval(found.spec.username))
        terminal.out(f"{found.name} approved")
        codes.append(ExitCode.OK)
    return combined_exit_code(codes)
