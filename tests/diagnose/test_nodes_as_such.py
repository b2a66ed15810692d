"""Clocks, silent kubelets and shared machine-ids, from values: no cluster, no clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.rules import nodes as rules
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import Lease, LeaseSpec, Node
from kubevouch.kube.resources.meta import FieldsManager, ManagedMetadata, Metadata
from kubevouch.kube.resources.nodes import NodeInfo, NodeStatus
from tests.diagnose.cases import snapshot

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
async def healthy() -> Evidence:
    return await snapshot("healthy-with-approver")


def _measured(*things: Node | Lease) -> Measured:  # type: ignore[type-arg]
    return Measured(Vantage.API_SERVER, NOW, things)


def _node(name: str, **info: Any) -> Node:
    return Node(metadata=Metadata(name=name), status=NodeStatus(node_info=NodeInfo(**info)))


def _lease(name: str, skew: float | None, *, written: bool = True) -> Lease:
    """Renewed at a clock that is so many seconds ahead; None: never renewed."""
    wrote = (FieldsManager(manager="kubelet", time=NOW),) if written else ()
    renewed = None if skew is None else NOW + timedelta(seconds=skew)
    metadata = ManagedMetadata(name=name, managed_fields=wrote)
    return Lease(metadata=metadata, spec=LeaseSpec(renew_time=renewed))


@pytest.mark.parametrize(
    ("skew", "said", "severity"),
    [
        (0, None, None),
        (30, None, None),
        (-30, None, None),
        (31, "31 seconds ahead", Severity.WARNING),
        (-300, "5 minutes behind", Severity.WARNING),
        (301, "5 minutes ahead", Severity.ERROR),
        (-7200, "2 hours behind", Severity.ERROR),
    ],
)
def test_a_clock_is_wrong_by_more_than_half_a_minute(
    healthy: Evidence, skew: float, said: str | None, severity: Severity | None
) -> None:
    evidence = replace(healthy, nodes=_measured(_node("w1")), leases=_measured(_lease("w1", skew)))
    found = list(rules.clock_skew(evidence))
    assert [each.severity for each in found] == ([severity] if severity else [])
    assert all(each.title.endswith(f": w1 is {said}") for each in found)


@pytest.mark.parametrize(
    "lease",
    [_lease("w1", None), _lease("w1", 86400, written=False), _lease("gone", 86400)],
    ids=["never renewed", "nobody knows when it was written", "of no node"],
)
def test_a_lease_that_tells_nothing_is_no_finding(healthy: Evidence, lease: Lease) -> None:
    evidence = replace(healthy, nodes=_measured(_node("w1")), leases=_measured(lease))
    assert list(rules.clock_skew(evidence)) == []


def test_ids_are_compared_as_they_are_and_empty_ones_not_at_all(healthy: Evidence) -> None:
    nodes = (
        _node("w1", machine_id="a", system_uuid="ABCD"),
        _node("w2", machine_id="b", system_uuid="abcd"),
        _node("w3"),
        _node("w4"),
    )
    [found] = rules.shared_identity(replace(healthy, nodes=_measured(*nodes)))
    assert found.subjects == ("w1", "w2")
    assert "system UUID" in found.title
