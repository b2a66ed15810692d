"""What happens to Nodes while no approver runs: the next one finds it out, and approves nothing for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.told import (
    ended,
    eventually,
)

from .conftest import address, pinned
from .installed import NAMESPACE, InstalledApprover
from .simulated import Joining, SimulatedNode

pytestmark = pytest.mark.long_on_the_bed


@contextmanager
def _none_runs(approver: InstalledApprover) -> Iterator[None]:
    approver.scale(0)
    try:
        yield
    finally:
        approver.scale(1)


def _is_recorded(approver: InstalledApprover, node: str) -> bool:
    words = ("get", "configmaps", "-n", NAMESPACE, "-l", "kubevouch.dev/holds=recorded")
    return f'"{node}"' in approver.cluster.kubectl(*words, "-o", "json").stdout


def _waits_for_a_pin_once_made_again(
    approver: InstalledApprover, site: Joining, node: SimulatedNode
) -> None:
    with _none_runs(approver):
        site.delete_node(node.name)
        node.register()
        waits = node.ask()
    site.held(waits, "PinOutdated")
    ended(approver.cluster, 0, "approver", "pin", node.name, "--csr", waits, "--yes")
    site.approved(waits)


def test_a_node_that_is_deleted_and_made_again_does_not_inherit_its_pin(
    approver: InstalledApprover, site: Joining
) -> None:
    """Its kubelet is the same, with its former client certificate: one command, and it gets the next one."""
    node = pinned(approver, site, "away.example.com")
    _waits_for_a_pin_once_made_again(approver, site, node)


def test_a_node_that_the_rule_admitted_and_that_is_made_again_waits_for_a_pin(
    approver: InstalledApprover, site: Joining
) -> None:
    node = site.join("sim-away.example.com", address())
    site.approved(node.ask())
    eventually(lambda: _is_recorded(approver, node.name), "a record of the node")
    _waits_for_a_pin_once_made_again(approver, site, node)


def test_who_uses_the_time_in_which_it_is_deleted_is_held_also_once_the_node_is_pinned_anew(
    approver: InstalledApprover, site: Joining
) -> None:
    """A thief with a bootstrap token looks like a reinstalled machine: the operator says which of them is the node."""
    node = pinned(approver, site, "empty.example.com")
    eventually(lambda: _is_recorded(approver, node.name), "a record of its client certificate")
    with _none_runs(approver):
        site.delete_node(node.name)
        thief = site.join(node.name, node.address)
        stolen = thief.ask()
    site.held(stolen, "PinOutdated")
    ended(approver.cluster, 0, "approver", "pin", node.name, "--yes")
    note = site.held(stolen, "EarlierNode")
    assert f"kubevouch approver pin {node.name} --csr {stolen}" in note
    own = node.ask()
    site.held(own, "UnknownCredential")
    ended(approver.cluster, 0, "approver", "pin", node.name, "--csr", own, "--yes")
    site.approved(own)
    site.held(thief.ask(), "UnknownCredential")
