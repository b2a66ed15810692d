"""What `approver remove` does: list, warn, ask, delete."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.approver.as_shown import ChangedSinceShown
from kubevouch.cli.approver.changes import AT_ONCE, delete
from kubevouch.cli.approver.installation import DEPLOYMENT, KEPT, NAMESPACE, Manifest, everything
from kubevouch.cli.approver.leaving import wait_until_gone
from kubevouch.cli.approver.present import Present, look_around
from kubevouch.cli.approver.staying import say_what_stays, what_stays
from kubevouch.cli.approver.undo_removal import is_told_by, say_how_a_removal_is_undone
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.rollout import named
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.evidence.gather.at_once import of_each, together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.discovery import Inhabitant, namespaced_kinds
from kubevouch.kube.resources import CONFIG_MAPS, ConfigMap, Resource
from kubevouch.policy.sources.stored import HOLDS, OURS, PART_OF

_MADE_BY_KUBERNETES = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
"""In every namespace."""

_MADE_FOR_OURS = {("Lease", LEASE), ("Endpoints", DEPLOYMENT)}
"""The Lease that approvers hold, and what Kubernetes makes for our Service without naming an owner."""


@dataclass(frozen=True)
class _Removal:
    present: Present
    going: Sequence[Manifest]
    maps: Sequence[ConfigMap]
    """ConfigMaps with pins and their like, which no manifest has."""

    kept: Sequence[str]
    """What of ours is there and does not go without --pins, in words."""

    namespace_stays: str
    """Why the namespace is not deleted although all that is ours goes; empty otherwise."""

    @property
    def namespace(self) -> str:
        """UID of our namespace, if it goes; else empty."""
        goes = any(each.resource.kind == "Namespace" for each in self.going)
        live = self.present.live.get(f"Namespace {NAMESPACE}") if goes else None
        return str(live["metadata"]["uid"]) if live else ""


def run(
    terminal: Terminal, access: ClusterAccess, *, pins: bool, yes: bool, wait: float
) -> ExitCode:
    """Deletes what is ours. pins: with all that is known of nodes, and the namespace, unless others' objects are in it.

    wait: seconds until the namespace must be gone. 4: declined, stopped on the way, or it is not gone by then.
    """

    async def looking(api: ApiClient, clock: Clock) -> _Removal:
        return await _look(api, clock, pins=pins)

    found = with_api(terminal, access, looking)
    if not found.going and not found.maps:
        return _nothing_to_remove(terminal, found)
    _show(terminal, found)
    count = len(found.going) + len(found.maps)
    what = "this object" if count == 1 else f"these {count} objects"
    terminal.confirm(f"delete {what}, on {named(access)}", yes=yes)

    gone, namespace = 0, found.namespace

    async def deleting(api: ApiClient, clock: Clock) -> str:
        nonlocal gone
        if namespace:
            await _check_that_the_namespace_may_go(api)
        terminal.nothing_changed = False
        async for _ in _deleted(api, found):
            gone += 1
        return await wait_until_gone(api, clock, terminal, wait, namespace) if namespace else ""

    try:
        keeps = with_api(terminal, access, deleting)
    except (KubevouchError, KeyboardInterrupt) as error:
        if not (terminal.nothing_changed and isinstance(error, KeyboardInterrupt)):
            _say_where_it_stopped(terminal, error, found, gone, pins=pins)
        if isinstance(error, KeyboardInterrupt):
            raise
        return ExitCode.STOPPED
    if keeps:
        terminal.out(f"{count - 1} objects are deleted.")
        terminal.error(
            f"namespace {NAMESPACE}: is still being deleted after {wait:.0f} s. What keeps it: {keeps}"
        )
        terminal.note(
            "Kubernetes goes on with it. Until it is gone, nothing can be installed there."
        )
        say_how_a_removal_is_undone(terminal, found.present, found.going, pins=pins)
        return ExitCode.STOPPED
    terminal.out(f"{count} objects are deleted.")
    say_what_stays(terminal, found.kept)
    say_how_a_removal_is_undone(terminal, found.present, found.going, pins=pins)
    return ExitCode.OK


async def _deleted(api: ApiClient, found: _Removal) -> AsyncIterator[None]:
    """Deletes one after the other, last what tells how it is undone, and yields after each."""
    told = [each for each in found.going if is_told_by(each)]
    for manifest in found.going:
        if manifest not in told:
            await delete(api, manifest)
            yield
    for each in found.maps:
        with contextlib.suppress(NotFound):  # somebody else removes, too
            await api.delete(CONFIG_MAPS, each.name, each.namespace, uid=each.uid)
        yield
    for manifest in told:
        await delete(api, manifest)
        yield


def _say_where_it_stopped(
    terminal: Terminal, error: BaseException, found: _Removal, gone: int, *, pins: bool
) -> None:
    goes_on, in_hand = "The same command goes on with it", ", and the one in hand may be gone, too"
    if isinstance(error, KubevouchError):
        terminal.error(str(error))
        goes_on, in_hand = f"{goes_on}, once that is mended", ""
    count = len(found.going) + len(found.maps)
    terminal.note(f"It stopped after {gone} of {count} objects{in_hand}. {goes_on}.")
    if gone or in_hand:
        say_how_a_removal_is_undone(terminal, found.present, found.going, pins=pins)


def _nothing_to_remove(terminal: Terminal, found: _Removal) -> ExitCode:
    terminal.out("There is nothing to remove: no approver is installed here.")
    if found.namespace_stays and f"Namespace {NAMESPACE}" in found.present.live:
        _warn(terminal, found)
    say_what_stays(terminal, found.kept)
    return ExitCode.OK


def _show(terminal: Terminal, found: _Removal) -> None:
    for manifest in found.going:
        terminal.out(f"- {manifest}")
    for each in found.maps:
        terminal.out(f"- ConfigMap {each.namespace}/{each.name}: {counted(len(each.data), 'node')}")
    if found.maps:
        terminal.note(
            "No command brings these ConfigMaps back: another install pins what the Nodes claim then, without what "
            "--allow and --csr gave to pins, and without what was recorded."
        )
    _warn(terminal, found)


async def _look(api: ApiClient, clock: Clock, *, pins: bool) -> _Removal:
    present, maps = await together(
        look_around(api, clock), api.list_all(CONFIG_MAPS, NAMESPACE, label_selector=OURS)
    )
    known = {str(each) for each in everything()}
    ours = [
        each
        for each in maps
        if each.metadata.labels.get(HOLDS) and f"ConfigMap {NAMESPACE}/{each.name}" not in known
    ]
    stays = await _why_the_namespace_stays(api) if pins else "without --pins it does"
    going = [
        each
        for each in everything()
        if str(each) in present.live
        and (pins or each.holds not in KEPT)
        and not (each.resource.kind == "Namespace" and stays)
    ]
    kept = () if pins else await what_stays(api, present, ours)
    return _Removal(present, going, ours if pins else (), kept, stays if pins else "")


async def _check_that_the_namespace_may_go(api: ApiClient) -> None:
    """Raises ChangedSinceShown if somebody has put something into it while the question waited: all in it would go."""
    if why := await _why_the_namespace_stays(api):
        raise ChangedSinceShown(f"namespace {NAMESPACE}", f"has changed since it was shown: {why}")


async def _why_the_namespace_stays(api: ApiClient) -> str:
    """Others' objects in it, or why it is not known whether there are any; empty if it may be deleted with all in it."""
    # Each with its own error: the first that is refused would cancel the others in the middle of their handshakes.
    try:
        kinds = await namespaced_kinds(api)
    except KubeError as error:
        return _not_known(error)
    answers = await of_each(kinds, lambda each: _listed(api, each), at_once=AT_ONCE)
    listed: list[tuple[Inhabitant, ...]] = []
    for answer in answers:
        if isinstance(answer, KubeError):
            return _not_known(answer)
        listed.append(answer)
    uids = {each.uid for found in listed for each in found}
    ours = {(each.resource.kind, each.name) for each in everything()}
    strangers = sorted(
        {
            f"{kind.kind} {each.name}"
            for kind, found in zip(kinds, listed, strict=True)
            for each in found
            if _is_a_strangers(kind, each, uids, ours)
        }
    )
    return f"there are others' objects in it ({', '.join(strangers[:5])})" if strangers else ""


async def _listed(api: ApiClient, kind: Resource[Inhabitant]) -> tuple[Inhabitant, ...] | KubeError:
    try:
        return await api.list_all(kind, NAMESPACE, only_metadata=True)
    except KubeError as error:
        return error


def _not_known(error: KubeError) -> str:
    return f"whether others' objects lie in it is not known: {error}"


def _is_a_strangers(
    kind: Resource[Inhabitant],
    found: Inhabitant,
    uids: Collection[str],
    ours: Collection[tuple[str, str]],
) -> bool:
    """Neither the approver's, nor what Kubernetes makes by itself: in every namespace, or for an object that is in this one, too.

    The exporter's objects and others of this product bear the same label: only what `install` and `pin` write is the approver's.
    """
    key = kind.kind, found.name
    made = kind.plural == "events" or key in _MADE_BY_KUBERNETES or key in _MADE_FOR_OURS
    labels = found.metadata.labels
    is_stored = kind.kind == CONFIG_MAPS.kind and bool(labels.get(HOLDS))
    is_ours = labels.get(PART_OF) == "kubevouch" and (key in ours or is_stored)
    owned = any(each.uid in uids for each in found.metadata.owner_references)
    return not (made or is_ours or owned)


def _warn(terminal: Terminal, found: _Removal) -> None:
    if found.namespace_stays:
        text = f"The namespace {NAMESPACE} stays: {found.namespace_stays}."
        terminal.note(one_line(text))
    others = any(each.running for each in found.present.others)
    if found.present.is_installed and not others:
        nothing = "Nothing approves then"
        if found.present.unseen:
            nothing = f"Nothing that is seen to run approves then: {found.present.unseen}"
        terminal.note(
            f"{one_line(nothing)} ({Code.ROTATION_WILL_STALL}): kubelets ask for their next certificate at 70 to 90 % "
            "of the life of this one, and at its end their ports go dark."
        )
