"""The reason for each `<unknown>`, over every cluster that doctor is judged by."""

import pytest

from kubevouch.diagnose.doctor import diagnose
from kubevouch.metrics.top.why import UnknownReason, why_unknown
from tests.diagnose.cases import CASES, snapshot

# Where a kubelet answers as it should, the reason lies nearer to the API: that of the cluster's own metrics-server.
BY_THE_API = {
    "apiservice-names-no-service": "KV102",
    "service-selects-no-pod": "KV102",
    "failed-discovery-check": "KV104",
    "api-server-does-not-trust-metrics-server": "KV117",
    "api-server-before-1.36-does-not-trust-metrics-server": "KV117",
    "metrics-server-missing": "KV101",
    "metrics-server-scaled-to-nothing": "KV103",
    "metrics-server-crashes": "KV108",
    "metrics-server-cannot-be-scheduled": "KV108",
}
NOBODY_KNOWS = {"partial-metrics", "metrics-api-without-any-node"}


@pytest.mark.parametrize("name", CASES)
async def test_what_doctor_found_about_the_node_is_the_reason(name: str) -> None:
    evidence = await snapshot(name)
    diagnosis = diagnose(evidence)
    measured = evidence.metrics.measured_nodes or frozenset()
    for node in evidence.nodes.or_else(()):
        if node.name in measured:
            continue
        why = why_unknown(node, evidence, diagnosis)
        assert why.text
        on_the_wire = [
            each.code
            for each in diagnosis.findings
            if each.code[2] in "23" and node.name in each.subjects
        ]
        if on_the_wire:
            assert why.code in on_the_wire
        elif name in BY_THE_API:
            assert why.code == BY_THE_API[name]
        if name in NOBODY_KNOWS:
            assert not why.known
        assert why.known or not why.code


async def test_the_node_that_joined_later_has_its_own_date() -> None:
    evidence = await snapshot("expired")
    diagnosis = diagnose(evidence)
    found: list[UnknownReason] = [
        why_unknown(node, evidence, diagnosis) for node in evidence.nodes.or_else(())
    ]
    assert {each.code for each in found} == {"KV304"}
    assert len({each.text for each in found}) == 2
