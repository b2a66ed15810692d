"""Which machine is a node is the operator's word: a name of ssh, or an address that the operator gives to the node.

Root on any machine writes its machine-id, and a bootstrap token gets a client certificate of any node's name: a machine
that was found at an address which only the Node claims has nothing but the thief's word for whose it is.
"""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

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
from kubevouch.rollout.decide.entitled import shared_among, without_shared_keys
from kubevouch.rollout.decide.machine import not_bound_by_operator
from kubevouch.rollout.decide.next_for_status import StatusFacts, exit_code_of, next_for_status
from kubevouch.rollout.decide.next_step import next_after_undo
from kubevouch.rollout.decide.plan import NodeOptions, by_answer, unvouched
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from tests.support.authority import Authority, Pair
from tests.support.stage import cluster_ca

from .acting import SECOND, WORKER, Acting, Machine
from .staged import QUICK, an_undo, of


def reached_by_address(here: Acting) -> str:
    """known_hosts has the worker's key for its address only. Everything that the machine says of itself is right."""
    machine = here.machines.by_name.pop(WORKER)
    [address] = machine.addresses
    here.machines.by_name[address] = machine
    return address


async def test_a_machine_reached_at_an_address_waits_for_the_operators_word(
    here: Acting,
) -> None:
    address = reached_by_address(here)
    plan = await here.gathered()
    no, yes = (by_answer(plan, yes=each) for each in (False, True))
    [left_out], [asked] = no.left_out, unvouched(plan)
    assert (left_out.leads_on, no.config_map) == (LeadsOn.WORD, None)
    assert (
        f" claims {address}; if the address is right, allow it: --allow {WORKER}="
        in left_out.reason
    )
    assert no.config_map_note == "stays unchanged: this plan leaves out 1 node"
    key = here.machines.by_name[address].host_key
    assert (asked.node, asked.host, asked.host_key) == (WORKER, address, key)
    [claim] = of(yes, WORKER).addresses
    assert str(claim) == f"{address} (its ssh host key answered there; the operator says so)"
    said = await here.gathered(accepted={WORKER: (address,)})
    assert (said.nodes, unvouched(said)) == (yes.nodes, ())
    await check(yes, here.context)
    with pytest.raises(StoppedBefore, match="only the node itself claims"):
        await check(plan, here.context)


Change = Callable[[Acting, Machine, str], None]


def shows(pair: Pair) -> Change:
    """Its disk has this client certificate."""

    def show(_: Acting, machine: Machine, __: str) -> None:
        identity = msgspec.structs.replace(machine.survey.identity, pem=pair.chain)
        machine.says(identity=identity)

    return show


def with_the_key_of_another(here: Acting, machine: Machine, _: str) -> None:
    machine.host_key = here.machines.by_name[SECOND].host_key


def claimed_twice(here: Acting, _: Machine, address: str) -> None:
    more = {"type": "InternalIP", "address": address}

    def claim(node: Any) -> Any:
        status = node["status"]
        return {**node, "status": {**status, "addresses": [*status["addresses"], more]}}

    here.change("Node", SECOND, claim)


NAME, GROUP = f"system:node:{WORKER}", "system:nodes"
ENDED = cluster_ca().serving(WORKER, node=WORKER, not_after=datetime(2026, 1, 1, tzinfo=UTC))
ANOTHER: dict[str, tuple[Change, str]] = {
    # name: (what comes after a plan, why it is another machine then, whatever the operator says)
    "machine-id": (
        lambda _, it, __: it.says(machine_id=b"another"),
        "the machine-id is another",
    ),
    "node's certificate": (
        shows(cluster_ca().client(f"system:node:{SECOND}", GROUP)),
        f"the kubelet's client certificate is for {SECOND}",
    ),
    "cluster's certificate": (
        shows(Authority().client(NAME, GROUP)),
        "not from this cluster: x509: certificate signed by unknown authority",
    ),
    "certificate, which has ended": (shows(ENDED), "not from this cluster: x509: certificate has"),
}
UNCLEAR: dict[str, tuple[Change, str, str]] = {
    # name: (what comes after a plan, why nobody is asked then, what stops the plan)
    "node has the host key": (
        with_the_key_of_another,
        "claimed only by the Node's own status",
        "another ssh host key: ",
    ),
    "Node claims the address": (claimed_twice, "ContestedAddress", ""),
}


@pytest.mark.parametrize(
    ("change", "why", "stops"),
    [*((*each, each[1]) for each in ANOTHER.values()), *UNCLEAR.values()],
    ids=[*ANOTHER, *UNCLEAR],
)
async def test_nobody_is_asked_about_a_machine_that_may_be_anothers_and_a_plan_is_proven_again(
    here: Acting, change: Change, why: str, stops: str
) -> None:
    """What somebody writes into such a plan: test_every_field_of_a_plan.py."""
    address = reached_by_address(here)
    before = by_answer(await here.gathered(WORKER), yes=True)
    change(here, here.machines.by_name[address], address)
    plan = await here.gathered(WORKER, SECOND)
    assert {each.node: why in each.reason for each in plan.left_out}[WORKER]
    said = await here.plan(WORKER, SECOND, accepted={WORKER: (address,)})
    assert (WORKER in {each.node for each in said.nodes}) is (why != stops)
    with pytest.raises(StoppedBefore, match=stops) if stops else nullcontext():
        await check(before, here.context)


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
    "another name": ("w3", "w3", ("w3",), "only the node itself claims"),
    "a key of another node's name": ("w1", "w2.corp", (), "which belongs to W2.corp"),
    "the same at a port": ("w1", "[w2.corp]:2222", (), "which belongs to W2.corp"),
    "a key of another node's address": ("w1", "[10.0.0.2]:2222", (), "which belongs to W2.corp"),
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


@pytest.mark.parametrize(
    ("node", "keys", "by_key"),
    [
        ("n1", {"n1": "k", "n2": "k", "n3": "other"}, False),
        ("n2", {"n1": "k", "n2": "k", "n3": "other"}, False),
        ("n3", {"n1": "k", "n2": "k", "n3": "other"}, True),
        ("n2", {"n2": "k2", "n3": "k3"}, True),  # whose machine-id is the same
        ("n1", {"n1": "", "n2": ""}, True),  # a transport without keys
    ],
)
def test_a_host_key_that_two_nodes_have_proves_no_address_of_either(
    node: str, keys: dict[str, str], by_key: bool
) -> None:
    cloned = sharing(shared_among(CLONES, keys), HOST_KEY)
    said = {"10.0.0.2": OPERATOR}
    confirmed = {"10.0.0.1": BY_KEY, **said}
    assert without_shared_keys(node, confirmed, cloned) == (confirmed if by_key else said)


# The ssh host key is another one than in the plan: nothing is done there, and what leads on does not lead in a circle.

NEW = "ssh-ed25519 SHA256:new"
SAID = (
    f"another ssh host key: {NEW}; expected ssh-ed25519 SHA256:{WORKER}, as in the plan; "
    "if the machine really has a new key, put it into the plan"
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
    by_own_ssh = await gather_statuses([live_target(live, "ssh")], "", here.machines)
    [worker] = [each for each in rows if each.node == WORKER]
    assert (worker.state, worker.notes) == (NodeState.UNKNOWN, (f"{WORKER}: {SAID}",))
    assert exit_code_of(rows) == 3
    way = NodeOptions("ssh", "/etc/config", "ops")
    found = next_for_status(StatusFacts(rows, "abcd", kept={"abcd"}, way=way))
    flags = "--ssh-config /etc/config --ssh-user ops"
    assert found.command == f"kubevouch status --node {WORKER} {flags}"
    assert "against your known_hosts, not against the plan" in found.note
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
