"""A plan that goes by pod: whoever answers holds a client certificate of the node's name, and nothing more is known of it."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from kubevouch.policy.claims import NameSource
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.by_pod import WrittenNode
from kubevouch.rollout.decide.plan import Plan, PodPlace
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority
from tests.support.stage import kind_of

from .acting import WORKER, Acting

PLACE = PodPlace("kube-system", "registry.example.com/kubevouch@sha256:" + "ab" * 32)


def _by_pod(here: Acting, written: WrittenNode | None = None) -> None:
    """From now on the machines answer by pod."""
    here.machines.name = "pod"
    words = {WORKER: written} if written else {}
    here.context = replace(here.context, written=words)


def _address(here: Acting) -> str:
    (found,) = here.machines.by_name[WORKER].addresses
    return found


async def _plan(here: Acting, **more: Any) -> Plan:
    return await here.plan(WORKER, via="pod", pods=PLACE, **more)


async def test_no_address_is_proven_and_the_plan_says_what_would_help(here: Acting) -> None:
    _by_pod(here)
    (left_out,) = (await _plan(here)).left_out
    assert f"--allow {WORKER}={_address(here)}" in left_out.reason
    assert left_out.leads_on is LeadsOn.STATUS
    assert ("machine-id", WORKER) not in [(name, host) for host, name in here.machines.ran]


async def test_what_the_operator_says_counts_and_binds_the_plan_to_the_pods(
    here: Acting,
) -> None:
    _by_pod(here)
    plan = await _plan(here, accepted={WORKER: (_address(here),)})
    assert (plan.via, plan.pods) == ("pod", PLACE)
    (node,) = plan.nodes
    assert [each.source for each in node.addresses] == [NameSource.OPERATOR]
    assert (node.host, node.host_key, node.known_as) == (WORKER, "", "")


async def test_what_is_pinned_counts_and_is_asked_for_again_before_it_is_carried_out(
    here: Acting,
) -> None:
    pinned = WrittenNode({_address(here): NameSource.PIN})
    _by_pod(here, pinned)
    plan = await _plan(here)
    (node,) = plan.nodes
    assert [each.source for each in node.addresses] == [NameSource.PIN]
    assert (await check(plan, here.context)).found
    _by_pod(here)
    with pytest.raises(StoppedBefore, match="no longer holds"):
        await check(plan, here.context)


async def test_whoever_shows_another_client_certificate_than_the_pinned_one_is_left_out(
    here: Acting,
) -> None:
    own = read_certificates(here.machines.by_name[WORKER].client.chain, "client")[0].fingerprint
    addresses = {_address(here): NameSource.PIN}
    _by_pod(here, WrittenNode(addresses, frozenset({own})))
    plan = await _plan(here)
    assert plan.nodes
    _by_pod(here, WrittenNode(addresses, frozenset({"AB" * 32})))
    (left_out,) = (await _plan(here)).left_out
    assert "a different client certificate than this node's pin" in left_out.reason
    with pytest.raises(StoppedBefore, match="a different client certificate"):
        await check(plan, here.context)


def _asked_again(here: Acting) -> None:
    """Somebody gets a client certificate of the node's name with a bootstrap token."""
    chain = Authority().client(f"system:node:{WORKER}", "system:nodes").chain
    spec = {
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "username": "system:bootstrap:abcdef",
        "request": "",
        "usages": ["client auth"],
    }
    status = {"certificate": b64encode(chain).decode()}
    body = {"metadata": {"name": "csr-again"}, "spec": spec, "status": status}
    here.stage.server.store.create(kind_of("CertificateSigningRequest"), body)


async def test_a_node_whose_name_a_bootstrap_token_has_asked_for_is_not_asked_by_pod(
    here: Acting,
) -> None:
    _by_pod(here)
    said = {WORKER: (_address(here),)}
    plan = await _plan(here, accepted=said)
    _asked_again(here)
    (left_out,) = (await _plan(here, accepted=said)).left_out
    assert "so a pod may run on another machine" in left_out.reason
    assert left_out.leads_on is LeadsOn.BY_SSH
    with pytest.raises(StoppedBefore, match="somebody else has requested"):
        await check(plan, here.context)
    here.machines.name = "ssh"
    assert (await here.plan(WORKER)).nodes, "by ssh a host key tells them apart"


async def test_nothing_is_approved_once_it_has_asked(dark: Acting) -> None:
    _by_pod(dark)
    plan = await _plan(dark, accepted={WORKER: (_address(dark),)})
    checked = await check(plan, dark.context)
    _asked_again(dark)
    result = await apply(checked, dark.context, RolloutTimeouts(1))
    (node,) = result.nodes
    assert node.state is NodeState.UNTOUCHED
    assert "somebody else has requested" in node.why
    assert node.csrs == ()


async def test_a_dark_node_is_approved_by_pod(dark: Acting) -> None:
    _by_pod(dark)
    plan = await _plan(dark, accepted={WORKER: (_address(dark),)})
    result = await apply(await check(plan, dark.context), dark.context, RolloutTimeouts(20))
    assert [each.state for each in result.nodes] == [NodeState.DONE]
