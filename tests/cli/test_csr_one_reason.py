"""One CSR, one reason: the approver's Event, `csr explain` and `csr list` say the same, and what they lead to helps."""

import json
import shlex
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    NODE,
    OTHER,
    OTHERS_ADDRESS,
    put_csr,
    put_entry,
    put_event,
    put_leader,
    put_node,
    put_pin,
    put_written,
)
from tests.support.requests import request
from tests.support.scripted.kinds import CSRS
from tests.support.stage import Stage

EXPLAIN = ("csr", "explain", "csr-w9")
SHOP = "shop.example.com"
NOT_SERVED_YET = (
    f"allowed-names (NameNotAllowed): {NODE}, {SHOP}: not this node's: {SHOP}; the certificate that it serves lacks it, and the "
    f"Node itself does not claim {SHOP}; allowed: {NODE}. See: kubevouch csr explain csr-w9"
)


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    """An approver leads, knows another node, and one that it does not know waits."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_leader(stage)
    put_csr(stage, "csr-w9", NODE, ADDRESS)


def ask_for(stage: Stage, *names: str) -> None:
    found = stage.server.store.get(CSRS, "csr-w9")
    found["spec"]["request"] = b64encode(request(NODE, [NODE, *names], [ADDRESS])).decode()
    stage.server.store.put(CSRS, found)


def told(out: str) -> str:
    return " ".join(out.split())


def reasons(document: str) -> dict[str, str]:
    """Of the rules that do not pass, as explain -o json has them."""
    results = json.loads(document)["results"]
    return {each["rule"]: each["reason"] for each in results if each["outcome"] != "pass"}


def policy_of(listed: str) -> str:
    """The last cell of the CSR's row."""
    [row] = [each for each in listed.splitlines() if each.startswith("csr-w9")]
    return row.split("   ")[-1].strip()


async def test_what_only_the_approver_looks_at_is_said_with_its_reason(
    kubevouch: Program, stage: Stage
) -> None:
    """It has seen what the node serves: that a name is not in it, and not only that nothing written down knows the node."""
    ask_for(stage, SHOP)
    put_event(stage, "one", "csr-w9", NOT_SERVED_YET, datetime.now(UTC))
    shown, document, listed = await kubevouch.several(
        EXPLAIN, (*EXPLAIN, "-o", "json"), ("csr", "list")
    )
    assert shown.code == 1, shown
    assert "HOLD allowed-names" in told(shown.out)
    assert "NameNotAllowed: the approver's Event says so" in told(shown.out)
    assert reasons(document.out)["allowed-names"] == "NameNotAllowed"
    assert policy_of(listed.out) == "holds: allowed-names"


async def test_a_name_that_cannot_be_told_is_not_called_allowed_beside(
    kubevouch: Program, stage: Stage
) -> None:
    """One word for one thing: `cannot tell` in the rule's row, in the outcome, and in the list."""
    shown, listed = await kubevouch.several(EXPLAIN, ("csr", "list"))
    assert shown.code == 1, shown
    assert f"cannot tell allowed-names {NODE} NodeUnknown: " in told(shown.out)
    assert f"allowed: {NODE}" not in told(shown.out)
    assert "allowed: none" in told(shown.out)
    assert "csr-w9: held by allowed-names, allowed-addresses" in told(shown.out)
    assert policy_of(listed.out) == "holds: allowed-names"


@pytest.mark.parametrize("note", ["", "allowed-names, allowed-addresses (NodeUnknown): no source"])
async def test_a_node_that_nothing_knows_has_not_even_its_own_name(
    kubevouch: Program, stage: Stage, note: str
) -> None:
    """As the approver says in its Event."""
    put_event(stage, "one", "csr-w9", note, datetime.now(UTC))
    document = await kubevouch(*EXPLAIN, "-o", "json")
    assert reasons(document.out) == {
        "allowed-names": "NodeUnknown",
        "allowed-addresses": "NodeUnknown",
    }
    allowed = await kubevouch(*EXPLAIN, "--allow", f"{NODE}={ADDRESS}", "-o", "json")
    assert reasons(allowed.out) == {}


async def test_the_rules_that_only_the_approver_asks_are_named_also_where_another_one_holds(
    kubevouch: Program, stage: Stage
) -> None:
    note = "own-key (KeyOfAnotherNode): x; allowed-names, allowed-addresses (NodeUnknown): y"
    put_event(stage, "one", "csr-w9", note, datetime.now(UTC))
    shown, listed = await kubevouch.several(EXPLAIN, ("csr", "list"))
    assert shown.code == 1, shown
    assert "csr-w9: the approver holds it: own-key (KeyOfAnotherNode). Its log" in told(shown.out)
    assert policy_of(listed.out).startswith("holds: allowed-")


async def test_what_names_no_credential_is_held_by_the_rule_about_that_alone(
    kubevouch: Program, stage: Stage
) -> None:
    """The other node's CSR named one, and is gone; the approver's record of that node says so still."""
    put_pin(stage)
    found = stage.server.store.get(CSRS, "csr-w9")
    del found["spec"]["extra"]
    stage.server.store.put(CSRS, found)
    for node, uid, parent in ((NODE, "uid-9", {}), (OTHER, "uid-8", {"parent": "ef" * 32})):
        credentials = {"uid": uid, "allowed": [{"certificate": "cd" * 32, **parent}]}
        put_entry(stage, "recorded", node, {"uid": uid, "credentials": credentials})
    shown, document = await kubevouch.several(EXPLAIN, (*EXPLAIN, "-o", "json"))
    assert reasons(document.out) == {"credential-id": "NoCredentialId"}, shown
    assert "API servers before Kubernetes 1.32" not in told(shown.out)
    line = "not asked client-standing the CSR names no client certificate, which is what credential-id says"
    assert line in told(shown.out)


CAUTION = (
    f"It would pass by your word that {NODE} has {SHOP}, though the Node itself does not claim that. Give it only if you know "
    "that it is this node's and nobody else's: whoever has the certificate can answer for it."
)


def last_line(out: str) -> list[str]:
    return shlex.split(out.rstrip().splitlines()[-1])


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_name_that_the_node_does_not_claim_leads_to_the_pin_that_has_it(
    kubevouch: Program, stage: Stage, pinned: bool
) -> None:
    """Also where the node is not pinned yet: a pin of what it claims would leave the CSR held."""
    ask_for(stage, SHOP)
    if pinned:
        put_pin(stage)
    shown = await kubevouch(*EXPLAIN)
    assert CAUTION in told(shown.out), shown
    command = last_line(shown.out)
    assert command == ["kubevouch", "approver", "pin", NODE, "--allow", f"{NODE}={SHOP}"]
    assert f"approver pin {NODE}\n" not in shown.out
    assert "If it is yours" not in told(shown.out)
    assert (await kubevouch(*command[1:], "--yes")).code == 0
    put_event(stage, "one", "csr-w9", "", datetime.now(UTC))
    after = await kubevouch(*EXPLAIN, "-o", "json")
    assert reasons(after.out) == {}, after


async def test_the_operators_word_is_not_asked_for_where_it_would_not_help(
    kubevouch: Program, stage: Stage
) -> None:
    """Nobody is led to give a name away that is another node's, or the cluster's."""
    put_pin(stage)
    for name in (OTHER, "localhost"):
        ask_for(stage, SHOP, name)
        shown = await kubevouch(*EXPLAIN)
        assert shown.code == 1, shown
        assert "your word" not in told(shown.out)
        assert "--allow" not in shown.out


async def test_where_the_inventory_has_the_node_the_name_is_to_be_listed_there(
    kubevouch: Program, stage: Stage
) -> None:
    """A pin beside the inventory would not count."""
    ask_for(stage, SHOP)
    nodes = {NODE: {"names": [NODE], "addresses": [ADDRESS]}}
    inventory = {"schemaVersion": "kubevouch.inventory/1", "nodes": nodes}
    put_written(stage, "kubevouch-inventory", {"inventory.yaml": json.dumps(inventory)})
    shown = await kubevouch(*EXPLAIN)
    assert CAUTION in told(shown.out), shown
    assert "in the inventory (ConfigMap kubevouch-inventory)" in told(shown.out)
    assert "approver pin" not in shown.out


@pytest.mark.parametrize("reason", ["NoSuchNode", "NotANode", "WrongSubject", "TooOld"])
async def test_a_forged_event_neither_leads_to_a_denial_nor_says_what_its_rule_never_says(
    kubevouch: Program, stage: Stage, reason: str
) -> None:
    """Every kubelet may write Events. A denial cannot be taken back."""
    note = f"allowed-names, allowed-addresses ({reason}): x"
    put_event(stage, "one", "csr-w9", note, datetime.now(UTC))
    shown, document = await kubevouch.several(EXPLAIN, (*EXPLAIN, "-o", "json"))
    assert "csr deny" not in shown.out
    assert set(reasons(document.out).values()) == {"NodeUnknown"}, document
    assert reason not in document.out


BY_OTHERS = {"type": "Approved", "status": "True", "reason": "AutoApproved"}


def decide(stage: Stage, **condition: str) -> None:
    found = stage.server.store.get(CSRS, "csr-w9")
    found["status"] = {"conditions": [{**BY_OTHERS, **condition}]}
    stage.server.store.put(CSRS, found)


def row_of(listed: str) -> list[str]:
    [row] = [each for each in listed.splitlines() if each.startswith("csr-w9")]
    return [each.strip() for each in row.split("   ") if each.strip()]


@pytest.mark.parametrize(
    ("condition", "by"),
    [
        ({}, "reason 'AutoApproved'"),
        ({"reason": "KubectlApprove"}, "kubectl"),
        ({"reason": "KubevouchApprove", "message": "kubevouch: x"}, "kubevouch"),
        ({"reason": "KubevouchApprove", "message": "kubevouch approver: x"}, "our approver"),
        ({"type": "Denied", "reason": "KubevouchDeny", "message": "x"}, "kubevouch"),
    ],
)
async def test_the_list_says_who_decided_and_judges_what_was_asked_for_as_explain_does(
    kubevouch: Program, stage: Stage, condition: dict[str, str], by: str
) -> None:
    """It said refuse of what is good, since it was decided about already, and nobody's name."""
    put_pin(stage)
    decide(stage, **condition)
    listed, document, explained = await kubevouch.several(
        ("csr", "list"), ("csr", "list", "-o", "json"), (*EXPLAIN, "-o", "json")
    )
    decided = condition.get("type", "Approved")
    assert row_of(listed.out)[-2:] == [f"{decided} ({by})", "passes"], listed
    [found] = json.loads(document.out)["csrs"]
    one = json.loads(explained.out)
    assert (found["outcome"], explained.code) == ("pass", 0)
    assert found["decided"][0]["by"] == by
    same = ("decided", "outcome", "approverHolds", "namesBy", "results")
    assert {key: found[key] for key in same} == {key: one[key] for key in same}


async def test_the_list_says_of_what_another_approver_approved_what_explain_says(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage)
    ask_for(stage, SHOP)
    decide(stage)
    listed, document, explained = await kubevouch.several(
        ("csr", "list"), ("csr", "list", "-o", "json"), EXPLAIN
    )
    assert row_of(listed.out)[-1] == "would hold: allowed-names", listed
    assert json.loads(document.out)["csrs"][0]["outcome"] == "refuse"
    assert "for the policy says: held by allowed-names" in told(explained.out), explained
    assert listed.code == 0
    assert "NEXT" not in listed.out


async def test_what_the_approver_would_have_held_by_what_it_remembers_stands_in_the_list(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage)
    decide(stage)
    note = "approved by x (self-declared) with reason 'R'; our policy would hold it: own-key (KeyOfAnotherNode): x"
    reason = "KubeletServingApprovedByOthers"
    put_event(stage, "one", "csr-w9", note, datetime.now(UTC), reason=reason)
    listed, document = await kubevouch.several(("csr", "list"), ("csr", "list", "-o", "json"))
    would = "the approver would have held it: own-key (KeyOfAnotherNode)"
    assert row_of(listed.out)[-1] == would, listed
    [found] = json.loads(document.out)["csrs"]
    assert (found["approverHolds"], found["outcome"]) == (would, "refuse")
