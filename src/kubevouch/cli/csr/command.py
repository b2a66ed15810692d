"""`csr list | explain | approve | deny`: kubelets' CSRs for serving certificates, with the policy's decisions."""

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.group import CommandGroup
from kubevouch.cli.common.legend import CSRS, WithLegend
from kubevouch.cli.common.options import allow, cluster_names, connected, output, writing
from kubevouch.cli.common.watching import watchable
from kubevouch.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.cli.csr.sources import Judged, Sources
    from kubevouch.clock import Clock
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.policy.by_hand import CsrEvidence


def _sha256(_: click.Context, __: click.Parameter, value: str) -> str:
    """Parses a SHA-256 hash, also in openssl's format with colons and capitals."""
    text = value.rpartition("=")[2].replace(":", "").lower()
    if value and not re.fullmatch("[0-9a-f]{64}", text):
        raise click.BadParameter(f"expected a SHA-256 in 64 hexadecimal digits, got {value!r}")
    return text


def allowing(function: Callable[..., int]) -> Callable[..., int]:
    """Adds --allow and the options about cluster names. Passes them to the verb as `sources`."""

    @functools.wraps(function)
    def with_sources(
        allow: tuple[str, ...],
        cluster_domain: str,
        service_cidr: tuple[str, ...],
        **others: object,
    ) -> int:
        from kubevouch.cli.common.allow import network_of, node_values
        from kubevouch.cli.csr.sources import Sources
        from kubevouch.policy.by_hand import OperatorFlags

        sources = Sources(
            OperatorFlags(node_values(allow)),
            domains=(cluster_domain,) if cluster_domain else (),
            service_networks=tuple(map(network_of, service_cidr)),
        )
        return function(sources=sources, **others)

    verb: Callable[..., int] = with_sources
    return allow(cluster_names(verb))


@click.group("csr", cls=CommandGroup)
def command() -> None:
    """Certificate signing requests of kubelets for their serving certificates.

    `list` and `explain` only read. `approve` applies the policy. Nothing overrides the rules about the requestor, the
    cluster's own names, and names that are proven to belong to another node. If the approver is installed, its pins and
    inventory list each node's allowed names and addresses.
    """


@command.command(
    "list",
    cls=WithLegend,
    heads=CSRS,
    words="kubevouch.cli.csr.policy_word:PolicyWord",
    short_help="List CSRs, what they request, and the policy's decision.",
)
@connected
@output()
@watchable
@allowing
def list_(
    terminal: "Terminal",
    access: "ClusterAccess",
    sources: "Sources",
) -> int:
    """Lists CSRs for serving certificates, with what they request and the policy's decision. Changes nothing.

    For a decided CSR, the list shows who decided, and the policy's own decision.
    """
    from kubevouch.cli.common.connect import with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr import render
    from kubevouch.cli.csr.sources import warnings

    async def judge(api: "ApiClient", clock: "Clock") -> "tuple[CsrEvidence, list[Judged]]":
        evidence = await sources.gather(api, clock)
        csrs = evidence.cluster.csrs.or_else(())
        return evidence, [sources.judged(each, evidence) for each in csrs]

    evidence, found = with_api(terminal, access, judge)
    render.warn(terminal, warnings(evidence))
    cluster = evidence.cluster
    if terminal.document_form:
        print_document(terminal, "kubevouch.csrs/1", {"csrs": list(map(render.csr_json, found))})
    elif found:
        terminal.table(render.COLUMNS, [render.csr_row(each, evidence.at) for each in found])
        render.print_next(terminal, found)
    elif cluster.csrs.is_known:
        terminal.note("no CSR for the signer kubernetes.io/kubelet-serving")
    # Without CSRs there is nothing to show; without Nodes no CSR can pass.
    doubts = [each.doubt for each in (cluster.csrs, cluster.nodes) if each.doubt]
    render.say_doubts(terminal, doubts)
    return ExitCode.COULD_NOT_TELL if doubts else ExitCode.OK


@command.command("explain", short_help="Explain one CSR, rule by rule.")
@click.argument("word", metavar="CSR")
@connected
@output()
@allowing
def explain(
    word: str,
    terminal: "Terminal",
    access: "ClusterAccess",
    sources: "Sources",
) -> int:
    """Explains a CSR rule by rule: what it requests, and what the policy allows. Changes nothing.

    For a decided CSR, `explain` shows who decided, and the policy's own decision.
    """
    from kubevouch.cli.common.connect import with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.cli.csr import render
    from kubevouch.cli.csr.sources import serving_csr, warnings

    async def judge(api: "ApiClient", clock: "Clock") -> "Judged":
        evidence = await sources.gather(api, clock)
        found = sources.judged(await serving_csr(api, word), evidence)
        render.warn(terminal, warnings(evidence))
        return found

    found = with_api(terminal, access, judge)
    if terminal.document_form:
        print_document(terminal, "kubevouch.decision/1", render.explained_json(found))
    else:
        render.print_decision(terminal, found)
    return render.exit_of(found.by)


@command.command("approve", short_help="Approve CSRs by name, or all, if every rule passes.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@connected
@allowing
@click.option(
    "--credential",
    default="",
    callback=_sha256,
    metavar="SHA256",
    help="Vouch that this client certificate is the one on the node's disk. Needs one NAME.",
)
@click.option(
    "--all", "all_", is_flag=True, help="Approve every pending CSR that passes; list the others."
)
@click.option(
    "--against-approver",
    is_flag=True,
    help="Approve NAME even if the installed approver holds it.",
)
@writing
def approve(
    names: tuple[str, ...],
    terminal: "Terminal",
    access: "ClusterAccess",
    sources: "Sources",
    credential: str,
    all_: bool,
    against_approver: bool,
    yes: bool,
) -> int:
    """Approves each CSR NAME if every rule of the policy passes.

    With --all, `approve` shows the pending CSRs that pass, with the names and addresses that they request. It lists
    the other pending CSRs with the rules that hold them. It never approves two CSRs of one node. If the approver is
    installed, `approve` leaves CSRs to it, unless you give NAME and --against-approver. An approval cannot be undone:
    the certificate is valid until it expires. The approval's message lists the rules that were not checked.
    """
    from kubevouch.cli.csr.approve import approve_csrs

    if all_ == bool(names):
        got = "both" if all_ else "neither"
        raise UsageError("csr approve", f"expected names of CSRs or --all, got {got}")
    if all_ and against_approver:
        raise UsageError("csr approve --against-approver", "expected names of CSRs, got --all")
    if credential and len(set(names)) != 1:
        raise UsageError("--credential", "is for one CSR", "expected one NAME")
    terminal.may_write("kubevouch apply --print-role")
    sources = replace(sources, word=replace(sources.word, credential=credential))
    return approve_csrs(
        terminal, access, names, sources, yes=yes, against_approver=against_approver
    )


@command.command("deny", short_help="Deny CSRs by name. This is final.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@connected
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    help="Reason for the CSR's status, in one line.",
)
@writing
def deny(
    names: tuple[str, ...],
    terminal: "Terminal",
    access: "ClusterAccess",
    reason: str,
    yes: bool,
) -> int:
    """Shows what the CSRs NAME... request, and denies them after you confirm.

    This is seldom needed: a pending CSR does no harm. A denial cannot be undone, and the kubelet soon sends another
    CSR. `deny` does not apply the policy. A decided CSR stays unchanged.
    """
    from kubevouch.cli.csr.approve import deny_named

    terminal.may_write("kubevouch apply --print-role")
    return deny_named(terminal, access, names, reason, yes=yes)
