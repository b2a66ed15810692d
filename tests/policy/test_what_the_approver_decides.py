"""Whole decisions of the approver: each file of approver_cases/ is a CSR with what the approver knows, and what it must decide.

As in test_csrs_as_files, a case starts from what kubeadm 1.36.3 recorded and says what differs. Besides that:

    configuration     kubevouch.approver/1 as JSON, which is YAML, without its schemaVersion; a text is taken as it is
    inventory         the nodes of kubevouch.inventory/1
    pins, recorded    entries by node, as they lie in the ConfigMaps; ${uid} is the UID of the recorded worker
    clientCsrs        client certificates that were issued while somebody watched: node, byNode, by, at, certificate
    earlier           nodes of which there was an earlier Node, which was deleted
    told              whether other CSRs say which client certificate made them
    watched           whether the client CSRs that were recorded were seen, from the beginning
    first, left, shown        the Node's first UID; approvals left; who has shown the key
    loadBalancers, services   addresses of Services' load balancers; NAME.NAMESPACE of Services, besides those of each case
    expected          the outcome, the rules that say so, and the source
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.credentials import LiveNode, NodeCredentials, folded, judged
from kubevouch.policy.csr import ClientCsr, client_csr_of, csr_of, requestor_node
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import MAX_LIFETIME, CsrFacts, NodeSeen
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.policy.reserved import reserved_of
from kubevouch.policy.sources.choice import (
    IdentitySources,
    SourceAnswer,
    answer_for,
    written_claims,
)
from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    read_configuration,
    with_configured,
)
from kubevouch.policy.sources.nodes import (
    PINS,
    RECORDED,
    PinnedNode,
    RecordedNode,
    read_inventory,
    read_pins,
    read_recorded,
)
from kubevouch.policy.sources.stored import Unreadable, shard_of

from .test_csrs_as_files import NAMES, Object, patched, recorded

CASES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "approver_cases").glob("*.json"))
}


def nodes_of(case: Object) -> dict[str, Node]:
    known = {each["metadata"]["name"]: each for each in recorded("nodes.json")}
    patches = case.get("nodes", {})
    new = {name: {"metadata": {"name": name}} for name in patches if name not in known}
    return {
        name: msgspec.convert(patched(each, patches.get(name, {})), Node)
        for name, each in {**known, **new}.items()
    }


def sources_of(case: Object, uid: str) -> IdentitySources:
    said = case.get("configuration", {})
    configuration = (
        said
        if isinstance(said, str)
        else json.dumps({"schemaVersion": "kubevouch.approver/1", **said})
    )
    listed = json.dumps({"schemaVersion": "kubevouch.inventory/1", "nodes": case.get("inventory")})
    pins: dict[str, PinnedNode | Unreadable] = {}
    for node, entry in case.get("pins", {}).items():
        text = json.dumps(entry).replace("${uid}", uid)
        pins |= read_pins(shard_of(PINS, node), {node: text}).entries
    records: dict[str, RecordedNode | Unreadable] = {}
    for node, entry in case.get("recorded", {}).items():
        text = json.dumps(entry).replace("${uid}", uid)
        records |= read_recorded(shard_of(RECORDED, node), {node: text}).entries
    return IdentitySources(
        configuration=read_configuration(configuration),
        inventory=read_inventory(listed) if "inventory" in case else None,
        pins=pins,
        recorded=records,
    )


def credentials_of(case: Object, node: Node, pinned: tuple[str, ...]) -> NodeCredentials:
    seen = [
        found
        for each in recorded("csr.json")
        if case.get("watched")
        if (found := client_csr_of(msgspec.convert(each, CertificateSigningRequest)))
    ]
    seen += [
        ClientCsr(
            f"csr-{number}",
            each["node"],
            by_node=each.get("byNode", False),
            credential_ids=(f"X509SHA256={each['by']}",) if "by" in each else (),
            created=datetime.fromisoformat(each["at"]),
            certificate=each["certificate"],
        )
        for number, each in enumerate(case.get("clientCsrs", []))
    ]
    earlier = datetime(2026, 1, 1, tzinfo=UTC) if node.name in case.get("earlier", []) else None
    csrs = [each for each in seen if each.node == node.name]
    told = case.get("told", False)
    return folded(NodeCredentials(earlier=earlier), csrs, live(node), pinned, told=told)


def live(node: Node) -> LiveNode:
    created = node.metadata.creation_timestamp
    assert created is not None
    return LiveNode(node.name, node.uid, created)


def decided(case: Object) -> tuple[Decision, SourceAnswer]:
    found = next(each for each in recorded("csr.json") if each["metadata"]["name"] == case["csr"])
    kept = msgspec.convert(
        patched({**found, "status": {}}, case.get("change", {})), CertificateSigningRequest
    )
    csr = csr_of(kept)
    assert csr.parsed is not None
    assert csr.created is not None
    nodes = nodes_of(case)
    node = nodes[requestor_node(csr) or ""]
    sources = sources_of(case, node.uid)
    at = csr.created + timedelta(seconds=1)
    asked = AskedNames(csr.parsed.dns_names, csr.parsed.ip_addresses)
    answer = answer_for(node, asked, sources, at=at)
    index, written = NodeIndex(), WrittenClaims()
    for each in nodes.values():
        index.put(each)
    for name in {*nodes, *sources.pins, *sources.recorded, *case.get("inventory", {})}:
        written.put(name, written_claims(sources, name))
    configuration = sources.configuration
    names = replace(
        NAMES,
        load_balancers=dict.fromkeys(case.get("loadBalancers", []), "Service web/lb"),
        services=NAMES.services | dict.fromkeys(case.get("services", []), "a tenant's Service"),
    )
    if isinstance(configuration, ApproverConfiguration):
        names = with_configured(names, configuration)
    pin = sources.pins.get(node.name)
    facts = CsrFacts(
        csr=csr,
        at=at,
        node_exists=True,
        allowed=answer.allowed,
        other_nodes=index.others(node.name, asked, (), written.among(asked)),
        reserved=reserved_of(names, nodes.values()),
        newest=csr.name,
        node_seen=NodeSeen(case.get("first", node.uid), node.uid, node.metadata.creation_timestamp),
        key_shown_by=frozenset(case.get("shown", [node.name])),
        approvals_left=case.get("left", 6),
        credentials_told=case.get("told", False),
        standing=judged(
            credentials_of(case, node, getattr(pin, "client_certificates", ())),
            csr.credential_ids,
            told=case.get("told", False),
            admitted=answer.source.is_rule_for_new_nodes,
            pinned_at=getattr(pin, "pinned_at", None),
        ),
        max_lifetime=configuration.max_lifetime
        if isinstance(configuration, ApproverConfiguration)
        else MAX_LIFETIME,
    )
    return decide(facts), answer


@pytest.mark.parametrize("name", CASES)
def test_the_approver_decides_as_the_file_says(name: str) -> None:
    case: dict[str, Any] = CASES[name]
    decision, answer = decided(case)
    expected = case["expected"]
    assert decision.outcome.value == expected["outcome"], decision.why
    held = {each.rule for each in decision.held_by if each.outcome is decision.outcome}
    assert held == set(expected["heldBy"]), decision.why
    assert answer.source.value == expected["source"]
    assert expected.get("says", "") in decision.why


def test_there_is_a_case_for_each_source() -> None:
    assert {case["expected"]["source"] for case in CASES.values()} == {
        "inventory",
        "pins",
        "recorded",
        "new-nodes",
        "none",
    }
