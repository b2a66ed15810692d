"""`approver selftest`: generated attacks through the real policy, with this cluster's pins, Nodes and configuration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import cluster, output, terminal_of
from kubevouch.errors import ExitCode, KubevouchError

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.policy.selftest import SelfTestRow


_NOT_INSTALLED = (
    "No approver is installed here, so nothing says which names and addresses nodes have:"
)


class NothingToTest(KubevouchError):
    """There is no Node that a CSR could be made for; or the cluster's own names, or what is pinned, are not known."""


@click.command("selftest", short_help="One attack a rule, put before the policy. Writes nothing.")
@cluster
@output("table", "json")
@click.pass_context
def command(ctx: click.Context, kubeconfig: str | None, context: str | None) -> int:
    """Makes CSRs as an attacker would for this very cluster, and shows by which rule each is held. Writes nothing.

    The pins, the inventory and the configuration in the namespace kubevouch-system count; without them no source knows any
    node, and everything is held. Exit code 1 if an attack passes, or an honest CSR of a pinned node does not.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.documents import print_document
    from kubevouch.diagnose.catalogue.definition import INSTALL_APPROVER

    terminal = terminal_of(ctx)
    terminal.roles = "kubevouch approver pin --print-role"
    rows, is_installed = with_api(terminal, access_of(terminal, kubeconfig, context), _tested)
    if terminal.prints_json:
        content = {"rows": [_json(each) for each in rows]}
        print_document(terminal, "kubevouch.selftest/1", content)
    else:
        _print(terminal, rows)
        if not is_installed:
            terminal.out(_NOT_INSTALLED)
            terminal.command("NEXT  ", INSTALL_APPROVER)
    return ExitCode.OK if all(each.as_expected for each in rows) else ExitCode.FINDINGS


async def _tested(api: "ApiClient", clock: "Clock") -> "tuple[tuple[SelfTestRow, ...], bool]":
    """What became of each, and whether an approver is installed: its ConfigMaps are there, or some that operators wrote for it."""
    from kubevouch.approve.decide.sources import WatchedSources
    from kubevouch.cli.common.written import gather_written
    from kubevouch.evidence.gather.at_once import together
    from kubevouch.evidence.gather.inquiry import Inquiry
    from kubevouch.evidence.gather.names import gather_names
    from kubevouch.kube.resources import NODES
    from kubevouch.policy.reserved import reserved_of
    from kubevouch.policy.selftest import self_test
    from kubevouch.policy.selftest_attacks import ATTACKS
    from kubevouch.policy.sources.configuration import with_configured

    inquiry = Inquiry(clock)
    nodes, names, written = await together(
        api.list_all(NODES), gather_names(api, inquiry), gather_written(api, inquiry)
    )
    if names.doubts:
        raise NothingToTest("the cluster's own names", names.doubts[0].text)
    if written.doubt is not None:
        raise NothingToTest("what is written down in the cluster", written.doubt.text)
    sources = written.or_else(WatchedSources())
    names = with_configured(names, sources.configuration_or_default)
    rows = self_test(ATTACKS, nodes, sources.current, reserved_of(names, nodes), clock.now())
    if not rows:
        raise NothingToTest("nodes", "there is no Node", "one was expected, to make a CSR for")
    return rows, written.value is not None


def _print(terminal: "Terminal", rows: "Sequence[SelfTestRow]") -> None:
    shown = [
        (
            each.threat or "-",
            each.attack,
            " or ".join(dict.fromkeys(each.expected)),
            ", ".join(each.got) or "left out",
            "ok" if each.as_expected else "NOT AS EXPECTED",
        )
        for each in rows
    ]
    terminal.table(("THREAT", "CSR", "EXPECTED", "GOT", ""), shown)
    attacks = [each for each in rows if each.threat and each.got]
    held = sum(each.as_expected for each in attacks)
    terminal.out()
    terminal.out(f"{held} of {len(attacks)} attacks are held, each for a reason that was expected.")
    for each in rows:
        if not each.as_expected:
            terminal.wrapped(each.why, f"{each.attack}: ")


def _json(row: "SelfTestRow") -> "dict[str, object]":
    return {
        "threat": row.threat,
        "csr": row.attack,
        "expected": row.expected,
        "got": row.got,
        "why": row.why,
        "asExpected": row.as_expected,
    }
