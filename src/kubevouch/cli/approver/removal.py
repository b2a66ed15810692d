"""What `approver remove` does: list, warn, ask, delete."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubevouch.cli.approver.changes import delete
from kubevouch.cli.approver.installation import NAMESPACE, Manifest, everything
from kubevouch.cli.approver.present import Present, look_around
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.rollout import named
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import Code
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES, ConfigMap
from kubevouch.policy.sources.stored import HOLDS, PART_OF

_KEPT = ("recorded",)
"""What ConfigMaps of the manifests hold that stays with the pins."""

_EVERY_NAMESPACE_HAS = "kube-root-ca.crt"


@dataclass(frozen=True)
class _Removal:
    present: Present
    going: Sequence[Manifest]
    maps: Sequence[ConfigMap]
    """ConfigMaps with pins and their like, which no manifest has."""

    strangers: Sequence[str]
    """What lies in the namespace and is not ours."""


def run(terminal: Terminal, access: ClusterAccess, *, pins: bool, yes: bool) -> ExitCode:
    """Deletes what is ours. Pins: with all that is known of nodes, and the namespace, unless strangers are in it."""

    async def looking(api: ApiClient, clock: Clock) -> _Removal:
        return await _look(api, clock, pins=pins)

    found = with_api(terminal, access, looking)
    if not found.going and not found.maps:
        terminal.out("There is nothing to remove: no approver is installed here.")
        return ExitCode.OK
    for manifest in found.going:
        terminal.out(f"- {manifest}")
    for each in found.maps:
        terminal.out(f"- ConfigMap {each.namespace}/{each.name}: {len(each.data)} node(s)")
    _warn(terminal, found, pins=pins)
    count = len(found.going) + len(found.maps)
    terminal.confirm(f"delete these {count} objects, on {named(access)}", yes=yes)

    async def deleting(api: ApiClient, _: Clock) -> None:
        for each in found.maps:
            await api.delete(CONFIG_MAPS, each.name, each.namespace, uid=each.uid)
        for manifest in found.going:
            await delete(api, manifest)

    try:
        with_api(terminal, access, deleting)
    except KubevouchError as error:
        terminal.error(one_line(str(error)))
        terminal.note("It stopped on its way: the same command goes on with it.")
        return ExitCode.STOPPED
    terminal.out(f"{count} objects are deleted." + ("" if pins else " What was pinned stays."))
    return ExitCode.OK


async def _look(api: ApiClient, clock: Clock, *, pins: bool) -> _Removal:
    present, maps, *others = await together(
        look_around(api, clock),
        api.list_all(CONFIG_MAPS, NAMESPACE),
        api.list_all(DEPLOYMENTS, NAMESPACE),
        api.list_all(SERVICES, NAMESPACE),
        api.list_all(PODS, NAMESPACE),
    )
    strangers = [
        f"{each.name}"
        for each in (*maps, *(each for found in others for each in found))
        if each.metadata.labels.get(PART_OF) != "kubevouch" and each.name != _EVERY_NAMESPACE_HAS
    ]
    known = {str(each) for each in everything()}
    ours = [
        each
        for each in maps
        if each.metadata.labels.get(HOLDS) and f"ConfigMap {NAMESPACE}/{each.name}" not in known
    ]
    going = [
        each
        for each in everything()
        if str(each) in present.live
        and (pins or (each.holds not in _KEPT and each.resource.kind != "Namespace"))
        and not (each.resource.kind == "Namespace" and strangers)
    ]
    return _Removal(present, going, ours if pins else (), strangers)


def _warn(terminal: Terminal, found: _Removal, *, pins: bool) -> None:
    if pins and found.strangers:
        listed = ", ".join(found.strangers[:5])
        text = f"The namespace {NAMESPACE} stays: there are others' objects in it ({listed})."
        terminal.note(one_line(text))
    others = any(each.running for each in found.present.others)
    if found.present.is_installed and not others:
        terminal.note(
            f"Nothing approves then ({Code.ROTATION_WILL_STALL}): kubelets ask for their next certificate at 70 to 90 % "
            "of the life of this one, and at its end their ports go dark."
        )
