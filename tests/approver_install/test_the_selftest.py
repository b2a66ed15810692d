"""`approver selftest`: with the pins of this cluster, and without writing anything."""

import json

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES, NODES
from lab.tests.apiserver.bench import Bench
from tests.cli.program import Program

SPACE = "kubevouch-system"


async def test_every_attack_is_held_and_a_pinned_nodes_csr_passes(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    assert (await kubevouch("approver", "pin", "--yes")).code == 0
    before = lab.store.revision
    ran = await kubevouch("approver", "selftest")
    assert ran.code == 0, ran
    assert lab.store.revision == before
    lines = ran.out.splitlines()
    assert lines[0].split()[:2] == ["THREAT", "CSR"]
    assert all(line.rstrip().endswith("ok") for line in lines[1 : lines.index("")])
    assert len(lines) > 30
    assert "attacks are held" in ran.out


async def test_a_node_that_no_source_knows_is_not_as_expected(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await kubevouch("approver", "selftest", "-o", "json")
    rows = json.loads(ran.out)["rows"]
    assert ran.code == 1
    wrong = [each for each in rows if not each["asExpected"]]
    assert [each["csr"] for each in wrong] == ["an honest CSR"]
    assert "NodeUnknown" in wrong[0]["got"]


async def test_a_configuration_that_cannot_be_read_holds_everything(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    await kubevouch("approver", "pin", "--yes")
    broken = {"metadata": {"name": "kubevouch-approver"}, "data": {"configuration.yaml": "a: b"}}
    lab.local.create(CONFIG_MAPS, broken, SPACE)
    ran = await kubevouch("approver", "selftest", "-o", "json")
    rows = {each["csr"]: each for each in json.loads(ran.out)["rows"]}
    assert ran.code == 1
    assert "Passes" not in rows["an honest CSR"]["got"]


async def test_without_a_node_it_could_not_tell(lab: Bench, kubevouch: Program) -> None:
    for each in lab.local.list(NODES):
        lab.local.delete(NODES, each["metadata"]["name"])
    ran = await kubevouch("approver", "selftest")
    assert ran.code == 3
    assert "there is no Node" in ran.err
