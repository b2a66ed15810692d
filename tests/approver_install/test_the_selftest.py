"""`approver selftest`: with the pins of this cluster, and without writing anything."""

import json
from pathlib import Path

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NAMESPACES, NODES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import fill
from tests.cli.program import Program
from tests.support.authority import Authority

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


async def test_where_no_approver_is_installed_that_is_what_comes_next(
    lab: Bench, kubevouch: Program
) -> None:
    """A pin, of which the rule speaks, cannot be written before that."""
    ran = await kubevouch("approver", "selftest")
    install = "kubevouch approver install --image REGISTRY/kubevouch@sha256:DIGEST"
    end = f"No approver is installed here, so nothing says which names and addresses nodes have:\nNEXT  {install}\n"
    assert ran.out.endswith(end), ran.out
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    await kubevouch("approver", "pin", "worker-1", "--yes")
    assert "NEXT" not in (await kubevouch("approver", "selftest")).out


async def test_a_configuration_that_cannot_be_read_holds_everything(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    await kubevouch("approver", "pin", "--yes")
    metadata = {"name": "kubevouch-approver", "labels": {"app.kubernetes.io/part-of": "kubevouch"}}
    broken = {"metadata": metadata, "data": {"configuration.yaml": "a: b"}}
    lab.local.create(CONFIG_MAPS, broken, SPACE)
    ran = await kubevouch("approver", "selftest", "-o", "json")
    rows = {each["csr"]: each for each in json.loads(ran.out)["rows"]}
    assert ran.code == 1
    assert "Passes" not in rows["an honest CSR"]["got"]


async def test_a_configuration_that_somebody_made_without_a_label_counts_as_with_the_approver_itself(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
    await kubevouch("approver", "pin", "--yes")
    broken = {"metadata": {"name": "kubevouch-approver"}, "data": {"configuration.yaml": "a: b"}}
    assert (await kubevouch("approver", "selftest")).code == 0
    lab.local.create(CONFIG_MAPS, broken, SPACE)
    ran = await kubevouch("approver", "selftest")
    assert (ran.code, "schemaVersion None" in ran.out) == (1, True), ran
    # Every attack is held, and an honest CSR as well.
    assert ran.out.count("NOT AS EXPECTED") == 1
    assert "38 of 38 attacks are held" in ran.out


async def test_without_a_node_it_could_not_tell(lab: Bench, kubevouch: Program) -> None:
    for each in lab.local.list(NODES):
        lab.local.delete(NODES, each["metadata"]["name"])
    ran = await kubevouch("approver", "selftest")
    assert ran.code == 3
    assert "there is no Node" in ran.err


async def test_where_what_is_pinned_may_not_be_read_it_could_not_tell(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    def no_pins(info: RequestInfo) -> tuple[bool, str]:
        return (info.resource, info.namespace) != ("configmaps", SPACE), ""

    async with bench(tmp_path, authority, authorize=no_pins) as lab:
        fill(lab)
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        ran = await kubevouch("approver", "selftest")
    assert ran.code == 3
    assert "what is written down in the cluster: " in ran.err
    assert "configmaps" in ran.err
