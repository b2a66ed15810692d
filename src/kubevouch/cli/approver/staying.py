"""What a removal without --pins leaves: the namespace, what is known of nodes, and the Lease."""

from collections.abc import Sequence

from kubevouch.approve.act.controller import LEASE
from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.approver.present import Present
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.make import counted
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES, ConfigMap
from kubevouch.policy.sources.recorded import RECORDED
from kubevouch.policy.sources.stored import HOLDS


async def what_stays(
    api: ApiClient, present: Present, maps: Sequence[ConfigMap]
) -> tuple[str, ...]:
    """In words, each kind of it. maps: ConfigMaps of ours that no manifest has."""
    pins = [each for each in maps if each.metadata.labels.get(HOLDS) == "pins"]
    nodes = sum(len(each.data) for each in pins)
    recorded = sum(key.startswith(f"ConfigMap {NAMESPACE}/{RECORDED}-") for key in present.live)
    others = [each.name for each in maps if each not in pins]
    found = [f"Namespace {NAMESPACE}"] if f"Namespace {NAMESPACE}" in present.live else []
    if pins:
        found.append(f"{counted(len(pins), 'ConfigMap')} with pins ({counted(nodes, 'node')})")
    if recorded:
        found.append(f"{recorded} with what was recorded")
    found += [f"ConfigMap {name}" for name in others]
    try:
        await api.get(LEASES, LEASE, NAMESPACE)
    except KubeError:
        return tuple(found)  # there is no Lease, or it may not be read
    return (*found, "the Lease")


def say_what_stays(terminal: Terminal, kept: Sequence[str]) -> None:
    """And how it goes."""
    if kept:
        hint = terminal.hint("kubevouch approver remove --pins")
        terminal.wrapped(f"{', '.join(kept)}. `{hint}` takes them out, too.", "What stays: ")
