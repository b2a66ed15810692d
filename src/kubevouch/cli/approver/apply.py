"""What `approver install` and `approver upgrade` do: look, show every change, ask, apply, wait, and say what is so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch.cli.approver import pinning
from kubevouch.cli.approver.as_shown import ChangedSinceShown, check_as_shown
from kubevouch.cli.approver.changes import Change, apply_all, changes, delete
from kubevouch.cli.approver.installation import (
    DECIDED_BY,
    DEPLOYMENT,
    NAMESPACE,
    Enforcement,
    Manifest,
    Settings,
    manifests,
    no_longer_wanted,
)
from kubevouch.cli.approver.new_nodes import (
    QUESTION,
    NewNodes,
    NewNodeWish,
    configuration_text,
    wish_of,
)
from kubevouch.cli.approver.present import Present, look_around, say_who_else
from kubevouch.cli.approver.readiness import (
    say_how_it_ended,
    say_that_it_cannot_read,
    unreadable_configuration,
    wait_until_ready,
)
from kubevouch.cli.approver.stored_pins import Wrote, write_pins
from kubevouch.cli.approver.undo import (
    say_how_it_is_undone,
    say_what_a_stop_leaves,
    say_where_the_former_image_is_found,
)
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.rollout import named
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue.definition import INSTALL_APPROVER
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.sources.stored import Unreadable

_LIKE_THIS: Final = "Nothing to change: the approver is installed like this."


@dataclass(frozen=True)
class InstallOptions:
    """What was asked for on the command line. enforce: None leaves the admission policies as they are."""

    image: str
    upgrade: bool
    new_nodes: NewNodeWish | None
    enforce: bool | None
    users: tuple[str, ...]
    groups: tuple[str, ...]
    pins: bool
    force: bool
    dry_run: bool
    yes: bool
    wait: float


def run(terminal: Terminal, access: ClusterAccess, options: InstallOptions) -> ExitCode:
    """0: applied and ready. 4: declined, in conflict, the namespace is being deleted, or applied and not ready in time."""
    present = with_api(terminal, access, look_around)
    _check(options, present)
    if present.leaving:
        seen = "is being deleted, and nothing can be made in it"
        terminal.error(f"namespace {NAMESPACE}: {seen}. What keeps it: {present.leaving}")
        terminal.note("Nothing was changed. The same command works once it is gone.")
        return ExitCode.STOPPED
    say_who_else(terminal, present)
    settings = _settings(terminal, options, present)
    wanted = manifests(settings)

    async def trying(api: ApiClient, _: Clock) -> tuple[Change, ...]:
        return await changes(api, wanted, force=options.force)

    found = with_api(terminal, access, trying)
    going = [each for each in no_longer_wanted(settings) if str(each) in present.live]
    _show(terminal, found, going)
    if conflicts := [each for each in found if each.conflict]:
        for each in conflicts:
            terminal.error(f"{each.manifest}: {each.conflict}")
        terminal.note("Nothing was changed. With --force-conflicts these fields are taken over.")
        return ExitCode.STOPPED
    looked = _who_is_to_be_pinned(terminal, access, options, present)
    unread = unreadable_configuration(present, found)
    work = _Work(found, going, looked, unread, present.is_installed)
    return _apply(terminal, access, options, work)


def _who_is_to_be_pinned(
    terminal: Terminal, access: ClusterAccess, options: InstallOptions, present: Present
) -> pinning.Looked:
    """All nodes where nobody has pinned any, and the others where an installation stopped on its way. Shows them."""
    begun = present.pinned and present.is_half_installed and present.not_pinned
    if options.pins and not options.upgrade and (begun or not present.pinned):
        more = "more " if begun else ""
        terminal.out(f"The nodes that are there now, and what would be pinned {more}of them:")
        looked = pinning.look(terminal, access, present.not_pinned if begun else (), {})
        pinning.show(terminal, looked)
        return looked
    if present.pinned and present.not_pinned:
        _say_who_is_not_pinned(terminal, present.not_pinned)
    return pinning.Looked(())


def _check(options: InstallOptions, present: Present) -> None:
    if options.upgrade and not present.is_installed:
        expected = f"`{INSTALL_APPROVER}` installs one"
        raise UsageError("approver upgrade", "there is no approver to upgrade", expected)
    for flag, names in (("user", options.users), ("group", options.groups)):
        if not all(map(str.strip, names)):
            raise UsageError(f"--may-approve-{flag}", "is empty", "a name was expected")
    if options.enforce and not present.has_admission_policies:
        seen = "this API server has no ValidatingAdmissionPolicies"
        raise UsageError("--enforce", seen, "Kubernetes 1.30 or newer was expected")


def _say_who_is_not_pinned(terminal: Terminal, nodes: Sequence[str]) -> None:
    more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
    listed = f"{', '.join(nodes[:5])}{more}"
    hint = terminal.hint("kubevouch approver pin --diff")
    terminal.note(one_line(f"Not pinned, and not pinned by this: {listed}. See: {hint}"))


def _settings(terminal: Terminal, options: InstallOptions, present: Present) -> Settings:
    wish = options.new_nodes
    if wish is None and not present.has_configuration and not options.upgrade:
        wish = NewNodeWish(NewNodes.HOLD) if options.dry_run else _asked(terminal, yes=options.yes)
        if options.dry_run:
            terminal.note("What becomes of new nodes was not said: --new-nodes hold is shown.")
    return Settings(
        image=options.image,
        replicas=2 if present.control_planes > 1 else 1,
        enforcement=_enforcement(terminal, options, present),
        users=(*_may_decide(terminal, present, "users"), *options.users),
        groups=(*_may_decide(terminal, present, "groups"), *options.groups),
        configuration=configuration_text(wish) if wish else None,
    )


def _may_decide(terminal: Terminal, present: Present, name: str) -> tuple[str, ...]:
    found = present.may_decide(name)
    if found is None:
        text = f"Which {name} may decide, ValidatingAdmissionPolicy {DECIDED_BY} says in another way than ours:"
        terminal.note(f"{text} it is replaced. See the diff, and --may-approve-{name[:-1]}.")
        return ()
    return found


def _enforcement(terminal: Terminal, options: InstallOptions, present: Present) -> Enforcement:
    if not present.has_admission_policies:
        text = "this API server has no ValidatingAdmissionPolicies (Kubernetes 1.30): they are left out"
        terminal.note(text)
        return Enforcement.NONE
    if options.enforce is not None:
        return Enforcement.DENY if options.enforce else Enforcement.WARN
    return Enforcement.DENY if present.enforcement is Enforcement.DENY else Enforcement.WARN


def _asked(terminal: Terminal, *, yes: bool) -> NewNodeWish:
    """Asks which source new nodes get. Raises UsageError where there is nobody to ask. yes: the last question is answered already."""
    if not terminal.can_ask:
        flags = "--new-nodes hold, or --new-node-names and --new-node-cidr,"
        expected = f"{'' if yes else '--yes, and '}{flags} were expected"
        raise UsageError("standard input", "is not a terminal to ask at", expected)
    terminal.note(QUESTION)
    source = terminal.ask("New nodes", tuple(NewNodes), NewNodes.HOLD)
    if NewNodes(source) is not NewNodes.RULE:
        return NewNodeWish(NewNodes(source))
    names = terminal.ask("Pattern of their names (worker-*)")
    networks = terminal.ask("Their networks, comma-separated (192.168.88.0/24)")
    per_hour = terminal.ask("At most so many in an hour", default="5")
    if not per_hour.isascii() or not per_hour.isdigit():
        raise UsageError(per_hour, "is not a number")
    given = tuple(each.strip() for each in networks.split(",") if each.strip())
    wish = wish_of(NewNodes.RULE, names, given, int(per_hour))
    assert wish is not None
    return wish


def _show(terminal: Terminal, found: Sequence[Change], going: Sequence[Manifest]) -> None:
    """Every change, as a unified diff against what is live."""
    for each in found:
        if each.differs and not each.conflict:
            for line in each.diff():
                terminal.out(line)
    for manifest in going:
        terminal.out(f"--- {manifest}: will be deleted")
    new = sum(each.is_new for each in found)
    differ = sum(each.differs for each in found) - new
    same = len(found) - new - differ
    text = f"{new} objects new, {differ} changed, {same} as they are, {len(going)} to be deleted"
    terminal.note(text)
    if untried := sum(not each.tried for each in found):
        text = f"{untried} of them could not be tried, since their namespace is not there yet"
        terminal.note(text)


@dataclass(frozen=True)
class _Work:
    changes: Sequence[Change]
    going: Sequence[Manifest]
    looked: pinning.Looked
    unread: Unreadable | None
    """What is wrong with the approver's configuration as it is after this; None if it can be read."""

    is_there: bool
    """Whether there is an approver already."""

    @property
    def pins(self) -> int:
        return sum(each.writes for each in self.looked.found)

    def __str__(self) -> str:
        parts = [
            (self.changed, "make or change", "object", ""),
            (len(self.going), "delete", "object", ""),
            (self.pins, "pin the names and addresses of", "node", " in the table"),
        ]
        return ", ".join(f"{verb} {counted(n, what)}{where}" for n, verb, what, where in parts if n)

    @property
    def changed(self) -> int:
        return sum(each.differs for each in self.changes)

    @property
    def is_nothing(self) -> bool:
        return not (self.going or self.pins or self.changed)


def _apply(
    terminal: Terminal, access: ClusterAccess, options: InstallOptions, work: _Work
) -> ExitCode:
    if options.dry_run:
        if work.unread:
            say_that_it_cannot_read(terminal, work.unread)
        elif work.is_nothing:
            terminal.out(_LIKE_THIS)
        terminal.note("A dry run: nothing was changed.")
        return ExitCode.OK
    _ask(terminal, access, options, work)
    pinned: list[str] = []
    try:
        hindrances = _carried_out(terminal, access, options, work, pinned.extend)
    except ChangedSinceShown as error:
        terminal.error(str(error))
        terminal.note("Nothing was changed. The same command shows what it would change now.")
        return ExitCode.STOPPED
    except KubevouchError as error:
        terminal.error(str(error))
        _say_what_a_stop_leaves(terminal, work, pinned)
        return ExitCode.STOPPED
    except KeyboardInterrupt:
        if work.is_nothing or not terminal.nothing_changed:
            _say_what_a_stop_leaves(terminal, work, pinned)
        raise
    say_how_it_ended(terminal, hindrances, options.wait, work.unread)
    former = work.looked.replaced(sorted(pinned))
    say_how_it_is_undone(terminal, work.changes, len(work.going), former)
    say_where_the_former_image_is_found(terminal, work.changes, upgrade=options.upgrade)
    return ExitCode.STOPPED if hindrances or work.unread else ExitCode.OK


def _carried_out(
    terminal: Terminal, access: ClusterAccess, options: InstallOptions, work: _Work, wrote: Wrote
) -> tuple[str, ...]:
    """Writes, and waits until the approver is ready. Returns what hinders it. wrote: is told whose pins are written."""

    async def applying(api: ApiClient, clock: Clock) -> tuple[str, ...]:
        if not work.is_nothing:
            await check_as_shown(api, work.changes, work.looked.found, force=options.force)
            terminal.nothing_changed = False
            await _write(api, work, wrote, force=options.force)
        if work.unread:
            return ()  # its pods will not be ready, however long anybody waits
        return await wait_until_ready(api, clock, terminal, options.wait)

    return with_api(terminal, access, applying)


def _say_what_a_stop_leaves(terminal: Terminal, work: _Work, pinned: Sequence[str]) -> None:
    former = work.looked.replaced(sorted(pinned))
    say_what_a_stop_leaves(terminal, work.changes, len(work.going), former)
    if pinned and work.is_there:
        rest = terminal.hint("kubevouch approver pin")
        terminal.note(f"Nodes that it has not pinned yet it does not pin any more: `{rest}` does.")


def _ask(terminal: Terminal, access: ClusterAccess, options: InstallOptions, work: _Work) -> None:
    if not work.is_nothing:
        what = "change the installed approver" if work.is_there else "install the approver"
        if options.upgrade:
            what = "upgrade the approver"
        terminal.confirm(f"{what}: {work}, on {named(access)}", yes=options.yes)
    elif not work.unread:
        terminal.out(_LIKE_THIS)


async def _write(api: ApiClient, work: _Work, wrote: Wrote, *, force: bool) -> None:
    """The namespace, then a dry run of what could not be tried; pins are there before the approver runs."""
    wanted = [each.manifest for each in work.changes]
    if not all(each.tried for each in work.changes):
        await apply_all(api, wanted[:1], force=force)
        await changes(api, wanted, force=force)
    first = next(
        n
        for n, each in enumerate(wanted)
        if each.name == DEPLOYMENT and each.resource.kind == "Deployment"
    )
    await apply_all(api, wanted[:first], force=force)
    await write_pins(api, (each.pin for each in work.looked.found if each.writes), wrote)
    await apply_all(api, wanted[first:], force=force)
    for each in work.going:
        await delete(api, each)
