"""A plan of many nodes costs as much for each as a plan of few: in calls, which are the same on every machine."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import msgspec
import pytest

from kubevouch.evidence.survey import SurveyedFile
from kubevouch.kubelet.configuration import API_VERSION, KIND
from kubevouch.policy.claims import NameSource
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.act.node_facts import pins_of
from kubevouch.rollout.decide.assess import assess_all
from kubevouch.rollout.decide.entitled import Neighbours, shared_among
from kubevouch.rollout.decide.machine import StartFiles
from kubevouch.rollout.decide.need import Look, Rewrite, need_of
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.recheck import not_entitled_as_planned
from tests.support.calls import calls
from tests.support.stage import cluster_ca

from .recorded import recorded

FEW, MANY = 12, 96
MOST_MORE = 1.05
"""Of calls a node, with eight times as many nodes. What goes through all of them for each has several times as many."""


@cache
def machine_of(number: int) -> Look:
    """A node of many that are alike, before anything of its disk has been read."""
    seen = recorded("expired-worker")
    name, address, identity = f"w{number}.example.com", f"10.1.{number}.1", f"{number:032x}"
    claims = tuple(
        msgspec.structs.replace(each, address=address if each.type == "InternalIP" else name)
        for each in seen.node.status.addresses
    )
    info = msgspec.structs.replace(seen.node.status.node_info, machine_id=identity)
    node = msgspec.structs.replace(
        seen.node,
        metadata=msgspec.structs.replace(seen.node.metadata, name=name),
        status=msgspec.structs.replace(seen.node.status, addresses=claims, node_info=info),
    )
    client = cluster_ca().client(f"system:node:{name}", "system:nodes")
    survey = msgspec.structs.replace(
        seen.survey,
        machine_id=identity.encode(),
        identity=msgspec.structs.replace(seen.survey.identity, pem=client.chain),
    )
    return replace(
        seen.look(),
        node=node,
        survey=survey,
        host=name,
        host_key=f"ssh-ed25519 SHA256:{number}",
        known_as=name,
        confirmed={address: NameSource.SSH_HOST_KEY},
    )


def plans_of(count: int, *, cloned: bool) -> list[NodePlan]:
    """The plans of so many nodes, which are the whole cluster. cloned: all have one ssh host key."""
    looks = [machine_of(number) for number in range(count)]
    if cloned:
        looks = [
            replace(
                each,
                host_key="ssh-ed25519 SHA256:one",
                confirmed=dict.fromkeys(each.confirmed, NameSource.PIN),
            )
            for each in looks
        ]
    nodes = tuple(each.node for each in looks)
    shared = shared_among(nodes, {each.node.name: each.host_key for each in looks})
    answers = assess_all(looks, Neighbours(NodeIndex(nodes), ReservedNames()), shared, {}, ())
    planned = [each for each in answers if isinstance(each, NodePlan)]
    assert len(planned) == count, answers
    return planned


def checks_of(count: int) -> None:
    """What is asked of each planned node before a run begins: with what is proven of all others."""
    plans = plans_of(count, cloned=False)
    nodes = [machine_of(number).node for number in range(count)]
    neighbours = Neighbours(NodeIndex(nodes), ReservedNames(), pins_of(plans))
    for plan, node in zip(plans, nodes, strict=True):
        proven = {claim.value: claim.source for claim in plan.addresses}
        assert not not_entitled_as_planned(plan, node, neighbours, proven, known_as=plan.known_as)


def drop_in(name: str, text: str) -> SurveyedFile:
    """A file of the kubelet's --config-dir."""
    content = f"apiVersion: {API_VERSION}\nkind: {KIND}\n{text}\n".encode()
    [file] = recorded("expired-worker").survey.config
    return msgspec.structs.replace(file, path=f"/etc/kubelet.d/{name}".encode(), content=content)


@pytest.mark.parametrize("drop_ins", [(), ("maxPods: 90", "containerLogMaxSize: 5Mi")])
def test_each_text_of_a_node_is_read_once_and_each_change_once(
    drop_ins: tuple[str, ...],
) -> None:
    look = machine_of(1)
    files = tuple(drop_in(f"{number}.conf", text) for number, text in enumerate(drop_ins))
    [file] = look.survey.config
    fresh = file.content + f"# read by no other test, with {len(files)} drop-ins\n".encode()
    own = msgspec.structs.replace(file, content=fresh)
    survey = msgspec.structs.replace(look.survey, config=(own,), drop_ins=files)
    look = replace(look, survey=survey)

    def asked() -> None:
        assert isinstance(need_of(look), Rewrite)
        assert StartFiles(survey).cluster_domain == "cluster.local"

    found = calls(asked)
    assert found["kubevouch.goyaml.compose"] == 2 + len(drop_ins)
    # another node with the same files
    assert calls(asked)["kubevouch.goyaml.compose"] == 0


@pytest.mark.parametrize(
    "action",
    [
        lambda count: plans_of(count, cloned=False),
        lambda count: plans_of(count, cloned=True),
        checks_of,
    ],
    ids=["planned", "planned, with one host key for all", "checked before a run"],
)
def test_a_node_of_many_costs_as_few_calls_as_one_of_few(
    action: Callable[[int], object],
) -> None:
    action(MANY)  # what is done once only, such as imports
    few, many = (calls(partial(action, count)).total() / count for count in (FEW, MANY))
    assert many < MOST_MORE * few, f"{few:.0f} calls a node, and {many:.0f} with {MANY} nodes"
