"""`csr list | explain | approve`: kubelets' CSRs for serving certificates, and what the policy decides about them."""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import (
    allow,
    cluster,
    cluster_domain,
    output,
    service_cidr,
    terminal_of,
)
from kubevouch.cli.common.terminal import one_line
from kubevouch.errors import ExitCode, combined_exit_code
from kubevouch.outcome import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.cli.csr.sources import Sources
    from kubevouch.clock import Clock
    from kubevouch.evidence.policy_evidence import PolicyEvidence
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.policy.csr import Csr
    from kubevouch.policy.decide import Decision


@click.group("csr", short_help="CSRs of kubelets: list, explain rule by rule, approve.")
def command() -> None:
    """Certificate signing requests of kubelets for their serving certificates.

    `list` and `explain` read only. `approve` asks the policy first, and nothing overrides its rules about who asks,
    what is reserved and what is another node's.
    """


def allowing(function: Callable[..., int]) -> Callable[..., int]:
    """Where the allowed names of a node come from; the verb gets them as `sources`."""

    @functools.wraps(function)
    def with_sources(
        allow: tuple[str, ...],
        plan_file: Path | None,
        trust_node_status: bool,
        cluster_domain: str,
        service_cidr: tuple[str, ...],
        **others: object,
    ) -> int:
        from kubevouch.cli.csr.sources import Sources

        sources = Sources.of(
            allow,
            plan_file,
            trust_node_status=trust_node_status,
            cluster_domain=cluster_domain,
            service_cidr=service_cidr,
        )
        return function(sources=sources, **others)

    verb: Callable[..., int] = with_sources
    for option in (
        click.option(
            "--trust-node-status",
            is_flag=True,
            help="Take the node's own word for the addresses in its status. Weak: a node can write them itself.",
        ),
        click.option(
            "--plan",
            "plan_file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="A plan of `fix`, not older than a day: names and addresses of each node, with how we know.",
        ),
        cluster_domain,
        service_cidr,
        allow,
    ):
        verb = option(verb)
    return verb


@command.command(
    "list", short_help="What waits, what it asks for, and what the policy says. Reads only."
)
@cluster
@output("table", "json")
@allowing
@click.pass_context
def list_(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    sources: "Sources",
) -> int:
    """CSRs for serving certificates, with what they ask for and what the policy says. Reads only."""
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr.render import COLUMNS, csr_json, csr_row
    from kubevouch.policy.csr import csr_of

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    policy_evidence, at = with_api(terminal, access, _gathering(sources))
    _warn(terminal, sources.unused(policy_evidence))
    found = policy_evidence.csrs.or_else(())
    decisions = [sources.judged(csr_of(each), policy_evidence, at) for each in found]
    if output == "json":
        content = {"csrs": list(map(csr_json, found, decisions))}
        print_document(terminal, "kubevouch.csrs/1", content)
    elif found:
        judged = zip(found, decisions, strict=True)
        terminal.table(COLUMNS, [csr_row(each, by, at) for each, by in judged])
    elif policy_evidence.csrs.is_known:
        terminal.note("no CSR for the signer kubernetes.io/kubelet-serving")
    return _doubted(terminal, policy_evidence)


def _doubted(terminal: "Terminal", policy_evidence: "PolicyEvidence") -> int:
    """Reports doubts: without the CSRs there is nothing to show, without the nodes no CSR can pass."""
    doubts = [each.doubt for each in (policy_evidence.csrs, policy_evidence.nodes) if each.doubt]
    for doubt in doubts:
        terminal.error(doubt.text)
    return ExitCode.COULD_NOT_TELL if doubts else ExitCode.OK


@command.command("explain", short_help="One CSR, rule by rule. Reads only.")
@click.argument("word", metavar="CSR")
@cluster
@output("table", "json")
@allowing
@click.pass_context
def explain(
    ctx: click.Context,
    word: str,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    sources: "Sources",
) -> int:
    """CSR rule by rule: what was seen, and what would be allowed. Reads only.

    CSR is the name of an object in the cluster, or a file: PEM, or a CertificateSigningRequest in YAML or JSON.
    A file is judged against the cluster too.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr.find import csr_named
    from kubevouch.cli.csr.render import print_decision
    from kubevouch.policy.csr import requestor_node

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)

    async def judge(api: "ApiClient", clock: "Clock") -> "tuple[Csr, Decision]":
        policy_evidence, at = await _gathering(sources)(api, clock)
        csr = await csr_named(word, api, policy_evidence)
        _warn(terminal, sources.unused(policy_evidence, csr))
        return csr, sources.judged(csr, policy_evidence, at)

    csr, decision = with_api(terminal, access, judge)
    if output == "json":
        content = {
            "name": decision.about,
            "outcome": decision.outcome,
            "results": decision.results,
        }
        print_document(terminal, "kubevouch.decision/1", content)
    else:
        print_decision(terminal, decision, requestor_node(csr))
    return _EXIT[decision.outcome]


_EXIT = {
    Outcome.PASS: ExitCode.OK,
    Outcome.REFUSE: ExitCode.FINDINGS,
    Outcome.CANNOT_TELL: ExitCode.COULD_NOT_TELL,
}


@command.command("approve", short_help="Approve by name, if every rule passes. Writes.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@cluster
@allowing
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_context
def approve(
    ctx: click.Context,
    names: tuple[str, ...],
    kubeconfig: str | None,
    context: str | None,
    sources: "Sources",
    yes: bool,
) -> int:
    """Approves the CSRs NAME..., each only if every rule of the policy passes. Writes.

    An approval cannot be taken back: the certificate is good until it ends.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.csr.approve import Judged, approve_judged, judge_named
    from kubevouch.cli.csr.render import print_decision

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)

    async def judge(api: "ApiClient", clock: "Clock") -> list[Judged]:
        policy_evidence, _ = await _gathering(sources)(api, clock)
        _warn(terminal, sources.unused(policy_evidence))
        return await judge_named(api, clock, names, sources, policy_evidence)

    judged = with_api(terminal, access, judge)
    codes = []
    for each in judged:
        if each.decision.outcome is not Outcome.PASS:
            print_decision(terminal, each.decision, each.node)
            codes.append(_EXIT[each.decision.outcome])
    passing = [each for each in judged if each.decision.outcome is Outcome.PASS]
    if not passing:
        return combined_exit_code(codes)
    where = access.server + (f" (context {access.context})" if access.context else "")
    vouched = "; ".join(f"{each.decision.about}: {each.vouches}" for each in passing)
    unasked = sorted({rule for each in passing for rule in each.decision.not_asked})
    if unasked:
        vouched += f" (not asked: {', '.join(unasked)})"
    terminal.confirm(f"approve on {where}, which cannot be undone: {vouched}", yes=yes)

    async def work(api: "ApiClient", clock: "Clock") -> ExitCode:
        return await approve_judged(api, clock, terminal, passing, sources)

    return combined_exit_code([*codes, with_api(terminal, access, work)])


def _warn(terminal: "Terminal", lines: list[str]) -> None:
    for line in lines:
        terminal.note(one_line(f"Warning: {line}"))


def _gathering(
    sources: "Sources",
) -> "Callable[[ApiClient, Clock], Awaitable[tuple[PolicyEvidence, datetime]]]":
    async def gather(api: "ApiClient", clock: "Clock") -> "tuple[PolicyEvidence, datetime]":
        from kubevouch.evidence.gather.inquiry import Inquiry

        return await sources.gather(api, Inquiry(clock)), clock.now()

    return gather
