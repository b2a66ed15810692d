"""`csr explain FILE`: of a CSR that nobody has sent yet it is said what cannot be told, and never that it is wrong."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.cli.waiting import (
    ADDRESS,
    NODE,
    OTHER,
    OTHERS_ADDRESS,
    put_csr,
    put_node,
    put_pin,
)
from tests.support.requests import request
from tests.support.stage import Stage


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    """Two nodes that are pinned, one of which has asked: its CSR says which credential made it."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_pin(stage)
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_csr(stage, "csr-w8", OTHER, OTHERS_ADDRESS)


def manifest(pem: bytes) -> bytes:
    """As an operator writes it for kubectl: the API server has added nothing."""
    spec = {
        "signerName": "kubernetes.io/kubelet-serving",
        "usages": ["digital signature", "server auth"],
        "request": b64encode(pem).decode(),
    }
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps({**kind, "metadata": {"name": "mine"}, "spec": spec}).encode()


def results(document: str) -> dict[str, dict[str, str]]:
    return {each["rule"]: each for each in json.loads(document)["results"]}


@pytest.mark.parametrize("form", ["pem", "yaml"])
async def test_a_good_csr_in_a_file_is_in_doubt_and_not_held(
    kubevouch: Program, tmp_path: Path, form: str
) -> None:
    pem = request(NODE, [NODE], [ADDRESS])
    file = tmp_path / f"mine.{form}"
    file.write_bytes(pem if form == "pem" else manifest(pem))
    document, shown = await kubevouch.several(
        ("csr", "explain", str(file), "-o", "json"), ("csr", "explain", str(file))
    )
    assert (document.code, shown.code) == (3, 3), shown
    found = results(document.out)
    assert {each["outcome"] for each in found.values()} == {"pass", "cannot-tell"}
    for rule in ("requestor", "subject"):
        assert found[rule]["reason"] == "NotInEvidence"
    assert found["credential-id"]["reason"] == "NotAsked"
    for rule in ("foreign-names", "foreign-addresses", "allowed-names", "allowed-addresses"):
        assert found[rule]["outcome"] == "pass", found[rule]
    why = f"names and addresses: if it is {NODE}'s, as its common name says: pinned on 2026-11-20 by alice"
    assert why in " ".join(shown.out.split())


async def test_what_is_another_nodes_is_foreign_in_a_file_too(
    kubevouch: Program, tmp_path: Path
) -> None:
    """Whatever common name stands in it, and whatever kind of file it is."""
    for common_name, names in ((NODE, [NODE, OTHER]), ("somebody", [NODE])):
        pem = request(common_name, names, [ADDRESS])
        (tmp_path / "a.pem").write_bytes(pem)
        (tmp_path / "a.yaml").write_bytes(manifest(pem))
        for file in ("a.pem", "a.yaml"):
            ran = await kubevouch("csr", "explain", str(tmp_path / file), "-o", "json")
            assert ran.code == 1, ran
            assert results(ran.out)["foreign-names"]["reason"] == "ForeignName"


async def test_no_plan_and_no_denial_is_advised_for_a_file(
    kubevouch: Program, tmp_path: Path
) -> None:
    """Nobody can deny what nobody has sent, and no plan approves it."""
    for name, pem in (("a.pem", request("w7", ["w7"])), ("b.yaml", manifest(request("w7")))):
        (tmp_path / name).write_bytes(pem)
        ran = await kubevouch("csr", "explain", str(tmp_path / name))
        assert "kubevouch apply" not in ran.out, ran
        assert "csr deny" not in ran.out
