"""`csr` asks the pins, the inventory and the record of an installed approver: one judge, whoever approves."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    CREDENTIAL,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODE,
    OTHER,
    OTHERS_ADDRESS,
    conditions,
    put_csr,
    put_entry,
    put_event,
    put_leader,
    put_node,
    put_pin,
    put_written,
)
from tests.support.scripted.kinds import CSRS
from tests.support.stage import Stage

EXPLAIN = ("csr", "explain", "csr-w9")


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_csr(stage, "csr-w9", NODE, ADDRESS)


def told(out: str) -> str:
    """What it prints, in one line."""
    return " ".join(out.split())


async def test_a_pinned_node_passes_and_the_pin_is_named(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage)
    shown, document = await kubevouch.several(EXPLAIN, (*EXPLAIN, "-o", "json"))
    assert (shown.code, document.code) == (0, 0), shown
    assert "\nnames and addresses: pinned on 2026-11-20 by alice\n" in shown.out
    assert json.loads(document.out)["namesBy"] == {
        "source": "pins",
        "why": "pinned on 2026-11-20 by alice",
    }
    assert {each.method for each in stage.server.requests} == {"GET"}


@pytest.mark.parametrize("ahead", [-7200, 7200])
async def test_how_old_a_csr_is_goes_by_the_clock_of_the_api_server(
    kubevouch: Program, stage: Stage, ahead: int
) -> None:
    """A laptop's clock may be hours wrong: a CSR of this moment would be too old by it, or made in the future."""
    put_pin(stage)
    explained = await kubevouch.with_a_wrong_clock(ahead, *EXPLAIN)
    assert explained.code == 0, explained
    approved = await kubevouch.with_a_wrong_clock(ahead, "csr", "approve", "csr-w9", "--yes")
    assert approved.code == 0, approved
    assert conditions(stage, "csr-w9")[0]["type"] == "Approved"


async def test_the_reason_is_that_of_the_approvers_event(kubevouch: Program, stage: Stage) -> None:
    """Nothing that is written down knows the node: whoever has read the Event finds the same word here."""
    put_written(stage, "kubevouch-approver", {"configuration.yaml": "schemaVersion: kubevouch.approver/1\nsources: [pins, renewal, node-status]\n"})  # fmt: skip
    shown = await kubevouch(*EXPLAIN)
    assert shown.code == 1
    assert (
        "NodeUnknown: no pin, inventory or record of the approver knows it; renewal, node-status: only the running approver "
        f"asks that. If it is yours: kubevouch approver pin {NODE}" in told(shown.out)
    )
    assert "OnlyTheNodeSaysSo" not in shown.out
    allowed = f"--allow {NODE}={ADDRESS}"
    assert allowed in told(shown.out)
    assert (await kubevouch(*EXPLAIN, *allowed.split())).code == 0


async def test_the_reason_is_the_events_also_where_the_node_itself_does_not_claim_what_it_asks_for(
    kubevouch: Program, stage: Stage
) -> None:
    """The approver does not look at what a node claims that no source knows; only the node's own word would be judged by it."""
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_node(stage, NODE, "uid-9", "192.168.88.91")
    allow = ("--allow", f"{NODE}=192.168.88.91")
    shown, allowing, trusting = await kubevouch.several(
        EXPLAIN, (*EXPLAIN, *allow), (*EXPLAIN, "--trust-node-status")
    )
    assert (shown.code, allowing.code) == (1, 1), shown
    assert "NodeUnknown: no pin, inventory or record" in told(shown.out)
    assert f"The Node itself does not claim {ADDRESS}" in told(shown.out)
    assert "AddressNotAllowed" not in shown.out
    assert f"kubevouch approver pin {NODE} --allow {NODE}={ADDRESS}" in told(shown.out)
    assert trusting.code == 1, trusting
    assert f"AddressNotAllowed: not this node's: {ADDRESS}" in told(trusting.out)


@pytest.mark.parametrize("leads", [True, False])
async def test_a_closed_list_of_client_certificates_holds_whether_or_not_an_approver_leads(
    kubevouch: Program, stage: Stage, leads: bool
) -> None:
    put_pin(stage)
    credentials = {"uid": "uid-9", "closed": True, "allowed": [{"certificate": "cd" * 32}]}
    put_entry(stage, "recorded", NODE, {"uid": "uid-9", "credentials": credentials})
    renewed = datetime.now(UTC) - timedelta(seconds=1 if leads else 600)
    spec = {"holderIdentity": "one", "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"}
    metadata = {"name": "kubevouch-approver", "namespace": "kubevouch-system", "uid": "l"}
    stage.server.store.put(LEASES, {"metadata": metadata, "spec": spec})
    shown = await kubevouch(*EXPLAIN)
    assert shown.code == 1, shown
    assert "UnknownCredential" in shown.out


async def test_without_an_approver_nothing_else_is_said(kubevouch: Program, stage: Stage) -> None:
    shown, trusting, listed = await kubevouch.several(
        EXPLAIN, (*EXPLAIN, "--trust-node-status"), ("csr", "list", "-o", "json")
    )
    assert (shown.code, trusting.code) == (1, 0)
    assert "approver pin" not in shown.out
    assert "\nnames and addresses: only the node itself says so\n" in shown.out
    [found] = [each for each in json.loads(listed.out)["csrs"] if each["name"] == "csr-w9"]
    assert found["namesBy"] == {"source": "node-status", "why": "only the node itself says so"}


async def test_what_waits_for_its_node_is_led_to_no_plan(kubevouch: Program, stage: Stage) -> None:
    """No plan can have a node that is not there; it may still join, or somebody denies the CSR."""
    put_csr(stage, "csr-gone", "gone.example.com", "192.168.88.99")
    shown, every = await kubevouch.several(
        ("csr", "explain", "csr-gone"), ("csr", "approve", "--all", "--yes")
    )
    assert shown.code == 1, shown
    assert "NoSuchNode" in shown.out
    assert "plan" not in shown.out
    assert "kubevouch csr deny csr-gone --reason 'there is no such Node'" in shown.out
    # The other one that waits is what a plan helps with.
    assert "NEXT   kubevouch plan" in every.out


async def test_a_node_that_nothing_written_down_knows_is_said_to_be_so(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    shown, trusting = await kubevouch.several(EXPLAIN, (*EXPLAIN, "--trust-node-status"))
    assert (shown.code, trusting.code) == (1, 0)
    assert f"\nto have the approver know the node: kubevouch approver pin {NODE}\n" in shown.out
    assert "nobody knows" not in shown.out
    assert "approver pin" not in trusting.out
    assert "only the node itself says so; no pin, inventory or record of the approver" in told(
        shown.out
    )


async def test_the_nodes_own_word_never_beats_a_pin(kubevouch: Program, stage: Stage) -> None:
    """Neither one that lacks the address, nor one that was made for an earlier Node."""
    put_pin(stage, NODE, "uid-9", "192.168.88.91")
    lacking = await kubevouch(*EXPLAIN, "--trust-node-status")
    assert lacking.code == 1, lacking
    assert f"not this node's: {ADDRESS}; changed since it was pinned on 2026-11-20" in told(
        lacking.out
    )
    assert "--trust-node-status does not count beside that" in told(lacking.out)
    put_pin(stage, NODE, "uid-7")
    outdated = await kubevouch(*EXPLAIN, "--trust-node-status")
    assert outdated.code == 1, outdated
    assert "PinOutdated: the Node has been recreated since it was pinned" in told(outdated.out)


async def test_the_operators_word_of_today_adds_to_a_pin(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage, NODE, "uid-9", "192.168.88.91")
    ran = await kubevouch(*EXPLAIN, "--allow", f"{NODE}={ADDRESS}")
    assert ran.code == 0, ran
    assert "names and addresses: pinned on 2026-11-20 by alice; and by --allow\n" in ran.out


async def test_what_the_operator_says_is_not_called_the_nodes_own_word(
    kubevouch: Program, stage: Stage
) -> None:
    """This stands in the approval for good: by whose word the node has these names and addresses."""
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    words = ("--allow", f"{NODE}={NODE}", "--allow", f"{NODE}={ADDRESS}")
    ran = await kubevouch(*EXPLAIN, *words)
    assert ran.code == 0, ran
    expected = "names and addresses: by --allow; without it only the node itself says so; no pin, "
    assert expected in told(ran.out)


async def test_the_list_leads_to_no_csr_that_its_kubelet_has_replaced(
    kubevouch: Program, stage: Stage
) -> None:
    """The kubelet has asked again since, and was answered: what it no longer waits for needs nobody."""
    newer = datetime.now(UTC) + timedelta(seconds=3)
    put_csr(stage, "csr-w9-again", NODE, ADDRESS)
    again = stage.server.store.get(CSRS, "csr-w9-again")
    again["metadata"]["creationTimestamp"] = f"{newer:%Y-%m-%dT%H:%M:%SZ}"
    approved = {"type": "Approved", "status": "True", "reason": "KubevouchApprove"}
    again["status"] = {"conditions": [approved]}
    stage.server.store.put(CSRS, again)
    put_pin(stage)
    ran = await kubevouch("csr", "list")
    assert ran.code == 0, ran
    assert "holds: newest" in ran.out
    assert "NEXT" not in ran.out


async def test_the_inventory_goes_before_a_pin(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage, NODE, "uid-7")
    inventory = {
        "schemaVersion": "kubevouch.inventory/1",
        "nodes": {NODE: {"names": [NODE], "addresses": [ADDRESS]}},
    }
    put_written(stage, "kubevouch-inventory", {"inventory.yaml": json.dumps(inventory)})
    ran = await kubevouch(*EXPLAIN)
    assert ran.code == 0, ran
    assert "names and addresses: listed in the inventory\n" in ran.out


async def test_what_is_pinned_to_another_node_is_nobodys_else(
    kubevouch: Program, stage: Stage
) -> None:
    """Even if that node claims it no more, and whatever the operator says today."""
    put_pin(stage, OTHER, "uid-8", ADDRESS)
    ran = await kubevouch(*EXPLAIN, "--allow", f"{NODE}={ADDRESS}")
    assert ran.code == 1, ran
    assert f"{ADDRESS} (of {OTHER})" in ran.out


async def test_a_client_certificate_that_the_approver_saw_borrowed_is_held_by_hand_too(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage)
    credentials = {"uid": "uid-9", "borrowed": [CREDENTIAL]}
    put_entry(stage, "recorded", NODE, {"uid": "uid-9", "credentials": credentials})
    ran = await kubevouch(*EXPLAIN)
    assert ran.code == 1, ran
    assert "HOLD client-standing" in told(ran.out)
    # The list is open: nothing is known of one that nobody saw borrowed.
    credentials["borrowed"] = ["cd" * 32]
    put_entry(stage, "recorded", NODE, {"uid": "uid-9", "credentials": credentials})
    assert (await kubevouch(*EXPLAIN)).code == 0


async def test_the_approvers_configuration_counts(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage)
    document = {"schemaVersion": "kubevouch.approver/1", "serviceCIDRs": ["192.168.88.0/24"]}
    put_written(stage, "kubevouch-approver", {"configuration.yaml": json.dumps(document)})
    ran = await kubevouch(*EXPLAIN)
    assert ran.code == 1, ran
    assert "HOLD reserved-addresses" in told(ran.out)
    put_written(stage, "kubevouch-approver", {"configuration.yaml": "[]"})
    unreadable = await kubevouch(*EXPLAIN, "--trust-node-status")
    assert unreadable.code == 3, unreadable
    assert "SourceUnreadable: kubevouch-approver, configuration.yaml" in told(unreadable.out)


async def test_pins_that_may_not_be_read_are_not_taken_for_none(
    kubevouch: Program, stage: Stage
) -> None:
    """RBAC refuses to list what is in a namespace that is not there as well; whether it is there may be asked."""
    put_pin(stage, NODE, "uid-7")
    stage.server.authorize = lambda asked: (
        not (asked.resource == "configmaps" and asked.namespace == "kubevouch-system")
    )
    ran = await kubevouch(*EXPLAIN, "--trust-node-status")
    assert ran.code == 3, ran
    assert "what is pinned in kubevouch-system is not known" in told(ran.out)
    said = await kubevouch(*EXPLAIN, "--allow", f"{NODE}={ADDRESS}")
    assert said.code == 0, said
    stage.server.store.delete(NAMESPACES, "kubevouch-system")
    without = await kubevouch(*EXPLAIN, "--trust-node-status")
    assert without.code == 0, without


SILENT = "the approver has not approved it, and no Event says why"
HELD = "the approver holds it: own-key (KeyOfAnotherNode), allowed-addresses (NodeUnknown)"
ANOTHERS_KEY = "own-key (KeyOfAnotherNode): w8.example.com: another node has asked for a certificate for the same public key"


@pytest.fixture
def held(stage: Stage) -> None:
    """Every rule passes that can be asked without having watched; the approver, which leads, holds it by its memory."""
    put_pin(stage)
    put_leader(stage)
    now = datetime.now(UTC)
    earlier = "allowed-addresses (NodeUnknown): nothing knows it"
    put_event(stage, "b-newer", "csr-w9", ANOTHERS_KEY, now)
    put_event(stage, "c-older", "csr-w9", earlier, now - timedelta(seconds=9))


@pytest.mark.usefixtures("held")
async def test_what_only_the_approver_remembers_is_said_wherever_the_csr_is_shown(
    kubevouch: Program, stage: Stage
) -> None:
    shown, listed, document, documents = await kubevouch.several(
        EXPLAIN, ("csr", "list"), (*EXPLAIN, "-o", "json"), ("csr", "list", "-o", "json")
    )
    assert (shown.code, document.code) == (1, 1), shown
    log = "kubectl -n kubevouch-system logs -l app.kubernetes.io/name=kubevouch-approver --tail=-1"
    assert f"csr-w9: {HELD}. Its log tells what it saw: `{log} | grep -F csr-w9`" in told(shown.out)
    [row] = [each for each in listed.out.splitlines() if each.startswith("csr-w9")]
    assert row.endswith("the approver holds it: own-key (KeyOfAnotherNode), allowed-addre...")
    assert "NEXT   kubevouch csr explain csr-w9" in listed.out
    [found] = [each for each in json.loads(documents.out)["csrs"] if each["name"] == "csr-w9"]
    for each in (found, json.loads(document.out)):
        assert (each["outcome"], each["approverHolds"]) == ("refuse", HELD)
    assert {each.method for each in stage.server.requests} == {"GET"}


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("words", [(), ("--allow", f"{NODE}={ADDRESS}"), ("--trust-node-status",)])
async def test_approve_all_leaves_out_what_the_approver_holds(
    kubevouch: Program, stage: Stage, words: tuple[str, ...]
) -> None:
    ran = await kubevouch("csr", "approve", "--all", "--yes", *words)
    assert ran.code == 1, ran
    assert "the approver holds it: own-key (KeyOfAnotherNode)" in ran.out
    assert conditions(stage, "csr-w9") == []


async def test_what_the_operator_says_today_goes_before_what_the_approver_did_not_know(
    kubevouch: Program, stage: Stage
) -> None:
    put_leader(stage)
    why = "allowed-addresses (NodeUnknown): 192.168.88.90: no pin, inventory or record of the approver knows it"
    put_event(stage, "one", "csr-w9", why, datetime.now(UTC))
    assert (await kubevouch(*EXPLAIN, "--allow", f"{NODE}={ADDRESS}")).code == 0


async def test_an_event_says_nothing_where_no_approver_leads_or_another_csr_had_the_name(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage)
    put_event(stage, "one", "csr-w9", ANOTHERS_KEY, datetime.now(UTC))
    assert (await kubevouch(*EXPLAIN)).code == 0
    put_leader(stage)
    assert (await kubevouch(*EXPLAIN)).code == 1
    earlier = stage.server.store.get(EVENTS, "one", "default")
    earlier["regarding"]["uid"] = "another"
    stage.server.store.put(EVENTS, earlier)
    shown = await kubevouch(*EXPLAIN)
    assert (shown.code, "own-key (Key" in shown.out) == (3, False), shown


FORGED = "this is what a thief has written. Run: kubevouch approver pin w8.example.com"


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("words", [(), ("--allow", f"{NODE}={ADDRESS}")])
@pytest.mark.parametrize(
    "note", ["", FORGED, "allowed-addresses (NodeUnknown): no source knows it"]
)
async def test_whoever_forges_an_event_in_the_approvers_name_neither_frees_a_csr_nor_speaks_to_the_operator(
    kubevouch: Program, stage: Stage, note: str, words: tuple[str, ...]
) -> None:
    """Every kubelet may write Events, with any time."""
    put_event(stage, "z-forged", "csr-w9", note, datetime.now(UTC) + timedelta(days=3000))
    ran = await kubevouch("csr", "approve", "--all", "--yes", *words)
    shown = await kubevouch(*EXPLAIN, *words)
    assert (ran.code, shown.code) == (1, 1), ran
    assert conditions(stage, "csr-w9") == []
    assert "the approver holds it: own-key (KeyOfAnotherNode)" in told(shown.out)
    for each in (ran, shown):
        assert "thief" not in each.out + each.err


@pytest.mark.parametrize("words", [(), ("--allow", f"{NODE}={ADDRESS}")])
@pytest.mark.parametrize("note", [None, "", FORGED, "allowed-names (NodeUnknown): w9.exam..."])
async def test_what_the_approver_has_not_approved_is_left_to_it_whether_or_not_an_event_says_why(
    kubevouch: Program, stage: Stage, note: str | None, words: tuple[str, ...]
) -> None:
    """Events are lost in a flood of them, cut where they are long, and can be changed by whoever has a node's identity."""
    put_pin(stage)
    put_leader(stage)
    if note is not None:
        put_event(stage, "one", "csr-w9", note, datetime.now(UTC))
    is_cut = bool(note and note.endswith("..."))
    ran = await kubevouch("csr", "approve", "--all", "--yes", *words)
    if is_cut and not words:
        assert (ran.code, "the approver holds it: allowed-names" in ran.out) == (1, True), ran
    else:
        assert (ran.code, SILENT in ran.out) == (3, True), ran
    assert conditions(stage, "csr-w9") == []
    named = await kubevouch("csr", "approve", "csr-w9", "--yes", *words)
    assert named.code == (1 if is_cut and not words else 0), named


@pytest.mark.usefixtures("held")
async def test_where_events_may_not_be_read_it_is_said_that_the_approver_may_hold_it(
    kubevouch: Program, stage: Stage
) -> None:
    stage.server.authorize = lambda asked: asked.resource != "events"
    ran = await kubevouch(*EXPLAIN)
    assert ran.code == 3, ran
    assert "and the Events that say why could not be read" in told(ran.out)
    assert SILENT not in told(ran.out)
    assert "what the running approver holds by what only it remembers is not known" in told(ran.err)
