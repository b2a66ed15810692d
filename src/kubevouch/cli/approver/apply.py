"""The commands `approver install` and `approver upgrade`.

Besides the steps that all servers share, they write pins and the approver's configuration, and warn about other
approvers.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.approver import pinning
from kubevouch.cli.approver.installation import (
    THE_ACCOUNT,
    THE_CONFIGURATION,
    Settings,
    adapted,
    enforces,
    may_decide,
)
from kubevouch.cli.approver.stored_pins import StoredPins, read_stored_pins, write_pins
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.install.apply import ApplyOptions, More, cluster_state, install_product
from kubevouch.cli.install.product import Present, manifests
from kubevouch.cli.install.products import APPROVER
from kubevouch.clock import Clock
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, UsageError
from kubevouch.evidence.approvers import NAMESPACE, OUR_APPROVER, Approver
from kubevouch.evidence.gather.approvers import gather_approvers
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Measured
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES

_EITHER: Final = (
    "expected --new-nodes=hold (a new node needs `kubevouch approver pin NODE`), or --new-nodes=rule "
    "--new-node-names PATTERN --new-node-cidr CIDR (the rule admits each matching node once)"
)


@dataclass(frozen=True)
class InstallOptions(ApplyOptions):
    """The flags of `install` and `upgrade`. enforce, configuration: None keeps the current setting."""

    configuration: str | None
    enforce: bool | None
    users: tuple[str, ...]
    groups: tuple[str, ...]
    pins: bool


@dataclass(frozen=True)
class _ClusterState:
    """The state of the cluster before the install.

    has_led: whether our approver's Lease exists. The first approver pod that leads creates it.
    """

    present: Present
    approvers: Measured[tuple[Approver, ...]]
    stored: StoredPins
    has_led: bool

    @property
    def is_first_install(self) -> bool:
        """Whether this is a first install, or the repetition of a first install that stopped halfway.

        Only a first install pins all nodes. Later, the operator may have left a node without a pin on purpose.
        """
        live = self.present.live
        begun = THE_ACCOUNT in live and not self.has_led
        return APPROVER.deployment not in live and (begun or not self.stored.pins)

    @property
    def not_pinned(self) -> list[str]:
        names = (each.name for each in self.present.nodes)
        return sorted(name for name in names if name not in self.stored.pins)


def run(terminal: Terminal, access: ClusterAccess, options: InstallOptions) -> ExitCode:
    """Installs or upgrades the approver. Returns the same exit codes as `install_product`."""
    state = with_api(terminal, access, _cluster_state)
    present = state.present
    _check(options, present)
    _print_other_approvers(terminal, state)
    settings = _settings(options, present)
    plain = manifests(APPROVER, options.image, present)
    return install_product(
        terminal,
        access,
        APPROVER,
        present,
        adapted(plain, settings),
        options,
        more=partial(_pins, terminal, access, options, state),
        undo=["--enforce" if enforces(present.live) else "--no-enforce"],
    )


async def _cluster_state(api: ApiClient, clock: Clock) -> _ClusterState:
    present, approvers, stored, has_led = await together(
        cluster_state(api, APPROVER),
        gather_approvers(api, Inquiry(clock)),
        read_stored_pins(api),
        _has_led(api),
    )
    return _ClusterState(present, approvers, stored, has_led)


async def _has_led(api: ApiClient) -> bool:
    try:
        await api.get(LEASES, LEASE, NAMESPACE)
    except NotFound:
        return False
    return True


def _check(options: InstallOptions, present: Present) -> None:
    for flag, names in (("user", options.users), ("group", options.groups)):
        if not all(map(str.strip, names)):
            raise UsageError(f"--may-approve-{flag}", "is empty", "expected a name")
    if options.enforce and not present.has_admission:
        seen = "this API server does not support ValidatingAdmissionPolicy"
        raise UsageError("--enforce", seen, "expected Kubernetes 1.30 or newer")


def _print_other_approvers(terminal: Terminal, state: _ClusterState) -> None:
    others = [each for each in state.approvers.or_else(()) if each.name != OUR_APPROVER]
    for each in others:
        who = "Another approver runs" if each.running else "Another approver is installed"
        cannot = "It can approve CSRs that kubevouch holds: see docs/approver.md"
        terminal.note(one_line(f"{who}: {each.name} ({each.evidence}). {cannot}."))
    if state.approvers.doubt:
        why = state.approvers.doubt.text
        terminal.note(one_line(f"Cannot tell whether another approver runs: {why}"))


def _settings(options: InstallOptions, present: Present) -> Settings:
    asks = options.configuration is None and not options.upgrade
    if asks and THE_CONFIGURATION not in present.live:
        seen = "--new-nodes is missing"
        raise UsageError("approver install", seen, _EITHER)
    return Settings(
        enforces=enforces(present.live) if options.enforce is None else options.enforce,
        users=(*may_decide(present.live, "users"), *options.users),
        groups=(*may_decide(present.live, "groups"), *options.groups),
        configuration=options.configuration,
    )


def _pins(
    terminal: Terminal, access: ClusterAccess, options: InstallOptions, state: _ClusterState
) -> More:
    """For a first install without --no-pins, prints a table of proposed pins, and returns the step that writes them.

    Otherwise lists the nodes without a pin, if any node has a pin.
    """
    nodes = state.not_pinned
    if options.pins and state.is_first_install and nodes:
        terminal.out("Proposed pins for each node:")
        looked = pinning.look(terminal, access, nodes, {})
        pinning.show(terminal, looked)
        pins = [each.pin for each in looked.found if each.writes]
        what = f"pin {counted(len(pins), 'node')} as shown in the table"
        return More(what if pins else "", lambda api: write_pins(api, pins))
    if state.stored.pins and nodes:
        more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
        hint = terminal.hint("kubevouch approver pin --diff")
        names = f"{', '.join(nodes[:5])}{more}"
        terminal.note(one_line(f"Not pinned by this command: {names}. See: {hint}"))
    return More()
