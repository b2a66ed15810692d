"""`csr approve --all` approves what passes and lists what is held; `csr deny` writes a denial that names its reason."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    NODE,
    OTHER,
    OTHERS_ADDRESS,
    conditions,
    decide,
    put_csr,
    put_node,
    put_pin,
    writes,
)
from tests.support.scripted import faults
from tests.support.scripted.kinds import CSRS, KINDS
from tests.support.stage import Stage

APPROVALS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """Two good CSRs, and one for another node's address."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_node(stage, "w7.example.com", "uid-7", "192.168.88.70")
    put_pin(stage, NODE, "uid-9", ADDRESS)
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_csr(stage, "csr-w9", NODE, ADDRESS)
    put_csr(stage, "csr-w8", OTHER, OTHERS_ADDRESS)
    put_csr(stage, "csr-w7", "w7.example.com", ADDRESS)
    return stage


def rows(text: str) -> list[list[str]]:
    return [
        [each.strip() for each in line.split("   ") if each.strip()] for line in text.splitlines()
    ]


async def test_one_that_names_no_credential_is_held_where_others_name_theirs(
    kubevouch: Program, waiting: Stage
) -> None:
    """Whoever may impersonate a node makes such a CSR: the API server writes down who he says that he is, and no certificate."""
    made = waiting.server.store.get(CSRS, "csr-w9")
    del made["spec"]["extra"]
    waiting.server.store.put(CSRS, made)
    ran = await kubevouch("csr", "approve", "--all", "--yes")
    assert (ran.code, conditions(waiting, "csr-w9")) == (1, []), ran
    assert "holds: NoCredentialId" in ran.out
    assert conditions(waiting, "csr-w8")


async def test_where_nothing_waits_that_is_said_and_is_well(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch("csr", "approve", "--all")
    assert (ran.code, ran.out) == (0, "No CSR for a kubelet's serving certificate is pending.\n"), (
        ran
    )
    assert not writes(stage)


async def test_all_that_pass_are_approved_after_a_table(kubevouch: Program, waiting: Stage) -> None:
    asked = await kubevouch("csr", "approve", "--all", code=2)
    assert "This will approve 2 CSRs on " in asked.err
    assert "expected --yes" in asked.err
    dry = await kubevouch("csr", "approve", "--all", "--dry-run", code=1)
    assert "This would approve 2 CSRs on " in dry.err
    assert dry.err.splitlines()[-1] == "Dry run. Nothing was changed."
    assert len(rows(dry.out)) == len(rows(asked.out))
    assert not writes(waiting)
    ran = await kubevouch("csr", "approve", "--all", "--yes", code=1)
    shown = rows(ran.out)
    assert shown[0] == ["NAME", "AGE", "NODE", "ASKS FOR", "ALLOWED BY"]
    passing = {row[0]: row[2:] for row in shown[1:3]}
    assert passing == {
        "csr-w9": [NODE, f"{NODE}, {ADDRESS}", "pins"],
        "csr-w8": [OTHER, f"{OTHER}, {OTHERS_ADDRESS}", "pins"],
    }
    assert shown[5][0] == "csr-w7"
    assert shown[5][5] == "holds: ForeignAddress"
    assert "kubevouch csr explain csr-w7" in ran.out
    assert sorted(ran.out.splitlines()[-2:]) == ["csr-w8 approved", "csr-w9 approved"]
    for name in ("csr-w8", "csr-w9"):
        [condition] = conditions(waiting, name)
        assert (condition["type"], condition["reason"]) == ("Approved", "KubevouchApprove")
        assert condition["message"].endswith("names and addresses: pinned on 2026-11-20 by alice")
    assert not conditions(waiting, "csr-w7")
    patches = [each for each in waiting.server.requests if each.method == "PATCH"]
    assert [each.path.split("/")[-2] for each in patches] == writes(waiting)
    versions = [json.loads(each.body)["metadata"]["resourceVersion"] for each in patches]
    assert versions == ["900", "900"]


async def test_watch_shows_the_list_again_once_it_has_changed(
    kubevouch: Program, waiting: Stage
) -> None:
    def once() -> bool:
        looks = sum(each.path.endswith("/nodes") for each in waiting.server.requests)
        if looks > 2:
            put_csr(waiting, "csr-later", OTHER, OTHERS_ADDRESS)
        return looks > 8

    ran = await kubevouch.interrupted("csr", "list", "--watch", once=once, code=130)
    first, *_, last = ran.out.split("\n\nNAME ")
    assert ran.err == ""
    assert ("csr-w9" in first, "csr-w9" in last, "csr-later" in last) == (True, True, True), ran


async def test_each_is_judged_again_right_before_its_approval(
    kubevouch: Program, waiting: Stage
) -> None:
    """While the first is approved, its neighbour's kubelet asks again: the older CSR is worth nothing then."""

    async def meanwhile(_: web.Request) -> web.Response:
        put_csr(waiting, "csr-w9-later", NODE, ADDRESS)
        put_csr(waiting, "csr-w8-later", OTHER, OTHERS_ADDRESS)
        return web.json_response(waiting.server.store.get(CSRS, "csr-w9"))

    waiting.server.faults.on(f"{APPROVALS}/*", meanwhile, method="PATCH", times=1)
    ran = await kubevouch("csr", "approve", "--all", "--yes", code=1)
    assert len(writes(waiting)) == 1
    assert "HOLD newest " in ran.told


async def test_one_that_is_decided_meanwhile_does_not_stop_the_others(
    kubevouch: Program, waiting: Stage
) -> None:
    async def taken(_: web.Request) -> web.Response:
        body = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "has been modified"}
        return web.json_response(body, status=409)

    waiting.server.faults.on(f"{APPROVALS}/*", taken, method="PATCH", times=1)
    ran = await kubevouch("csr", "approve", "--all", "--yes")
    assert "has been modified" in ran.err
    assert len(writes(waiting)) == 2
    assert ran.out.count(" approved\n") == 1


async def test_what_is_denied_is_shown_and_carries_the_reason(
    kubevouch: Program, waiting: Stage
) -> None:
    deny = ("csr", "deny", "csr-w7", "--reason", "it asks for w9's address")
    asked = await kubevouch(*deny, code=2)
    assert rows(asked.out)[1][2:] == ["w7.example.com", f"its name, {ADDRESS}"]
    assert "A denial is final" in asked.err
    assert "creates a new CSR about every 30 s" in asked.err
    dry = await kubevouch(*deny, "--yes", "--dry-run", code=0)
    assert rows(dry.out)[1][2:] == rows(asked.out)[1][2:]
    assert not writes(waiting)
    ran = await kubevouch(*deny, "--yes", code=0)
    assert ran.out.endswith("csr-w7 denied\n")
    [condition] = conditions(waiting, "csr-w7")
    assert condition["type"] == "Denied"
    assert condition["status"] == "True"
    assert condition["reason"] == "KubevouchDeny"
    assert condition["message"] == "kubevouch: it asks for w9's address"
    [patch] = [each for each in waiting.server.requests if each.method == "PATCH"]
    assert json.loads(patch.body)["metadata"]["resourceVersion"] == "900"


DECIDED = {
    "csr-w8": ("Denied", "", "already denied (Nobody); this cannot be undone"),
    "csr-w9": ("Approved", "AAAA", "already approved (Nobody); its certificate is valid"),
}


@pytest.mark.parametrize("verb", [("deny", "--reason", "no"), ("approve",)])
async def test_what_is_decided_stays_as_it_is_and_the_others_have_their_turn(
    kubevouch: Program, waiting: Stage, verb: tuple[str, ...]
) -> None:
    for name, (kind, certificate, _) in DECIDED.items():
        decide(waiting, name, certificate, type=kind, reason="Nobody")
    word, *more = verb
    await kubevouch("csr", word, *DECIDED, "csr-w7", *more, "--dry-run", code=1)
    assert not writes(waiting)
    ran = await kubevouch("csr", word, *DECIDED, "csr-w7", *more, "--yes", code=1)
    for name, (_, _, told) in DECIDED.items():
        assert f"{name} stays unchanged: {told}" in ran.told
    assert writes(waiting) == (["csr-w7"] if word == "deny" else [])


async def test_a_decided_csr_is_explained_as_that(kubevouch: Program, waiting: Stage) -> None:
    """w9 asks for its own name and address. w7 asks for w9's address, too, and somebody approved that."""
    said = "This CSR was approved by kubectl certificate approve."
    for name in ("csr-w7", "csr-w9"):
        decide(waiting, name, reason="KubectlApprove", message=said)
        approved = waiting.server.store.get(CSRS, name)
        approved["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        waiting.server.store.put(CSRS, approved)
    for name, code, verdict in (
        ("csr-w9", 0, "every checked rule passes"),
        ("csr-w7", 1, "held by foreign-addresses"),
    ):
        ran = await kubevouch("csr", "explain", name, code=code)
        assert f"decision message: {said} {name}: already approved (KubectlApprove)" in ran.told
        assert f"The policy's own decision: {verdict}" in ran.told
        assert not {"undecided", "newest", "fresh", "budget"} & set(ran.told.split())
        told = await kubevouch("csr", "explain", name, "-o", "json")
        decided = {"type": "Approved", "by": "kubectl", "reason": "KubectlApprove"}
        assert json.loads(told.out)["decided"] == [{**decided, "message": said}]


async def test_an_unknown_node_leads_to_a_plan(kubevouch: Program, stage: Stage) -> None:
    """As kubeadm leaves a cluster: there are no pins and no approver that could be told."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_csr(stage, "csr-w9", NODE, ADDRESS)
    leads_on = "NEXT   kubevouch plan -o plan.json --via ssh"
    ran = await kubevouch("csr", "approve", "--all", "--yes")
    assert leads_on in ran.out, ran
    assert "kubevouch csr explain csr-w9" in ran.out
    explained = await kubevouch("csr", "explain", "csr-w9")
    assert explained.out.rstrip().splitlines()[-1] == leads_on, explained


@pytest.mark.parametrize(("address", "leads"), [(ADDRESS, True), ("10.96.0.1", False)])
async def test_a_reserved_address_leads_to_a_plan_if_the_node_claims_it(
    kubevouch: Program, stage: Stage, address: str, leads: bool
) -> None:
    """As a control plane that asks for its API server's address: `plan` proves over ssh whose it is."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    service = {"clusterIP": "10.96.0.1", "externalIPs": [ADDRESS]}
    stage.server.store.put(
        KINDS["", "v1", "services"],
        {"metadata": {"name": "web", "namespace": "prod"}, "spec": service},
    )
    put_csr(stage, "csr-w9", NODE, address)
    explained = await kubevouch("csr", "explain", "csr-w9", code=1)
    assert "ReservedAddress" in explained.out
    assert ("NEXT   kubevouch plan -o plan.json --via ssh" in explained.out) is leads, explained


async def test_any_name_is_one_word_of_commands_to_copy(kubevouch: Program, stage: Stage) -> None:
    odd = "x;touch${IFS}PWNED #"
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_csr(stage, odd, NODE, OTHERS_ADDRESS)
    ran = await kubevouch("csr", "approve", "--all", "--yes")
    [line] = [each for each in ran.out.splitlines() if "rule by rule: " in each]
    command = line.partition("rule by rule: ")[2]
    assert shlex.split(command, comments=True) == ["kubevouch", "csr", "explain", odd]


@pytest.mark.parametrize("words", [("--all",), ("w9\nError: forged",)])
async def test_a_csr_whose_name_has_several_lines_says_none_of_them(
    kubevouch: Program, stage: Stage, words: tuple[str, ...]
) -> None:
    odd = "w9\nError: forged"
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_pin(stage, NODE, "uid-9", ADDRESS)
    put_csr(stage, odd, NODE, ADDRESS)
    listed = await kubevouch("csr", "list")
    approved = await kubevouch("csr", "approve", *words, "--yes")
    again = await kubevouch("csr", "approve", odd, "--yes")
    assert (listed.code, approved.code, again.code) == (0, 0, 1), approved
    assert conditions(stage, odd)
    assert "w9\\nError: forged approved" in approved.out
    for ran in (listed, approved, again):
        assert not [each for each in (ran.out + ran.err).splitlines() if each.startswith("Error")]


async def test_a_csr_that_was_sent_anew_is_not_next(kubevouch: Program, waiting: Stage) -> None:
    """It stands first, since it is older: why it is held leads nobody on."""
    made = waiting.server.store.get(CSRS, "csr-w7")
    earlier = datetime.now(UTC) - timedelta(seconds=90)
    made["metadata"] |= {"name": "csr-a", "uid": "csr-a"}
    made["metadata"]["creationTimestamp"] = f"{earlier:%Y-%m-%dT%H:%M:%SZ}"
    waiting.server.store.put(CSRS, made)
    listed = await kubevouch("csr", "list")
    ran = await kubevouch("csr", "approve", "--all", "--yes")
    for each in (listed, ran):
        assert each.out.index("csr-a ") < each.out.index("csr-w7 ")
        assert "kubevouch csr explain csr-w7\n" in each.out, each
        assert "explain csr-a" not in each.out


DENY = ("csr", "deny", "csr-w7", "csr-w8", "--reason", "why not")
VERBS = [("csr", "approve", "csr-w9"), ("csr", "approve", "--all"), DENY]
OF_VERBS = ["approve", "approve all", "deny"]


@pytest.mark.parametrize("verb", VERBS, ids=OF_VERBS)
async def test_who_interrupts_it_while_it_looks_is_told_that_nothing_was_changed(
    kubevouch: Program, waiting: Stage, verb: tuple[str, ...]
) -> None:
    waiting.server.faults.on("/*", faults.silence())
    ran = await kubevouch.interrupted(
        *verb, "--yes", once=lambda: bool(waiting.server.requests), code=130
    )
    assert ran.err.splitlines()[-2:] == ["Nothing was changed.", "Error: interrupted"], ran


@pytest.mark.parametrize("typed", [b"\x03", b"\x04"], ids=["Ctrl-C", "end of input"])
@pytest.mark.parametrize("verb", VERBS, ids=OF_VERBS)
async def test_who_ends_the_question_is_told_that_nothing_was_changed(
    kubevouch: Program, waiting: Stage, verb: tuple[str, ...], typed: bytes
) -> None:
    ran = await kubevouch.at_a_terminal(*verb, typed={"Continue? [y/N]: ": typed}, code=130)
    assert ran.out.splitlines()[-2:] == ["Nothing was changed.", "Error: interrupted"], ran
    assert not writes(waiting)


@pytest.mark.parametrize("verb", VERBS[1:], ids=OF_VERBS[1:])
async def test_an_interruption_after_the_first_write_claims_nothing(
    kubevouch: Program, waiting: Stage, verb: tuple[str, ...]
) -> None:
    """The first one is carried out; whether the second one was, whose answer is missing, nobody knows."""

    def has_begun() -> bool:
        return len(writes(waiting)) == 2

    waiting.server.faults.on("/*", faults.silence(), where=lambda _: has_begun())
    ran = await kubevouch.interrupted(*verb, "--yes", once=has_begun, code=130)
    assert "Nothing was changed." not in ran.err
