"""Before the first write: the plan is a file that anybody may have written. What holds is found out again."""

from dataclasses import replace

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.kube.resources.nodes import NodeAddress
from kubevouch.policy.claims import Claim, NameSource, as_address
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.entitled import Neighbours
from kubevouch.rollout.decide.machine import restart_pending, state_of_run
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan
from kubevouch.rollout.decide.recheck import (
    not_accounted_for,
    not_entitled_as_planned,
    not_the_node,
    recheck,
    why_skipped,
)
from kubevouch.rollout.decide.run_status import NodeState

from .recorded import Change, Recorded, bent, plan_of, planned, recorded

BOOTSTRAP, APPROVE = ChangeKind
RUN = "abcd"


def as_changed_by_the_run(*runs: list[object]) -> tuple[NodePlan, Recorded]:
    """A node on which the run has written its file and restarted the kubelet, and the plan from before."""
    before, after = recorded("expired-worker"), recorded("healthy-worker", {"runs": list(runs)})
    plan = planned(before, BOOTSTRAP)
    return bent(plan, content_sha256=after.survey.config[0].sha256), after


def test_a_node_that_is_as_planned_is_ready() -> None:
    seen = recorded("expired-worker")
    found = recheck(planned(seen, BOOTSTRAP), RUN, seen.look())
    assert found.state is NodeState.UNTOUCHED
    assert b"serverTLSBootstrap: true" in found.content
    seen = recorded("pending-worker")
    found = recheck(planned(seen, APPROVE), RUN, seen.look(csr_waits=True))
    assert (found.state, found.content) == (NodeState.UNTOUCHED, b"")


def test_a_run_cut_off_after_its_change_goes_on_but_not_with_another_file() -> None:
    plan, seen = as_changed_by_the_run([RUN, "armed", 100])
    found = recheck(plan, RUN, seen.look())
    assert found.state is NodeState.ARMED
    assert found.content == seen.survey.config[0].content
    found = recheck(bent(plan, content_sha256="0" * 64), RUN, seen.look())
    assert found.state is NodeState.UNKNOWN
    assert "kubevouch undo abcd" in found.why


@pytest.mark.parametrize(
    ("runs", "change"),
    [
        ([["ffff", "armed", 100]], BOOTSTRAP),
        ([["ffff", "armed", 100], [RUN, "armed", 100]], BOOTSTRAP),
        ([["ffff", "armed", 100]], APPROVE),
        ([[RUN, "armed", 100]], APPROVE),
    ],
)
def test_another_armed_run_stops_it_whatever_is_served(
    runs: list[list[object]], change: ChangeKind
) -> None:
    seen = recorded("healthy-worker", {"runs": runs})
    found = recheck(planned(seen, change), RUN, seen.look())
    assert found.state is NodeState.UNKNOWN
    assert "is not verified yet" in found.why
    assert f"kubevouch undo {runs[0][0]}" in found.why


def test_a_node_that_this_run_has_committed_is_well() -> None:
    plan, seen = as_changed_by_the_run([RUN, "committed"])
    assert recheck(plan, RUN, seen.look()).state is NodeState.DONE


def test_a_file_written_again_unchanged_changes_nothing_after_a_restart() -> None:
    """`touch`, or a tool that writes what is there already."""
    plan, seen = as_changed_by_the_run([RUN, "committed"])
    unit = msgspec.structs.replace(seen.survey.unit, age=3600)
    touched = replace(seen, survey=msgspec.structs.replace(seen.survey, unit=unit))
    assert restart_pending(touched.survey)
    assert recheck(plan, RUN, touched.look()).state is NodeState.DONE
    other = recheck(plan, "eeee", touched.look())
    assert other.state is NodeState.UNKNOWN, "of another run's record nothing is known"


UNDONE_THERE = "this run was undone on this node"
OTHERS: dict[str, tuple[Change, str]] = {
    # name: (what the node has otherwise than in the plan, why)
    "undone before": ({"runs": [[RUN, "undone"]]}, UNDONE_THERE),
    "undone before it began": ({"runs": [[RUN, "barred"]]}, UNDONE_THERE),
    "committed before, and self-signed again": (
        {"runs": [[RUN, "committed"]]},
        "this run has completed on this node",
    ),
    "edited since": (
        {"config": "maxPods: 5\n"},
        "/var/lib/kubelet/config.yaml has changed since the plan",
    ),
    "another machine": ({"text": {"machine_id": "0123"}}, "the machine-id is 0123"),
}


@pytest.mark.parametrize(("changed", "why"), OTHERS.values(), ids=OTHERS)
def test_a_node_that_is_not_as_planned_is_left_alone(changed: Change, why: str) -> None:
    plan = planned(recorded("expired-worker"), BOOTSTRAP)
    found = recheck(plan, RUN, recorded("expired-worker", changed).look())
    assert found.state is (NodeState.UNDONE if why == UNDONE_THERE else NodeState.UNKNOWN)
    assert why in found.why
    assert not found.content


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        (
            "expired-worker",
            APPROVE,
            "the node needs a change of the kubelet's configuration now, but the plan has the approval of a CSR",
        ),
        ("pending-worker", BOOTSTRAP, "the node needs the approval of a CSR now"),
    ],
)
def test_a_node_that_needs_another_change_than_planned_is_left_alone(
    name: str, change: ChangeKind, why: str
) -> None:
    seen = recorded(name)
    found = recheck(planned(seen, change), RUN, seen.look())
    assert (found.state, found.content) == (NodeState.UNKNOWN, b"")
    assert why in found.why


def test_paths_of_the_plan_are_not_believed() -> None:
    seen = recorded("expired-worker")
    for field, what in (
        ("root", "root directory"),
        ("pki", "certificate directory"),
        ("config", "configuration file"),
    ):
        plan = planned(seen, BOOTSTRAP, **{field: "/elsewhere"})
        found = recheck(plan, RUN, seen.look())
        assert found.state is NodeState.UNKNOWN
        assert f"the {what} is now /var/lib/kubelet" in found.why


def test_the_state_of_a_run_is_that_of_its_own_folder() -> None:
    seen = recorded("expired-worker", {"runs": [["aaaa", "armed"], [RUN, "committed"]]})
    assert state_of_run(seen.survey, RUN) == "committed"
    assert state_of_run(seen.survey, "bbbb") == ""


# The Node object.


WORKER, MASTER = recorded("expired-worker"), recorded("expired-control-plane")


@pytest.mark.parametrize(
    ("seen", "other", "why"),
    [
        (WORKER, {}, ""),
        (MASTER, {}, ""),
        (WORKER, {"uid": "another"}, "the Node's UID is now "),
        (WORKER, {"control_plane": True}, "is now worker, but control plane in the plan"),
        (MASTER, {"control_plane": False}, "is now control plane, but worker in the plan"),
        (WORKER, {"dial": ("10.9.9.9",)}, "at 10.9.9.9, which is not in the Node's status"),
        (WORKER, {"machine_id": "0123"}, "the machine id is now "),
        (WORKER, {"port": 1}, "the kubelet's port is now 10250, but 1 in the plan"),
    ],
)
def test_what_the_plan_says_of_a_node_is_compared_with_the_node(
    seen: Recorded, other: dict[str, object], why: str
) -> None:
    found = not_the_node(planned(seen, BOOTSTRAP, **other), seen.node)
    assert (found == "") is (why == "")
    assert why in found
    assert "no longer exists" in not_the_node(planned(seen, BOOTSTRAP), None)


# Names and addresses.

PROVEN = NameSource.SSH_HOST_KEY
PINNED, SAID = NameSource.PIN, NameSource.OPERATOR


def entitled(
    seen: Recorded, plan: NodePlan, *others: Node, proven: NameSource | None = PROVEN
) -> str:
    """proven: how the node's address is proven now."""
    address = next(a.address for a in seen.node.status.addresses if a.type == "InternalIP")
    known = as_address(address)
    assert known is not None
    reserved = ReservedNames(
        loopback=frozenset({known}), endpoint_addresses={known: "the API server"} if others else {}
    )
    neighbours = Neighbours(NodeIndex([seen.node, *others]), reserved)
    return not_entitled_as_planned(plan, seen.node, neighbours, {address: proven} if proven else {})


OWN = planned(WORKER, BOOTSTRAP)
[NAME], [ADDRESS] = OWN.names, OWN.addresses
ITS = ADDRESS.value


def claim(value: str, source: NameSource) -> tuple[Claim, ...]:
    return (Claim(value, source),)


STALE = "no longer holds"
CLAIMS: dict[str, tuple[dict[str, tuple[Claim, ...]], NameSource | None, str]] = {
    # name: (what the plan says, how the address is proven now, why the node may not have it)
    "as proven": ({}, PROVEN, ""),
    "by a pin": ({"addresses": claim(ITS, PINNED)}, PINNED, ""),
    "by the operator": ({"addresses": claim(ITS, SAID)}, None, ""),
    "by the operator, and proven by now": ({"addresses": claim(ITS, SAID)}, PROVEN, ""),
    "not proven any more": ({}, None, STALE),
    "proven otherwise": ({}, PINNED, STALE),
    "only the node says so": ({"addresses": claim(ITS, NameSource.NODE_STATUS)}, PROVEN, STALE),
    "as if it were its name": ({"addresses": claim(ITS, NameSource.NODE_NAME)}, PROVEN, STALE),
    "another address": ({"addresses": (ADDRESS, *claim("10.0.0.6", SAID))}, PROVEN, STALE),
    "another name": ({"names": claim("w2", NameSource.NODE_NAME)}, PROVEN, STALE),
    "another name, proven": ({"names": claim("w2", PROVEN)}, PROVEN, STALE),
    "another node's name": ({"names": (NAME, *claim(MASTER.node.name, SAID))}, PROVEN, STALE),
    "an address among names": ({"names": (NAME, ADDRESS), "addresses": ()}, PROVEN, STALE),
}


@pytest.mark.parametrize(("says", "proven", "why"), CLAIMS.values(), ids=CLAIMS)
def test_what_a_plan_gives_to_a_node_is_what_is_proven_now(
    says: dict[str, tuple[Claim, ...]], proven: NameSource | None, why: str
) -> None:
    found = entitled(WORKER, msgspec.structs.replace(OWN, **says), proven=proven)
    assert (found == "") is (why == ""), found
    assert why in found


SKIPPED: dict[str, tuple[dict[str, object], bool, str]] = {
    # name: (what the plan says, whether the run has begun on it, why it goes on without it)
    "as planned": ({}, False, ""),
    "an address more": ({"addresses": ()}, False, f"the Node has {ITS}, which is not in the plan"),
    "an address more, and begun": ({"addresses": ()}, True, ""),
    "another address": ({"addresses": claim("10.0.0.6", PROVEN)}, False, ""),
    "another Node": ({"addresses": (), "uid": "another"}, False, ""),
    "an upgrade": ({"kubelet_version": "v1.2.3"}, False, "but v1.2.3 in the plan"),
    "an upgrade, and begun": ({"kubelet_version": "v1.2.3"}, True, ""),
}


@pytest.mark.parametrize(("says", "begun", "why"), SKIPPED.values(), ids=SKIPPED)
def test_a_run_goes_without_a_node_that_has_only_got_more(
    says: dict[str, object], begun: bool, why: str
) -> None:
    """Where the plan is not what it was, the run does not go on: that is no node that has changed."""
    found = why_skipped(msgspec.structs.replace(OWN, **says), WORKER.node, begun=begun)
    assert (found == "") is (why == ""), found
    assert why in found


def claiming(node: Node, address: str) -> Node:
    """The Node with one address more."""
    added = NodeAddress(type="InternalIP", address=address)
    status = msgspec.structs.replace(node.status, addresses=(*node.status.addresses, added))
    return msgspec.structs.replace(node, status=status)


def test_what_its_node_has_besides_the_plan_is_neither_given_to_it_nor_stops_it() -> None:
    """It is so on a node on which the run has begun: the gates judge the CSR by the plan."""
    more = replace(WORKER, node=claiming(WORKER.node, "192.0.2.7"))
    assert entitled(more, OWN) == ""
    assert STALE in entitled(more, OWN, proven=None)


def test_an_api_servers_address_is_a_control_planes_by_the_live_label_only() -> None:
    """The plan calls a worker a control plane, and gives it the address of the API server."""
    for seen, other in ((MASTER, WORKER), (WORKER, MASTER)):
        why = entitled(seen, planned(seen, BOOTSTRAP, control_plane=True), other.node)
        assert (why == "") is (seen is MASTER), why


def test_an_address_that_another_node_claims_is_told() -> None:
    assert ITS in entitled(WORKER, OWN, claiming(MASTER.node, ITS))


# The ConfigMap is everybody's.


def test_the_config_map_waits_until_every_node_is_accounted_for() -> None:
    seen = recorded("expired-worker")
    plan = plan_of(
        planned(seen, BOOTSTRAP),
        left_out=(
            LeftOut("well", "nothing to do", is_well=True),
            LeftOut("ill", "it is NotReady"),
        ),
    )
    mine = seen.node.name
    ill_now = [LeftOut("well", "serves no certificate")]
    assert not_accounted_for(plan, [mine, "well"], []) == ""
    assert "well is no longer healthy" in not_accounted_for(plan, [mine, "well"], ill_now)
    assert "ill is left out of this plan" in not_accounted_for(plan, [mine, "ill"], [])
    assert "new is not in this plan" in not_accounted_for(plan, [mine, "new"], [])
    many = not_accounted_for(plan, [mine, *"abcde"], [])
    assert many.endswith("; and 2 more")
