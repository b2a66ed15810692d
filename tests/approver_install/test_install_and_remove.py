"""`approver install | upgrade | remove` against the lab's API server: what is shown, what is there then, what is left."""

import asyncio
import copy
import json
import re
import shlex
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevouch.cli.approver.leaving import why_it_is_still_there
from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    KINDS,
    LEASES,
    NAMESPACES,
    NODES,
)
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import HELD, IMAGE, fill, node
from tests.cli.program import Process, Program, Ran, ended
from tests.support.authority import Authority
from tests.support.manifests import folder_of_manifests, objects

OTHER = "registry.example.com/kubevouch@sha256:" + "5e" * 32
installed = pytest.mark.usefixtures("installed")
SPACE = "kubevouch-system"
ADMISSION = "admissionregistration.k8s.io"
SECRETS = KINDS["", "v1", "secrets"]
POLICIES = KINDS[ADMISSION, "v1", "validatingadmissionpolicies"]
BINDINGS = KINDS[ADMISSION, "v1", "validatingadmissionpolicybindings"]
BUDGETS = KINDS["policy", "v1", "poddisruptionbudgets"]


def everything(lab: Bench) -> dict[str, Any]:
    """All objects of the cluster, by kind, namespace and name."""
    return {
        f"{kind.kind} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each
        for kind in KINDS.values()
        if kind.stored and kind.stored_as is None
        for each in lab.local.list(kind)
    }


def name_of(manifest: Any) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


async def _ran(kubevouch: Program, *words: str, code: int) -> Ran:
    ran = await kubevouch(*words)
    assert ran.code == code, ran
    return ran


async def test_a_dry_run_shows_every_object_and_writes_none(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await _ran(kubevouch, *HELD, "--dry-run", code=0)
    assert everything(lab) == before
    for manifest in objects("*.yaml", "admission/*.yaml"):
        assert f"+  name: {manifest['metadata']['name']}\n" in ran.out
    assert f"+        image: {IMAGE}" in ran.out.replace("'", "")
    assert "PodDisruptionBudget" not in ran.out
    assert re.search(r"worker-1 +new +worker-1 +192\.168\.88\.112", ran.out)


async def test_a_dry_run_needs_no_decision_about_new_nodes(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, "--dry-run", code=0)
    assert "--new-nodes hold is shown" in ran.err
    assert "sources: [inventory, pins, renewal]" in ran.out
    assert everything(lab) == before


async def test_without_an_image_it_says_where_one_comes_from(
    lab: Bench, kubevouch: Program
) -> None:
    for verb in ("install", "upgrade"):
        ran = await _ran(kubevouch, "approver", verb, code=2)
        assert "Missing option '--image'" in ran.err
        assert "`make image`" in ran.err
        assert "docs/image.md" in ran.err


@pytest.mark.parametrize("flag", ["--may-approve-user", "--may-approve-group"])
async def test_nobody_is_no_user_and_no_group(lab: Bench, kubevouch: Program, flag: str) -> None:
    ran = await _ran(kubevouch, *HELD, flag, "", code=2)
    assert f"{flag}: is empty" in ran.err


async def test_a_rule_that_cannot_be_read_is_told_by_its_flag(
    lab: Bench, kubevouch: Program
) -> None:
    rule = ("--new-node-names", "w[", "--new-node-cidr", "10.0.0.0/8")
    words = ("approver", "install", "--image", IMAGE, "--yes", *rule)
    ran = await _ran(kubevouch, *words, code=2)
    assert ran.err.splitlines()[-1] == (
        "Error: --new-nodes rule: names 'w['; a lower-case pattern with * and ? was expected that begins with a letter or a digit, "
        "or has three of them side by side"
    )


async def test_where_nothing_else_approves_it_says_so_and_how_far_it_could_see(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await _ran(kubevouch, *HELD, "--dry-run", code=0)
    assert "Nothing else approves these CSRs, as far as could be seen" in " ".join(ran.err.split())


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
        ran = await _ran(kubevouch, *HELD, "--dry-run", code=0)
    assert "Whether others approve is not known" in " ".join(ran.err.split())
    assert "Nothing else approves" not in ran.err


async def test_what_is_applied_is_exactly_the_manifests(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    await _ran(kubevouch, *HELD, code=4)  # nothing runs pods here
    made = everything(lab).keys() - before.keys()
    wanted = {name_of(each) for each in objects("*.yaml", "admission/*.yaml")}
    pins = {each for each in made if "/kubevouch-pins-" in each}
    assert made == wanted | pins | {f"ConfigMap {SPACE}/kubevouch-approver"}
    for each in made - pins:
        (entry,) = everything(lab)[each]["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("kubevouch", "Apply")
    for each in before:
        assert everything(lab)[each] == before[each]


async def test_it_says_the_truth_when_the_pods_are_not_ready(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await _ran(kubevouch, *HELD, code=4)
    assert "The approver is applied, and not ready after 0 s" in ran.out
    assert "UNDO  kubevouch approver remove" in ran.out


def make_ready(lab: Bench) -> None:
    """As the Deployment's controller and a kubelet would."""
    found = lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    lab.local.update(DEPLOYMENTS, {**found, "status": counts}, "status")


def renew_the_lease(lab: Bench, holder: str, *, ago: float = 0.0) -> None:
    """As an approver that leads does, so many seconds ago. holder: "" gives it back."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    lab.clock.wind(at - lab.clock.now())  # the API server notes when it was written
    lease = {"metadata": {"name": "kubevouch-approver"}, "spec": {"holderIdentity": holder}}
    if f"Lease {SPACE}/kubevouch-approver" in everything(lab):
        lab.local.delete(LEASES, "kubevouch-approver", SPACE)
    lab.local.create(LEASES, lease, SPACE)


@installed
async def test_it_is_ready_when_every_pod_is_and_one_leads(lab: Bench, kubevouch: Program) -> None:
    make_ready(lab)
    renew_the_lease(lab, "kubevouch-approver-6d4cf-x2x7k_0a")
    ran = await _ran(kubevouch, *HELD[:4], "--yes", code=0)
    assert "Nothing to change: the approver is installed like this." in ran.out
    assert (
        "The approver is ready: all of its pods are, and one leads.\n"
        "NEXT  kubevouch approver selftest\n"
    ) in ran.out


@installed
@pytest.mark.parametrize(
    ("holder", "ago", "told"),
    [
        (None, 0.0, "none of its pods leads yet."),
        ("", 0.0, "none of its pods leads yet."),
        ("kubevouch-approver-of-before_0a", 10.0, "none of its pods leads yet; the Lease was"),
    ],
    ids=["there is no Lease", "it was given back", "a former approver has it"],
)
async def test_pods_that_are_ready_are_no_approver_before_one_leads(
    lab: Bench, kubevouch: Program, holder: str | None, ago: float, told: str
) -> None:
    make_ready(lab)
    if holder is not None:
        renew_the_lease(lab, holder, ago=ago)
    ran = await _ran(kubevouch, *HELD, code=4)
    assert f"The approver is applied, and not ready after 0 s: {told}" in " ".join(ran.out.split())
    assert "The approver is ready" not in ran.out


@installed
async def test_it_waits_until_one_leads(lab: Bench, kubevouch: Program) -> None:
    make_ready(lab)
    renew_the_lease(lab, "kubevouch-approver-of-before_0a", ago=10)
    running = asyncio.ensure_future(_ran(kubevouch, *HELD[:-1], "1m", code=0))
    done, _ = await asyncio.wait({running}, timeout=3)
    assert not done
    renew_the_lease(lab, "kubevouch-approver-6d4cf-x2x7k_0a")
    ran = await asyncio.wait_for(running, 30)
    assert "The approver is ready: all of its pods are, and one leads." in ran.out


UNREADABLE = "schemaVersion: kubevouch.approver/1\nsources: [inventory, pinz]\n"


def configure(lab: Bench, text: str) -> None:
    data = {"data": {"configuration.yaml": text}}
    lab.local.patch(CONFIG_MAPS, "kubevouch-approver", data, SPACE)


@installed
async def test_with_a_configuration_that_cannot_be_read_it_is_neither_ready_nor_left_alone(
    lab: Bench, kubevouch: Program
) -> None:
    """It would approve nothing: "Nothing to change" and "ready" would be an all-clear."""
    make_ready(lab)
    renew_the_lease(lab, "kubevouch-approver-6d4cf-x2x7k_0a")
    configure(lab, UNREADABLE)
    for words in (HELD[:4], ("approver", "upgrade", "--image", IMAGE)):
        ran = await _ran(kubevouch, *words, "--yes", code=4)
        assert "Nothing to change" not in ran.out
        assert "The approver is ready" not in ran.out
        told = " ".join((ran.err + ran.out).split())
        assert "approves nothing: its configuration cannot be read" in told
        assert "'pinz'" in told
        assert "NEXT kubectl -n kubevouch-system edit configmap/kubevouch-approver" in told
    ran = await _ran(kubevouch, *HELD[:4], "--dry-run", code=0)
    assert "its configuration cannot be read" in " ".join(ran.err.split())
    # What this install writes itself counts, and not what was there.
    renew_the_lease(lab, "kubevouch-approver-6d4cf-x2x7k_0a")
    ran = await _ran(kubevouch, *HELD, "--force-conflicts", code=0)
    assert "The approver is ready" in ran.out
    assert "cannot be read" not in ran.out + ran.err


@installed
async def test_a_second_install_finds_nothing_to_change_and_leaves_records_alone(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.patch(CONFIG_MAPS, "kubevouch-recorded-3", {"data": {"worker-9": "{}"}}, SPACE)
    before = everything(lab)
    ran = await _ran(kubevouch, *HELD, code=4)
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
    ran = await _ran(kubevouch, "approver", "install", "--image", image, "--yes", code=2)
    assert "NAME@sha256:DIGEST was expected" in ran.err


async def test_which_source_new_nodes_get_must_be_said(lab: Bench, kubevouch: Program) -> None:
    before = everything(lab)
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, "--yes", code=2)
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
    await _ran(kubevouch, *common, *words, *networks, code=4)
    found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)["data"]["configuration.yaml"]
    assert yaml.safe_load(found) == {
        "schemaVersion": "kubevouch.approver/1",
        "sources": ["inventory", "pins", "renewal", "new-nodes"],
        "newNodes": [
            {"names": "worker-*", "cidrs": ["192.168.88.0/24", "fd00:88::/64"], "perHour": 7}
        ],
    }


async def test_node_status_is_loudly_weak(lab: Bench, kubevouch: Program) -> None:
    words = ("--new-nodes", "node-status", "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, *words, code=4)
    assert ran.err.count("WEAK: with node-status") == 1
    found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)["data"]["configuration.yaml"]
    assert "WEAK" in found
    assert "node-status" in yaml.safe_load(found)["sources"]


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
    await _ran(kubevouch, "approver", "install", "--image", IMAGE, "--yes", *words, code=2)
    assert everything(lab) == before


@installed
async def test_what_somebody_else_owns_is_a_conflict_and_nothing_is_changed(
    lab: Bench, kubevouch: Program
) -> None:
    await lab.does("-n", SPACE, "scale", "deployment/kubevouch-approver", "--replicas=0")
    before = everything(lab)
    ran = await _ran(kubevouch, *HELD, code=4)
    assert ".spec.replicas" in ran.err
    assert "Nothing was changed" in ran.err
    assert everything(lab) == before
    await _ran(kubevouch, *HELD, "--force-conflicts", code=4)
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 1


@installed
async def test_an_upgrade_is_in_conflict_with_the_exporter_in_the_approvers_pod(
    lab: Bench, kubevouch: Program
) -> None:
    """The command is that of docs/exporter.md, and so is what it says of an upgrade."""
    page = (folder_of_manifests().parents[1] / "docs" / "exporter.md").read_text("utf-8")
    [patch] = re.findall(
        r"patch deployment kubevouch-approver --type=json -p '(.*?)'", page, re.DOTALL
    )
    await lab.does(
        "-n", SPACE, "patch", "deployment/kubevouch-approver", "--type=json", "-p", patch
    )
    upgrade = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")

    def arguments() -> list[str]:
        found = lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
        words: list[str] = found["spec"]["template"]["spec"]["containers"][0]["args"]
        return words

    ran = await _ran(kubevouch, *upgrade, code=4)
    assert "kubectl-patch" in ran.err
    assert "With --force-conflicts these fields are taken over." in ran.err
    assert arguments()[:3] == ["run", "approver", "exporter"]
    await _ran(kubevouch, *upgrade, "--force-conflicts", code=4)
    assert arguments()[:2] == ["approver", "run"]
    assert "With `--force-conflicts` they write their own" in " ".join(page.split())


async def test_two_control_planes_have_two_replicas_and_a_budget_and_one_has_neither(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.create(NODES, node("cp-2", "192.168.88.121", control_plane=True))
    await _ran(kubevouch, *HELD, code=4)
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 2
    assert lab.local.get(BUDGETS, "kubevouch-approver", SPACE)["spec"]["minAvailable"] == 1
    lab.local.delete(NODES, "cp-2")
    ran = await _ran(kubevouch, *HELD, code=4)
    assert "PodDisruptionBudget kubevouch-system/kubevouch-approver: will be deleted" in ran.out
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)["spec"]["replicas"] == 1
    assert lab.local.find(BUDGETS, "kubevouch-approver", SPACE) is None


async def test_policies_refuse_only_when_that_is_asked_and_stay_so(
    lab: Bench, kubevouch: Program
) -> None:
    def actions() -> list[set[str]]:
        return [set(each["spec"]["validationActions"]) for each in lab.local.list(BINDINGS)]

    upgrade = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")
    await _ran(kubevouch, *HELD, code=4)
    assert actions() == [{"Warn", "Audit"}] * 2
    await _ran(kubevouch, *HELD, "--enforce", "--may-approve-group", "Platform Admins", code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    await _ran(kubevouch, *upgrade, code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")["spec"]
    assert {each["name"]: json.loads(each["expression"]) for each in policy["variables"]} == {
        "users": [f"system:serviceaccount:{SPACE}:kubevouch-approver"],
        "groups": ["kubeadm:cluster-admins", "system:masters", "Platform Admins"],
    }
    await _ran(kubevouch, *upgrade, "--no-enforce", code=4)
    assert actions() == [{"Warn", "Audit"}] * 2


@installed
async def test_an_upgrade_changes_the_image_and_nothing_else(
    lab: Bench, kubevouch: Program
) -> None:
    before = everything(lab)
    words = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, *words, code=4)
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
        ran = await _ran(
            kubevouch, "approver", *words, "--image", IMAGE, "--yes", "--wait", "0s", code=4
        )
        assert "Nothing to change" in ran.out
        assert "UNDO" not in ran.out


@installed
async def test_of_an_upgrade_that_changes_more_than_the_image_it_says_what_its_undo_leaves(
    lab: Bench, kubevouch: Program
) -> None:
    words = ("approver", "upgrade", "--image", OTHER, "--enforce", "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, *words, code=4)
    assert f"UNDO  kubevouch approver upgrade --image {IMAGE} --no-enforce\n" in ran.out
    assert "only;" not in ran.out
    more = ("--image", IMAGE, "--no-enforce", "--may-approve-user", "x", "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, "approver", "upgrade", *more, code=4)
    assert f"UNDO  kubevouch approver upgrade --image {OTHER} --enforce\n" in ran.out
    told = " ".join(ran.out.split())
    assert "the image and what the admission policies do only; 1 other change in" in told


async def test_enforcing_is_undone_by_its_flag(lab: Bench, kubevouch: Program) -> None:
    def actions() -> list[set[str]]:
        return [set(each["spec"]["validationActions"]) for each in lab.local.list(BINDINGS)]

    await _ran(kubevouch, *HELD, code=4)
    before = actions()
    ran = await _ran(kubevouch, *HELD, "--enforce", code=4)
    assert actions() != before
    [undo] = [line for line in ran.out.splitlines() if line.startswith("UNDO")]
    assert undo == f"UNDO  kubevouch approver upgrade --image {IMAGE} --no-enforce"
    await _ran(kubevouch, *undo.split()[2:], "--yes", "--wait", "0s", code=4)
    assert actions() == before


async def test_another_word_for_new_nodes_is_undone_by_a_command_with_the_former_one(
    lab: Bench, kubevouch: Program
) -> None:
    common = ("approver", "install", "--image", IMAGE, "--yes", "--wait", "0s")
    rule = ("--new-node-names", "worker-*", "--new-node-cidr", "192.168.88.0/24", "--new-nodes-per-hour", "7")  # fmt: skip
    await _ran(kubevouch, *HELD, code=4)

    def configured() -> str:
        found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)
        return str(found["data"]["configuration.yaml"])

    held = configured()
    ran = await _ran(kubevouch, *common, *rule, "--no-pins", code=4)
    undo = f"UNDO  kubevouch approver install --image {IMAGE} --no-pins --new-nodes hold"
    assert undo in ran.out.splitlines()
    ruled = configured()
    ran = await _ran(kubevouch, *undo.split()[2:], "--yes", "--wait", "0s", code=4)
    assert configured() == held != ruled
    quoted = shlex.join(rule)
    undo = f"UNDO  kubevouch approver install --image {IMAGE} --no-pins {quoted}"
    assert undo in ran.out.splitlines()
    again = shlex.split(undo)[2:]
    await _ran(kubevouch, *again, "--yes", "--wait", "0s", code=4)
    assert configured() == ruled


@installed
async def test_an_image_and_a_word_for_new_nodes_are_undone_by_one_command(
    lab: Bench, kubevouch: Program
) -> None:
    words = ("--image", OTHER, "--new-nodes", "node-status", "--no-pins", "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, "approver", "install", *words, code=4)
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
    words = (
        "--new-nodes",
        "node-status",
        "--no-pins",
        "--force-conflicts",
        "--yes",
        "--wait",
        "0s",
    )
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, *words, code=4)
    assert "UNDO  by hand: the diff above shows what was there before." in ran.out


@installed
async def test_the_question_counts_what_would_change(lab: Bench, kubevouch: Program) -> None:
    words = ("approver", "install", "--image", IMAGE, "--new-nodes", "node-status", "--no-pins")
    ran = await kubevouch.at_a_terminal(*words, columns=100, typed={"Go on?": b"n\n"})
    assert "This will change the installed approver: make or change 1 object, on" in " ".join(
        ran.out.split()
    )


async def test_it_installs_what_is_not_there_and_changes_what_is(
    lab: Bench, kubevouch: Program
) -> None:
    """Another image for an approver that runs is no installation; what was begun, and has no approver yet, is one."""
    again = ("--yes", "--wait", "0s")
    ran = await _ran(kubevouch, *HELD, code=4)
    assert "This will install the approver: " in ran.err
    ran = await _ran(kubevouch, "approver", "install", "--image", OTHER, *again, code=4)
    assert "This will change the installed approver: make or change 1 object, on" in ran.err
    ran = await _ran(kubevouch, "approver", "upgrade", "--image", IMAGE, *again, code=4)
    assert "This will upgrade the approver: make or change 1 object, on" in ran.err
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, *again, code=4)
    assert "This will install the approver: make or change 1 object, on" in ran.err


@installed
async def test_a_dry_run_of_what_is_there_already_says_that_nothing_would_change(
    lab: Bench, kubevouch: Program
) -> None:
    ran = await _ran(kubevouch, "approver", "install", "--image", IMAGE, "--dry-run", code=0)
    assert "Nothing to change: the approver is installed like this." in ran.out
    ran = await _ran(kubevouch, "approver", "install", "--image", OTHER, "--dry-run", code=0)
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
        ran = await _ran(kubevouch, *HELD, code=4)
        assert 'cannot patch resource "deployments"' in ran.err
        # What is there may be another operator's, who installs, too: to go on harms nobody.
        goes_on = "It stopped on its way; the same command goes on with it"
        assert f"{goes_on}, and `kubevouch approver remove` takes out what is there." in ran.err
        await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
        ran = await _ran(kubevouch, *HELD, code=4)
        assert looks == 3  # of the second time all Nodes, and the control planes among them
        assert "has changed since it was shown" in ran.err
        assert "Nothing was changed." in ran.err
        found = lab.local.get(CONFIG_MAPS, "kubevouch-approver", SPACE)
        assert found["data"] == {"theirs": "1"}
        assert lab.local.find(DEPLOYMENTS, "kubevouch-approver", SPACE) is None


async def _former_policy(lab: Bench) -> None:
    """As a version before had it: who may decide stood in a ConfigMap."""
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")
    for each in policy["spec"]["variables"]:
        each["expression"] = f"params.data['{each['name']}'].split('\\n')"
    policy["spec"]["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    lab.local.update(POLICIES, policy)


@installed
async def test_a_former_versions_policy_is_taken_over_with_whom_it_names(
    lab: Bench, kubevouch: Program
) -> None:
    await _former_policy(lab)
    labels = {"app.kubernetes.io/part-of": "kubevouch", "kubevouch.dev/holds": "admission"}
    former = {
        "metadata": {"name": "kubevouch-admission", "labels": labels},
        "data": {"users": "alice\n", "groups": "system:masters\nPlatform Admins\n"},
    }
    lab.local.create(CONFIG_MAPS, former, SPACE)
    ran = await _ran(kubevouch, *HELD, "--force-conflicts", code=4)
    assert "ConfigMap kubevouch-system/kubevouch-admission: will be deleted" in ran.out
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")["spec"]
    assert {each["name"]: json.loads(each["expression"]) for each in policy["variables"]} == {
        "users": [f"system:serviceaccount:{SPACE}:kubevouch-approver", "alice"],
        "groups": ["kubeadm:cluster-admins", "system:masters", "Platform Admins"],
    }
    assert lab.local.find(CONFIG_MAPS, "kubevouch-admission", SPACE) is None


@installed
async def test_a_policy_that_says_it_in_another_way_is_replaced_and_that_is_said(
    lab: Bench, kubevouch: Program
) -> None:
    await _former_policy(lab)
    ran = await _ran(kubevouch, *HELD, "--force-conflicts", code=4)
    assert "says in another way than ours" in " ".join(ran.err.split())
    assert "The approver is applied" in ran.out


@installed
async def test_a_former_versions_parameters_are_removed_with_the_rest(
    lab: Bench, kubevouch: Program
) -> None:
    labels = {"app.kubernetes.io/part-of": "kubevouch", "kubevouch.dev/holds": "admission"}
    former = {"metadata": {"name": "kubevouch-admission", "labels": labels}}
    lab.local.create(CONFIG_MAPS, former, SPACE)
    await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    assert lab.local.find(CONFIG_MAPS, "kubevouch-admission", SPACE) is None


@installed
async def test_a_second_install_names_the_nodes_that_joined_since_and_are_not_pinned(
    lab: Bench, kubevouch: Program
) -> None:
    assert "Not pinned" not in (await _ran(kubevouch, *HELD, code=4)).err
    lab.local.create(NODES, node("worker-9", "192.168.88.119"))
    ran = await _ran(kubevouch, *HELD, code=4)
    assert "Not pinned, and not pinned by this: worker-9." in ran.err


async def test_there_must_be_something_to_upgrade(lab: Bench, kubevouch: Program) -> None:
    ran = await _ran(kubevouch, "approver", "upgrade", "--image", OTHER, "--yes", code=2)
    assert "kubevouch approver install" in ran.err


async def test_remove_with_pins_leaves_the_cluster_as_it_was(
    lab: Bench, kubevouch: Program
) -> None:
    before = copy.deepcopy(everything(lab))
    await _ran(kubevouch, *HELD, code=4)
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    assert "KV411" in ran.err
    assert everything(lab) == before
    ran = await _ran(kubevouch, "approver", "pin", "--diff", code=1)
    assert "it is not pinned" in ran.out


def _undone_by(ran: Ran) -> list[str]:
    """The words of the command behind UNDO, to be run without a terminal."""
    [line] = re.findall(r"^UNDO  kubevouch (.*)$", ran.out, re.MULTILINE)
    return [*shlex.split(line), "--yes", "--wait", "0s"]


RULE = ("--new-node-names", "worker-*", "--new-node-cidr", "192.168.88.0/24")
NAMED = ("--may-approve-user", "alice smith", "--may-approve-group", "site:ops")


@pytest.mark.parametrize(
    "words",
    [
        ("--new-nodes", "hold"),
        ("--new-nodes", "node-status", "--enforce", *NAMED),
        (*RULE, "--new-nodes-per-hour", "7", "--no-pins"),
    ],
)
async def test_a_removal_is_undone_by_the_command_that_it_shows(
    lab: Bench, kubevouch: Program, words: tuple[str, ...]
) -> None:
    """Literally: every object is then as it was, but for what the API server numbers and dates."""
    install = ("approver", "install", "--image", IMAGE, *words, "--yes", "--wait", "0s")
    await _ran(kubevouch, *install, code=4)
    before = _as_written(lab)
    # A controller keeps its notes in the metadata, and no operator would miss them.
    notes = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}
    lab.local.patch(DEPLOYMENTS, "kubevouch-approver", notes, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    assert "is gone" not in ran.out
    await _ran(kubevouch, *_undone_by(ran), code=4)
    assert _as_written(lab) == before


def _as_written(lab: Bench) -> dict[str, Any]:
    def plain(found: Any) -> Any:
        return {
            **found,
            "metadata": {
                key: found["metadata"].get(key) for key in ("name", "namespace", "labels")
            },
            "status": None,
            "spec": {
                k: v for k, v in found.get("spec", {}).items() if not k.startswith("clusterIP")
            },
        }

    return {name: plain(each) for name, each in everything(lab).items()}


@installed
async def test_what_no_command_brings_back_is_named_after_a_removal(
    lab: Bench, kubevouch: Program
) -> None:
    text = "schemaVersion: kubevouch.approver/1\nsources: [pins]\nmaxLifetime: 30d\n"
    data = {"data": {"configuration.yaml": text}}
    lab.local.patch(CONFIG_MAPS, "kubevouch-approver", data, SPACE)
    await lab.does("-n", SPACE, "scale", "deployment/kubevouch-approver", "--replicas=0")
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    said = " ".join(ran.out.split())
    assert f"UNDO kubevouch approver install --image {IMAGE} --new-nodes hold" in said
    assert "what --allow and --csr gave to pins, and what was recorded, is gone" in said
    assert "what others have set in these objects is gone: " in said
    assert " in Deployment kubevouch-approver" in said
    assert f"no flag says what stood in ConfigMap {SPACE}/kubevouch-approver" in said
    assert "        maxLifetime: 30d\n" in ran.out


@installed
async def test_a_namespace_that_does_not_go_is_not_called_gone(
    lab: Bench, kubevouch: Program
) -> None:
    """It holds until a finalizer of somebody else's is gone; nothing can be made in it meanwhile."""
    kept = {"metadata": {"finalizers": ["example.com/kept"]}}
    lab.local.patch(NAMESPACES, SPACE, kept)
    words = ("approver", "remove", "--pins", "--yes", "--wait", "0s")
    ran = await _ran(kubevouch, *words, code=4)
    assert f"namespace {SPACE}: is still being deleted after 0 s" in ran.err
    assert "objects are deleted" in ran.out
    before = copy.deepcopy(everything(lab))
    ran = await _ran(kubevouch, *HELD, code=4)
    assert f"namespace {SPACE}: is being deleted, and nothing can be made in it" in ran.err
    assert "Nothing was changed." in ran.err
    assert everything(lab) == before
    ran = await _ran(kubevouch, "approver", "pin", "--diff", code=1)
    told = " ".join(ran.out.split())
    assert f"Nothing can be pinned while the namespace {SPACE} is being deleted." in told
    assert "NEXT kubevouch approver install" in told
    # Once more: only the namespace is left, and it is waited for.
    ran = await _ran(kubevouch, *words, code=4)
    assert "is still being deleted" in ran.err
    lab.local.patch(NAMESPACES, SPACE, {"metadata": {"finalizers": None}})
    await _ran(kubevouch, *HELD, code=4)


def test_what_keeps_a_namespace_is_told_in_kubernetes_words() -> None:
    """In the form of pkg/controller/namespace/deletion/status_condition_utils.go."""
    seen = {
        "type": "NamespaceDeletionDiscoveryFailure",
        "status": "True",
        "reason": "DiscoveryFailed",
        "message": "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
        "metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1",
    }
    well = {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content"}
    going = {"metadata": {"deletionTimestamp": "2026-11-26T02:00:00Z"}}
    told = why_it_is_still_there({**going, "status": {"conditions": [seen, well]}})
    assert told == f"NamespaceDeletionDiscoveryFailure: {seen['message']}"
    assert why_it_is_still_there(going) == "Kubernetes has not said what it waits for"
    assert why_it_is_still_there({"metadata": {}, "status": {"conditions": [seen]}}) == ""


@installed
async def test_remove_keeps_what_is_known_of_nodes(lab: Bench, kubevouch: Program) -> None:
    kept = {
        name: each
        for name, each in everything(lab).items()
        if name.startswith(
            (f"ConfigMap {SPACE}/kubevouch-pins", f"ConfigMap {SPACE}/kubevouch-recorded")
        )
    }
    lab.local.create(LEASES, {"metadata": {"name": "kubevouch-approver"}, "spec": {}}, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    left = {name: each for name, each in everything(lab).items() if SPACE in name}
    left.pop(f"Namespace /{SPACE}")
    left.pop(f"Lease {SPACE}/kubevouch-approver")
    assert left == kept
    stays = (
        f"What stays: Namespace {SPACE}, 2 ConfigMaps with pins (3 nodes), 16 with what was recorded, the Lease. "
        "`kubevouch approver remove --pins` takes them out, too."
    )
    assert stays in " ".join(ran.out.split()), ran.out
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    told = " ".join(ran.out.split())
    assert "There is nothing to remove: no approver is installed here." in told
    assert stays in told
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", "--wait", "0s", code=0)
    for_good = (
        "No command brings these ConfigMaps back: another install pins what the Nodes claim then, without what --allow "
        "and --csr gave to pins, and without what was recorded."
    )
    assert ran.err.index(for_good) < ran.err.index("This will delete"), ran.err


@installed
async def test_remove_leaves_what_is_not_ours(lab: Bench, kubevouch: Program) -> None:
    lab.local.create(CONFIG_MAPS, {"metadata": {"name": "mine"}}, SPACE)
    lab.local.patch(DEPLOYMENTS, "kubevouch-approver", {"metadata": {"labels": None}}, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    stays = "stays: there are others' objects in it (ConfigMap mine, Deployment kubevouch-approver)"
    assert stays in " ".join(ran.err.split())
    assert lab.local.get(CONFIG_MAPS, "mine", SPACE)
    assert lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
    assert "deletionTimestamp" not in lab.local.get(NAMESPACES, SPACE)["metadata"]


@installed
@pytest.mark.parametrize(
    ("group", "version", "plural"),
    [
        ("", "v1", "secrets"),
        ("", "v1", "serviceaccounts"),
        ("", "v1", "persistentvolumeclaims"),
        ("batch", "v1", "jobs"),
        ("rbac.authorization.k8s.io", "v1", "roles"),
        ("coordination.k8s.io", "v1", "leases"),
    ],
)
async def test_the_namespace_stays_whatever_kind_of_thing_somebody_else_has_in_it(
    lab: Bench, kubevouch: Program, group: str, version: str, plural: str
) -> None:
    kind = KINDS[group, version, plural]
    lab.local.create(kind, {"metadata": {"name": "theirs"}}, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    assert f"others' objects in it ({kind.kind} theirs)" in " ".join(ran.err.split())
    assert lab.local.get(kind, "theirs", SPACE)
    assert "deletionTimestamp" not in lab.local.get(NAMESPACES, SPACE)["metadata"]


@installed
async def test_the_namespace_stays_while_the_exporter_is_in_it(
    lab: Bench, kubevouch: Program
) -> None:
    """Its objects bear the label of all that is this product's, and `approver install` has made none of them."""
    mine = [
        (kind, each["metadata"]["name"], each)
        for each in objects("../exporter/*.yaml")
        if each["metadata"].get("namespace") == SPACE
        and (kind := next((k for k in KINDS.values() if k.kind == each["kind"]), None))
    ]
    assert {kind.kind for kind, _, _ in mine} >= {"Deployment", "Service", "ServiceAccount"}
    for kind, _, each in mine:
        lab.local.create(kind, each, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    stays = "stays: there are others' objects in it (Deployment kubevouch-exporter, "
    assert stays in " ".join(ran.err.split())
    assert f"- Namespace {SPACE}" not in ran.out
    for kind, name, _ in mine:
        assert lab.local.get(kind, name, SPACE)
    assert "deletionTimestamp" not in lab.local.get(NAMESPACES, SPACE)["metadata"]


@installed
async def test_what_kubernetes_makes_in_the_namespace_is_nobodys(
    lab: Bench, kubevouch: Program
) -> None:
    """What every namespace has, what is made for an object that is there, and what is said of it; and the Lease."""
    found = lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "kubevouch-approver"}
    owned = {"ownerReferences": [{**owner, "uid": found["metadata"]["uid"]}]}
    lab.local.create(CONFIG_MAPS, {"metadata": {"name": "kube-root-ca.crt"}}, SPACE)
    event = {"metadata": {"name": "approver.1"}, "involvedObject": {"namespace": SPACE}}
    lab.local.create(KINDS["", "v1", "events"], event, SPACE)
    for (group, version, plural), metadata in {
        ("", "v1", "serviceaccounts"): {"name": "default"},
        ("", "v1", "persistentvolumeclaims"): {"name": "of-the-deployment", **owned},
        ("coordination.k8s.io", "v1", "leases"): {"name": "kubevouch-approver"},
        ("", "v1", "endpoints"): {"name": "kubevouch-approver"},
    }.items():
        lab.local.create(KINDS[group, version, plural], {"metadata": metadata}, SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    assert f"- Namespace {SPACE}" in ran.out


async def test_the_namespace_stays_where_it_is_not_known_what_lies_in_it(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    def no_secrets(info: RequestInfo) -> tuple[bool, str]:
        return info.resource != "secrets", ""

    async with bench(tmp_path, authority, authorize=no_secrets) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await _ran(kubevouch, *HELD, code=4)
        ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
        assert 'cannot list resource "secrets"' in " ".join(ran.err.split())
        assert f"The namespace {SPACE} stays" in ran.err
        assert [e for e in everything(lab) if SPACE in e] == [f"Namespace /{SPACE}"]


async def test_the_namespace_stays_if_somebody_has_put_something_into_it_since_it_was_shown(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    looks = 0

    def somebody_comes(info: RequestInfo) -> tuple[bool, str]:
        nonlocal looks
        if (info.verb, info.resource, info.namespace) == ("list", "secrets", SPACE):
            looks += 1
            if looks == 2:
                lab.local.create(SECRETS, {"metadata": {"name": "theirs"}}, SPACE)
        return True, ""

    async with bench(tmp_path, authority, authorize=somebody_comes) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await _ran(kubevouch, *HELD, code=4)
        before = everything(lab)
        ran = await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=4)
        assert "others' objects in it (Secret theirs)" in " ".join(ran.err.split())
        assert "It stopped after 0 of " in ran.err
        assert everything(lab).keys() == before.keys() | {f"Secret {SPACE}/theirs"}
        await _ran(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
        assert lab.local.get(SECRETS, "theirs", SPACE)


async def test_who_may_not_delete_is_told_which_right_lacks_and_not_to_try_again(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    async with bench(
        tmp_path, authority, authorize=lambda info: (info.verb != "delete", "")
    ) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await _ran(kubevouch, *HELD, code=4)
        before = everything(lab)
        ran = await _ran(kubevouch, "approver", "remove", "--yes", code=4)
        assert everything(lab) == before
        assert "cannot delete resource" in ran.err
        assert "It stopped after 0 of " in ran.err
        assert "The same command goes on with it, once that is mended." in ran.err


async def test_where_the_deployment_was_deleted_by_hand_the_undo_says_that_it_takes_out_more_than_this_put_in(
    lab: Bench, kubevouch: Program
) -> None:
    first = await _ran(kubevouch, *HELD, code=4)
    assert "were there before" not in first.out
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await _ran(kubevouch, *HELD, code=4)
    assert "1 objects new" in ran.err
    said = " ".join(ran.out.partition("UNDO  ")[2].split())
    removed = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    [count] = re.findall(r"^(\d+) objects are deleted", removed.out, flags=re.MULTILINE)
    others = int(count) - 1
    assert (
        said
        == f"kubevouch approver remove it takes out {others} objects that were there before as well"
    )


async def test_whoever_interrupts_a_removal_is_told_how_far_it_got_and_how_it_is_undone(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    """The same command finds no Deployment any more, and so cannot say which image ran."""
    deleted, running = list[str](), list[Process]()

    def third(info: RequestInfo) -> tuple[bool, str]:
        if info.verb == "delete":
            deleted.append(info.name)
            if len(deleted) == 3:
                running[0].send_signal(signal.SIGINT)
        return True, ""

    async with bench(tmp_path, authority, authorize=third) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await _ran(kubevouch, *HELD, code=4)
        running.append(await kubevouch.started("approver", "remove", "--yes"))
        ran = await ended(running[0])
        assert ran.code == 130, ran
        assert "It stopped after 2 of " in ran.err, ran
        on = "objects, and the one in hand may be gone, too. The same command goes on with it."
        assert on in ran.err, ran
        assert f"UNDO  kubevouch approver install --image {IMAGE} --new-nodes hold" in ran.out


# Of the objects the last six tell how it is undone: the configuration, two bindings and two policies, the Deployment.
@pytest.mark.parametrize("at", [1, 5, 10])
async def test_a_removal_that_was_interrupted_says_again_how_it_is_undone(
    tmp_path: Path, authority: Authority, kubevouch: Program, at: int
) -> None:
    deleted, running = list[str](), list[Process]()

    def interrupted(info: RequestInfo) -> tuple[bool, str]:
        if info.verb == "delete":
            deleted.append(info.name)
            if len(deleted) == at:
                running[0].send_signal(signal.SIGINT)
        return True, ""

    async with bench(tmp_path, authority, authorize=interrupted) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        words = (*RULE, "--new-nodes-per-hour", "7", "--enforce", *NAMED)
        install = ("approver", "install", "--image", IMAGE, *words, "--yes", "--wait", "0s")
        await _ran(kubevouch, *install, code=4)
        running.append(await kubevouch.started("approver", "remove", "--yes"))
        first = await ended(running[0])
        assert first.code == 130, first
        again = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
        assert _undone_by(again) == _undone_by(first), again


async def test_where_what_tells_how_a_removal_is_undone_has_gone_it_says_so(
    lab: Bench, kubevouch: Program
) -> None:
    await _ran(kubevouch, *HELD, code=4)
    lab.local.delete(CONFIG_MAPS, "kubevouch-approver", SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    told = " ".join(ran.out.split())
    assert "kubevouch-approver had gone before this, and what it said of new nodes is" in told
    await _ran(kubevouch, *HELD, code=4)
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    assert "UNDO kubevouch approver install --image NAME@sha256:DIGEST" in " ".join(ran.out.split())
    assert "whoever deleted its Deployment was told with which image" in " ".join(ran.out.split())


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
        await _ran(kubevouch, *HELD, "--enforce", code=4)
        before = everything(lab)
        unread += [
            "validatingadmissionpolicybindings"
        ] * 2  # each is read once before anything is shown
        ran = await _ran(kubevouch, "approver", *words, code=3)
        assert 'cannot get resource "validatingadmissionpolicybindings"' in ran.err
        assert everything(lab) == before


async def test_there_may_be_nothing_to_remove(lab: Bench, kubevouch: Program) -> None:
    ran = await _ran(kubevouch, "approver", "remove", "--yes", code=0)
    assert ran.out == "There is nothing to remove: no approver is installed here.\n"


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
