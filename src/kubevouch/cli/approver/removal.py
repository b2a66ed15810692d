"""What `approver remove` does: list, ask, delete."""

import contextlib
from collections.abc import Iterator, Sequence
from shlex import join

from kubevouch.cli.approver.changes import delete_all, read_live
from kubevouch.cli.approver.installation import (
    NAMESPACE,
    THE_CONFIGURATION,
    Live,
    enforces,
    everything,
    image_in,
    may_decide,
)
from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import Code
from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, ConfigMap
from kubevouch.policy.sources.stored import HOLDS, OURS


def run(terminal: Terminal, access: ClusterAccess, *, pins: bool, yes: bool) -> ExitCode:
    """Deletes what is ours; with `pins` also what is written down of nodes. 4: declined, or stopped on the way."""
    live, maps = with_api(terminal, access, _look)
    going = [each for each in everything() if each.reference in live and not each.stays]
    going_maps, kept = (maps, ()) if pins else ((), maps)
    names = [*map(str, going), *(f"ConfigMap {each.namespace}/{each.name}" for each in going_maps)]
    if not names:
        terminal.out("There is nothing to remove: no approver is installed here.")
        _say_what_stays(terminal, kept)
        return ExitCode.OK
    for name in names:
        terminal.out(f"- {name}")
    _warn(terminal, pins=pins)
    undo = join(("kubevouch", "approver", "install", *_installed_like(live, pins=pins)))
    terminal.confirm(f"delete these {len(names)} objects, on {named(access)}", yes=yes)
    # Before the first write, so that whoever is interrupted has read it.
    terminal.command("UNDO  ", undo)
    terminal.nothing_changed = False

    async def deleting(api: ApiClient, _: Clock) -> None:
        await _delete_maps(api, going_maps)
        await delete_all(api, going)

    try:
        with_api(terminal, access, deleting)
    except KubevouchError as error:
        terminal.error(str(error))
        terminal.note("It stopped on its way; the same command goes on with it.")
        return ExitCode.STOPPED
    terminal.out(f"{len(names)} objects are deleted.")
    _say_what_stays(terminal, kept)
    return ExitCode.OK


async def _look(api: ApiClient, _: Clock) -> tuple[Live, Sequence[ConfigMap]]:
    """Our objects that are there; and what is written down of nodes. Raises KubeError for what cannot be read."""
    live, maps = await together(
        read_live(api, everything()),
        api.list_all(CONFIG_MAPS, NAMESPACE, label_selector=f"{OURS},{HOLDS}"),
    )
    return live, maps


async def _delete_maps(api: ApiClient, maps: Sequence[ConfigMap]) -> None:
    for each in maps:
        try:
            await api.delete(CONFIG_MAPS, each.name, each.namespace, uid=each.uid)
        except NotFound:
            continue  # somebody else was quicker


def _warn(terminal: Terminal, *, pins: bool) -> None:
    if pins:
        terminal.note(
            "No command brings the ConfigMaps back: another install pins what the Nodes claim then, without what "
            "--allow and --csr gave to pins, and without what was recorded."
        )
    terminal.note(
        f"Unless something else approves ({Code.ROTATION_WILL_STALL}), kubelets ask in vain for their next certificate "
        "at 70 to 90 % of the life of this one, and at its end their ports go dark."
    )


def _installed_like(live: Live, *, pins: bool) -> Iterator[str]:
    """The flags of an `install` like this one. pins: the configuration goes, too: new nodes are held then."""
    yield from ("--image", image_in(live) or "NAME@sha256:DIGEST")
    if enforces(live):
        yield "--enforce"
    if pins or THE_CONFIGURATION not in live:
        yield from ("--new-nodes", "hold")
    own = {each.reference: each.body for each in everything()}
    with contextlib.suppress(UsageError):  # whoever says it in another way says it again
        for name in ("users", "groups"):
            for each in may_decide(live, name):
                if each not in may_decide(own, name):
                    yield from (f"--may-approve-{name[:-1]}", each)


def _say_what_stays(terminal: Terminal, kept: Sequence[ConfigMap]) -> None:
    if kept:
        hint = terminal.hint("kubevouch approver remove --pins")
        said = f"{len(kept)} ConfigMaps with pins, records and configuration; `{hint}` deletes them"
        terminal.wrapped(said, "What stays: ")
    hint = terminal.hint(f"kubectl delete namespace {NAMESPACE}")
    terminal.wrapped(f"the namespace; `{hint}` deletes it with all in it", "What stays: ")
