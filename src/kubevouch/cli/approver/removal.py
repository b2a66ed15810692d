"""The command `approver remove`.

Besides the steps that all servers share, it deletes pins, records and the configuration if --pins is given.
"""

import contextlib
from collections.abc import Iterator, Sequence

from kubevouch.cli.approver.installation import THE_CONFIGURATION, enforces, may_decide
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.install.changes import read_live
from kubevouch.cli.install.product import Live, Manifest
from kubevouch.cli.install.products import APPROVER
from kubevouch.cli.install.removal import remove_product
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.policy.sources.stored import HOLDS, OURS

_FOR_GOOD = (
    "No command restores the ConfigMaps. A later install creates new pins from the Nodes' status. The "
    "approver's records and the values of --allow and --csr are lost."
)


def run(terminal: Terminal, access: ClusterAccess, *, pins: bool, yes: bool) -> ExitCode:
    """Removes the approver. Returns the same exit codes as `remove_product`.

    pins: whether to delete pins, records and configuration, too.
    """
    live, maps = with_api(terminal, access, _look)
    stays = []
    if maps and not pins:
        hint = terminal.hint("kubevouch approver remove --pins")
        kept = f"{len(maps)} ConfigMaps with pins, records and configuration"
        stays.append(f"{kept}; `{hint}` deletes them")
    hint = terminal.hint(f"kubectl delete namespace {APPROVER.namespace}")
    stays.append(f"the namespace; `{hint}` deletes it with its contents")
    return remove_product(
        terminal,
        access,
        APPROVER,
        live,
        written=maps if pins else (),
        warning=_FOR_GOOD if pins else "",
        undo=[*_installed_like(live, pins=pins)],
        stays=stays,
        yes=yes,
    )


async def _look(api: ApiClient, _: Clock) -> tuple[Live, Sequence[Manifest]]:
    """The approver's live objects, and the ConfigMaps with pins, records or configuration. Raises KubeError."""
    live, maps = await together(
        read_live(api, APPROVER),
        api.list_all(CONFIG_MAPS, APPROVER.namespace, label_selector=f"{OURS},{HOLDS}"),
    )
    named = [{"name": each.name, "namespace": each.namespace} for each in maps]
    return live, [Manifest(CONFIG_MAPS, {"metadata": each}) for each in named]


def _installed_like(live: Live, *, pins: bool) -> Iterator[str]:
    """Yields the flags with which `approver install` would restore the current settings.

    pins: whether the configuration is deleted, too. If so, the flags include --new-nodes hold, which `install` then
    requires.
    """
    if enforces(live):
        yield "--enforce"
    if pins or THE_CONFIGURATION not in live:
        yield from ("--new-nodes", "hold")
    own = {each.reference: each.body for each in APPROVER.objects}
    with contextlib.suppress(UsageError):  # flags cannot restore an edited policy
        for name in ("users", "groups"):
            for each in may_decide(live, name):
                if each not in may_decide(own, name):
                    yield from (f"--may-approve-{name[:-1]}", each)
