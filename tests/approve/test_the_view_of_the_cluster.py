"""What the watches have shown, indexed: only what is asked for is looked up, and only what has changed is read again."""

import json
import sys
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.approve.decide.credentials import MOST_GONE, MOST_OF_A_NAME, MOST_WAITING
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.evidence.names import networks_of
from kubevouch.kube.resources import (
    CertificateSigningRequest,
    Condition,
    ConfigMap,
    CsrCondition,
    Metadata,
    Node,
)
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.kube.resources.nodes import NodeAddress, NodeInfo, NodeSpec, NodeStatus
from kubevouch.outcome import Outcome
from kubevouch.policy.credentials import AllowedCertificate, NodeCredentials, live_node
from kubevouch.policy.csr import ClientCsr, csr_of
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rules import form
from kubevouch.policy.sources.nodes import RecordedNode, written_record
from kubevouch.policy.sources.stored import shard_of
from tests.support.cluster_names import cluster_names
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NAMES = cluster_names(service_networks=networks_of("10.96.0.0/12"))


def node(name: str, *addresses: str, uid: str = "", pods: str = "") -> Node:
    return Node(
        metadata=Metadata(
            name=name,
            uid=uid or f"uid-{name}",
            creation_timestamp=NOW,
            annotations={"large": "x" * 10_000},
            labels={"any": "label"},
        ),
        spec=NodeSpec(pod_cidrs=(pods,) if pods else ()),
        status=NodeStatus(
            addresses=tuple(NodeAddress(type="InternalIP", address=each) for each in addresses),
            conditions=(Condition(type="Ready", status="True", message="x" * 10_000),),
        ),
    )


def csr(name: str, of: str, *addresses: str, approved_by: str = "") -> CertificateSigningRequest:
    conditions = (CsrCondition(type="Approved", status="True", reason=approved_by),)
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name=name, uid=f"uid-{name}", creation_timestamp=NOW),
        spec=CsrSpec(
            request=request(of, [of], addresses),
            username=f"system:node:{of}",
            groups=("system:nodes",),
        ),
        status=CsrStatus(conditions=conditions if approved_by else ()),
    )


def test_a_change_that_no_decision_looks_at_concerns_nobody() -> None:
    view = ClusterView()
    view.put_node(node("n1", "192.0.2.1"))
    view.put_serving_csr(csr("c1", "n1", "192.0.2.1"))
    beating = node("n1", "192.0.2.1")
    unready = msgspec.structs.replace(beating.status, conditions=(Condition(type="Ready"),))
    assert view.put_node(msgspec.structs.replace(beating, status=unready)) == set()
    assert view.put_node(node("n1", "192.0.2.9")) == {"c1"}


def test_a_change_of_a_node_concerns_who_asks_for_what_it_has_or_had() -> None:
    view = ClusterView()
    view.put_node(node("n1", "192.0.2.1"))
    for asked in (csr("c2", "n2", "192.0.2.1"), csr("c3", "n3", "192.0.2.3")):
        waiting = view.put_serving_csr(asked)
        assert isinstance(waiting, WaitingCsr)
        view.read(waiting)
    assert view.put_node(node("n1", "192.0.2.7")) == {"c2"}
    assert view.put_node(node("n1", "192.0.2.3")) == {"c3"}
    assert view.remove_node("n1") == {"c3"}
    assert view.remove_node("n1") == set()


def test_of_a_node_only_what_a_decision_looks_at_is_kept() -> None:
    view = ClusterView()
    view.put_node(node("n1", "192.0.2.1"))
    kept = view.nodes["n1"]
    assert kept.metadata.annotations == {}
    assert kept.metadata.labels == {}
    assert kept.status.conditions == ()
    assert kept.status.addresses[0].address == "192.0.2.1"


def test_a_node_has_the_version_that_the_watch_showed_unless_something_was_left_out() -> None:
    view = ClusterView()

    def put(version: str, *addresses: str, machine_id: str = "") -> str:
        shown = node("n1", *addresses)
        metadata = msgspec.structs.replace(shown.metadata, resource_version=version)
        status = msgspec.structs.replace(shown.status, node_info=NodeInfo(machine_id=machine_id))
        view.put_node(msgspec.structs.replace(shown, metadata=metadata, status=status))
        return view.nodes["n1"].metadata.resource_version

    assert put("7", "192.0.2.1") == "7"
    assert put("8", "192.0.2.1") == "8"  # nothing else has changed
    many = [f"10.1.{number // 250}.{number % 250}" for number in range(257)]
    assert put("9", *many[:256]) == "9"
    assert put("10", *many) == ""
    assert put("11", "192.0.2.1", machine_id="m" * 1000) == "11"
    assert put("12", "192.0.2.1", machine_id="m" * 1001) == ""


def test_a_csr_is_parsed_once_whatever_becomes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def count(found: CertificateSigningRequest) -> object:
        parsed.append(found.name)
        return csr_of(found)

    monkeypatch.setattr("kubevouch.approve.decide.view.csr_of", count)
    view, waits = ClusterView(), csr("c1", "n1", "192.0.2.1")
    first = view.put_serving_csr(waits)
    labelled = msgspec.structs.replace(
        waits, metadata=ManagedMetadata(name="c1", uid="uid-c1", resource_version="9")
    )
    assert view.put_serving_csr(labelled) is first
    assert isinstance(first, WaitingCsr)
    assert first.found.metadata.resource_version == "9"
    assert parsed == []
    for _ in range(2):
        view.read(first)
    approved = msgspec.structs.replace(waits, status=csr("c1", "n1", approved_by="X").status)
    assert view.put_decided_csr(approved)
    issued = msgspec.structs.replace(approved.status, certificate=b"PEM")
    assert not view.put_decided_csr(msgspec.structs.replace(approved, status=issued))
    assert parsed == ["c1"]
    assert len(view.waiting) == 0


def test_of_what_anybody_may_write_of_any_size_nothing_is_kept() -> None:
    """Every node may create CSRs of a MiB, and write its own status."""
    view = ClusterView()
    large = csr("c1", "n1", *(f"10.1.{number // 250}.{number % 250}" for number in range(2000)))
    large = msgspec.structs.replace(
        large,
        metadata=ManagedMetadata(
            name="c1", uid="u", creation_timestamp=NOW, annotations={"a": "x" * 10_000}
        ),
    )
    size = large.spec.dropped
    assert size > 10_000
    kept = view.put_serving_csr(large)
    assert isinstance(kept, WaitingCsr)
    assert len(msgspec.json.encode((kept.found, kept.request))) < 1_000
    read = view.read(kept)
    assert (read.pem, read.parsed, read.size) == (b"", None, size)
    refused = form.size(CsrFacts(csr=read, at=NOW, node_exists=True, allowed=None))
    assert refused.outcome is Outcome.REFUSE
    assert refused.seen == f"{size} bytes"
    view.put_node(node("n1", *(f"10.1.{number // 250}.{number % 250}" for number in range(2000))))
    assert len(view.nodes["n1"].status.addresses) == 256


def test_what_a_node_writes_of_any_length_is_not_kept() -> None:
    view = ClusterView()
    longest, kind = ".".join(["a" * 62] * 4) + "b", "x" * 10_000
    assert len(longest) == 252
    found = node("n1", f"{longest}c", f"{longest}cd", "192.0.2.1")
    strange = NodeAddress(type=kind, address="192.0.2.2")
    status = NodeStatus(addresses=(*found.status.addresses, strange))
    view.put_node(msgspec.structs.replace(found, status=status))
    kept = view.nodes["n1"].status.addresses
    assert [each.address for each in kept] == [f"{longest}c", "192.0.2.1", "192.0.2.2"]
    assert [each.type for each in kept] == ["InternalIP", "InternalIP", ""]


def test_nothing_that_a_node_writes_is_interned() -> None:
    """CPython 3.12.0 to 3.12.6 never free an interned text: a node that writes others again and again would fill the memory."""
    view, name, claim = ClusterView(), ("called", "nowhere", "else"), ("claimed", "nowhere", "else")
    view.put_node(node("-".join(name), "-".join(claim)))
    for words in (name, claim):
        text = "-".join(words)
        assert sys.intern(text) is text


def test_approvals_by_our_reason_count_for_the_budget() -> None:
    view = ClusterView()
    view.put_decided_csr(csr("c1", "n1", "192.0.2.1", approved_by="KubevouchApprove"))
    view.put_decided_csr(csr("c2", "n1", "192.0.2.1", approved_by="AutoApproved"))
    assert view.budget.left("n1", NOW) == 5


def test_networks_of_pods_are_read_again_when_nodes_join_but_not_for_each() -> None:
    view = ClusterView()
    assert view.reserved(0.0) is None
    view.set_names(NAMES)
    view.put_node(node("n1", "192.0.2.1", pods="10.244.0.0/24"))
    first = view.reserved(10.0)
    assert first is not None
    assert list(map(str, first.pod_networks)) == ["10.244.0.0/24"]
    view.put_node(node("n2", "192.0.2.2", pods="10.244.1.0/24"))
    assert view.reserved(10.5) is first
    later = view.reserved(11.5)
    assert later is not None
    assert list(map(str, later.pod_networks)) == ["10.244.0.0/23"]
    assert view.reserved(99.0) is later


def config_map(name: str, data: dict[str, str], version: str = "1") -> ConfigMap:
    return ConfigMap(metadata=Metadata(name=name, resource_version=version), data=data)


def begun() -> ClusterView:
    """A view for which everything has been listed, and nothing was there."""
    view = ClusterView()
    view.begin()
    return view


UID = "uid-1"


def credentials(**recorded: NodeCredentials) -> ClusterView:
    """What is recorded, before anything was seen."""
    view = ClusterView()
    for name, found in recorded.items():
        shard = shard_of("kubevouch-recorded", name)
        view.sources.put(
            config_map(shard, {name: written_record(RecordedNode(name, "", credentials=found))})
        )
    return view


def pinned(view: ClusterView, name: str, *certificates: str, uid: str = UID) -> set[str]:
    said = {"v": 1, "uid": uid, "clientCertificates": [each * 32 for each in certificates]}
    concerned = view.sources.put(
        config_map(shard_of("kubevouch-pins", name), {name: json.dumps(said)})
    )
    return view.look_at_credentials(concerned or ())


def live(view: ClusterView, name: str, uid: str = UID, *, at: int = 0) -> set[str]:
    found = node(name, "192.0.2.1", uid=uid)
    created = NOW + timedelta(seconds=at)
    metadata = msgspec.structs.replace(found.metadata, creation_timestamp=created)
    view.put_node(msgspec.structs.replace(found, metadata=metadata))
    return view.look_at_credentials([name])


def issued(certificate: str, at: int, by: str = "", *, name: str = "n1") -> ClientCsr:
    ids = (f"X509SHA256={by * 32}",) if by else ("JTI=x",)
    created = NOW + timedelta(seconds=at)
    return ClientCsr(f"csr-{certificate}", name, bool(by), ids, created, certificate * 32)


def see(view: ClusterView, *csrs: ClientCsr) -> set[str]:
    assert view.credentials is not None
    return view.credentials.csrs(csrs)


def reason(
    view: ClusterView, certificate: str, name: str = "n1", *, admitted: bool = False
) -> HoldReason:
    found = live_node(view.nodes[name])
    assert view.credentials is not None
    ids = (f"X509SHA256={certificate * 32}",)
    return view.credentials.of(found, ids, told=True, admitted=admitted).reason


@pytest.mark.parametrize("first", ["csr", "node"])
def test_a_node_and_the_csr_with_which_it_joined_may_be_seen_in_either_order(first: str) -> None:
    view = begun()
    if first == "csr":
        assert not see(view, issued("aa", -5))
        assert live(view, "n1") == {"n1"}
    else:
        assert live(view, "n1") == {"n1"}
        assert see(view, issued("aa", -5)) == {"n1"}
    assert reason(view, "aa") is HoldReason.PASSES
    assert reason(view, "77") is HoldReason.UNKNOWN_CREDENTIAL
    assert not live(view, "n1")
    assert not see(view, issued("aa", -5))


def test_the_csrs_of_a_list_count_together_whichever_is_listed_first() -> None:
    """A list goes by the names of CSRs, and whoever makes a CSR chooses its name. Nothing of it counts before its end."""
    view = ClusterView()
    live(view, "n1")
    stolen, renewed = issued("ff", 5), issued("fe", 6, "ff")
    view._client_csrs = [renewed, stolen]
    view.begin()
    assert [reason(view, each) for each in ("ff", "fe")] == [HoldReason.BORROWED_IDENTITY] * 2
    view._client_csrs = [issued("fc", 8, "fd"), issued("fd", 7, "fe")]
    assert reason(view, "fc") is HoldReason.NOT_ASKED
    assert view.client_csrs_listed() == {"n1"}
    assert reason(view, "fc") is HoldReason.BORROWED_IDENTITY
    assert not view.client_csrs_listed()


def test_that_there_was_a_node_is_known_by_the_record_or_by_the_pin() -> None:
    recorded = NodeCredentials("uid-0", NOW - timedelta(days=1))
    view = credentials(n1=recorded)
    pinned(view, "n2", uid="uid-0")
    assert view.begin() == {"n1", "n2"}
    for name in ("n1", "n2"):
        see(view, issued("aa", -5, name=name))
        live(view, name)
        assert reason(view, "aa", name) is HoldReason.EARLIER_NODE
        assert reason(view, "aa", name, admitted=True) is HoldReason.PASSES


def test_a_node_that_was_deleted_is_remembered_as_the_earlier_one() -> None:
    view = begun()
    live(view, "n1")
    see(view, issued("ff", 5))
    view.remove_node("n1")
    assert view.credentials is not None
    assert view.credentials.known("n1") == NodeCredentials(
        borrowed=("ff" * 32,), doubted=NOW + timedelta(seconds=5), earlier=NOW
    )
    see(view, issued("bb", 50))
    live(view, "n1", "uid-2", at=100)
    assert reason(view, "ff") is HoldReason.BORROWED_IDENTITY
    assert reason(view, "bb") is HoldReason.EARLIER_NODE
    view.remove_node("n2")
    assert view.credentials.known("n2") is None


def test_a_pin_counts_as_soon_as_it_is_seen_and_only_for_its_node() -> None:
    view = begun()
    live(view, "n1")
    assert reason(view, "77") is HoldReason.NOT_ASKED
    own_alone = [HoldReason.PASSES, HoldReason.UNKNOWN_CREDENTIAL]
    assert not pinned(view, "n1", "77", uid="uid-0")
    assert pinned(view, "n1", "77") == {"n1"}
    assert [reason(view, each) for each in ("77", "78")] == own_alone
    # One that names none leaves the list as it was.
    assert not pinned(view, "n1")
    assert [reason(view, each) for each in ("77", "78")] == own_alone


def test_the_names_of_nodes_that_are_gone_are_bounded() -> None:
    view = begun()
    for number in range(MOST_GONE + 1):
        live(view, f"n{number}")
        view.remove_node(f"n{number}")
    assert view.credentials is not None
    assert view.credentials.known("n0") is None
    assert view.credentials.known("n1") is not None


def test_names_without_a_node_are_bounded_and_a_node_of_one_that_was_dropped_is_held() -> None:
    view = begun()
    see(view, *(issued("aa", -5, name=f"n{number}") for number in range(MOST_WAITING + 2)))
    for name, passes in (("n0", False), ("never-seen", False), ("n2", True)):
        live(view, name)
        assert (reason(view, "aa", name) is HoldReason.PASSES) is passes
    # Who asks for a dropped name again does not become the only one that has: its Node is held.
    see(view, issued("ff", -2, name="n1"))
    live(view, "n1")
    assert reason(view, "ff", "n1") is HoldReason.UNKNOWN_CREDENTIAL
    # What was dropped would have been deleted by now.
    see(view, issued("aa", 4000, name="later"))
    live(view, "later", at=4001)
    assert reason(view, "aa", "later") is HoldReason.PASSES


def test_of_one_name_a_few_csrs_are_kept_and_a_node_with_more_is_held() -> None:
    view = begun()
    see(view, *(issued(f"{number:02}", 5) for number in range(MOST_OF_A_NAME)), issued("aa", -5))
    live(view, "n1")
    assert reason(view, "aa") is HoldReason.UNKNOWN_CREDENTIAL
    assert reason(view, "77") is HoldReason.UNKNOWN_CREDENTIAL


def test_whether_the_cluster_tells_credentials_is_seen_in_any_csr_and_in_the_records() -> None:
    view = begun()
    assert view.credentials is not None
    see(view, issued("aa", -5))
    assert not view.credentials.told
    see(view, issued("ab", -4, "aa"))
    assert view.credentials.told
    listed = (AllowedCertificate("ab" * 32, "aa" * 32),)
    view = credentials(n1=NodeCredentials(UID, NOW, listed))
    view.begin()
    assert view.credentials is not None
    assert view.credentials.told


def test_a_record_that_cannot_be_read_opens_no_list() -> None:
    """Such as one of a newer kubevouch, or of a shard that fake Nodes have filled. What it said may be that this is a thief."""
    view = ClusterView()
    view.sources.put(config_map(shard_of("kubevouch-recorded", "n1"), {"n1": '{"v": 9}'}))
    pinned(view, "n1")
    live(view, "n1")
    view.begin()
    assert reason(view, "aa") is HoldReason.EARLIER_NODE
