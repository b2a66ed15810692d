"""Which names and addresses are proposed for a pin, and what is left out of it."""

import shlex
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest

from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import Node
from kubevouch.policy.pin_proposals import Proposal, Seen, proposals
from kubevouch.policy.sources.nodes import PinnedNode
from tests.approver_install.conftest import node
from tests.support.cluster_names import cluster_names

AT = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)
NOTHING_SAID: dict[str, tuple[str, ...]] = {}


def live(name: str, *addresses: str, uid: str = "", machine_id: str = "", **more: Any) -> Node:
    made = node(name, "0.0.0.0", machine_id=machine_id, **more)
    made["metadata"]["uid"] = uid or f"uid-of-{name}"
    made["status"]["addresses"] = [
        {"type": "Hostname" if each.strip("0123456789.") else "InternalIP", "address": each}
        for each in addresses
    ]
    return msgspec.convert(made, Node)


def proposed(*nodes: Node, cluster: ClusterNames | None = None, **more: Any) -> dict[str, Proposal]:
    settings: dict[str, Any] = {"pins": {}, "said": NOTHING_SAID, "certificates": {}}
    seen = Seen(nodes, cluster or cluster_names(), **(settings | more))
    found = proposals(seen, [each.name for each in nodes], at=AT, by="alice")
    return {each.pin.node: each for each in found}


def test_what_a_node_claims_is_proposed_with_who_pins_it_and_when() -> None:
    found = proposed(live("w-1", "192.168.88.112", "w-1", machine_id="m1"))["w-1"]
    assert found.pin == PinnedNode(
        node="w-1",
        uid="uid-of-w-1",
        names=("w-1",),
        addresses=("192.168.88.112",),
        machine_id="m1",
        pinned_at=AT,
        by="alice",
    )
    assert (found.state, found.left_out, found.writes) == ("new", (), True)


def test_what_kubelets_share_at_ports_of_their_own_is_pinned_to_each_that_the_operator_names() -> (
    None
):
    shared = frozenset({ip_address("127.0.0.5")})
    nodes = live("w-1", "w-1", "127.0.0.5"), live("w-2", "w-2", "127.0.0.5")
    pins = {"w-2": PinnedNode(node="w-2", uid="uid-of-w-2", addresses=("127.0.0.5",))}
    more: dict[str, Any] = {"pins": pins, "said": {"w-1": ("127.0.0.5",)}}
    alone = cluster_names(loopback=LoopbackKubelets(shared))
    assert proposed(*nodes, cluster=alone, **more)["w-1"].refused == ("127.0.0.5",)
    found = proposed(
        *nodes, cluster=cluster_names(loopback=LoopbackKubelets(shared, shared)), **more
    )
    assert (found["w-1"].refused, found["w-1"].pin.addresses) == ((), ("127.0.0.5",))


def test_what_a_node_claims_is_one_word_of_the_flag_to_copy() -> None:
    """Whoever has two nodes' identities writes the same into both statuses; the API server takes any text for an address."""
    odd = "x;touch PWNED #"
    found = proposed(live("w-1", "w-1", odd), live("w-2", "w-2", odd))["w-1"]
    flag = found.left_out[0].partition("if it is this node's: ")[2]
    assert shlex.split(flag, comments=True) == ["--allow", f"w-1={odd}"]


SHARED = (live("w-1", "w-1", "192.168.88.5"), live("w-2", "w-2", "192.168.88.5"))
NAMED = (live("w-1", "w-1", "w-2"), live("w-2", "w-2"))
OF_THE_CLUSTER = cluster_names(
    virtual={"192.168.88.100": "the control plane's endpoint", "api.example.com": "the same"},
    services={"vault.default": "Service default/vault"},
)
CLAIMS = ("w-1", "192.168.88.112", "192.168.88.100", "api.example.com", "vault.default.svc")
OF_API_SERVERS = cluster_names(own_endpoints={"192.168.88.111": "an API server"})
PINNED: dict[str, tuple[tuple[Node, ...], dict[str, Any], tuple[tuple[str, ...], ...]]] = {
    "what two claim is nobody's": (SHARED, {}, (("w-1",), ("w-2",))),
    "until the operator says so": (
        SHARED,
        {"said": {"w-1": ("192.168.88.5",)}},
        (("w-1", "192.168.88.5"), ("w-2",)),
    ),
    "another node's name": (NAMED, {}, (("w-1",), ("w-2",))),
    "another node's name, whoever says it": (
        NAMED,
        {"said": {"w-1": ("w-2",)}},
        (("w-1",), ("w-2",)),
    ),
    "what is the cluster's own": (
        (live("w-1", *CLAIMS),),
        {"cluster": OF_THE_CLUSTER},
        (("w-1", "192.168.88.112"),),
    ),
    "an API server's address, to its control plane": (
        (live("cp-1", "cp-1", "192.168.88.111", control_plane=True),),
        {"cluster": OF_API_SERVERS},
        (("cp-1", "192.168.88.111"),),
    ),
    "an API server's address, to a worker": (
        (live("w-1", "w-1", "192.168.88.111"),),
        {"cluster": OF_API_SERVERS},
        (("w-1",),),
    ),
}


@pytest.mark.parametrize("case", PINNED)
def test_a_node_is_pinned_with_what_is_its_own(case: str) -> None:
    nodes, more, pinned = PINNED[case]
    found = proposed(*nodes, **more)
    assert tuple((*e.pin.names, *e.pin.addresses) for e in found.values()) == pinned
    claimed = sum(len(each.status.addresses) for each in nodes)
    left_out = sum(len(each.left_out) for each in found.values())
    assert left_out == claimed - sum(map(len, pinned))


def test_a_name_by_which_pods_call_a_tenants_service_wants_the_operators_word_once() -> None:
    cluster = cluster_names(
        services={"corp.lan": "Service lan/corp", "w-1.shop": "Service shop/w-1"}
    )
    node = live("w-1", "192.168.88.112", "w-1", "w-1.corp.lan", "corp.lan")
    found = proposed(node, cluster=cluster)["w-1"]
    assert found.pin.names == ("w-1",)
    assert found.left_out == (
        "w-1.corp.lan: Service lan/corp has this name; if it is this node's: --allow w-1=w-1.corp.lan",
        "corp.lan: Service lan/corp has this name; if it is this node's: --allow w-1=corp.lan",
    )
    said = proposed(node, cluster=cluster, said={"w-1": ("w-1.corp.lan",)})["w-1"]
    assert said.pin.names == ("w-1", "w-1.corp.lan")


def test_whoever_makes_a_service_takes_no_name_out_of_a_pin_that_is_written_again() -> None:
    node = live("w-1", "192.168.88.112", "w-1.corp.lan")
    before = proposed(node)["w-1"].pin
    cluster = cluster_names(services={"corp.lan": "Service lan/corp"})
    assert proposed(node, cluster=cluster, pins={"w-1": before})["w-1"].pin == before
    another = live("w-1", "192.168.88.112", "w-1.corp.lan", uid="another")
    found = proposed(another, cluster=cluster, pins={"w-1": before})["w-1"]
    assert found.pin.names == ()


def test_a_machine_id_that_two_nodes_share_binds_nothing() -> None:
    nodes = (live("w-1", "w-1", machine_id="m"), live("w-2", "w-2", machine_id="m"))
    found = proposed(*nodes, live("w-3", "w-3", machine_id="n"))
    assert {name: each.pin.machine_id for name, each in found.items()} == {
        "w-1": "",
        "w-2": "",
        "w-3": "n",
    }
    assert "machine-id m" in found["w-1"].left_out[0]


def test_what_differs_from_the_live_node_is_told() -> None:
    before = PinnedNode("w-1", "old", ("w-1",), ("192.168.88.7",), machine_id="m")
    node_now = live("w-1", "w-1", "192.168.88.8", machine_id="n")
    found = proposed(node_now, pins={"w-1": before})["w-1"]
    assert found.state == "changes"
    text = "\n".join(found.differs)
    for word in ("recreated", "machine-id is n, the pin's m", "+ 192.168.88.8", "- 192.168.88.7"):
        assert word in text


def test_what_the_operator_allowed_stays_and_is_no_difference() -> None:
    first = proposed(live("w-1", "w-1", "10.0.0.8"), said={"w-1": ("10.0.0.20",)})["w-1"].pin
    assert (first.addresses, first.allowed) == (("10.0.0.8", "10.0.0.20"), ("10.0.0.20",))
    again = proposed(live("w-1", "w-1", "10.0.0.8"), pins={"w-1": first})["w-1"]
    assert (again.state, again.differs, again.pin.allowed) == ("unchanged", (), ("10.0.0.20",))
    moved = proposed(live("w-1", "w-1", "10.0.0.9"), pins={"w-1": first})["w-1"]
    assert moved.pin.addresses == ("10.0.0.9", "10.0.0.20")
    assert moved.changes == ("+ 10.0.0.9", "- 10.0.0.8")


@pytest.mark.parametrize("claimed", [(), ("10.0.0.5",)], ids=["claimed later", "by two"])
def test_what_the_operator_gave_a_node_stays_there_whoever_claims_it(
    claimed: tuple[str, ...],
) -> None:
    one = live("w-1", "w-1", *claimed)
    first = proposed(one, live("w-2", "w-2", *claimed), said={"w-1": ("10.0.0.5",)})["w-1"].pin
    again = proposed(one, live("w-2", "w-2", "10.0.0.5"), pins={"w-1": first})
    assert (again["w-1"].state, again["w-1"].pin.addresses) == ("unchanged", ("10.0.0.5",))
    assert again["w-2"].pin.addresses == ()


def test_another_nodes_address_is_not_pinned_whatever_the_operator_says() -> None:
    """Neither what its Node claims nor what its pin has: afterwards that node's own CSRs would be held."""
    nodes = (live("w-1", "w-1", "10.0.0.1"), live("w-3", "w-3", "10.0.0.3"))
    said = {"w-3": ("10.0.0.1",)}
    claimed = proposed(*nodes, said=said)["w-3"]
    assert (claimed.pin.addresses, claimed.refused) == (("10.0.0.3",), ("10.0.0.1",))
    assert claimed.left_out == ("10.0.0.1: Node w-1 claims it, and w-3 does not",)
    pins = {"w-1": PinnedNode("w-1", "", ("w-1",), ("10.0.0.1", "10.0.0.9"), allowed=("10.0.0.9",))}
    for value in ("10.0.0.1", "10.0.0.9"):
        found = proposed(*nodes, pins=pins, said={"w-3": (value,)})["w-3"]
        assert (found.pin.addresses, found.refused) == (("10.0.0.3",), (value,))
        assert found.left_out == (f"{value}: the pin of w-1 has it",)
    # Nor does a Node get it by claiming it.
    greedy = (nodes[0], live("w-3", "w-3", "10.0.0.3", "10.0.0.9"))
    found = proposed(*greedy, pins=pins)["w-3"]
    assert found.left_out == ("10.0.0.9: the pin of w-1 has it",)


def test_an_address_that_has_moved_is_pinned_in_one_run_to_its_new_node() -> None:
    nodes = (live("w-1", "w-1", "10.0.0.1"), live("w-2", "w-2", "10.0.0.2"))
    pins = {name: each.pin for name, each in proposed(*nodes).items()}
    swapped = (live("w-1", "w-1", "10.0.0.2"), live("w-2", "w-2", "10.0.0.1"))
    found = proposed(*swapped, pins=pins)
    assert {name: each.pin.addresses for name, each in found.items()} == {
        "w-1": ("10.0.0.2",),
        "w-2": ("10.0.0.1",),
    }


def test_two_pins_of_one_address_are_a_difference_and_its_own_node_keeps_it() -> None:
    nodes = (live("w-1", "w-1", "10.0.0.1"), live("w-3", "w-3", "10.0.0.3"))
    pins = {name: each.pin for name, each in proposed(*nodes).items()}
    wrong = msgspec.structs.replace(
        pins["w-3"], addresses=("10.0.0.3", "10.0.0.1"), allowed=("10.0.0.1",)
    )
    found = proposed(*nodes, pins={**pins, "w-3": wrong})
    assert found["w-1"].differs == ("! 10.0.0.1: the pin of w-3 has it, too",)
    assert found["w-3"].differs == ("! 10.0.0.1: the pin of w-1 has it, too",)
    assert found["w-1"].pin.addresses == ("10.0.0.1",)
    assert found["w-3"].pin.addresses == ("10.0.0.3",)


def test_of_another_machine_nothing_is_known_and_the_loss_is_told() -> None:
    said, certificates = {"w-1": ("10.0.0.20",)}, {"w-1": "aa"}
    former = live("w-1", "w-1", machine_id="m1")
    first = proposed(former, said=said, certificates=certificates)["w-1"].pin
    for now in (live("w-1", "w-1", uid="new"), live("w-1", "w-1", machine_id="other")):
        found = proposed(now, pins={"w-1": first})["w-1"]
        assert (found.pin.addresses, found.pin.allowed) == ((), ())
        assert (
            "- 10.0.0.20: an operator allowed it; to keep it: --allow w-1=10.0.0.20"
            in found.changes
        )
        # Whoever has the former machine's client certificate would be the new one, whose own would be held.
        assert found.pin.client_certificates == ()
        assert "- client certificate X509SHA256=aa" in found.changes


@pytest.mark.parametrize(
    ("named", "after", "changes"),
    [
        ({}, ("aa",), None),
        ({"w-1": "bb"}, ("bb",), ("- client certificate aa", "+ client certificate bb")),
        # Before Kubernetes 1.32 it counts when a pin was made.
        ({"w-1": "aa"}, ("aa",), ("= client certificate aa",)),
    ],
)
def test_a_client_certificate_that_is_named_takes_the_place_of_those_before(
    named: dict[str, str], after: tuple[str, ...], changes: tuple[str, ...] | None
) -> None:
    before = proposed(live("w-1", "w-1"), certificates={"w-1": "aa"})["w-1"].pin
    found = proposed(live("w-1", "w-1"), pins={"w-1": before}, certificates=named)["w-1"]
    assert found.pin.client_certificates == after
    assert found.writes is bool(changes)
    assert [each.replace("X509SHA256=", "") for each in found.changes] == list(changes or ())
