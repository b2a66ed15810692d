"""`kubevouch lab`: a whole small cluster in one process, for rehearsals and for learning.

kubevouch finds this verb by the entry point in the lab's pyproject.toml. Heavy imports stand inside the verbs.
"""

import os
import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.complete import completed
from kubevouch.cli.common.group import CommandGroup
from kubevouch.cli.common.options import F, output, terminal_of
from kubevouch.errors import ExitCode, UsageError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch_lab.cluster.folder import Folder


@click.group(
    "lab", cls=CommandGroup, short_help="Rehearse on a small cluster that runs on this machine."
)
def command() -> None:
    """Run a cluster of four nodes in one process: no root, no containers, real TLS on loopback addresses.

    \b
      kubevouch lab up            runs until Ctrl-C, and prints what to export
      kubevouch lab break wrong-ca --node k8s-worker-2
      kubevouch lab age 300d      makes existing certificates 300 days older
      kubevouch lab down

    docs/lab.md lists its limits.
    """


_BREAKING = 600.0
"""Seconds that `break` and `repair` may take: kubelets stop and start, and what they do then has to be seen."""


_FOLDER = "KUBEVOUCH_LAB"
"""The variable with the lab's folder, where --dir is not given."""


def _dir(function: F) -> F:
    """--dir: the folder that is the lab."""
    return click.option(
        "--dir",
        "directory",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The lab's folder; labs in several folders can run side by side. [default: $KUBEVOUCH_LAB, else ~/.local/state/kubevouch/lab]",
    )(function)


class _WithScenarios(click.Command):
    """A verb that takes a scenario: its help lists them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name and what it is, a line each."""
        from kubevouch_lab.scenarios.catalogue import SCENARIOS

        with formatter.section("Scenarios"):
            formatter.write_dl([(each.name, each.description) for each in SCENARIOS.values()])
        super().format_epilog(ctx, formatter)


def _scenario_names(_: click.Context, __: "Terminal") -> Iterable[str]:
    from kubevouch_lab.scenarios.catalogue import SCENARIOS

    return SCENARIOS


_nodes = click.option(
    "--node", "nodes", multiple=True, metavar="NODE", help="Only this node; may be repeated."
)


def _folder(terminal: "Terminal", directory: Path | None) -> "Folder":
    from kubevouch_lab.cluster.folder import Folder

    environment = terminal.environment
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    default = environment.get(_FOLDER) or f"{state}/kubevouch/lab"
    return Folder((directory or Path(default)).absolute())


@command.command(
    "up", cls=_WithScenarios, short_help="Create or continue a lab, and run it until Ctrl-C."
)
@_dir
@click.option(
    "--scenario",
    metavar="NAME",
    shell_complete=completed(_scenario_names),
    help="The scenario: what is wrong with the cluster (see below). [default: expired]",
)
@click.option(
    "--nodes",
    "count",
    metavar="N",
    type=click.IntRange(1, 5000),
    help="Number of nodes. [default: 4]",
)
@click.option(
    "--ip-family",
    "family",
    type=click.Choice(["ipv4", "ipv6", "dual"]),
    help="IP family of the nodes' addresses. [default: ipv4]",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Give every node of a new lab a disk, a shell and ssh. Without this, only 4 nodes have them if there are more than 16.",
)
@click.option("--detach", is_flag=True, help="Run in the background; `lab down` stops it.")
@click.pass_context
def up(
    ctx: click.Context,
    directory: Path | None,
    scenario: str | None,
    count: int | None,
    family: str | None,
    whole: bool,
    detach: bool,
) -> int:
    """Run the lab in DIR. An existing lab continues where it stopped, even after kill -9."""
    import asyncio

    from kubevouch.system_clock import SystemClock
    from kubevouch_lab.cluster.lab import LabOptions
    from kubevouch_lab.cluster.site import BLOCKS_VARIABLE, IpFamily, blocks_of
    from kubevouch_lab.process.background import detached
    from kubevouch_lab.process.run import run
    from kubevouch_lab.scenarios.catalogue import scenario_of

    if scenario:
        scenario_of(scenario)
    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    blocks = blocks_of(terminal.environment.get(BLOCKS_VARIABLE, ""))
    wanted = IpFamily(family) if family else None
    options = LabOptions(scenario or "", count or 0, blocks, wanted, whole)

    async def running(ready: "asyncio.Future[None]") -> None:
        await run(
            folder,
            options,
            clock=SystemClock(),
            entropy=secrets.token_bytes,
            notify=terminal.note,
            ready=ready,
        )

    if detach:
        detached(folder, running)
        _print_exports(terminal, folder)
        return ExitCode.OK

    async def shown() -> None:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda _: _print_exports(terminal, folder))
        await running(ready)

    asyncio.run(shown())
    return ExitCode.OK


def _print_exports(terminal: "Terminal", folder: "Folder") -> None:
    """What a shell needs to know to use the lab."""
    from shlex import quote

    for name, value in _exports(folder).items():
        terminal.out(f"export {name}={quote(value)}")
    others = (
        "kubectl get nodes",
        "kubevouch doctor",
        "kubevouch plan -o plan.json --via ssh",
        "kubevouch lab status",
        "kubevouch lab down",
    )
    terminal.out(f"# {'; '.join(map(terminal.hint, others))}")
    terminal.flush()


def _exports(folder: "Folder") -> "Mapping[str, str]":
    from kubevouch.cli.common.connect import VARIABLE
    from kubevouch.cli.common.invocation import SSH_CONFIG

    loopback = {VARIABLE: str(folder.loopback_addresses)}
    return {
        "KUBECONFIG": str(folder.kubeconfig),
        **(loopback if folder.record().site.on_loopback else {}),
        SSH_CONFIG: str(folder.ssh_config),
        _FOLDER: str(folder.root),
    }


@command.command(
    "env", short_help='Print the variables to export, for `eval "$(kubevouch lab env)"`.'
)
@_dir
@click.pass_context
def env(ctx: click.Context, directory: Path | None) -> int:
    """Print the same lines as `lab up`, for a running lab."""
    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    _ask(folder, "status")
    _print_exports(terminal, folder)
    return ExitCode.OK


@command.command("down", short_help="Stop the lab, and keep its folder unless --remove is given.")
@_dir
@click.option("--remove", is_flag=True, help="Also remove the folder.")
@click.pass_context
def down(ctx: click.Context, directory: Path | None, remove: bool) -> int:
    """Stop the lab in DIR, if it is running."""
    from kubevouch_lab.process.background import ended, removed

    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    ran = ended(folder)
    if remove:
        removed(folder)
    terminal.note(
        f"{folder.root}: {'stopped' if ran else 'no lab was running'}{', removed' if remove else ''}"
    )
    return ExitCode.OK


@command.command("status", short_help="Show the API server and the nodes.")
@_dir
@output()
@click.pass_context
def status(ctx: click.Context, directory: Path | None) -> int:
    """Show the lab in DIR: its API server, its nodes and the state of their kubelets."""
    from kubevouch.cli.common.documents import print_document

    terminal = terminal_of(ctx)
    found = _ask(_folder(terminal, directory), "status")
    if terminal.document_form:
        print_document(terminal, "kubevouch.lab/1", found)
        return ExitCode.OK
    terminal.out(f"server    {found['server']}   process {found['process']}   up {found['up']} s")
    terminal.out(f"scenario  {found['scenario']}")
    columns = ("NODE", "KUBELET", "SSH", "SCENARIO", "STATE")
    rows = [(n["name"], n["kubelet"], n["ssh"], n["scenario"], n["state"]) for n in found["nodes"]]
    terminal.table(columns, rows)
    return ExitCode.OK


@command.command("break", cls=_WithScenarios, short_help="Apply a scenario to a running lab.")
@click.argument("scenario", shell_complete=completed(_scenario_names))
@_dir
@_nodes
@click.pass_context
def break_(
    ctx: click.Context, scenario: str, directory: Path | None, nodes: tuple[str, ...]
) -> int:
    """Break (or, with `healthy`, repair) every node of the running lab, or only the given ones.

    First, the kubelet files of these nodes are reset to the scenario's state. Changes by you or by `apply` are lost.

    CSRs for these nodes' serving certificates are deleted. Without --node, kube-system/kubelet-csr-approver is removed,
    too. Most scenarios in which kubelets once were healthy (healthy, denied-loop, kubelets-dead, wrong-ca, clock-skew,
    unreachable, rbac-missing, drift) then start it again; it approves every CSR of a node. An approver that you have
    installed stays, and also decides: with it, `pending` for example does not stay dark.

    Returns when the scenario has taken effect and doctor's findings no longer change.
    """
    from kubevouch_lab.scenarios.catalogue import scenario_of

    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    scenario_of(scenario)
    _ask(folder, "status")
    terminal.note(f"{scenario}: waiting for it to take effect ...")
    found = _ask(folder, "break", timeout=_BREAKING, scenario=scenario, nodes=list(nodes))
    nodes_meant = found.get("nodes", ())  # a lab that an earlier version runs does not say it
    where = f" on {', '.join(nodes_meant)}" if nodes_meant else ""
    terminal.note(f"{scenario}{where}: {found['what']}")
    if found.get("kubevouch approves"):
        terminal.note(
            "kubevouch-approver is installed here, and decides CSRs regardless of the scenario"
        )
    return ExitCode.OK


@command.command("repair", short_help="Do a scenario's manual repair.")
@click.argument("scenario", shell_complete=completed(_scenario_names))
@_dir
@click.pass_context
def repair(ctx: click.Context, scenario: str, directory: Path | None) -> int:
    """Do the manual part of a repair after `lab break SCENARIO`: set a clock, open a port, provide a bootstrap token.

    Leaves the rest to doctor and apply. Returns when the repair has taken effect.
    """
    from kubevouch_lab.scenarios.catalogue import scenario_of

    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    scenario_of(scenario)
    _ask(folder, "status")
    terminal.note(f"{scenario}: doing the manual repair, and waiting for it to take effect ...")
    _ask(folder, "repair", timeout=_BREAKING, scenario=scenario)
    terminal.note(f"{scenario}: the manual repair is done")
    return ExitCode.OK


@command.command("age", short_help="Make existing certificates older.")
@click.argument("time", metavar="DAYS")
@click.option(
    "--serving",
    is_flag=True,
    help="Only serving certificates, as if kubelets had renewed their client certificates meanwhile.",
)
@_dir
@_nodes
@click.pass_context
def age(
    ctx: click.Context, time: str, directory: Path | None, nodes: tuple[str, ...], *, serving: bool
) -> int:
    """Re-issue the certificates on the nodes with dates that are DAYS earlier, such as 300d."""
    terminal = terminal_of(ctx)
    text = time.removesuffix("d")
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= 3650:
        raise UsageError("lab age", f"expected days such as 300d, got {time}")
    folder, days = _folder(terminal, directory), int(text)
    found = _ask(folder, "age", days=days, nodes=list(nodes), serving=serving)
    terminal.note(f"{found['certificates']} certificates are {text} days older")
    return ExitCode.OK


@command.command("shell", short_help="Open a shell on a node, by ssh.")
@click.argument("node")
@click.argument("words", nargs=-1)
@_dir
@click.pass_context
def shell(ctx: click.Context, node: str, words: tuple[str, ...], directory: Path | None) -> int:
    """Log in to NODE of the running lab by ssh, and run WORDS there if given."""
    terminal = terminal_of(ctx)
    folder = _folder(terminal, directory)
    _ask(folder, "status")
    terminal.flush()
    os.execvp("ssh", ["ssh", "-F", str(folder.ssh_config), node, *words])  # noqa: S606


def _ask(folder: "Folder", verb: str, *, timeout: float = 60.0, **more: object) -> dict[str, Any]:
    from kubevouch_lab.process.control_socket import ask

    return ask(folder, {"do": verb, **more}, timeout=timeout)
