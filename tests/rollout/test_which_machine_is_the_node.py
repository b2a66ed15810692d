"""Which machine is a node is the operator's word: a name of ssh, or an address that the operator gives to the node.

Root on any machine writes its machine-id, and a bootstrap token gets a client certificate of any node's name: a machine
that was found at an address which only the Node claims has nothing but the thief's word for whose it is.
"""

import msgspec
import pytest

from kubevouch.kube.resources import NODES, Node
from kubevouch.policy.claims import NameSource
from kubevouch.policy.machines import HOST_KEY, sharing
from kubevouch.policy.node_index import NodeIndex
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, live_target, planned_target
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.advice import WayToNodes
from kubevouch.rollout.decide.entitled import shared_among, without_shared_keys
from kubevouch.rollout.decide.machine import not_bound_by_operator
from kubevouch.rollout.decide.next_for_status import StatusFacts, exit_code_of, next_for_status
from kubevouch.rollout.decide.next_step import next_after_undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import StoppedBefore

from .acting import SECOND, WORKER, Acting
from .staged import QUICK, an_undo


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


def node(name: str, *addresses: str, machine_id: str = "") -> Node:
    claims = [{"type": "InternalIP", "address": address} for address in addresses]
    status = {"addresses": claims, "nodeInfo": {"machineID": machine_id}}
    raw = {"metadata": {"name": name}, "status": status}
    return msgspec.json.decode(msgspec.json.encode(raw), type=Node)


INDEX = NodeIndex([node("w1", "10.0.0.1"), node("W2.corp", "10.0.0.2", "10.0.0.1")])
BOUND = {
    # name: (host, what its key is known as, what the operator says, why it is not bound)
    "by name": ("w1", "w1", (), ""),
    "by name, without ssh": ("w1", "", (), ""),
    "by a name that the ssh configuration gives it": ("w1", "rack-7", (), ""),
    "by name, at its address": ("w1", "[10.0.0.1]:2222", (), ""),
    "at an address that the operator gives it": ("10.0.0.1", "10.0.0.1", ("10.0.0.1",), ""),
    "an address nobody gave it": ("10.0.0.1", "10.0.0.1", (), "--allow w1=10.0.0.1"),
    "another address": ("10.0.0.9", "10.0.0.9", ("10.0.0.1",), "--allow w1=10.0.0.9"),
    "another name": ("w3", "w3", ("w3",), "is the node's own word"),
    "a key of another node's name": ("w1", "w2.corp", (), "which is W2.corp's"),
    "the same at a port": ("w1", "[w2.corp]:2222", (), "which is W2.corp's"),
    "a key of another node's address": ("w1", "[10.0.0.2]:2222", (), "which is W2.corp's"),
}


@pytest.mark.parametrize(("host", "known_as", "said", "why"), BOUND.values(), ids=BOUND)
def test_the_operators_words_lead_to_the_machine_or_not(
    host: str, known_as: str, said: tuple[str, ...], why: str
) -> None:
    found = not_bound_by_operator("w1", host, known_as, said, INDEX)
    assert (found == "") is (why == "")
    assert why in found


# Nodes made from one image: a host key or machine-id that two of them have tells neither from the other.

BY_KEY, OPERATOR = NameSource.SSH_HOST_KEY, NameSource.OPERATOR
IDS = {"n1": "id-1", "n2": "id-2", "n3": "id-2", "n4": "", "n5": ""}
CLONES = tuple(node(name, machine_id=machine_id) for name, machine_id in IDS.items())


def test_keys_and_ids_of_all_nodes_are_compared_and_those_who_share_are_named() -> None:
    shared = shared_among(CLONES, {"n1": "ssh-ed25519 SHA256:a", "n2": "ssh-ed25519 SHA256:a"})
    assert [(each.what, each.nodes) for each in shared] == [
        ("machine-id", ("n2", "n3")),
        ("ssh host key", ("n1", "n2")),
    ]
    assert "n1, n2 have the same ssh host key (ssh-ed25519 SHA256:a)" in str(shared[1])


def test_a_host_key_that_two_nodes_have_proves_no_address_of_either() -> None:
    cloned = sharing(shared_among(CLONES, {"n1": "k", "n2": "k", "n3": "other"}), HOST_KEY)
    confirmed = {"10.0.0.1": BY_KEY, "10.0.0.2": OPERATOR}
    assert without_shared_keys("n1", confirmed, cloned) == {"10.0.0.2": OPERATOR}
    assert without_shared_keys("n2", confirmed, cloned) == {"10.0.0.2": OPERATOR}
    assert without_shared_keys("n3", confirmed, cloned) == confirmed


def test_a_machine_id_that_two_nodes_have_takes_nothing_from_a_key_of_their_own() -> None:
    cloned = sharing(shared_among(CLONES, {"n2": "k2", "n3": "k3"}), HOST_KEY)
    assert without_shared_keys("n2", {"10.0.0.1": BY_KEY}, cloned) == {"10.0.0.1": BY_KEY}


def test_a_transport_without_keys_shares_none() -> None:
    assert [each.what for each in shared_among(CLONES, {"n1": "", "n2": ""})] == ["machine-id"]


# The ssh host key is another one than in the plan: nothing is done there, and what leads on does not lead in a circle.

NEW = "ssh-ed25519 SHA256:new"
SAID = (
    f"another ssh host key answers: {NEW}; ssh-ed25519 SHA256:{WORKER} is the plan's; if you know that this machine has "
    "another one now, put that in its place in the plan"
)


def sent_to(here: Acting, node: str) -> set[str]:
    return {script for host, script in here.machines.ran if host == node}


async def test_an_undo_leaves_that_node_and_says_what_makes_it_possible(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND)
    here.machines.by_name[WORKER].host_key = NEW
    here.machines.ran.clear()
    result = await undo(plan, here.context, QUICK)
    ended = {each.node: each for each in result.nodes}
    assert ended[WORKER].state is NodeState.FAILED
    assert ended[WORKER].why == f"{WORKER}: {SAID}"
    assert ended[SECOND].state is NodeState.UNDONE
    assert sent_to(here, WORKER) == {"survey"}
    step = next_after_undo(result, ["again"])
    assert step.command == "kubevouch status abcd", "the same again would come to the same"


async def test_a_status_by_the_plan_leads_to_one_by_the_operators_own_ssh(here: Acting) -> None:
    plan = await here.plan(WORKER, SECOND)
    here.machines.by_name[WORKER].host_key = NEW
    targets = [planned_target(each) for each in plan.nodes]
    rows = await gather_statuses(targets, "abcd", here.machines)
    live = await here.context.api.get(NODES, WORKER)
    by_own_ssh = await gather_statuses([live_target(live)], "", here.machines)
    [worker] = [each for each in rows if each.node == WORKER]
    assert (worker.state, worker.notes) == (NodeState.UNKNOWN, (f"{WORKER}: {SAID}",))
    assert exit_code_of(rows) == 3
    way = WayToNodes(ssh_config="/etc/config", ssh_user="ops")
    found = next_for_status(StatusFacts(rows, "abcd", kept={"abcd"}, way=way))
    flags = "--ssh-config /etc/config --ssh-user ops"
    assert found.command == f"kubevouch status --node {WORKER} {flags}"
    assert "whichever key your own ssh knows it by" in found.note
    assert [each.state for each in by_own_ssh] == [NodeState.UNTOUCHED]


async def test_a_key_that_changes_before_the_nodes_turn_leaves_it_as_it_is(
    here: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited at its question."""
    monkeypatch.setattr("kubevouch.rollout.act.check._FRESH", -1.0)
    checked = await check(await here.plan(WORKER), here.context)
    here.machines.by_name[WORKER].host_key = NEW
    [ended] = (await apply(checked, here.context, QUICK)).nodes
    assert ended.state is NodeState.UNTOUCHED
    assert ended.why == f"{WORKER}: {SAID}; nothing was changed"
    assert "transaction (begin)" not in sent_to(here, WORKER)
