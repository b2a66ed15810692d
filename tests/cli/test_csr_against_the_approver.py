"""`csr approve NAME` of what the running approver holds: refused without a flag, and written down as what it was."""

from datetime import UTC, datetime

import pytest
from aiohttp import web

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    LEASES,
    NODE,
    conditions,
    put_csr,
    put_event,
    put_leader,
    put_node,
    put_pin,
)
from tests.support.scripted.kinds import CSRS, KINDS
from tests.support.stage import Stage

DEPLOYMENTS = KINDS["apps", "v1", "deployments"]
APPROVE = ("csr", "approve", "csr-w9", "--yes")
AGAINST = (*APPROVE, "--against-approver")
SAME_KEY = "own-key (KeyOfAnotherNode): w8.example.com: another node has asked for a certificate for the same public key"
HOLDS = "the approver holds it: own-key (KeyOfAnotherNode)"
NOT_ASKED = "not asked: credential-id, client-standing, own-key, same-node, budget"


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    """Every rule passes that `csr` can ask, and an approver leads."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_csr(stage, "csr-w9", NODE, ADDRESS)
    put_pin(stage)
    put_leader(stage)


@pytest.fixture
def held(stage: Stage) -> None:
    put_event(stage, "one", "csr-w9", SAME_KEY, datetime.now(UTC))


def told(out: str) -> str:
    return " ".join(out.split())


def message(stage: Stage) -> str:
    """What stands in the approval for good."""
    [condition] = conditions(stage, "csr-w9")
    assert condition["type"] == "Approved"
    return str(condition["message"])


@pytest.mark.usefixtures("held")
async def test_yes_alone_does_not_approve_what_the_approver_holds(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch(*APPROVE)
    assert (ran.code, conditions(stage, "csr-w9")) == (1, []), ran
    assert HOLDS in told(ran.out)
    assert "If you know that the approver is wrong, give --against-approver as well." in told(
        ran.out
    )


@pytest.mark.usefixtures("held")
async def test_an_approval_against_the_approver_says_for_good_what_it_went_against(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch(*AGAINST)
    assert ran.code == 0, ran
    said = told(ran.out)
    assert said.index(HOLDS) < said.index("csr-w9 approved")
    assert "every rule passed" not in message(stage)
    assert f"every rule that was asked passed; {NOT_ASKED}; {HOLDS};" in message(stage)


async def test_an_approval_by_hand_names_the_rules_that_were_not_asked(
    kubevouch: Program, stage: Stage
) -> None:
    """No Event says why the approver has not approved it: that is no refusal, and is written down, too."""
    ran = await kubevouch(*APPROVE)
    assert ran.code == 0, ran
    assert message(stage) == (
        f"kubevouch: system:node:{NODE}: every rule that was asked passed; {NOT_ASKED}; the approver has not approved it, "
        "and no Event says why; names and addresses: pinned on 2026-11-20 by alice"
    )


async def test_what_the_approver_says_while_the_operator_is_asked_counts(
    kubevouch: Program, stage: Stage
) -> None:
    """The flag is for what was shown: the CSR is read once for the question, and its Events once more before the approval."""
    lists = "/apis/events.k8s.io/v1/namespaces/default/events"

    async def once_silent(_: web.Request) -> web.Response:
        put_event(stage, "one", "csr-w9", SAME_KEY, datetime.now(UTC))
        empty = {"kind": "EventList", "apiVersion": "events.k8s.io/v1", "metadata": {}, "items": []}
        return web.json_response(empty)

    stage.server.faults.on(lists, once_silent, times=1)
    ran = await kubevouch(*AGAINST)
    assert (ran.code, conditions(stage, "csr-w9")) == (1, []), ran
    assert HOLDS in told(ran.out)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("named", [True, False])
async def test_one_of_which_it_is_not_known_whether_it_leads_is_taken_for_leading(
    kubevouch: Program, stage: Stage, named: bool
) -> None:
    stage.server.authorize = lambda asked: asked.resource != "deployments"
    ran = await kubevouch("csr", "approve", *(["csr-w9"] if named else ["--all"]), "--yes")
    assert (ran.code, conditions(stage, "csr-w9")) == (1, []), ran
    assert HOLDS in told(ran.out)
    assert "whether the approver decides is not known, and it is taken for running" in told(ran.err)


@pytest.mark.usefixtures("held")
async def test_what_it_held_by_its_memory_counts_also_between_two_of_its_pods(
    kubevouch: Program, stage: Stage
) -> None:
    """A pod that ends gives the Lease back, and the next one has not taken it yet."""
    metadata = {"name": "kubevouch-approver", "namespace": "kubevouch-system", "uid": "l"}
    stage.server.store.put(LEASES, {"metadata": metadata, "spec": {"holderIdentity": ""}})
    metadata = {"name": "kubevouch-approver", "namespace": "kubevouch-system", "uid": "d"}
    stage.server.store.put(DEPLOYMENTS, {"metadata": metadata, "spec": {"replicas": 1}})
    ran = await kubevouch(*APPROVE)
    assert (ran.code, conditions(stage, "csr-w9")) == (1, []), ran
    held = "the approver held it while it led: own-key (KeyOfAnotherNode)"
    assert held in told(ran.out)
    assert HOLDS not in told(ran.out)
    put_event(stage, "one", "csr-w9", "allowed-addresses (NodeUnknown): x", datetime.now(UTC))
    after = await kubevouch(*APPROVE)
    assert (after.code, "the approver held" in told(after.out)) == (0, False), after


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("against", [False, True])
async def test_where_its_events_cannot_be_read_it_may_refuse_it(
    kubevouch: Program, stage: Stage, against: bool
) -> None:
    """Whoever may write Events may write so many that no list of them comes to its end."""
    stage.server.authorize = lambda asked: asked.resource != "events"
    ran = await kubevouch(*(AGAINST if against else APPROVE))
    unread = "the approver has not approved it, and the Events that say why could not be read"
    assert unread in told(ran.out)
    if against:
        assert ran.code == 0, ran
        assert unread in message(stage)
    else:
        assert (ran.code, conditions(stage, "csr-w9")) == (3, []), ran
        assert "--against-approver" in ran.out


async def test_the_flag_is_for_csrs_that_are_named(kubevouch: Program, stage: Stage) -> None:
    ran = await kubevouch("csr", "approve", "--all", "--against-approver", "--yes")
    assert (ran.code, "names of CSRs were expected" in ran.err) == (2, True), ran
    assert not stage.server.requests


async def test_the_help_says_by_which_rules_what_the_approver_holds_is_left_alone(
    kubevouch: Program,
) -> None:
    """What it holds since no source knows the node is approved by --allow alone: the operator says who it is."""
    ran = await kubevouch("csr", "approve", "--help")
    expected = "What the running approver holds by a rule that only it asks is not approved, unless"
    assert expected in told(ran.out), ran.out


async def test_explain_says_of_an_approved_csr_that_the_approver_would_have_held_it(
    kubevouch: Program, stage: Stage
) -> None:
    """Whoever approved it may call himself anything: of that nothing is believed."""
    found = stage.server.store.get(CSRS, "csr-w9")
    approved = {"type": "Approved", "status": "True", "reason": "KubevouchApprove"}
    found["status"] = {"conditions": [approved]}
    stage.server.store.put(CSRS, found)
    note = f"approved by x; budget (OverBudget): x (self-declared) with reason 'R'; our policy would hold it: {SAME_KEY}"
    put_event(
        stage, "one", "csr-w9", note, datetime.now(UTC), reason="KubeletServingApprovedByOthers"
    )
    ran = await kubevouch("csr", "explain", "csr-w9")
    assert ran.code == 1, ran
    assert "the approver would have held it: own-key (KeyOfAnotherNode). Its log" in told(ran.out)
