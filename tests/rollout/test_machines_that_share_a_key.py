"""Nodes made from one image: a host key or machine-id that two of them have tells neither from the other."""

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.machines import HOST_KEY, sharing
from kubevouch.rollout.decide.entitled import shared_among, without_shared_keys

BY_KEY, OPERATOR = NameSource.SSH_HOST_KEY, NameSource.OPERATOR


def node(name: str, machine_id: str) -> Node:
    raw = {"metadata": {"name": name}, "status": {"nodeInfo": {"machineID": machine_id}}}
    return msgspec.json.decode(msgspec.json.encode(raw), type=Node)


NODES = (node("n1", "id-1"), node("n2", "id-2"), node("n3", "id-2"), node("n4", ""), node("n5", ""))


def test_keys_and_ids_of_all_nodes_are_compared_and_those_who_share_are_named() -> None:
    shared = shared_among(NODES, {"n1": "ssh-ed25519 SHA256:a", "n2": "ssh-ed25519 SHA256:a"})
    assert [(each.what, each.nodes) for each in shared] == [
        ("machine-id", ("n2", "n3")),
        ("ssh host key", ("n1", "n2")),
    ]
    assert "n1, n2 have the same ssh host key (ssh-ed25519 SHA256:a)" in str(shared[1])


def test_a_host_key_that_two_nodes_have_proves_no_address_of_either() -> None:
    cloned = sharing(shared_among(NODES, {"n1": "k", "n2": "k", "n3": "other"}), HOST_KEY)
    confirmed = {"10.0.0.1": BY_KEY, "10.0.0.2": OPERATOR}
    assert without_shared_keys("n1", confirmed, cloned) == {"10.0.0.2": OPERATOR}
    assert without_shared_keys("n2", confirmed, cloned) == {"10.0.0.2": OPERATOR}
    assert without_shared_keys("n3", confirmed, cloned) == confirmed


def test_a_machine_id_that_two_nodes_have_takes_nothing_from_a_key_of_their_own() -> None:
    cloned = sharing(shared_among(NODES, {"n2": "k2", "n3": "k3"}), HOST_KEY)
    assert without_shared_keys("n2", {"10.0.0.1": BY_KEY}, cloned) == {"10.0.0.1": BY_KEY}


def test_a_transport_without_keys_shares_none() -> None:
    assert [each.what for each in shared_among(NODES, {"n1": "", "n2": ""})] == ["machine-id"]
