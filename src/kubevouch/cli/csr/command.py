"""`csr list | explain | approve | deny`: kubelets' CSRs for serving certificates, and what the policy decides about them."""

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
    """Also with the colons and capitals of openssl."""
    text = value.rpartition("=")[2].replace(":", "").lower()
    if value and not re.fullmatch("[0-9a-f]{64}", text):
        raise click.BadParameter(f"expected a SHA-256 in 64 hexadecimal digits, got {value!r}")
    return text


def allowing(function: Callable[..., int]) -> Callable[..., int]:
    """Where the allowed names of a node come from; the verb gets them as `sources`."""

    @functools.wraps(function)
    def with_sources(
        allow: tuple[str, ...],
        cluster_domain: str,
        service_cidr: tuple[str, ...],
        **others: object,
    ) -> int:
        from kubevouch.cli.common.allow import network_of, node_values
        from kubevouch.cli.csr.sources import Sources
        from kubevouch.policy.by_hand import OperatorsWord

        sources = Sources(
            OperatorsWord(node_values(allow)),
            domains=(cluster_domain,) if cluster_domain else (),
            service_networks=tuple(map(network_of, service_cidr)),
        )
        return function(sources=sources, **others)

    verb: Callable[..., int] = with_sources
    return allow(cluster_names(verb))


@click.group("csr", cls=CommandGroup, short_help="List, explain, approve or deny CSRs of kubelets.")
def command() -> None:
    """Certificate signing requests of kubelets for their serving certificates.

    `list` and `explain` read only. `approve` asks the policy first, and nothing overrides its rules about who asks,
    the cluster's own names and what is proven to be another node's. Where the approver is installed, its pins and its inventory say which
    names and addresses are a node's.
    """


@command.command(
    "list",
    cls=WithLegend,
    heads=CSRS,
    words="kubevouch.cli.common.legend:PolicyWord",
    short_help="List CSRs, what they ask for, and what the policy says.",
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
    """CSRs for serving certificates, with what they ask for and what the policy says. Reads only.

    Of a CSR that somebody has decided about it is said who that was, and what the policy says of what it asks for, as
    `explain` does.
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
    # Without the CSRs there is nothing to show, without the nodes no CSR can pass.
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
    """CSR rule by rule: what was seen, and what would be allowed. Reads only.

    Of a CSR that somebody has decided about it is said who that was, and what
    the policy says of what it asks for.
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


@command.command("approve", short_help="Approve by name or all, if every rule passes.")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@connected
@allowing
@click.option(
    "--credential",
    default="",
    callback=_sha256,
    metavar="SHA256",
    help="You say that this client certificate is the kubelet's own, as the node's disk shows it. Of one NAME.",
)
@click.option("--all", "all_", is_flag=True, help="All that wait and pass; the others are listed.")
@click.option(
    "--against-approver",
    is_flag=True,
    help="Approve NAME although the approver is installed and has not approved it.",
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
    """Approves the CSRs NAME..., each only if every rule of the policy passes. Writes.

    --all shows a table of those that wait and pass, with what each approval vouches for, and lists the others with
    their rules; of one node it never approves two. Where the approver is installed, what it has not approved is left to
    it, unless it is named and --against-approver is given. An approval cannot be taken back: the certificate is good until it ends, and the
    approval says what was not asked.
    """
    from kubevouch.cli.csr.approve import approve_csrs

    if all_ == bool(names):
        got = "both" if all_ else "neither"
        raise UsageError("csr approve", f"expected names of CSRs or --all, got {got}")
    if all_ and against_approver:
        raise UsageError("csr approve --against-approver", "expected names of CSRs, got --all")
    if credential and len(set(names)) != 1:
        raise UsageError("--credential", "names a node's certificate", "expected one NAME")
    terminal.may_write("kubevouch apply --print-role")
    sources = replace(sources, word=replace(sources.word, credential=credential))
    return approve_csrs(
        terminal, access, names, sources, yes=yes, against_approver=against_approver
    )


@command.command("deny", short_help="Deny by name, for good.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@connected
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    help="Why, for whoever looks at the CSR later: one line.",
)
@writing
def deny(
    names: tuple[str, ...],
    terminal: "Terminal",
    access: "ClusterAccess",
    reason: str,
    yes: bool,
) -> int:
    """Denies the CSRs NAME..., once you have seen what they ask for. Writes.

    Seldom what you want: a CSR that is not approved does nothing. A denial cannot be taken back, and the kubelet
    soon sends another CSR. The policy is not asked. What somebody has decided about stays as it is.
    """
    from kubevouch.cli.csr.approve import deny_named

    terminal.may_write("kubevouch apply --print-role")
    return deny_named(terminal, access, names, reason, yes=yes)
