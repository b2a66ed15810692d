"""An install or an upgrade that was interrupted: how it is undone is said while that is known, and by the same command what it can tell."""

import shlex
import signal
from pathlib import Path

import pytest

from kubevouch.evidence.our_approver import NAME
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, DEPLOYMENTS, KINDS, LEASES, SERVICES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import HELD, IMAGE, fill
from tests.approver_install.installation import (
    BINDINGS,
    OTHER,
    SPACE,
    everything,
    installed,
    run,
    undone_by,
)
from tests.cli.program import Process, Program, Ran, ended
from tests.support.authority import Authority

ROLES = KINDS["rbac.authorization.k8s.io", "v1", "roles"]
UPGRADE = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")


DEPLOYMENT = "Deployment kubevouch-system/kubevouch-approver"


def pinned_nodes(lab: Bench) -> set[str]:
    found = [e for e in lab.local.list(CONFIG_MAPS) if "kubevouch-pins-" in e["metadata"]["name"]]
    return {node for each in found for node in each.get("data", {})}


def image(lab: Bench) -> str:
    found = lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


async def interrupted(
    lab: Bench, kubevouch: Program, running: list[Process], words: tuple[str, ...]
) -> Ran:
    running.append(await kubevouch.started(*words))
    ran = await ended(running[0])
    assert ran.code == 130, ran
    return ran


async def test_an_upgrade_that_is_interrupted_says_how_it_is_undone(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    """The same command finds the new image already, and cannot say which one ran before."""
    running = list[Process]()

    def written(info: RequestInfo) -> tuple[bool, str]:
        # The write of the Deployment itself is let through: only then it is ended.
        if running and info.verb == "patch" and info.resource == "services" and not info.dry_run:
            running[0].send_signal(signal.SIGINT)
        return True, ""

    async with bench(tmp_path, authority, authorize=written) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await run(kubevouch, *HELD, code=4)
        before = everything(lab)
        first = await interrupted(lab, kubevouch, running, UPGRADE)
        assert "It stopped on its way; the same command goes on with it." in first.err
        assert f"UNDO  kubevouch approver upgrade --image {IMAGE}\n" in first.out
        running.clear()
        await run(kubevouch, *UPGRADE, code=4)
        assert image(lab) == OTHER
        await run(kubevouch, *undone_by(first), code=4)
        assert image(lab) == IMAGE
        assert everything(lab).keys() == before.keys()


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (UPGRADE, "get"),
        (UPGRADE, "patch"),
        (HELD, "list"),
        (("approver", "remove", "--yes"), "list"),
        (("approver", "pin", "--yes"), "list"),
    ],
    ids=["upgrade, looking", "upgrade, trying", "install", "remove", "pin"],
)
async def test_who_interrupts_it_before_anything_is_written_is_told_that_nothing_was_changed(
    tmp_path: Path, authority: Authority, kubevouch: Program, words: tuple[str, ...], at: str
) -> None:
    """Before the diff is shown, as at the question. Without --yes being asked it was only: interrupted."""
    running, sent = list[Process](), list[str]()

    def looking(info: RequestInfo) -> tuple[bool, str]:
        if running and info.verb == at and not sent:
            sent.append(info.resource)
            assert info.verb != "patch" or info.dry_run
            running[0].send_signal(signal.SIGINT)
        return True, ""

    async with bench(tmp_path, authority, authorize=looking) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        if words != HELD:
            await run(kubevouch, *HELD, code=4)
        before = everything(lab)
        ran = await interrupted(lab, kubevouch, running, words)
        assert ran.err.splitlines()[-2:] == ["Nothing was changed.", "Error: interrupted"], ran
        assert ("UNDO" in ran.out, "It stopped" in ran.err) == (False, False), ran
        assert everything(lab) == before


async def test_pins_that_were_written_before_an_interruption_are_undone_too(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    """The same command finds pins there, and adds none."""
    running = list[Process]()
    shards = list[str]()

    def pinned(info: RequestInfo) -> tuple[bool, str]:
        if running and info.verb == "create" and info.resource == "configmaps":
            shards.append(info.resource)
            if len(shards) == 2:  # that of the workers is written
                running[0].send_signal(signal.SIGINT)
        return True, ""

    async with bench(tmp_path, authority, authorize=pinned) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await run(kubevouch, *HELD, "--no-pins", code=4)
        ran = await interrupted(lab, kubevouch, running, HELD)
        # The write of the master's was sent, and nobody has waited for its answer.
        command = "kubevouch approver pin cp-1 worker-1 worker-2 --remove"
        assert f"UNDO  {command}\n" in ran.out, ran
        await run(kubevouch, *command.split()[1:], "--yes", code=0)
        assert pinned_nodes(lab) == set()


PIN = ("approver", "pin", "--yes")
ALL = {"cp-1", "worker-1", "worker-2"}


@pytest.mark.parametrize(
    ("before", "words", "again"),
    [((), HELD, HELD), ((*HELD, "--no-pins"), PIN, PIN), ((*HELD, "--no-pins"), HELD, PIN)],
    ids=["install", "pin", "install of one that is there"],
)
async def test_pins_that_were_interrupted_between_two_config_maps_are_completed(
    tmp_path: Path,
    authority: Authority,
    kubevouch: Program,
    before: tuple[str, ...],
    words: tuple[str, ...],
    again: tuple[str, ...],
) -> None:
    """By the same command; or by the one that it names, since `install` pins nobody beside the pins of an approver that is there."""
    running, patched = list[Process](), list[str]()

    def pins(info: RequestInfo) -> tuple[bool, str]:
        if running and info.verb == "patch" and info.name.startswith("kubevouch-pins-"):
            patched.append(info.name)
            if len(patched) == 2:  # the first ConfigMap is written, and the other one is not
                running[0].send_signal(signal.SIGINT)
                return False, "not yet"
        return True, ""

    async with bench(tmp_path, authority, authorize=pins) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        if before:
            await run(kubevouch, *before, code=4)
        first = await interrupted(lab, kubevouch, running, words)
        assert pinned_nodes(lab) == {"worker-1", "worker-2"}, first
        assert ("`kubevouch approver pin` does" in first.err) is (again != words), first
        running.clear()
        second = await kubevouch(*again)
        assert second.code == (4 if again == HELD else 0), second
        assert pinned_nodes(lab) == ALL, second
        assert DEPLOYMENT in everything(lab)
        for ran in (second, first) if before else ():
            [undo] = [line for line in ran.out.splitlines() if line.startswith("UNDO  ")]
            await run(kubevouch, *shlex.split(undo)[2:], "--yes", code=0)
        assert pinned_nodes(lab) == (set() if before else ALL)


async def test_an_approver_that_was_removed_comes_back_with_the_pins_that_it_had(
    lab: Bench, kubevouch: Program
) -> None:
    """Only what was interrupted is completed: a node that nobody has pinned may be left out on purpose."""
    await run(kubevouch, *HELD, code=4)
    await run(kubevouch, "approver", "pin", "worker-2", "--remove", "--yes", code=0)
    await run(kubevouch, "approver", "remove", "--yes", code=0)
    await run(kubevouch, *HELD, code=4)
    assert pinned_nodes(lab) == {"cp-1", "worker-1"}


@installed
async def test_an_approver_whose_deployment_somebody_deleted_comes_back_with_the_pins_that_it_had(
    lab: Bench, kubevouch: Program
) -> None:
    """It is no installation that has stopped on its way: one has led here, and the pin may be gone because the node is suspect."""
    metadata = {"name": NAME, "namespace": SPACE}
    lab.local.create(LEASES, {"metadata": metadata, "spec": {"holderIdentity": "one"}})
    await run(kubevouch, "approver", "pin", "worker-2", "--remove", "--yes", code=0)
    lab.local.delete(DEPLOYMENTS, NAME, SPACE)
    ran = await run(kubevouch, *HELD, code=4)
    assert "Not pinned, and not pinned by this: worker-2." in ran.err
    assert pinned_nodes(lab) == {"cp-1", "worker-1"}


@installed
async def test_an_upgrade_that_finds_all_of_it_done_says_where_the_image_of_before_is_found(
    lab: Bench, kubevouch: Program
) -> None:
    await run(kubevouch, *UPGRADE, code=4)
    ran = await run(kubevouch, *UPGRADE, code=4)
    assert "Nothing to change" in ran.out
    assert "UNDO" not in ran.out
    told = " ".join(ran.err.split())
    assert "Only an upgrade that changes the image says which one ran before" in told
    assert "`kubectl -n kubevouch-system get replicasets -o wide`" in told


@installed
async def test_objects_of_several_namespaces_are_taken_out_by_a_command_for_each(
    lab: Bench, kubevouch: Program
) -> None:
    before = {name for name in everything(lab) if not name.startswith(("Role ", "Service "))}
    for kind in (ROLES, SERVICES):
        for each in lab.local.list(kind):
            if each["metadata"]["name"] == "kubevouch-approver":
                lab.local.delete(kind, "kubevouch-approver", each["metadata"]["namespace"])
    ran = await run(kubevouch, *HELD, code=4)
    assert before <= everything(lab).keys()
    role = "roles.rbac.authorization.k8s.io/kubevouch-approver"
    undo = ran.out.partition("UNDO  ")[2].splitlines()
    command = "kubectl delete --ignore-not-found -n"
    assert {each.strip() for each in undo[:3]} == {
        f"{command} {SPACE} {role} services/kubevouch-approver",
        f"{command} default {role}",
        f"{command} kube-system {role}",
    }


async def test_what_completes_an_installation_is_undone_by_taking_out_what_it_made(
    lab: Bench, kubevouch: Program
) -> None:
    """It was interrupted behind its Deployment; it said: by hand, the diff shows what was there before."""
    await run(kubevouch, *HELD, code=4)
    for each in lab.local.list(BINDINGS):
        lab.local.delete(BINDINGS, each["metadata"]["name"])
    before = everything(lab)
    ran = await run(kubevouch, *HELD, code=4)
    assert len(everything(lab)) == len(before) + 2
    assert "by hand" not in ran.out
    [undo] = [line for line in ran.out.splitlines() if line.startswith("UNDO  ")]
    words = shlex.split(undo)
    assert words[1:6] == ["kubectl", "delete", "--ignore-not-found", "-n", SPACE]
    for thing in words[6:]:
        kind, _, name = thing.partition("/")
        assert kind == "validatingadmissionpolicybindings.admissionregistration.k8s.io"
        lab.local.delete(BINDINGS, name)
    assert everything(lab) == before
    told = " ".join(ran.out.split())
    assert "`kubevouch approver remove` takes out all of the approver" in told
