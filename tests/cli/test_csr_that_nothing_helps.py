"""What `csr` leads to for CSRs that no plan helps: of somebody who is no node, or that ask for what is another node's."""

from base64 import b64encode

import pytest

from tests.cli.program import Program
from tests.cli.waiting import ADDRESS, NODE, OTHER, OTHERS_ADDRESS, put_csr, put_node
from tests.support.requests import request
from tests.support.scripted.kinds import CSRS
from tests.support.stage import Stage

PLAN = "kubevouch plan"


@pytest.fixture(autouse=True)
def waits(stage: Stage) -> None:
    """As kubeadm leaves a cluster: nothing is written down. One CSR is of an administrator, one asks for another node's name."""
    put_node(stage, NODE, "uid-9", ADDRESS)
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_csr(stage, "csr-admin", NODE, ADDRESS)
    put_csr(stage, "csr-thief", NODE, ADDRESS)
    change(stage, "csr-admin", username="kubernetes-admin", groups=["kubeadm:cluster-admins"])
    pem = request(NODE, [NODE, OTHER], [ADDRESS])
    change(stage, "csr-thief", request=b64encode(pem).decode())


def change(stage: Stage, csr: str, **spec: object) -> None:
    found = stage.server.store.get(CSRS, csr)
    found["spec"] |= spec
    stage.server.store.put(CSRS, found)


async def test_what_is_nobodys_kubelets_leads_to_a_denial_and_to_no_plan(
    kubevouch: Program,
) -> None:
    ran = await kubevouch("csr", "explain", "csr-admin")
    assert ran.code == 1, ran
    assert PLAN not in ran.out
    last = ran.out.rstrip().splitlines()[-1].strip()
    assert last == "kubevouch csr deny csr-admin --reason 'no kubelet asks so'"


async def test_what_asks_for_another_nodes_name_leads_to_no_plan(kubevouch: Program) -> None:
    explained = await kubevouch("csr", "explain", "csr-thief")
    named = await kubevouch("csr", "approve", "csr-thief", "--yes")
    every = await kubevouch("csr", "approve", "--all", "--yes")
    for ran in (explained, named, every):
        assert (ran.code, PLAN in ran.out) == (1, False), ran
    assert ", allowed-addresses. It was not approved" in " ".join(named.out.split())
    assert "It was not approved" not in explained.out


async def test_a_list_says_as_explain_does_which_are_held_and_of_which_it_cannot_tell(
    kubevouch: Program, stage: Stage
) -> None:
    put_csr(stage, "csr-w8", OTHER, OTHERS_ADDRESS)
    listed, thief, unknown = await kubevouch.several(
        ("csr", "list"), ("csr", "explain", "csr-thief"), ("csr", "explain", "csr-w8")
    )
    last = {row.split()[0]: row.split("   ")[-1].strip() for row in listed.out.splitlines() if row}
    assert "csr-thief: held by foreign-names" in " ".join(thief.out.split())
    assert last["csr-thief"] == "holds: foreign-names"
    assert "csr-w8: held by allowed-addresses" in " ".join(unknown.out.split())
    assert last["csr-w8"] == "holds: allowed-addresses"


async def test_beside_them_one_that_a_plan_helps_leads_to_it(
    kubevouch: Program, stage: Stage
) -> None:
    put_csr(stage, "csr-w8", OTHER, OTHERS_ADDRESS)
    every = await kubevouch("csr", "approve", "--all", "--yes")
    named = await kubevouch("csr", "approve", "csr-w8", "--yes")
    assert (every.code, PLAN in every.out) == (1, True), every
    assert (named.code, PLAN in named.out) == (1, True), named
