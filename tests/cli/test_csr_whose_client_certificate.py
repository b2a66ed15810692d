"""By hand as in the approver: which client certificate is the node's is told by the client CSRs of the list that was read.

A case is a list of CSRs, oldest first: `t1 token` is a client CSR that a bootstrap token made, `k2 by k1` one that the node made
with k1; `serve csr-k k1` is a serving CSR that was made with k1. Each word is a certificate of its own.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kubevouch_lab.apiserver import status
from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    NODE,
    conditions,
    put_client_csr,
    put_csr,
    put_entry,
    put_node,
    put_pin,
)
from tests.support.authority import Authority
from tests.support.scripted import faults
from tests.support.scripted.kinds import CSRS
from tests.support.stage import Stage

TRUSTS = "--trust-node-status"
BORROWED = "t1 token; serve csr-k k1; serve csr-t t1"
RIVALS = "serve csr-k k1; serve csr-u u1"
ROTATED = "serve csr-k k1; k2 by k1; serve csr-k2 k2"


@cache
def certificate(word: str) -> bytes:
    """A client certificate of the node's; each word has its own."""
    return Authority(word).client(f"system:node:{NODE}", "system:nodes").chain


def sha256(word: str) -> str:
    return x509.load_pem_x509_certificate(certificate(word)).fingerprint(hashes.SHA256()).hex()


def put(stage: Stage, history: str, *, told: bool = True) -> list[str]:
    """The serving CSRs of a case, by name."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    serving = []
    begin = datetime.now(UTC) - timedelta(seconds=30)
    for number, event in enumerate(history.split("; ")):
        at = begin + timedelta(seconds=number)
        what, *words = event.split()
        if what == "serve":
            name, made_with = words
            put_csr(stage, name, NODE, ADDRESS, credential=sha256(made_with) if told else "", at=at)
            serving.append(name)
        else:
            made_with = sha256(words[1]) if words[0] == "by" and told else ""
            user = f"system:node:{NODE}" if words[0] == "by" else "system:bootstrap:abcdef"
            put_client_csr(stage, f"client-{what}", certificate(what), user, made_with, at)
    return serving


def approved(stage: Stage, names: list[str]) -> list[str]:
    return [each for each in names if conditions(stage, each)]


@pytest.mark.parametrize(
    ("history", "passing", "said"),
    [
        (BORROWED, "csr-k", "client-standing (BorrowedIdentity)"),
        ("t1 token; t2 by t1; serve csr-t t2", "", "client-standing (BorrowedIdentity)"),
        (RIVALS, "", "client-standing (UnknownCredential)"),
        (ROTATED, "csr-k2", "newest (Superseded)"),
        ("k2 by k1; serve csr-k2 k2; serve csr-k k1", "csr-k", "newest (Superseded)"),
        (
            "t1 token; serve csr-t t1; serve csr-k k1; serve csr-u u1",
            "",
            "client-standing (UnknownCredential)",
        ),
        ("serve csr-k k1; serve csr-k-again k1", "csr-k-again", "newest (Superseded)"),
    ],
)
async def test_of_all_that_wait_at_most_one_of_a_node_is_approved_and_no_borrowed_one(
    kubevouch: Program, stage: Stage, history: str, passing: str, said: str
) -> None:
    names = put(stage, history)
    listed = await kubevouch("csr", "list", TRUSTS, "-o", "json")
    told = {each["name"]: each["outcome"] for each in json.loads(listed.out)["csrs"]}
    assert {name for name, outcome in told.items() if outcome == "pass"} == set(passing.split())
    ran = await kubevouch("csr", "approve", "--all", "--yes", TRUSTS)
    assert (ran.code, approved(stage, names)) == (1, passing.split()), ran
    assert said in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("history", "name", "named", "code"),
    [
        ("t1 token; serve csr-t t1", "csr-t", "", 1),
        ("t1 token; serve csr-t t1", "csr-t", "t1", 0),
        ("t1 token; serve csr-t t1", "csr-t", "k1", 1),
        (RIVALS, "csr-k", "", 1),
        (RIVALS, "csr-u", "", 1),
        (RIVALS, "csr-k", "k1", 0),
        (RIVALS, "csr-u", "k1", 1),
        ("serve csr-k k1; k2 by k1; serve csr-k2 k2; serve csr-u u1", "csr-k2", "k1", 0),
    ],
)
async def test_the_operator_names_the_certificate_by_its_sha256(
    kubevouch: Program, stage: Stage, history: str, name: str, named: str, code: int
) -> None:
    """As openssl prints it, too."""
    names = put(stage, history)
    printed = (
        ":".join(sha256(named)[at : at + 2].upper() for at in range(0, 64, 2)) if named else ""
    )
    words = ("--credential", printed) if named else ()
    shown = await kubevouch("csr", "explain", name, TRUSTS)
    assert shown.code == 1, shown
    ran = await kubevouch("csr", "approve", name, "--yes", TRUSTS, *words)
    assert (ran.code, approved(stage, names)) == (code, [] if code else [name]), ran
    if not named:
        for each in (shown, ran):
            way_out = f"kubevouch csr approve {name} --credential "
            assert way_out in " ".join(each.out.split()), each


async def test_somebody_who_is_called_like_the_node_holds_up_nobody(
    kubevouch: Program, stage: Stage
) -> None:
    put(stage, RIVALS)
    other = stage.server.store.get(CSRS, "csr-u")
    other["spec"]["username"] = NODE
    stage.server.store.put(CSRS, other)
    ran = await kubevouch("csr", "approve", "csr-k", "--yes", TRUSTS)
    assert (ran.code, approved(stage, ["csr-k"])) == (0, ["csr-k"]), ran


@pytest.mark.parametrize(
    "words", [("csr-k", "csr-u", "--credential", "ab" * 32), ("--all", "--credential", "ab" * 32), ("csr-k", "--credential", "abc")]
)  # fmt: skip
async def test_one_csr_and_one_certificate_are_named(
    kubevouch: Program, stage: Stage, words: tuple[str, ...]
) -> None:
    put(stage, RIVALS)
    ran = await kubevouch("csr", "approve", "--yes", TRUSTS, *words)
    assert (ran.code, "--credential" in ran.err) == (2, True), ran


@pytest.mark.parametrize(
    ("history", "code"), [("serve csr-k k1", 0), ("k2 by k1; serve csr-k k1", 0), (BORROWED, 1)]
)
async def test_before_1_32_a_borrowed_name_is_left_to_kubectl(
    kubevouch: Program, stage: Stage, history: str, code: int
) -> None:
    """The API server tells no credential: none can be named."""
    names = put(stage, history, told=False)
    approve = ("csr", "approve", names[-1], "--yes", TRUSTS)
    named = await kubevouch(*approve, "--credential", sha256("k1")) if code else None
    ran = await kubevouch(*approve)
    assert (ran.code, approved(stage, names)) == (code, [] if code else names), ran
    for each in filter(None, (ran, named)):
        assert each.code == code, each
        said = f"kubectl certificate approve {names[-1]}, which is your own act"
        assert (said in " ".join(each.out.split())) is bool(code), each


async def test_where_client_csrs_cannot_be_read_nothing_is_approved(
    kubevouch: Program, stage: Stage
) -> None:
    """A thief may make so many of them that no list of them ends before its version is compacted away."""
    names = put(stage, "t1 token; serve csr-t t1")
    stage.server.faults.on(
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        faults.refuse(status.expired()),
        where=lambda r: "apiserver-client" in r.query.get("fieldSelector", ""),
    )
    for words in (("csr-t",), ("--all",)):
        ran = await kubevouch("csr", "approve", *words, TRUSTS, "--yes")
        assert (ran.code, approved(stage, names)) == (3, []), ran
    explained = await kubevouch("csr", "explain", "csr-t", TRUSTS)
    assert explained.code == 3, explained


async def test_where_the_record_of_a_node_cannot_be_read_nothing_is_approved(
    kubevouch: Program, stage: Stage
) -> None:
    names = put(stage, "serve csr-t t1")
    put_pin(stage)
    put_entry(stage, "recorded", NODE, {"v": 9})
    ran = await kubevouch("csr", "approve", "csr-t", "--yes")
    assert (ran.code, approved(stage, names)) == (1, []), ran
