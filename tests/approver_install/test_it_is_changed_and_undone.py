"""An approver that is installed already is changed: by `upgrade`, by another `install`, and how each is undone."""

import json
import shlex
from pathlib import Path

import pytest

from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
)
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import HELD, IMAGE, fill, node
from tests.approver_install.installation import (
    BINDINGS,
    OTHER,
    POLICIES,
    RULE,
    SPACE,
    as_written,
    everything,
    installed,
    run,
)
from tests.cli.program import Program
from tests.support.authority import Authority


async def test_policies_refuse_only_when_that_is_asked_and_stay_so(
    lab: Bench, kubevouch: Program
) -> None:
    def actions() -> list[set[str]]:
        return [set(each["spec"]["validationActions"]) for each in lab.local.list(BINDINGS)]

    upgrade = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")
    await run(kubevouch, *HELD, code=4)
    assert actions() == [{"Warn", "Audit"}] * 2
    await run(kubevouch, *HELD, "--enforce", "--may-approve-group", "Platform Admins", code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    await run(kubevouch, *upgrade, code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")["spec"]
    assert {each["name"]: json.loads(each["expression"]) for each in policy["variables"]} == {
        "users": [f"system:serviceaccount:{SPACE}:kubevouch-approver"],
        "groups": ["kubeadm:cluster-admins", "system:masters", "Platform Admins"],
    }
    await run(kubevouch, *upgrade, "--no-enforce", code=4)
    assert actions() == [{"Warn", "Audit"}] * 2


@installed
async def test_an_upgrade_changes_the_image_and_nothing_else(
    lab: Bench, kubevouch: Program
) -> None:
    before = everything(lab)
    words = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")
    ran = await run(kubevouch, *words, code=4)
    after = everything(lab)
    changed = {each for each in after if after[each] != before.get(each)}
    assert changed == {f"Deployment {SPACE}/kubevouch-approver"}
    assert f"-        image: {IMAGE}" in ran.out
    assert f"+        image: {OTHER}" in ran.out
    assert f"UNDO  kubevouch approver upgrade --image {IMAGE}\n" in ran.out
    assert "approver remove" not in ran.out


@installed
async def test_an_upgrade_that_changes_nothing_has_nothing_to_undo(
    lab: Bench, kubevouch: Program
) -> None:
    for words in (("upgrade",), ("install", "--new-nodes", "hold")):
        ran = await run(
            kubevouch, "approver", *words, "--image", IMAGE, "--yes", "--wait", "0s", code=4
        )
        assert "Nothing to change" in ran.out
        assert "UNDO" not in ran.out


@installed
async def test_of_an_upgrade_that_changes_more_than_the_image_it_says_what_its_undo_leaves(
    lab: Bench, kubevouch: Program
) -> None:
    words = ("approver", "upgrade", "--image", OTHER, "--enforce", "--yes", "--wait", "0s")
    ran = await run(kubevouch, *words, code=4)
    assert f"UNDO  kubevouch approver upgrade --image {IMAGE} --no-enforce\n" in ran.out
    assert "only;" not in ran.out
    more = ("--image", IMAGE, "--no-enforce", "--may-approve-user", "x", "--yes", "--wait", "0s")
    ran = await run(kubevouch, "approver", "upgrade", *more, code=4)
    assert f"UNDO  kubevouch approver upgrade --image {OTHER} --enforce\n" in ran.out
    told = " ".join(ran.out.split())
    assert "the image and what the admission policies do only; 1 other change in" in told


async def test_enforcing_is_undone_by_its_flag(lab: Bench, kubevouch: Program) -> None:
    def actions() -> list[set[str]]:
        return [set(each["spec"]["validationActions"]) for each in lab.local.list(BINDINGS)]

    await run(kubevouch, *HELD, code=4)
    before = actions()
    ran = await run(kubevouch, *HELD, "--enforce", code=4)
    assert actions() != before
    [undo] = [line for line in ran.out.splitlines() if line.startswith("UNDO")]
    assert undo == f"UNDO  kubevouch approver upgrade --image {IMAGE} --no-enforce"
    await run(kubevouch, *undo.split()[2:], "--yes", "--wait", "0s", code=4)
    assert actions() == before


async def test_another_word_for_new_nodes_is_undone_by_a_command_with_the_former_one(
    lab: Bench, kubevouch: Program
) -> None:
    common = ("approver", "install", "--image", IMAGE, "--yes", "--wait", "0s")
    rule = ("--new-node-names", "worker-*", "--new-node-cidr", "192.168.88.0/24", "--new-nodes-per-hour", "7")  # fmt: skip
    await run(kubevouch, *HELD, code=4)

    def configured() -> str:
        found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)
        return str(found["data"]["configuration.yaml"])

    held = configured()
    ran = await run(kubevouch, *common, *rule, "--no-pins", code=4)
    undo = f"UNDO  kubevouch approver install --image {IMAGE} --no-pins --new-nodes hold"
    assert undo in ran.out.splitlines()
    ruled = configured()
    ran = await run(kubevouch, *undo.split()[2:], "--yes", "--wait", "0s", code=4)
    assert configured() == held != ruled
    quoted = shlex.join(rule)
    undo = f"UNDO  kubevouch approver install --image {IMAGE} --no-pins {quoted}"
    assert undo in ran.out.splitlines()
    again = shlex.split(undo)[2:]
    await run(kubevouch, *again, "--yes", "--wait", "0s", code=4)
    assert configured() == ruled


@pytest.mark.parametrize("image", [IMAGE, OTHER])
async def test_pins_that_a_later_install_adds_are_undone_too(
    lab: Bench, kubevouch: Program, image: str
) -> None:
    await run(kubevouch, *HELD, "--no-pins", code=4)
    before = as_written(lab)
    words = ("--image", image, "--new-nodes", "hold", "--yes", "--wait", "0s")
    ran = await run(kubevouch, "approver", "install", *words, code=4)
    assert as_written(lab) != before
    _, said, undo = ran.out.partition("UNDO  ")
    assert said, ran
    back = [f"kubevouch approver upgrade --image {IMAGE}"] if image != IMAGE else []
    commands = [*back, "kubevouch approver pin cp-1 worker-1 worker-2 --remove"]
    assert [each.strip() for each in undo.splitlines()] == commands
    for each in commands:
        more = ("--wait", "0s") if "upgrade" in each else ()
        await run(kubevouch, *each.split()[1:], "--yes", *more, code=4 if more else 0)
    after = {name: each for name, each in as_written(lab).items() if each.get("data") != {}}
    assert after == before


@installed
async def test_an_image_and_a_word_for_new_nodes_are_undone_by_one_command(
    lab: Bench, kubevouch: Program
) -> None:
    words = ("--image", OTHER, *RULE, "--no-pins", "--yes", "--wait", "0s")
    ran = await run(kubevouch, "approver", "install", *words, code=4)
    undo = f"UNDO  kubevouch approver install --image {IMAGE} --no-pins --new-nodes hold"
    assert undo in ran.out.splitlines()
    assert "only;" not in ran.out


@installed
async def test_a_configuration_that_no_flags_would_write_is_put_back_by_hand(
    lab: Bench, kubevouch: Program
) -> None:
    found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)
    text = f"{found['data']['configuration.yaml']}deny: hard\n"
    lab.local.update(CONFIG_MAPS, {**found, "data": {"configuration.yaml": text}})
    words = (*RULE, "--no-pins", "--force-conflicts", "--yes", "--wait", "0s")
    ran = await run(kubevouch, "approver", "install", "--image", IMAGE, *words, code=4)
    assert "UNDO  by hand: the diff above shows what was there before." in ran.out


@installed
async def test_the_question_counts_what_would_change(lab: Bench, kubevouch: Program) -> None:
    words = ("approver", "install", "--image", IMAGE, *RULE, "--no-pins")
    ran = await kubevouch.at_a_terminal(*words, columns=100, typed={"Go on?": b"n\n"})
    assert "This will change the installed approver: make or change 1 object, on" in " ".join(
        ran.out.split()
    )


async def test_it_installs_what_is_not_there_and_changes_what_is(
    lab: Bench, kubevouch: Program
) -> None:
    """Another image for an approver that runs is no installation; what was begun, and has no approver yet, is one."""
    again = ("--yes", "--wait", "0s")
    ran = await run(kubevouch, *HELD, code=4)
    assert "This will install the approver: " in ran.err
    ran = await run(kubevouch, "approver", "install", "--image", OTHER, *again, code=4)
    assert "This will change the installed approver: make or change 1 object, on" in ran.err
    ran = await run(kubevouch, "approver", "upgrade", "--image", IMAGE, *again, code=4)
    assert "This will upgrade the approver: make or change 1 object, on" in ran.err
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await run(kubevouch, "approver", "install", "--image", IMAGE, *again, code=4)
    assert "This will install the approver: make or change 1 object, on" in ran.err


@installed
async def test_a_dry_run_of_what_is_there_already_says_that_nothing_would_change(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await run(kubevouch, "approver", "install", "--image", IMAGE, "--dry-run", code=0)
    assert "Nothing to change: the approver is installed like this." in ran.out
    ran = await run(kubevouch, "approver", "install", "--image", OTHER, "--dry-run", code=0)
    assert "Nothing to change" not in ran.out
    assert "A dry run: nothing was changed." in ran.err


async def test_what_stops_on_its_way_says_so_and_how_it_is_taken_out(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    def no_deployments(info: RequestInfo) -> tuple[bool, str]:
        writes = info.verb in ("patch", "create", "delete") and not info.dry_run
        return not (writes and info.resource == "deployments"), ""

    async with bench(tmp_path, authority, authorize=no_deployments) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        ran = await run(kubevouch, *HELD, code=4)
        assert 'cannot patch resource "deployments"' in ran.err
        # What is there may be another operator's, who installs, too: to go on harms nobody.
        goes_on = "It stopped on its way; the same command goes on with it"
        assert f"{goes_on}, and `kubevouch approver remove` takes out what is there." in ran.err
        await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
        assert not [each for each in everything(lab) if SPACE in each]


async def test_what_somebody_changed_since_it_was_shown_is_not_overwritten(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    """Another install is quicker: it comes when this one reads the Nodes for the table, behind the diff."""
    looks = 0

    def another_comes(info: RequestInfo) -> tuple[bool, str]:
        nonlocal looks
        if info.verb == "list" and info.resource == "nodes":
            looks += 1
            if looks == 2:
                lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
                theirs = {"metadata": {"name": "kubevouch-approver"}, "data": {"theirs": "1"}}
                lab.local.create(CONFIG_MAPS, theirs, SPACE)
        return True, ""

    async with bench(tmp_path, authority, authorize=another_comes) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        ran = await run(kubevouch, *HELD, code=4)
        assert looks == 3  # of the second time all Nodes, and the control planes among them
        assert "has changed since it was shown" in ran.err
        assert "Nothing was changed." in ran.err
        found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)
        assert found["data"] == {"theirs": "1"}
        assert lab.local.find(DEPLOYMENTS, "kubevouch-approver", SPACE) is None


async def _policy_with_parameters(lab: Bench) -> None:
    """Who may decide stands in a ConfigMap, as somebody else may have written it."""
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")
    for each in policy["spec"]["variables"]:
        each["expression"] = f"params.data['{each['name']}'].split('\\n')"
    policy["spec"]["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    lab.local.update(POLICIES, policy)


@installed
async def test_a_policy_that_says_it_in_another_way_is_replaced_and_that_is_said(
    lab: Bench, kubevouch: Program
) -> None:
    await _policy_with_parameters(lab)
    ran = await run(kubevouch, *HELD, "--force-conflicts", code=4)
    assert "says in another way than ours" in " ".join(ran.err.split())
    assert "The approver is applied" in ran.out


@installed
async def test_a_second_install_names_the_nodes_that_joined_since_and_are_not_pinned(
    lab: Bench, kubevouch: Program
) -> None:
    assert "Not pinned" not in (await run(kubevouch, *HELD, code=4)).err
    lab.local.create(NODES, node("worker-9", "192.168.88.119"))
    ran = await run(kubevouch, *HELD, code=4)
    assert "Not pinned, and not pinned by this: worker-9." in ran.err


async def test_there_must_be_something_to_upgrade(lab: Bench, kubevouch: Program) -> None:
    ran = await run(kubevouch, "approver", "upgrade", "--image", OTHER, "--yes", code=2)
    assert "kubevouch approver install" in ran.err


@pytest.mark.parametrize(
    "words", [("remove", "--yes"), ("upgrade", "--image", OTHER, "--yes", "--wait", "0s")]
)
async def test_a_policy_that_cannot_be_read_is_not_taken_for_one_that_is_not_there(
    tmp_path: Path, authority: Authority, kubevouch: Program, words: tuple[str, ...]
) -> None:
    """A removal would leave one that refuses everybody, and an upgrade would open what is closed."""
    unread: list[str] = []

    def readable(info: RequestInfo) -> tuple[bool, str]:
        refused = info.verb == "get" and info.resource in unread
        if refused:
            unread.remove(info.resource)
        return not refused, ""

    async with bench(tmp_path, authority, authorize=readable) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await run(kubevouch, *HELD, "--enforce", code=4)
        before = everything(lab)
        unread += [
            "validatingadmissionpolicybindings"
        ] * 2  # each is read once before anything is shown
        ran = await run(kubevouch, "approver", *words, code=3)
        assert 'cannot get resource "validatingadmissionpolicybindings"' in ran.err
        assert everything(lab) == before
