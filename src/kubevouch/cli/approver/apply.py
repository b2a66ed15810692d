"""What `approver install` and `approver upgrade` do: look, show every change, ask, apply, and wait."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.approver import pinning
from kubevouch.cli.approver.changes import (
    Change,
    apply_all,
    changes,
    check_as_shown,
    delete_all,
    read_live,
    wait_until_ready,
)
from kubevouch.cli.approver.installation import (
    NAMESPACE,
    THE_ACCOUNT,
    THE_CONFIGURATION,
    THE_DEPLOYMENT,
    Live,
    Manifest,
    Settings,
    enforces,
    everything,
    image_in,
    manifests,
    may_decide,
    no_longer_wanted,
)
from kubevouch.cli.approver.stored_pins import StoredPins, read_stored_pins, write_pins
from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import INSTALL_APPROVER
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch.evidence.approvers import OUR_APPROVER, Approver
from kubevouch.evidence.gather.approvers import gather_approvers
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES, NODES, Node
from kubevouch.policy.pin_proposals import Proposal

_LIKE_THIS = "Nothing to change: the approver is installed like this."
_ADMISSION_SINCE = 30
_EITHER = (
    "--new-nodes hold (a node that nobody has pinned waits for `kubevouch approver pin NODE`), or --new-node-names and "
    "--new-node-cidr (a rule admits it once) were expected"
)


@dataclass(frozen=True)
class InstallOptions:
    """What was asked for on the command line. enforce, configuration: None leaves what is there."""

    image: str
    upgrade: bool
    configuration: str | None
    enforce: bool | None
    users: tuple[str, ...]
    groups: tuple[str, ...]
    pins: bool
    dry_run: bool
    yes: bool
    wait: float


@dataclass(frozen=True)
class _Present:
    """What is there before an install. live: objects of ours. has_led: an approver has led here; its Lease stays."""

    has_admission: bool
    live: Live
    approvers: Measured[tuple[Approver, ...]]
    nodes: Sequence[Node]
    stored: StoredPins
    has_led: bool

    @property
    def is_installed(self) -> bool:
        return THE_DEPLOYMENT in self.live

    @property
    def wants_pins(self) -> bool:
        """Whether this is a first install, or goes on with one. Where an approver has led, somebody may want that a node has no pin."""
        begun = THE_ACCOUNT in self.live and not self.has_led
        return not self.is_installed and (begun or not self.stored.pins)

    @property
    def not_pinned(self) -> list[str]:
        return sorted(each.name for each in self.nodes if each.name not in self.stored.pins)


@dataclass(frozen=True)
class _Work:
    changed: Sequence[Change]
    going: Sequence[Manifest]
    pins: Sequence[Proposal]

    def __str__(self) -> str:
        parts = [
            (len(self.changed), "make or change", "object", ""),
            (len(self.going), "delete", "object", ""),
            (len(self.pins), "pin the names and addresses of", "node", " in the table"),
        ]
        return ", ".join(f"{verb} {counted(n, what)}{where}" for n, verb, what, where in parts if n)


def run(terminal: Terminal, access: ClusterAccess, options: InstallOptions) -> ExitCode:
    """0: applied and ready. 4: in conflict, stopped on the way, or applied and not ready in time."""
    present = with_api(terminal, access, _look_around)
    _check(options, present)
    _say_who_else(terminal, present)
    wanted = manifests(_settings(options, present))
    found = with_api(terminal, access, lambda api, _: changes(api, wanted))
    if conflicts := [each for each in found if each.conflict]:
        for each in conflicts:
            terminal.error(f"{each.manifest}: {each.conflict}")
        terminal.note("Nothing was changed.")
        return ExitCode.STOPPED
    going = no_longer_wanted(present.live, wanted)
    changed = [each for each in found if each.diff]
    _show(terminal, changed, going)
    work = _Work(changed, going, _pins(terminal, access, options, present))
    if not str(work):
        terminal.out(_LIKE_THIS)
    if options.dry_run:
        terminal.note("A dry run: nothing was changed.")
        return ExitCode.OK
    if str(work):
        verb = "upgrade" if present.is_installed else "install"
        terminal.confirm(f"{verb} the approver: {work}, on {named(access)}", yes=options.yes)
        with_api(terminal, access, lambda api, _: check_as_shown(api, found))
        _say_how_it_is_undone(terminal, present)
        terminal.nothing_changed = False
    return _applied(terminal, access, wanted, work, options.wait)


async def _look_around(api: ApiClient, clock: Clock) -> _Present:
    """Raises KubeError: an upgrade would open an admission policy that it does not see."""
    version = await api.version()
    minor = "".join(each for each in version.minor if each.isascii() and each.isdigit())
    has_admission = int(minor or 0) >= _ADMISSION_SINCE
    live, approvers, nodes, stored, has_led = await together(
        read_live(api, everything()),
        gather_approvers(api, Inquiry(clock)),
        api.list_all(NODES),
        read_stored_pins(api),
        _has_led(api),
    )
    return _Present(has_admission, live, approvers, nodes, stored, has_led)


async def _has_led(api: ApiClient) -> bool:
    """Whether an approver has ever decided here."""
    try:
        await api.get(LEASES, LEASE, NAMESPACE)
    except NotFound:
        return False
    return True


def _check(options: InstallOptions, present: _Present) -> None:
    if options.upgrade and not present.is_installed:
        expected = f"`{INSTALL_APPROVER}` installs one"
        raise UsageError("approver upgrade", "there is no approver to upgrade", expected)
    for flag, names in (("user", options.users), ("group", options.groups)):
        if not all(map(str.strip, names)):
            raise UsageError(f"--may-approve-{flag}", "is empty", "a name was expected")
    if options.enforce and not present.has_admission:
        seen = "this API server has no ValidatingAdmissionPolicies"
        raise UsageError("--enforce", seen, "Kubernetes 1.30 or newer was expected")


def _say_who_else(terminal: Terminal, present: _Present) -> None:
    """Who else uses the signer, before anything is decided."""
    others = [each for each in present.approvers.or_else(()) if each.name != OUR_APPROVER]
    for each in others:
        who = "Another approver runs" if each.running else "Another approver is set up"
        cannot = "What it approves, this approver cannot hold: see docs/approver.md"
        terminal.note(one_line(f"{who}: {each.name} ({each.evidence}). {cannot}."))
    if present.approvers.doubt:
        why = present.approvers.doubt.text
        terminal.note(one_line(f"Whether others approve is not known: {why}"))
    if not present.has_admission:
        terminal.note("This API server is older than 1.30: the admission policies are left out.")


def _settings(options: InstallOptions, present: _Present) -> Settings:
    asks = options.configuration is None and not options.upgrade
    if asks and THE_CONFIGURATION not in present.live:
        seen = "what becomes of new nodes is not said"
        raise UsageError("approver install", seen, _EITHER)
    refuses = enforces(present.live) if options.enforce is None else options.enforce
    return Settings(
        image=options.image,
        replicas=min(2, max(1, sum(map(is_control_plane, present.nodes)))),
        enforces=refuses if present.has_admission else None,
        users=(*may_decide(present.live, "users"), *options.users),
        groups=(*may_decide(present.live, "groups"), *options.groups),
        configuration=options.configuration,
    )


def _show(terminal: Terminal, changed: Sequence[Change], going: Sequence[Manifest]) -> None:
    """Every change, as a unified diff against what is live."""
    for each in changed:
        for line in each.diff:
            terminal.out(line)
    for manifest in going:
        terminal.out(f"--- {manifest}: will be deleted")
    new = sum(each.live is None for each in changed)
    text = f"{new} objects new, {len(changed) - new} changed, {len(going)} to be deleted"
    terminal.note(text)


def _pins(
    terminal: Terminal, access: ClusterAccess, options: InstallOptions, present: _Present
) -> Sequence[Proposal]:
    """All that are not pinned, before there is an approver; shown in a table. Later it only names them."""
    if options.pins and present.wants_pins and present.not_pinned:
        terminal.out("The nodes that are there now, and what would be pinned of them:")
        looked = pinning.look(terminal, access, present.not_pinned, {})
        pinning.show(terminal, looked)
        return [each for each in looked.found if each.writes]
    if present.stored.pins and (nodes := present.not_pinned):
        more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
        hint = terminal.hint("kubevouch approver pin --diff")
        listed = f"{', '.join(nodes[:5])}{more}"
        terminal.note(one_line(f"Not pinned, and not pinned by this: {listed}. See: {hint}"))
    return ()


def _say_how_it_is_undone(terminal: Terminal, present: _Present) -> None:
    """Before the first write, so that whoever is interrupted has read it."""
    if not present.is_installed:
        terminal.command("UNDO  ", "kubevouch approver remove")
        return
    flag = "--enforce" if enforces(present.live) else "--no-enforce"
    words = ("kubevouch", "approver", "upgrade", "--image", image_in(present.live), flag)
    terminal.command("UNDO  ", words)
    rest = "other changes by hand: the diff above shows what was there before"
    terminal.wrapped(rest, "      ")


def _applied(
    terminal: Terminal, access: ClusterAccess, wanted: Sequence[Manifest], work: _Work, wait: float
) -> ExitCode:
    """Writes, and waits until the approver is ready. Whatever it stops at, the same command goes on with it."""

    async def applying(api: ApiClient, clock: Clock) -> tuple[str, ...]:
        if str(work):
            await apply_all(api, wanted[:-1])
            await write_pins(api, (each.pin for each in work.pins))
            await delete_all(api, work.going)
            await apply_all(api, wanted[-1:])
        return await wait_until_ready(api, clock, terminal, wait)

    try:
        hindrances = with_api(terminal, access, applying)
    except KubevouchError as error:
        terminal.error(str(error))
        terminal.note("It stopped on its way; the same command goes on with it.")
        return ExitCode.STOPPED
    say_how_it_ended(terminal, hindrances, wait)
    return ExitCode.STOPPED if hindrances else ExitCode.OK


def say_how_it_ended(terminal: Terminal, hindrances: Sequence[str], wait: float) -> None:
    """Whether the approver is at work now, and what comes next. hindrances: of its pods, after so many seconds."""
    if not hindrances:
        terminal.out("The approver is ready: all of its pods are, and one leads.")
        terminal.command("NEXT  ", "kubevouch csr list")
        return
    terminal.out(f"The approver is applied, and not ready after {wait:.0f} s: {hindrances[0]}.")
    for text in hindrances[1:]:
        terminal.wrapped(text, "      ")
    terminal.command("NEXT  ", f"kubectl -n {NAMESPACE} get pods,events")
