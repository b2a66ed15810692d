"""`csr list | explain | approve`: serving requests of kubelets, and what the policy says of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import F, allow, cluster, output, terminal_of
from kubevouch.errors import ExitCode
from kubevouch.outcome import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.cli.csr.sources import Sources
    from kubevouch.clock import Clock
    from kubevouch.evidence.policy_evidence import PolicyEvidence
    from kubevouch.kube.io.client import ApiClient


@click.group("csr", short_help="Serving requests: list, explain rule by rule, approve.")
def command() -> None:
    """Certificate signing requests of kubelets for their serving certificates.

    `list` and `explain` read only. `approve` asks the policy first, and nothing overrides its rules about who asks,
    what is reserved and what is another node's.
    """


def allowing(function: F) -> F:
    """Where the allowed names of a node come from, if not from a plan."""
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
            help="A plan of `fix`: names and addresses of each node, with how we know.",
        ),
        allow,
    ):
        function = option(function)
    return function


def _sources(
    allow: tuple[str, ...], plan_file: Path | None, *, trust_node_status: bool
) -> "Sources":
    from kubevouch.cli.csr.sources import Sources

    return Sources.of(allow, plan_file, trust_node_status=trust_node_status)


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
    allow: tuple[str, ...],
    plan_file: Path | None,
    trust_node_status: bool,
) -> int:
    """Serving requests with what they ask for, and what the policy says. Reads only."""
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr.render import COLUMNS, request_json, request_row
    from kubevouch.policy.csr import csr_of

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    sources = _sources(allow, plan_file, trust_node_status=trust_node_status)
    policy_evidence, at = with_api(terminal, access, _policy_evidence)
    sources.check(policy_evidence)
    found = policy_evidence.csrs.or_else(())
    decisions = [sources.judged(csr_of(each), policy_evidence, at) for each in found]
    if output == "json":
        content = {"requests": list(map(request_json, found, decisions))}
        print_document(terminal, "kubevouch.requests/1", content)
    elif found:
        judged = zip(found, decisions, strict=True)
        terminal.table(COLUMNS, [request_row(each, by, at) for each, by in judged])
    elif policy_evidence.csrs.is_known:
        terminal.note("no request for the signer kubernetes.io/kubelet-serving")
    return _doubted(terminal, policy_evidence)


def _doubted(terminal: "Terminal", policy_evidence: "PolicyEvidence") -> int:
    """Without the requests there is nothing to tell; without the nodes no request can pass."""
    doubts = [each.doubt for each in (policy_evidence.csrs, policy_evidence.nodes) if each.doubt]
    for doubt in doubts:
        terminal.error(doubt.text)
    return ExitCode.COULD_NOT_TELL if doubts else ExitCode.OK


@command.command("explain", short_help="One request, rule by rule. Reads only.")
@click.argument("request")
@cluster
@output("table", "json")
@allowing
@click.pass_context
def explain(
    ctx: click.Context,
    request: str,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    allow: tuple[str, ...],
    plan_file: Path | None,
    trust_node_status: bool,
) -> int:
    """REQUEST rule by rule: what was seen, and what would be allowed. Reads only.

    REQUEST is the name of an object in the cluster, or a file: PEM, or a CertificateSigningRequest in YAML or JSON.
    A file is judged against the cluster too.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr.find import request_named
    from kubevouch.cli.csr.render import print_judgement

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    sources = _sources(allow, plan_file, trust_node_status=trust_node_status)
    policy_evidence, at = with_api(terminal, access, _policy_evidence)
    sources.check(policy_evidence)
    decision = sources.judged(request_named(request, policy_evidence), policy_evidence, at)
    if output == "json":
        content = {
            "name": decision.about,
            "outcome": decision.outcome,
            "rulings": decision.results,
        }
        print_document(terminal, "kubevouch.judgement/1", content)
    else:
        print_judgement(terminal, decision)
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
    allow: tuple[str, ...],
    plan_file: Path | None,
    trust_node_status: bool,
    yes: bool,
) -> int:
    """Approves the requests NAME..., each only if every rule of the policy passes. Writes.

    An approval cannot be taken back: the certificate is good until it ends.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.csr.approve import approve_named

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    sources = _sources(allow, plan_file, trust_node_status=trust_node_status)
    terminal.confirm(
        f"approve {', '.join(names)} on {access.server}"
        + (f" (context {access.context})" if access.context else "")
        + ", if the policy passes them; this cannot be undone",
        yes=yes,
    )

    async def work(api: "ApiClient", clock: "Clock") -> int:
        return await approve_named(api, clock, terminal, names, sources)

    return with_api(terminal, access, work)


async def _policy_evidence(api: "ApiClient", clock: "Clock") -> "tuple[PolicyEvidence, datetime]":
    from kubevouch.evidence.gather.inquiry import Inquiry
    from kubevouch.evidence.gather.policy_evidence import gather_policy_evidence

    return await gather_policy_evidence(api, Inquiry(clock)), clock.now()
