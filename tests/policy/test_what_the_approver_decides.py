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
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.approve.decide.credentials import WatchedCredentials
from kubevouch.approve.decide.look import LookedAt, look
from kubevouch.approve.decide.view import ClusterView
from kubevouch.kube.resources import CertificateSigningRequest, ConfigMap, Metadata
from kubevouch.policy.credentials import NodeCredentials, live_node
from kubevouch.policy.csr import ClientCsr, client_csr_of, csr_of, requestor_node
from kubevouch.policy.sources.stored import shard_of
from tests.support.rows import of_each

from .test_csrs_as_files import NAMES, Object, nodes_of, patched, recorded

CASES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "approver_cases").glob("*.json"))
}


def written(case: Object, uid: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The ConfigMaps, by name and what is in them."""
    said = case.get("configuration", {})
    whole = {"schemaVersion": "kubevouch.approver/1"}
    text = said if isinstance(said, str) else json.dumps({**whole, **said})
    yield "kubevouch-approver", {"configuration.yaml": text}
    if "inventory" in case:
        listed = {"schemaVersion": "kubevouch.inventory/1", "nodes": case["inventory"]}
        yield "kubevouch-inventory", {"inventory.yaml": json.dumps(listed)}
    for kind in ("pins", "recorded"):
        shards: dict[str, dict[str, str]] = defaultdict(dict)
        for node, entry in case.get(kind, {}).items():
            text = json.dumps(entry).replace("${uid}", uid)
            shards[shard_of(f"kubevouch-{kind}", node)][node] = text
        yield from shards.items()


def issued(case: Object) -> Iterator[ClientCsr]:
    """The client certificates of which the approver knows."""
    for each in recorded("csr.json") if case.get("watched") else ():
        if found := client_csr_of(msgspec.convert(each, CertificateSigningRequest)):
            yield found
    for number, each in enumerate(case.get("clientCsrs", [])):
        yield ClientCsr(
            f"csr-{number}",
            each["node"],
            by_node=each.get("byNode", False),
            credential_ids=(f"X509SHA256={each['by']}",) if "by" in each else (),
            created=datetime.fromisoformat(each["at"]),
            certificate=each["certificate"],
        )


def seen(case: Object, uid: str) -> ClusterView:
    """What the watches have shown."""
    view, nodes = ClusterView(), nodes_of(case)
    for name, data in written(case, uid):
        view.sources.put(ConfigMap(metadata=Metadata(name=name), data=data))
    balanced = dict.fromkeys(case.get("loadBalancers", []), "Service web/lb")
    services = NAMES.services | dict.fromkeys(case.get("services", []), "a tenant's Service")
    view.set_names(replace(NAMES, load_balancers=balanced, services=services))
    before = NodeCredentials(earlier=datetime(2026, 1, 1, tzinfo=UTC))
    earlier = dict.fromkeys(case.get("earlier", []), before)
    view.credentials = WatchedCredentials(earlier, view.sources.pin_of)
    for each in nodes.values():
        view.put_node(each)
        if each.metadata.creation_timestamp is not None:
            view.credentials.node(live_node(each))
    view.credentials.csrs(issued(case), told=case.get("told", False))
    return view


def decided(case: Object) -> LookedAt:
    found = next(each for each in recorded("csr.json") if each["metadata"]["name"] == case["csr"])
    kept = msgspec.convert(
        patched({**found, "status": {}}, case.get("change", {})), CertificateSigningRequest
    )
    csr = csr_of(kept)
    assert csr.created is not None
    node = nodes_of(case)[requestor_node(csr) or ""]
    view = seen(case, node.uid)
    waiting, at = view.put_serving_csr(kept), csr.created + timedelta(seconds=1)
    reserved = view.reserved(0.0)
    assert waiting is not None
    assert reserved is not None
    waiting.first_uid = case.get("first", "")
    for number in range(6 - case.get("left", 6)):
        view.budget.spend(node.name, f"uid-{number}", at)
    with_this_key = frozenset(case.get("shown", [node.name]))
    view.keys.shown_by = lambda _: with_this_key  # type: ignore[method-assign, assignment]
    return look(view, waiting, csr, node, reserved, at=at)


@of_each(CASES)
def test_the_approver_decides_as_the_file_says(name: str) -> None:
    case: dict[str, Any] = CASES[name]
    looked = decided(case)
    decision = looked.decision
    expected = case["expected"]
    assert decision.outcome.value == expected["outcome"], decision.why
    held = {each.rule for each in decision.held_by if each.outcome is decision.outcome}
    assert held == set(expected["heldBy"]), decision.why
    assert looked.answer is not None
    assert looked.answer.source.value == expected["source"]
    assert expected.get("says", "") in decision.why


def test_there_is_a_case_for_each_source() -> None:
    assert {case["expected"]["source"] for case in CASES.values()} == {
        "inventory",
        "pins",
        "recorded",
        "new-nodes",
        "none",
    }
