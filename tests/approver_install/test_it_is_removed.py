"""`approver remove` against the lab's API server: what goes, what stays, how it is undone."""

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, DEPLOYMENTS, KINDS, LEASES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench
from tests.approver_install.conftest import HELD, IMAGE, another_bench
from tests.approver_install.installation import (
    NAME,
    RULE,
    SPACE,
    as_written,
    everything,
    installed,
    undone_by,
)
from tests.cli.program import Program
from tests.support.authority import Authority


async def test_with_pins_it_leaves_the_namespace_and_what_others_have_in_it(
    lab: Bench, kubevouch: Program
) -> None:
    before = everything(lab)
    await kubevouch(*HELD, code=4)
    lab.local.create(CONFIG_MAPS, {"metadata": {"name": "mine"}}, SPACE)
    lab.local.patch(DEPLOYMENTS, NAME, {"metadata": {"labels": None}}, SPACE)
    ran = await kubevouch("approver", "remove", "--pins", "--yes", code=0)
    for_good = "No command restores the ConfigMaps"
    assert ran.err.index(for_good) < ran.err.index("This will delete"), ran.err
    assert "KV411" in ran.err
    left = everything(lab).keys() - before.keys()
    theirs = {f"ConfigMap {SPACE}/mine", f"Deployment {SPACE}/{NAME}"}
    assert left == {f"Namespace /{SPACE}", *theirs}
    assert f"kubectl delete namespace {SPACE}" in ran.out
    ran = await kubevouch("approver", "remove", "--pins", "--yes", code=0)
    assert "Nothing to remove: the approver is not installed." in ran.out
    assert "UNDO" not in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ("--new-nodes", "hold", "--enforce", "--may-approve-group", "Platform Admins"),
        (*RULE, "--new-nodes-per-hour", "7"),
    ],
)
async def test_it_keeps_what_is_known_of_nodes_and_is_undone_by_the_command_that_it_shows(
    lab: Bench, kubevouch: Program, words: tuple[str, ...]
) -> None:
    """Literally: every object is then as it was, but for what the API server numbers and dates."""
    install = ("approver", "install", "--image", IMAGE, *words, "--yes", "--wait", "0s")
    await kubevouch(*install, code=4)
    lab.local.create(LEASES, {"metadata": {"name": NAME}, "spec": {}}, SPACE)
    before = as_written(lab)
    ran = await kubevouch("approver", "remove", "--yes", code=0)
    left = {name for name in everything(lab) if SPACE in name}
    assert {name.split("/")[1].rstrip("0123456789") for name in left} == {
        *(SPACE, NAME, "kubevouch-pins-", "kubevouch-recorded-")
    }
    assert not [name for name in left if name.startswith(("Deployment", "Service", "Role"))]
    assert "Kept: 19 ConfigMaps with pins, records and configuration;" in ran.out
    await kubevouch(*undone_by(ran), code=4)
    assert as_written(lab) == before


async def test_what_another_removal_has_just_deleted_is_gone(
    authority: Authority, kubevouch: Program
) -> None:
    quicker = list[str]()

    def another_one(info: RequestInfo) -> tuple[bool, str]:
        if info.verb == "delete" and info.resource not in quicker:
            quicker.append(info.resource)
            lab.local.delete(
                KINDS[info.group, info.version, info.resource], info.name, info.namespace
            )
        return True, ""

    async with another_bench(kubevouch, authority, another_one) as lab:
        await kubevouch(*HELD, code=4)
        ran = await kubevouch("approver", "remove", "--pins", "--yes", code=0)
        assert {"configmaps", "deployments", "roles"} <= {*quicker}
        assert "objects deleted." in ran.out


@installed
async def test_without_pins_new_nodes_are_held_by_the_undo(lab: Bench, kubevouch: Program) -> None:
    before = as_written(lab).keys()
    ran = await kubevouch("approver", "remove", "--pins", "--yes", code=0)
    await kubevouch(*undone_by(ran), code=4)
    assert as_written(lab).keys() == before


@installed
async def test_without_a_deployment_nobody_knows_which_image_ran(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.delete(DEPLOYMENTS, NAME, SPACE)
    ran = await kubevouch("approver", "remove", "--yes", code=0)
    undo = "UNDO  kubevouch approver install --image NAME@sha256:DIGEST\n"
    assert undo in ran.out.replace("'", "")
