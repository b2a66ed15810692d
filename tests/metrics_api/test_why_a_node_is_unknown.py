"""The reason for each `<unknown>`, over every cluster that doctor is judged by."""

from dataclasses import replace

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


async def test_what_is_wrong_with_a_version_that_was_not_read_explains_no_node() -> None:
    """v1 leads nowhere: where v1beta1 answers, where neither does, and where v1 does all the same, without an APIService v1beta1."""
    evidence = await snapshot("v1-has-nothing-behind-it")
    [v1] = evidence.metrics.others
    node, *rest = evidence.nodes.or_else(())
    some = replace(
        evidence.metrics.node_metrics,
        value=tuple(
            each for each in evidence.metrics.node_metrics.or_else(()) if each.name != node.name
        ),
    )
    none = replace(some, value=None, doubt=v1.node_metrics.doubt)
    assert rest and none.doubt
    for metrics, code in (
        (replace(evidence.metrics, node_metrics=some), ""),
        (replace(evidence.metrics, node_metrics=none), "KV102"),
        (
            replace(
                evidence.metrics,
                api_service=replace(v1.api_service, value=None),
                others=(replace(v1, node_metrics=some),),
            ),
            "KV102",
        ),
    ):
        seen = replace(evidence, metrics=metrics)
        diagnosis = diagnose(seen)
        assert "KV102" in {each.code for each in diagnosis.findings}
        assert why_unknown(node, seen, diagnosis).code == code
