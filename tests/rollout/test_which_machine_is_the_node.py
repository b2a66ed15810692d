"""Which machine is a node is the operator's word: a name of ssh, or an address that the operator gives to the node.

Root on any machine writes its machine-id, and a bootstrap token gets a client certificate of any node's name: a machine
that was found at an address which only the Node claims has nothing but the thief's word for whose it is.
"""

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.policy.node_index import NodeIndex
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.machine import not_bound_by_operator
from kubevouch.rollout.errors import StoppedBefore

from .acting import WORKER, Acting


def reached_by_address(here: Acting) -> str:
    """known_hosts has the worker's key for its address only. Everything that the machine says of itself is right."""
    machine = here.machines.by_name.pop(WORKER)
    [address] = machine.addresses
    here.machines.by_name[address] = machine
    return address


async def test_a_machine_that_was_reached_at_an_address_is_left_out(here: Acting) -> None:
    address = reached_by_address(here)
    plan = await here.plan(WORKER)
    assert not plan.nodes
    assert "is the node's own word" in plan.left_out[0].reason
    assert f"--allow {WORKER}={address}" in plan.left_out[0].reason


async def test_it_is_the_nodes_by_the_operators_word_which_the_plan_shows(here: Acting) -> None:
    address = reached_by_address(here)
    plan = await here.plan(WORKER, accepted={WORKER: (address,)})
    [node] = plan.nodes
    assert node.host == address
    assert [str(claim) for claim in node.addresses] == [
        f"{address} (its ssh host key answered there; the operator says so)"
    ]
    await check(plan, here.context)
    unsaid = tuple(msgspec.structs.replace(each, confirmed=False) for each in node.addresses)
    other = msgspec.structs.replace(node, addresses=unsaid)
    with pytest.raises(StoppedBefore, match="is the node's own word"):
        await check(msgspec.structs.replace(plan, nodes=(other,)), here.context)


def node(name: str, *addresses: str) -> Node:
    claims = [{"type": "InternalIP", "address": address} for address in addresses]
    raw = {"metadata": {"name": name}, "status": {"addresses": claims}}
    return msgspec.json.decode(msgspec.json.encode(raw), type=Node)


NODES = NodeIndex([node("w1", "10.0.0.1"), node("W2.corp", "10.0.0.2", "10.0.0.1")])
BOUND = {
    "by name": ("w1", "w1", ()),
    "by name, without ssh": ("w1", "", ()),
    "by a name that the ssh configuration gives it": ("w1", "rack-7", ()),
    "by name, at its address": ("w1", "[10.0.0.1]:2222", ()),
    "at an address that the operator gives it": ("10.0.0.1", "10.0.0.1", ("10.0.0.1",)),
}
NOT_BOUND = {
    "an address nobody gave it": ("10.0.0.1", "10.0.0.1", (), "--allow w1=10.0.0.1"),
    "another address": ("10.0.0.9", "10.0.0.9", ("10.0.0.1",), "--allow w1=10.0.0.9"),
    "another name": ("w3", "w3", ("w3",), "is the node's own word"),
    "a key of another node's name": ("w1", "w2.corp", (), "which is W2.corp's"),
    "the same at a port": ("w1", "[w2.corp]:2222", (), "which is W2.corp's"),
    "a key of another node's address": ("w1", "[10.0.0.2]:2222", (), "which is W2.corp's"),
}


@pytest.mark.parametrize(("host", "known_as", "said"), BOUND.values(), ids=BOUND)
def test_the_operators_words_lead_to_the_machine(
    host: str, known_as: str, said: tuple[str, ...]
) -> None:
    assert not_bound_by_operator("w1", host, known_as, said, NODES) == ""


@pytest.mark.parametrize(("host", "known_as", "said", "why"), NOT_BOUND.values(), ids=NOT_BOUND)
def test_the_operators_words_do_not_lead_to_it(
    host: str, known_as: str, said: tuple[str, ...], why: str
) -> None:
    assert why in not_bound_by_operator("w1", host, known_as, said, NODES)
