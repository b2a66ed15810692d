"""`approver install` against the lab's API server: what is shown, what is asked, what is there then."""

import re
from pathlib import Path

import pytest
import yaml

from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    CSRS,
    DEPLOYMENTS,
    NODES,
)
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import HELD, IMAGE, fill, node
from tests.approver_install.installation import (
    BUDGETS,
    SPACE,
    everything,
    installed,
    name_of,
    run,
)
from tests.cli.program import Program
from tests.support.authority import Authority
from tests.support.manifests import folder_of_manifests, objects


async def test_a_dry_run_shows_every_object_and_writes_none(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await run(kubevouch, *HELD, "--dry-run", code=0)
    assert everything(lab) == before
    for manifest in objects("*.yaml", "admission/*.yaml"):
        assert f"+  name: {manifest['metadata']['name']}\n" in ran.out
    assert f"+        image: {IMAGE}" in ran.out.replace("'", "")
    assert "PodDisruptionBudget" not in ran.out
    assert re.search(r"worker-1 +new +worker-1 +192\.168\.88\.112", ran.out)


async def test_a_dry_run_needs_no_decision_about_new_nodes(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await run(kubevouch, "approver", "install", "--image", IMAGE, "--dry-run", code=0)
    assert "--new-nodes hold is shown" in ran.err
    assert "sources: [inventory, pins, renewal]" in ran.out
    assert everything(lab) == before


async def test_without_an_image_it_says_where_one_comes_from(
    lab: Bench, kubevouch: Program
) -> None:
    for verb in ("install", "upgrade"):
        ran = await run(kubevouch, "approver", verb, code=2)
        assert "Missing option '--image'" in ran.err
        assert "`make image`" in ran.err
        assert "docs/image.md" in ran.err


async def test_without_a_terminal_it_says_at_once_all_that_it_needs(
    lab: Bench, kubevouch: Program
) -> None:
    """Whoever added what it had asked for was refused once more, for lack of --yes."""
    words = ("approver", "install", "--image", IMAGE)
    ran = await run(kubevouch, *words, code=2)
    hold = "--new-nodes hold, or --new-node-names and --new-node-cidr"
    assert f"is not a terminal to ask at; --yes, and {hold}, were expected" in ran.err
    ran = await run(kubevouch, *words, "--yes", code=2)
    assert f"is not a terminal to ask at; {hold}, were expected" in ran.err


@pytest.mark.parametrize("flag", ["--may-approve-user", "--may-approve-group"])
async def test_nobody_is_no_user_and_no_group(lab: Bench, kubevouch: Program, flag: str) -> None:
    ran = await run(kubevouch, *HELD, flag, "", code=2)
    assert f"{flag}: is empty" in ran.err


async def test_a_rule_that_cannot_be_read_is_told_by_its_flag(
    lab: Bench, kubevouch: Program
) -> None:
    rule = ("--new-node-names", "w[", "--new-node-cidr", "10.0.0.0/8")
    words = ("approver", "install", "--image", IMAGE, "--yes", *rule)
    ran = await run(kubevouch, *words, code=2)
    assert ran.err.splitlines()[-1] == (
        "Error: --new-nodes rule: names 'w['; a lower-case pattern with * and ? was expected that begins with a letter or a digit, "
        "or has three of them side by side"
    )


async def test_where_nothing_else_approves_it_says_so_and_how_far_it_could_see(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await run(kubevouch, *HELD, "--dry-run", code=0)
    assert "Nothing else approves these CSRs, as far as could be seen" in " ".join(ran.err.split())


async def test_who_approved_a_csr_lately_is_not_called_an_approver_that_runs(
    lab: Bench, kubevouch: Program
) -> None:
    """That is told before an installation, and where ours is taken out again."""
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "AutoApproved",
        "lastUpdateTime": "2026-11-24T12:00:00Z",
    }
    csr = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "csr-1", "uid": "u"},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": "system:node:worker-1",
            "request": "",
        },
        "status": {"conditions": [condition]},
    }
    lab.store.create(CSRS, csr)
    ran = await run(kubevouch, *HELD, code=4)
    seen = r"csr-1 of worker-1 was approved \d+ min ago with reason 'AutoApproved'; whether that approver still runs is not known"
    said = " ".join(ran.err.split())
    assert re.search(f"No other approver is seen to run. {seen}", said), said
    assert "Another approver runs" not in said
    assert "Nothing else approves" not in said
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    said = " ".join(ran.err.split())
    assert re.search(f"Nothing that is seen to run approves then: {seen} .KV411.", said), said


async def test_whether_others_approve_is_not_known_where_csrs_cannot_be_read(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    async with bench(
        tmp_path,
        authority,
        authorize=lambda info: (info.resource != "certificatesigningrequests", ""),
    ) as lab:
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        fill(lab)
        ran = await run(kubevouch, *HELD, "--dry-run", code=0)
    assert "Whether others approve is not known" in " ".join(ran.err.split())
    assert "Nothing else approves" not in ran.err


async def test_what_is_applied_is_exactly_the_manifests(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    await run(kubevouch, *HELD, code=4)  # nothing runs pods here
    made = everything(lab).keys() - before.keys()
    wanted = {name_of(each) for each in objects("*.yaml", "admission/*.yaml")}
    pins = {each for each in made if "/kubevouch-pins-" in each}
    assert made == wanted | pins | {f"ConfigMap {SPACE}/kubevouch-approver"}
    for each in made - pins:
        (entry,) = everything(lab)[each]["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("kubevouch", "Apply")
    for each in before:
        assert everything(lab)[each] == before[each]


@installed
async def test_a_second_install_finds_nothing_to_change_and_leaves_records_alone(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.patch(CONFIG_MAPS, "kubevouch-recorded-3", {"data": {"worker-9": "{}"}}, SPACE)
    before = everything(lab)
    ran = await run(kubevouch, *HELD, code=4)
    assert "Nothing to change" in ran.out
    assert everything(lab) == before


@pytest.mark.parametrize(
    "image",
    [
        "kubevouch",
        "registry.example.com/kubevouch:1.0",
        "registry.example.com/kubevouch@sha256:" + "4f" * 31,
        "registry.example.com/kubevouch@sha256:" + "4F" * 32,
        "registry.example.com/kubevouch@md5:" + "4f" * 32,
        "registry.example.com/kubevouch@sha256:" + "4f" * 32 + "\n",
    ],
)
async def test_an_image_without_its_digest_is_an_error_of_the_command_line(
    lab: Bench, kubevouch: Program, image: str
) -> None:
    ran = await run(kubevouch, "approver", "install", "--image", image, "--yes", code=2)
    assert "NAME@sha256:DIGEST was expected" in ran.err


async def test_which_source_new_nodes_get_must_be_said(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await run(kubevouch, "approver", "install", "--image", IMAGE, "--yes", code=2)
    assert "--new-nodes hold" in ran.err
    assert everything(lab) == before


async def test_it_asks_at_a_terminal_which_source_new_nodes_get(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await kubevouch.at_a_terminal(
        *("approver", "install", "--image", IMAGE, "--wait", "0s"),
        columns=100,
        typed={
            "New nodes": b"rule\n",
            "Pattern of their names": b"worker-*\n",
            "Their networks": b"192.168.88.0/24\n",
            "At most so many": b"3\n",
            "Go on?": b"y\n",
        },
    )
    assert ran.code == 4, ran
    found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)["data"]["configuration.yaml"]
    rule = {"names": "worker-*", "cidrs": ["192.168.88.0/24"], "perHour": 3}
    assert yaml.safe_load(found)["newNodes"] == [rule]


async def test_ctrl_c_at_the_question_about_new_nodes_says_that_nothing_was_changed(
    lab: Bench, kubevouch: Program
) -> None:
    before = everything(lab)
    words = ("approver", "install", "--image", IMAGE, "--wait", "0s")
    ran = await kubevouch.at_a_terminal(*words, columns=100, typed={"New nodes (": b"\x03"})
    assert ran.code == 130, ran
    assert ran.out.splitlines()[-2:] == ["Nothing was changed.", "Error: interrupted"]
    assert everything(lab) == before


async def test_a_no_changes_nothing(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    words = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold")
    ran = await kubevouch.at_a_terminal(*words, columns=100, typed={"Go on?": b"n\n"})
    assert (ran.code, everything(lab) == before) == (4, True), ran
    assert "Nothing was changed." in ran.out + ran.err


async def test_a_rule_for_new_nodes_is_written_as_it_was_said(
    lab: Bench, kubevouch: Program
) -> None:
    words = ("--new-node-names", "worker-*", "--new-node-cidr", "192.168.88.0/24")
    networks = ("--new-node-cidr", "fd00:88::/64", "--new-nodes-per-hour", "7")
    common = ("approver", "install", "--image", IMAGE, "--yes", "--wait", "0s")
    await run(kubevouch, *common, *words, *networks, code=4)
    found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)["data"]["configuration.yaml"]
    assert yaml.safe_load(found) == {
        "schemaVersion": "kubevouch.approver/1",
        "sources": ["inventory", "pins", "renewal", "new-nodes"],
        "newNodes": [
            {"names": "worker-*", "cidrs": ["192.168.88.0/24", "fd00:88::/64"], "perHour": 7}
        ],
    }


@pytest.mark.parametrize(
    "words",
    [
        ("--new-nodes", "rule"),
        ("--new-node-names", "worker-*"),
        ("--new-nodes", "hold", "--new-node-names", "worker-*", "--new-node-cidr", "10.0.0.0/8"),
        ("--new-node-names", "worker-*", "--new-node-cidr", "10.0.0.1/8"),
        ("--new-node-names", "*", "--new-node-cidr", "10.0.0.0/8"),
    ],
)
async def test_half_a_rule_is_an_error_of_the_command_line(
    lab: Bench, kubevouch: Program, words: tuple[str, ...]
) -> None:
    before = everything(lab)
    await run(kubevouch, "approver", "install", "--image", IMAGE, "--yes", *words, code=2)
    assert everything(lab) == before


@installed
async def test_what_somebody_else_owns_is_a_conflict_and_nothing_is_changed(
    lab: Bench, kubevouch: Program
) -> None:
    await lab.does("-n", SPACE, "scale", "deployment/kubevouch-approver", "--replicas=0")
    before = everything(lab)
    ran = await run(kubevouch, *HELD, code=4)
    assert ".spec.replicas" in ran.err
    assert "Nothing was changed" in ran.err
    assert everything(lab) == before
    await run(kubevouch, *HELD, "--force-conflicts", code=4)
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 1


async def test_two_control_planes_have_two_replicas_and_a_budget_and_one_has_neither(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NODES, node("cp-2", "192.168.88.121", control_plane=True))
    await run(kubevouch, *HELD, code=4)
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 2
    assert lab.local.get(BUDGETS, "kubevouch-approver", SPACE)["spec"]["minAvailable"] == 1
    lab.local.delete(NODES, "cp-2")
    ran = await run(kubevouch, *HELD, code=4)
    assert "PodDisruptionBudget kubevouch-system/kubevouch-approver: will be deleted" in ran.out
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 1
    assert lab.local.find(BUDGETS, "kubevouch-approver", SPACE) is None


async def test_kubectl_applies_the_same_files(lab: Bench) -> None:
    """What an operator does with the checkout alone, in a dry run of the server and for good."""
    folder = folder_of_manifests()
    await lab.does("apply", "--server-side", "-f", str(folder / "00-namespace.yaml"))
    for each in (folder, folder / "two-replicas", folder / "admission"):
        words = ("apply", "--server-side", "-f", str(each))
        await lab.does(*words, "--dry-run=server")
        out = await lab.does(*words)
        assert "serverside-applied" in out


async def test_a_rule_beside_another_answer_is_told_where_it_belongs(kubevouch: Program) -> None:
    ran = await kubevouch(*HELD, "--new-node-names", "worker-*")
    said = "Error: --new-nodes hold: has no rule; --new-node-names and --new-node-cidr belong to --new-nodes rule"
    assert (ran.code, ran.err.strip()) == (2, said)
