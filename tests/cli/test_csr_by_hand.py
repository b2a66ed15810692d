"""`csr list | explain | approve` beside what is written down, and beside an installed approver: one judge, whoever approves."""

import json

import pytest
from aiohttp import web

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    CREDENTIAL,
    NAMESPACES,
    NODE,
    OTHER,
    OTHERS_ADDRESS,
    conditions,
    decide,
    put_csr,
    put_entry,
    put_leader,
    put_node,
    put_pin,
    put_written,
)
from tests.support.stage import Stage

EXPLAIN = ("csr", "explain", "csr-w9")
APPROVE = ("csr", "approve", "csr-w9", "--yes")
SHOP = "shop.example.com"
LEFT = "the approver is installed and has not approved the CSR"


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_csr(stage, "csr-w9", NODE, ADDRESS)


def last_cell(listed: str) -> str:
    [row] = [each for each in listed.splitlines() if each.startswith("csr-w9")]
    return row.split("   ")[-1].strip()


async def test_a_pinned_node_passes_and_the_pin_is_named(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage)
    shown, document = await kubevouch.several(EXPLAIN, (*EXPLAIN, "-o", "json"))
    assert (shown.code, document.code) == (0, 0), shown
    assert "\nnames and addresses: pinned on 2026-11-20 by alice\n" in shown.out
    by = {"source": "pins", "why": "pinned on 2026-11-20 by alice"}
    assert json.loads(document.out)["namesBy"] == by
    assert {each.method for each in stage.server.requests} == {"GET"}


@pytest.mark.parametrize("ahead", [-7200, 7200])
async def test_age_goes_by_the_servers_clock(kubevouch: Program, stage: Stage, ahead: int) -> None:
    """A laptop's clock may be hours wrong: a CSR of this moment would be too old by it, or made in the future."""
    put_pin(stage)
    approved = await kubevouch.with_a_wrong_clock(ahead, *APPROVE)
    assert approved.code == 0, approved
    assert conditions(stage, "csr-w9")[0]["type"] == "Approved"


async def test_a_node_that_an_approver_does_not_know_leads_to_its_pin(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    shown, listed = await kubevouch.several(EXPLAIN, ("csr", "list"))
    assert shown.code == 1, shown
    pin = f"kubevouch approver pin {NODE} --via ssh"
    assert pin in shown.told
    assert f"cannot tell allowed-names {NODE} NodeUnknown: no pin, inventory" in shown.told
    assert f"if you know that the node owns this, add --allow {NODE}={ADDRESS}" in shown.told
    assert last_cell(listed.out) == "holds: NodeUnknown"
    assert "NEXT   kubevouch csr explain csr-w9" in listed.out
    allow = ("--allow", f"{NODE}={NODE}", "--allow", f"{NODE}={ADDRESS}")
    allowed = await kubevouch(*EXPLAIN, *allow, code=0)
    # This stands in the approval for good: by whose word the node has these names and addresses.
    assert "names and addresses: by --allow (otherwise claimed only by the Node" in allowed.told


async def test_the_approvers_configuration_counts(kubevouch: Program, stage: Stage) -> None:
    put_pin(stage)
    document = {"schemaVersion": "kubevouch.approver/1", "serviceCIDRs": ["192.168.88.0/24"]}
    put_written(stage, "kubevouch-approver", {"configuration.yaml": json.dumps(document)})
    ran = await kubevouch(*EXPLAIN)
    assert (ran.code, "HOLD reserved-addresses" in ran.told) == (1, True), ran
    put_written(stage, "kubevouch-approver", {"configuration.yaml": "[]"})
    unreadable = await kubevouch(*EXPLAIN)
    assert (unreadable.code, "SourceUnreadable" in unreadable.out) == (3, True), unreadable
    assert (
        "networks, domain and lifetimes in the approver's configuration are unknown"
        in unreadable.err
    )


async def test_pins_that_may_not_be_read_are_not_taken_for_none(
    kubevouch: Program, stage: Stage
) -> None:
    """RBAC refuses to list what is in a namespace that is not there as well; whether it is there may be asked."""
    put_pin(stage, NODE, "uid-7")
    stage.server.authorize = lambda asked: (
        not (asked.resource == "configmaps" and asked.namespace == "kubevouch-system")
    )
    ran = await kubevouch(*EXPLAIN)
    assert (ran.code, "pins could not be read" in ran.told) == (3, True), ran
    stage.server.store.delete(NAMESPACES, "kubevouch-system")
    without = await kubevouch(*EXPLAIN)
    assert (without.code, "pinned for" in without.told) == (1, False), without


def message(stage: Stage) -> str:
    """What stands in the approval for good."""
    [condition] = conditions(stage, "csr-w9")
    assert condition["type"] == "Approved"
    return str(condition["message"])


@pytest.fixture
def left(stage: Stage) -> None:
    """Every rule passes that `csr` can ask, and an approver leads."""
    put_pin(stage)
    put_leader(stage)


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("words", [(), ("--allow", f"{NODE}={ADDRESS}")])
async def test_what_the_approver_has_not_approved_is_left_to_it(
    kubevouch: Program, stage: Stage, words: tuple[str, ...]
) -> None:
    shown, listed, document, named, every = await kubevouch.several(
        (*EXPLAIN, *words),
        ("csr", "list", *words),
        (*EXPLAIN, "-o", "json", *words),
        (*APPROVE, *words),
        ("csr", "approve", "--all", "--yes", *words),
    )
    assert [each.code for each in (shown, document, named, every)] == [3] * 4, named
    log = "kubectl -n kubevouch-system logs -l app.kubernetes.io/name=kubevouch-approver --tail=-1"
    assert f"csr-w9: {LEFT}. The reason is in the log: `{log} | grep -F csr-w9`" in shown.told
    assert "add --against-approver" in named.told
    assert last_cell(listed.out) == last_cell(every.out) == LEFT
    one = json.loads(document.out)
    assert (one["outcome"], one["approverHolds"]) == ("cannot-tell", LEFT)
    assert conditions(stage, "csr-w9") == []


@pytest.mark.usefixtures("left")
async def test_an_approval_against_the_approver_says_so_for_good(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch(*APPROVE, "--against-approver", code=0)
    assert ran.told.index(LEFT) < ran.told.index("csr-w9 approved")
    assert message(stage) == (
        f"kubevouch: system:node:{NODE}: every checked rule passed; not checked: credential-id, client-standing, own-key, "
        f"same-node, budget; {LEFT}; names and addresses: pinned on 2026-11-20 by alice"
    )


async def test_an_approver_that_comes_while_the_operator_is_asked_counts(
    kubevouch: Program, stage: Stage
) -> None:
    """What was shown is approved, and nothing else: the CSR is judged once for the question, and once more before the approval."""
    put_pin(stage)
    lease = "/apis/coordination.k8s.io/v1/namespaces/kubevouch-system/leases/kubevouch-approver"

    async def not_yet(_: web.Request) -> web.Response:
        put_leader(stage)
        gone = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "none"}
        return web.json_response(gone, status=404)

    stage.server.faults.on(lease, not_yet, times=1)
    ran = await kubevouch(*APPROVE)
    assert (ran.code, conditions(stage, "csr-w9")) == (3, []), ran
    assert LEFT in ran.told


@pytest.mark.parametrize("words", [("csr-w9",), ("--all",)])
async def test_where_it_is_not_known_whether_one_is_installed_it_is_taken_for_installed(
    kubevouch: Program, stage: Stage, words: tuple[str, ...]
) -> None:
    put_pin(stage)
    stage.server.authorize = lambda asked: asked.resource != "deployments"
    ran = await kubevouch("csr", "approve", *words, "--yes")
    assert (ran.code, conditions(stage, "csr-w9")) == (3, []), ran
    assert "assuming that it is" in " ".join(ran.err.split())


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
    put_pin(stage)
    put_leader(stage)
    decide(stage, "csr-w9", **condition)
    listed, document, explained = await kubevouch.several(
        ("csr", "list"), ("csr", "list", "-o", "json"), (*EXPLAIN, "-o", "json")
    )
    assert f"{condition.get('type', 'Approved')} ({by})" in listed.told, listed
    assert last_cell(listed.out) == "passes"
    [found] = json.loads(document.out)["csrs"]
    one = json.loads(explained.out)
    assert (found["outcome"], explained.code, found["decided"][0]["by"]) == ("pass", 0, by)
    same = ("decided", "outcome", "approverHolds", "namesBy", "results")
    assert {key: found[key] for key in same} == {key: one[key] for key in same}


async def test_the_operator_names_the_certificate_as_openssl_prints_it(
    kubevouch: Program, stage: Stage
) -> None:
    put_pin(stage)
    credentials = {"uid": "uid-9", "closed": True, "allowed": [{"certificate": "cd" * 32}]}
    put_entry(stage, "recorded", NODE, {"uid": "uid-9", "credentials": credentials})
    held = await kubevouch(*APPROVE)
    assert (held.code, "UnknownCredential" in held.out) == (1, True), held
    printed = ":".join(CREDENTIAL[at : at + 2].upper() for at in range(0, 64, 2))
    ran = await kubevouch(*APPROVE, "--credential", f"sha256 Fingerprint={printed}")
    assert (ran.code, len(conditions(stage, "csr-w9"))) == (0, 1), ran
