"""`csr list | explain | approve`: serving requests of kubelets, and what the policy says of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.options import F, cluster, output, terminal_of
from kubevouch.errors import ExitCode
from kubevouch.outcome import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from kubevouch.cli.sources import Sources
    from kubevouch.cli.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.evidence.registry import Registry
    from kubevouch.kube.client import ApiClient
    from kubevouch.policy.judge import Judgement


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
        click.option(
            "--allow",
            multiple=True,
            metavar="NODE=VALUE",
            help="You say that this name or address is that node's. May be repeated.",
        ),
    ):
        function = option(function)
    return function


def _sources(
    allow: tuple[str, ...], plan_file: Path | None, *, trust_node_status: bool
) -> "Sources":
    from kubevouch.cli.sources import Sources

    return Sources.of(allow, plan_file, trust_node_status=trust_node_status)


@command.command("list")
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
    import msgspec

    from kubevouch.cli.connect import access_of, with_api
    from kubevouch.policy.facts import request_of
    from kubevouch.policy.question import NODE_USER

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    sources = _sources(allow, plan_file, trust_node_status=trust_node_status)
    registry, at = with_api(terminal, access, _registry)
    found = registry.requests.or_else(())
    judgements = [sources.judged(request_of(each), registry, at) for each in found]
    if output == "json":
        terminal.out(msgspec.json.encode(judgements).decode())
        return _doubted(terminal, registry)
    rows = []
    for each, judgement in zip(found, judgements, strict=True):
        asked = request_of(each).parsed
        values = [*asked.dns_names, *map(str, asked.ip_addresses)] if asked else ["unreadable"]
        state = ",".join(c.type for c in each.status.conditions) or "Pending"
        if each.status.certificate:
            state += ",Issued"
        created = each.metadata.creation_timestamp
        age = f"{int((at - created).total_seconds())}s" if created else "?"
        pending = state == "Pending"
        rows.append(
            (
                each.name,
                age,
                each.spec.username.removeprefix(NODE_USER),
                ",".join(values),
                state,
                _in_short(judgement) if pending else "",
            )
        )
    if rows:
        terminal.table(("NAME", "AGE", "NODE", "ASKS FOR", "CONDITION", "POLICY"), rows)
    else:
        terminal.note("no request for the signer kubernetes.io/kubelet-serving")
    return _doubted(terminal, registry)


def _in_short(judgement: "Judgement") -> str:
    if judgement.outcome is Outcome.PASS:
        return "would approve"
    first = judgement.held_by[0]
    return f"holds: {first.rule} ({first.reason})"


def _doubted(terminal: "Terminal", registry: "Registry") -> int:
    doubt = registry.requests.doubt
    if doubt is None:
        return ExitCode.OK
    terminal.error(doubt.text)
    return ExitCode.COULD_NOT_TELL


@command.command("explain")
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
    import msgspec

    from kubevouch.cli.connect import access_of, with_api
    from kubevouch.cli.requests import request_named

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    sources = _sources(allow, plan_file, trust_node_status=trust_node_status)
    registry, at = with_api(terminal, access, _registry)
    judgement = sources.judged(request_named(request, registry), registry, at)
    if output == "json":
        terminal.out(msgspec.json.encode(judgement).decode())
    else:
        print_judgement(terminal, judgement)
    return _EXIT[judgement.outcome]


_EXIT = {
    Outcome.PASS: ExitCode.OK,
    Outcome.REFUSE: ExitCode.FINDINGS,
    Outcome.CANNOT_TELL: ExitCode.COULD_NOT_TELL,
}


def print_judgement(terminal: "Terminal", judgement: "Judgement") -> None:
    """Each rule with the value seen and allowed, and the outcome of all."""
    width = max(len(ruling.rule) for ruling in judgement.rulings)
    words = {Outcome.PASS: "pass", Outcome.REFUSE: "HOLD", Outcome.CANNOT_TELL: "doubt"}
    for ruling in judgement.rulings:
        terminal.out(f"{words[ruling.outcome]:<6} {ruling.rule:<{width}}  {ruling.seen}")
        if ruling.outcome is not Outcome.PASS:
            terminal.out(f"{'':<6} {'':<{width}}  {ruling.reason}: {ruling.message}")
            if ruling.allowed:
                terminal.out(f"{'':<6} {'':<{width}}  allowed: {ruling.allowed}")
    terminal.out()
    if judgement.outcome is Outcome.PASS:
        terminal.out(f"{judgement.request}: every rule passes")
    else:
        rules = ", ".join(ruling.rule for ruling in judgement.held_by)
        terminal.out(f"{judgement.request}: held by {rules}")


@command.command("approve")
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
    from kubevouch.cli.approving import approve_named
    from kubevouch.cli.connect import access_of, with_api

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


async def _registry(api: "ApiClient", clock: "Clock") -> "tuple[Registry, datetime]":
    from kubevouch.evidence.measured import Asking
    from kubevouch.evidence.registry import gather_registry

    return await gather_registry(api, Asking(clock)), clock.now()
