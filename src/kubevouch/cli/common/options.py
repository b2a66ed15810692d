"""Options that several verbs share."""

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kubevouch.cli.common.complete import completed, context_names, node_names
from kubevouch.outcome import Severity

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal

F = TypeVar("F", bound=Callable[..., Any])


def all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combines several options; the help lists them in this order."""

    def with_all(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return with_all


class _Seconds(click.ParamType[float]):
    """A duration in the format of Go and kubectl: 90s, 2m, 1h30m. A bare number means seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The duration in seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sum(float(number) * units[unit] for number, unit in parts)
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            self.fail(f"expected a duration such as 90s, 2m or 1h30m, got {text!r}", param, ctx)
        return float(text)


seconds = _Seconds()


def terminal_of(ctx: click.Context) -> "Terminal":
    """The terminal that `app.run` has created, with the flags of the current command."""
    from kubevouch.cli.common.invocation import SSH_CONFIG, invocation_of
    from kubevouch.cli.common.terminal import Terminal

    found = ctx.find_object(Terminal)
    assert found is not None
    found.invocation = invocation_of(ctx, found.environment.get(SSH_CONFIG, ""))
    return found


def by_ssh(function: F) -> F:
    """Adds --ssh-config, --ssh-user and --ask-sudo-password, which set how to connect to nodes by ssh."""
    return all_of(
        click.option(
            "--ssh-config", metavar="FILE", help="Run ssh -F FILE. Default: $KUBEVOUCH_SSH_CONFIG."
        ),
        click.option(
            "--ssh-user", metavar="USER", help="Log in as USER: root, or a user with sudo."
        ),
        click.option(
            "--ask-sudo-password",
            is_flag=True,
            help="Ask once for the sudo password of the nodes. It is not stored.",
        ),
    )(function)


def via_ssh(reads: str) -> Callable[[F], F]:
    """Adds --via ssh and the ssh options. reads: the help text for --via."""
    via = click.option("--via", type=click.Choice(["ssh"]), help=f"{reads} No key leaves a node.")
    return all_of(via, by_ssh)


def duration(flag: str, default: str, text: str, **more: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's
    """Adds an option whose value is a duration. text: the help text."""
    more |= {"show_default": True, "metavar": "DURATION"}
    return click.option(flag, type=seconds, default=default, help=text, **more)


_DOCUMENTS = ("json", "yaml")
FORMS = ("table", *_DOCUMENTS)
"""The output formats of every verb with -o."""


def _keep_apart(ctx: click.Context, _: click.Parameter, value: str) -> str:
    if ctx.obj is not None:
        ctx.obj.document_form = value if value in _DOCUMENTS else ""
    return value


def output(*more: str) -> Callable[[F], F]:
    """Adds the option -o. more: formats that only this verb supports."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([*FORMS, *more]),
        default=FORMS[0],
        show_default=True,
        callback=_keep_apart,
        expose_value=bool(more),  # else it is in terminal.document_form
        help="Output format. It does not change the exit code.",
    )


output_or_file = click.option(
    "-o",
    "--output",
    metavar="FILE|json|yaml",
    default=FORMS[0],
    callback=_keep_apart,
    help="Write the plan to FILE, or print it as JSON or YAML. Default: show a summary.",
)


def _sets(attribute: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Returns the callback of a flag. The callback sets this attribute of the terminal to True."""

    def kept(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if ctx.obj is not None and value:
            setattr(ctx.obj, attribute, True)

    return kept


def which_cluster(function: F) -> F:
    """Adds --kubeconfig and --context, which select the cluster as in kubectl. Neither is needed in a pod."""
    return all_of(
        click.option(
            "--kubeconfig",
            metavar="FILE",
            help="Use this file instead of $KUBECONFIG, ~/.kube/config or a pod's service account.",
        ),
        click.option(
            "--context",
            metavar="NAME",
            shell_complete=completed(context_names),
            help="Context of the kubeconfig to use.",
        ),
    )(function)


def cluster(function: F) -> F:
    """Adds the options that select the cluster, and -v, which shows requests."""
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_sets("verbose"),
        help="Show each request to the API server on standard error.",
    )
    return all_of(which_cluster, verbose)(function)


def connected(function: Callable[..., int]) -> Callable[..., int]:
    """Adds the options of `cluster`. Passes `terminal` and `access` to the verb."""
    return cluster(_with_access(function))


def connected_server(function: Callable[..., int]) -> Callable[..., int]:
    """Like `connected`, but without -v: the -v of a server sets the log verbosity."""
    return which_cluster(_with_access(function))


def _with_access(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def with_access(
        ctx: click.Context, kubeconfig: str | None, context: str | None, **others: object
    ) -> int:
        from kubevouch.cli.common.connect import access_of
        from kubevouch.kube.errors import KubeconfigError

        terminal = terminal_of(ctx)
        try:
            access = access_of(terminal, kubeconfig, context)
        except KubeconfigError as error:
            error.leads_on = ("kubectl config get-contexts",) if context else ()
            raise
        return function(terminal=terminal, access=access, **others)

    verb: Callable[..., int] = with_access
    return click.pass_context(verb)


def only_nodes(besides: str = "") -> Callable[[F], F]:
    """Adds --node, and passes its values to the verb as `nodes`. besides: more text for the help."""
    return click.option(
        "--node",
        "nodes",
        multiple=True,
        metavar="NODE",
        shell_complete=completed(node_names),
        help=f"Only this node{besides}. May be repeated.",
    )


yes = click.option("--yes", is_flag=True, help="Do not ask. Required without a terminal.")
writing = all_of(
    click.option(
        "--dry-run",
        is_flag=True,
        expose_value=False,
        callback=_sets("dry_run"),
        help="Show what would be written, and write nothing.",
    ),
    yes,
)
"""The options of every verb that writes."""
allow = click.option(
    "--allow",
    multiple=True,
    metavar="NODE=VALUE",
    help="Vouch that NODE owns this name or address. May be repeated.",
)
cluster_names = all_of(
    click.option(
        "--cluster-domain",
        metavar="NAME",
        default="",
        help="The cluster's DNS domain, if it is in neither ClusterConfiguration nor kubelet-config.",
    ),
    click.option(
        "--service-cidr",
        multiple=True,
        metavar="CIDR",
        help="The network of Services, if the cluster does not report it. May be repeated.",
    ),
)


fail_on = click.option(
    "--fail-on",
    type=click.Choice(list(map(str, Severity))),
    default=str(Severity.ERROR),
    show_default=True,
    help="Exit with 1 for a finding of this severity or worse.",
)
handshake_timeout = duration("--timeout", "10s", "How long to wait for each TLS handshake.")


def print_role(name: str, who: str) -> Callable[[F], F]:
    """Adds --print-role, which works without other options.

    name: as in `roles_of`. who: text for the help, such as "`doctor` needs".
    """

    def printed(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            from kubevouch.cli.common.roles import roles_of

            terminal_of(ctx).out(roles_of(name).rstrip())
            ctx.exit()

    return click.option(
        "--print-role",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=printed,
        help=f"Print the roles that {who}, and exit.",
    )
