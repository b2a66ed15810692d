"""`csr list | explain | approve` against a cluster with honest and hostile requests."""

import json

import pytest

from tests.cli.program import Program
from tests.cli.waiting import put_csr
from tests.support.csr_template import CsrTemplate, new_csr
from tests.support.requests import request
from tests.support.stage import Stage

NODE = "k8s-worker-1.internal.example.com"


@pytest.fixture
def case() -> str:
    return "requests-for-reserved-names"


async def test_the_list_says_what_each_asks_for_and_what_the_policy_says(
    kubevouch: Program, stage: Stage
) -> None:
    ran, document = await kubevouch.several(("csr", "list"), ("csr", "list", "-o", "json"))
    assert (ran.code, ran.err) == (0, "")
    table, _, following = ran.out.partition("\n\n")
    assert following == "NEXT   kubevouch csr explain csr-1\n"
    rows = [line.split("   ") for line in table.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["NAME", "AGE", "NODE", "ASKS FOR", "CONDITION", "POLICY"]
    by_name = {row[0]: row for row in cells[1:]}
    assert list(by_name) == ["csr-1", "csr-2", "csr-3", "csr-4"]
    assert by_name["csr-1"][3:] == [
        "kubernetes.default.svc, 127.0.88.112",
        "Pending",
        "holds: ReservedName",
    ]
    assert by_name["csr-2"][3] == "its name, 127.0.88.113, 10.96.0.1"
    assert by_name["csr-3"][3].startswith("K8S-MASTER")
    assert by_name["csr-4"][2:4] == ["k8s-master.internal.example.com", "its name, 127.0.88.111"]
    first = {each["name"]: each for each in json.loads(document.out)["csrs"]}["csr-1"]
    assert first["requestor"] == f"system:node:{NODE}"
    assert first["asksFor"] == ["kubernetes.default.svc", "127.0.88.112"]
    assert (first["condition"], first["outcome"]) == ("Pending", "refuse")
    assert ("reserved-names", "refuse") in {(e["rule"], e["outcome"]) for e in first["results"]}


# Names that only an IA5String can hold.
ODD = CsrTemplate("\x1b[2J\nNAME   AGE", (), ("\x1b]0;owned\x07\nevil   1s",), uris=("spiffe://x",))


async def test_a_csr_with_2500_names_leaves_the_list_readable(
    kubevouch: Program, stage: Stage
) -> None:
    flood = request(NODE, [f"n{number}.io" for number in range(2500)], [])
    long = request(NODE, ["n" * 63 + ".example.com" * 100], [])
    put_csr(stage, "flood", "x" * 5000, pem=flood)
    put_csr(stage, "long", NODE, pem=long)
    listed, explained, document = await kubevouch.several(
        ("csr", "list"), ("csr", "explain", "flood"), ("csr", "list", "-o", "json")
    )
    assert max(map(len, listed.out.splitlines())) < 500
    [row] = [line for line in listed.out.splitlines() if line.startswith("flood ")]
    assert f"{len(flood)} bytes, over the limit" in row
    assert len(explained.out.splitlines()) < 200
    asked = {each["name"]: each["asksFor"] for each in json.loads(document.out)["csrs"]}
    assert asked["flood"] is None


HOSTILE = {
    "unreadable": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "blank": b"\n",
    "binary": bytes(range(256)),
    "two blocks": request(NODE, [NODE], ["127.0.88.112"]) * 2,
    "huge": b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * 60_000,
    "odd names": new_csr(ODD),
    "many names": request(NODE, [f"n{i}.example.com" for i in range(300)], []),
}


async def test_hostile_requests_are_listed_and_none_breaks_the_list(
    kubevouch: Program, stage: Stage
) -> None:
    for name, pem in HOSTILE.items():
        put_csr(stage, name.replace(" ", "-"), NODE, pem=pem)
    put_csr(stage, "evil-user", "x\x1b[2J\nforged   1s   y", pem=HOSTILE["binary"])
    ran = await kubevouch("csr", "list", code=0)
    lines = ran.out.partition("\n\n")[0].splitlines()
    assert len(lines) == 1 + 4 + len(HOSTILE) + 1
    assert "\x1b" not in ran.out
    assert sum("unreadable" in line for line in lines[1:]) >= 4
    assert "would approve" not in ran.out.replace("csr-4", "")
    names = [*(each.replace(" ", "-") for each in HOSTILE), "evil-user"]
    explain = [("csr", "explain", name) for name in names]
    for explained in await kubevouch.several(*explain):
        assert explained.code == 1, explained
        assert "HOLD   " in explained.out
        assert "\x1b" not in explained.out


async def test_a_request_is_explained_rule_by_rule(kubevouch: Program, stage: Stage) -> None:
    ran, told = await kubevouch.several(
        ("csr", "explain", "csr-2"),
        ("csr", "explain", "csr-2", "-o", "json"),
    )
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert any(line.split()[:2] == ["pass", "signer"] for line in lines)
    held = [line.split()[1] for line in lines if line.startswith("HOLD")]
    assert "reserved-addresses" in held
    assert "127.0.88.112" not in ran.out
    assert "10.96.0.1 (Service default/kubernetes)" in ran.out
    assert lines[-1].startswith(f"csr-2: held by {', '.join(held)}"[:40])
    document = json.loads(told.out)
    assert document["schemaVersion"] == "kubevouch.decision/1"
    assert set(document["results"][0]) == {
        "rule",
        "outcome",
        "reason",
        "message",
        "seen",
        "allowed",
        "operatorMayAllow",
    }


async def test_the_name_of_no_csr_is_an_error_of_the_command_line(
    kubevouch: Program, stage: Stage
) -> None:
    lines = [(*verb, name) for verb in (("explain",), ("approve", "--yes")) for name in NOT_THERE]
    answers = await kubevouch.several(*(("csr", *line) for line in lines))
    for (verb, *_, name), ran in zip(lines, answers, strict=True):
        assert (ran.code, ran.out) == (2, ""), (verb, name, ran)
        told = f"Error: {name or repr('')}: no such CSR; kubevouch csr list shows"
        assert ran.err.startswith(told), (verb, name, ran)
        assert ran.err.count("\n") == 1


NOT_THERE = ("csr-9", "", "..", "csr-1/approval")


async def test_a_csr_for_another_signer_is_there_and_not_judged(
    kubevouch: Program, stage: Stage
) -> None:
    """As a kubelet that joins the cluster sends one for its client certificate."""
    put_csr(stage, "csr-joining", NODE, signer="kube-apiserver-client-kubelet")
    for words in (("explain",), ("approve", "--yes", "csr-4")):
        ran = await kubevouch("csr", *words, "csr-joining")
        assert (ran.code, ran.out) == (2, ""), ran
        assert ran.err == (
            "Error: csr-joining: this CSR is for the signer kubernetes.io/kube-apiserver-client-kubelet; "
            "expected the signer kubernetes.io/kubelet-serving\n"
        )
    assert {each.method for each in stage.server.requests} == {"GET"}
