"""`approver install` and `upgrade` against the lab's API server: what they do besides what `test_every_server` shows."""

import json
import re
import signal

import pytest

from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    KINDS,
    LEASES,
    NAMESPACES,
    NODES,
    SERVICES,
)
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench
from tests.approver_install.conftest import HELD, IMAGE, another_bench, node
from tests.approver_install.installation import (
    ADMISSION,
    BINDINGS,
    BUDGETS,
    NAME,
    POLICIES,
    RULE,
    SPACE,
    UPGRADE,
    configuration,
    everything,
    installed,
    list_in_the_deployment,
    name_of,
    pinned_nodes,
    unchanged,
    undone_by,
)
from tests.cli.program import Process, Program, ended
from tests.support.authority import Authority
from tests.support.manifests import folder_of_manifests, objects
from tests.support.rows import only_long

RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = KINDS[RBAC, "v1", "clusterroles"]
CLUSTER_ROLE_BINDINGS = KINDS[RBAC, "v1", "clusterrolebindings"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (HELD[:2], "--image: is missing, and this version has no public image; expected NAME"),
        ((*HELD[:3], "kubevouch"), "expected NAME@sha256:DIGEST"),
        (("exporter", "install", "--image", "kubevouch:1.0"), "expected NAME@sha256:DIGEST"),
        ((*HELD[:3], IMAGE[:-2]), "expected NAME@sha256:DIGEST"),
        ((*HELD[:3], IMAGE.replace("4f", "4F")), "expected NAME@sha256:DIGEST"),
        ((*HELD[:3], f"{IMAGE}\n"), "expected NAME@sha256:DIGEST"),
        ((*HELD[:6],), "standard input: is not a terminal; expected --yes"),
        (
            (*HELD[:4], "--yes"),
            "--new-nodes is missing; expected --new-nodes=hold (a new node",
        ),
        ((*HELD, "--may-approve-user", ""), "--may-approve-user: is empty"),
        ((*HELD, "--may-approve-group", " "), "--may-approve-group: is empty"),
        ((*HELD, *RULE), "--new-nodes hold: has no rule"),
        ((*HELD[:4], "--yes", "--new-nodes", "rule"), "--new-nodes rule: is incomplete"),
        ((*HELD[:4], "--yes", *RULE[:2]), "--new-nodes rule: is incomplete"),
        ((*HELD[:4], "--yes", *RULE[:3], "10.0.0.1/8"), "10.0.0.1/8 has host bits set"),
        (
            (*HELD[:4], "--yes", RULE[0], "*", *RULE[2:]),
            "a lower-case pattern with the wildcards * and ?",
        ),
        ((*HELD[:4], "--yes", RULE[0], "w[", *RULE[2:]), "--new-nodes rule: names 'w[';"),
        (("metrics-server", "upgrade"), "--image: is missing"),
        (
            ("approver", "upgrade", *HELD[2:4], "--yes"),
            "the approver is not installed; run `install` first",
        ),
        (("exporter", "upgrade", *HELD[2:4], "--yes"), "the exporter is not installed"),
    ],
)
async def test_what_is_wrong_on_the_command_line_is_told_and_nothing_is_written(
    lab: Bench, kubevouch: Program, words: tuple[str, ...], says: str
) -> None:
    ran = await unchanged(lab, kubevouch, *words, code=2)
    assert says in " ".join(ran.err.split())


async def test_another_approver_is_named(lab: Bench, kubevouch: Program) -> None:
    """What it approves, ours cannot hold."""
    signers = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["approve"]}
    name = "csr-approver"
    lab.local.create(CLUSTER_ROLES, {"metadata": {"name": name}, "rules": [signers]})
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    account = {"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}
    bound = {"metadata": {"name": name}, "roleRef": role, "subjects": [account]}
    lab.local.create(CLUSTER_ROLE_BINDINGS, bound)
    ran = await kubevouch(*HELD, "--dry-run", code=0)
    assert f"Another approver is installed: kube-system/{name} (" in ran.err
    assert re.search(r"worker-1 +new +worker-1 +192\.168\.88\.112", ran.out)


async def test_whether_others_approve_may_not_be_known(
    authority: Authority, kubevouch: Program
) -> None:
    def no_list(info: RequestInfo) -> tuple[bool, str]:
        return info.resource != "clusterroles" or info.verb != "list", ""

    async with another_bench(kubevouch, authority, no_list):
        ran = await kubevouch(*HELD, "--dry-run", code=0)
    assert "Cannot tell whether another approver runs" in " ".join(ran.err.split())


@installed
async def test_a_second_install_pins_nobody_and_leaves_records_alone(
    lab: Bench, kubevouch: Program
) -> None:
    lab.local.patch(CONFIG_MAPS, "kubevouch-recorded-3", {"data": {"worker-9": "{}"}}, SPACE)
    lab.local.create(NODES, node("worker-9", "192.168.88.119"))
    ran = await unchanged(lab, kubevouch, *HELD, code=4)
    assert "Not pinned by this command: worker-9." in ran.err


@pytest.mark.parametrize(("typed", "code"), [(b"\x03", 130), (b"n\n", 4)])
async def test_who_says_no_is_told_that_nothing_was_changed(
    lab: Bench, kubevouch: Program, typed: bytes, code: int
) -> None:
    before = everything(lab)
    words = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold")
    ran = await kubevouch.at_a_terminal(*words, columns=100, typed={"Continue?": typed})
    assert (ran.code, everything(lab) == before) == (code, True), ran
    assert "Nothing was changed." in ran.out
    assert "UNDO" not in ran.out


async def test_a_rule_for_new_nodes_is_written_as_it_was_said(
    lab: Bench, kubevouch: Program
) -> None:
    networks = ("--new-node-cidr", "fd00:88::/64", "--new-nodes-per-hour", "7")
    await kubevouch(*HELD[:4], *HELD[6:], *RULE, *networks, code=4)
    assert configuration(lab) == {
        "schemaVersion": "kubevouch.approver/1",
        "sources": ["inventory", "pins", "renewal", "new-nodes"],
        "newNodes": [
            {"names": "worker-*", "cidrs": ["192.168.88.0/24", "fd00:88::/64"], "perHour": 7}
        ],
    }


async def test_what_somebody_changed_since_it_was_shown_is_not_overwritten(
    authority: Authority, kubevouch: Program
) -> None:
    """Another install is quicker: it comes when this one reads the Nodes for the table, behind the diff."""
    looks = list[str]()

    def another_comes(info: RequestInfo) -> tuple[bool, str]:
        if info.verb == "list" and info.resource == "nodes":
            looks.append(info.resource)
            if len(looks) == 2:
                lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
                theirs = {"metadata": {"name": NAME}, "data": {"theirs": "1"}}
                lab.local.create(CONFIG_MAPS, theirs, SPACE)
        return True, ""

    async with another_bench(kubevouch, authority, another_comes) as lab:
        ran = await kubevouch(*HELD, code=4)
        assert "has changed since it was shown; nothing was changed" in ran.err
        assert "UNDO" not in ran.out
        assert lab.local.get(CONFIG_MAPS, NAME, SPACE)["data"] == {"theirs": "1"}
        assert lab.local.find(DEPLOYMENTS, NAME, SPACE) is None


async def test_two_control_planes_have_two_replicas(lab: Bench, kubevouch: Program) -> None:
    lab.local.create(NODES, node("cp-2", "192.168.88.121", control_plane=True))
    await kubevouch(*HELD, code=4)
    assert lab.local.get(DEPLOYMENTS, NAME, SPACE)["spec"]["replicas"] == 2
    assert lab.local.get(BUDGETS, NAME, SPACE)["spec"]["minAvailable"] == 1
    lab.local.delete(NODES, "cp-2")
    ran = await kubevouch(*HELD, code=4)
    assert "PodDisruptionBudget kubevouch-system/kubevouch-approver: will be deleted" in ran.out
    assert lab.local.get(DEPLOYMENTS, NAME, SPACE)["spec"]["replicas"] == 1
    assert lab.local.find(BUDGETS, NAME, SPACE) is None


@installed
async def test_what_this_version_lacks_is_deleted_if_ours(lab: Bench, kubevouch: Program) -> None:
    """By the list in the Deployment that is there. Nothing that is written down of nodes goes."""
    labels = {"app.kubernetes.io/part-of": "kubevouch"}
    ports = {"spec": {"ports": [{"port": 443}]}}
    lab.local.create(SERVICES, {"metadata": {"name": "former", "labels": labels}, **ports}, SPACE)
    lab.local.create(SERVICES, {"metadata": {"name": "theirs"}, **ports}, SPACE)
    former = [f"v1 Service {SPACE}/former", f"v1 Service {SPACE}/theirs"]
    former += [f"v1 ConfigMap {SPACE}/kubevouch-recorded-1", f"v1 Namespace /{SPACE}"]
    former += ["v1 Namespace /labelled"]
    lab.local.create(NAMESPACES, {"metadata": {"name": "labelled", "labels": labels}})
    before = everything(lab)
    list_in_the_deployment(lab, *former)
    ran = await kubevouch(*UPGRADE, code=4)
    assert f"--- Service {SPACE}/former: will be deleted" in ran.out
    assert before.keys() - everything(lab).keys() == {f"Service {SPACE}/former"}


@installed
@pytest.mark.parametrize(
    "reference",
    [
        "v1 Service ../../former",
        "v1 Secret kube-system/former",
        "v1 Service /former",
        "v1 Service monitoring/former",
        f"apps/v1 Deployment {SPACE}/kubevouch-exporter",
        f"v1 Namespace {SPACE}/{SPACE}",
        f"{RBAC}/v1 ClusterRole {SPACE}/{NAME}",
        f"{ADMISSION}/v1 ValidatingAdmissionPolicyBinding x/kubevouch-serving-csr-is-decided-by",
    ],
)
async def test_a_list_that_somebody_has_edited_deletes_nothing_that_is_wanted(
    lab: Bench, kubevouch: Program, reference: str
) -> None:
    before = everything(lab).keys()
    list_in_the_deployment(lab, reference)
    ran = await kubevouch(*UPGRADE, code=2)
    assert f"expected references to our objects, got '{reference}'" in ran.err
    assert everything(lab).keys() == before


async def test_policies_refuse_only_when_asked_and_stay_so(lab: Bench, kubevouch: Program) -> None:
    def actions() -> list[set[str]]:
        return [set(each["spec"]["validationActions"]) for each in lab.local.list(BINDINGS)]

    await kubevouch(*HELD, code=4)
    assert actions() == [{"Warn", "Audit"}] * 2
    ran = await kubevouch(*HELD, "--enforce", "--may-approve-group", "Platform Admins", code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    await kubevouch(*UPGRADE, code=4)
    assert actions() == [{"Deny", "Audit"}] * 2
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")["spec"]
    assert {each["name"]: json.loads(each["expression"]) for each in policy["variables"]} == {
        "users": [f"system:serviceaccount:{SPACE}:kubevouch-approver"],
        "groups": ["kubeadm:cluster-admins", "system:masters", "Platform Admins"],
    }
    await kubevouch(*undone_by(ran), code=4)
    assert actions() == [{"Warn", "Audit"}] * 2


@installed
async def test_a_policy_in_another_form_is_refused(lab: Bench, kubevouch: Program) -> None:
    policy = lab.local.get(POLICIES, "kubevouch-serving-csr-is-decided-by")
    policy["spec"]["variables"][0]["expression"] = "params.data['users'].split(',')"
    lab.local.update(POLICIES, policy)
    ran = await unchanged(lab, kubevouch, *HELD, code=2)
    assert "the variable users is not a list of names" in ran.err
    ran = await kubevouch("approver", "remove", "--yes", code=0)
    assert "UNDO  kubevouch approver install --image" in ran.out


@pytest.mark.parametrize("words", [("remove", "--yes"), UPGRADE[1:]])
async def test_a_policy_that_cannot_be_read_is_not_taken_for_one_that_is_not_there(
    authority: Authority, kubevouch: Program, words: tuple[str, ...]
) -> None:
    """A removal would leave one that refuses everybody, and an upgrade would open what is closed."""
    readable = True

    def allowed(info: RequestInfo) -> tuple[bool, str]:
        is_binding = info.resource == "validatingadmissionpolicybindings"
        return readable or not is_binding or info.verb != "get", ""

    async with another_bench(kubevouch, authority, allowed) as lab:
        await kubevouch(*HELD, "--enforce", code=4)
        before, readable = everything(lab), False
        ran = await kubevouch("approver", *words, code=3)
        assert 'cannot get resource "validatingadmissionpolicybindings"' in ran.err
        assert everything(lab) == before


@pytest.mark.parametrize(
    "stops",
    [
        (0, 1, 3, 13),
        only_long((0, 1, 2, 3, 5, 8, 13, 21, *range(34, 40))),
    ],
)
async def test_whatever_it_stops_at_the_same_command_goes_on_with_it(
    authority: Authority, kubevouch: Program, stops: tuple[int, ...]
) -> None:
    """Each of these is cut off some writes later; UNDO stands before the first write."""
    left = 0

    def so_many(info: RequestInfo) -> tuple[bool, str]:
        nonlocal left
        if info.dry_run or info.verb not in ("patch", "create", "delete"):
            return True, ""
        left -= 1
        return left >= 0, ""

    async def again_and_again(words: tuple[str, ...], pins: set[str]) -> None:
        nonlocal left
        for some in stops:
            left = some
            ran = await kubevouch(*words)
            if "It stopped" not in ran.err:
                break
            assert (ran.code, "UNDO  kubevouch approver" in ran.out) == (4, True), ran
            assert "The command stopped halfway; repeat it to continue." in ran.err
        left = 1000
        await kubevouch(*words)
        assert pinned_nodes(lab) == pins

    async with another_bench(kubevouch, authority, so_many) as lab:
        before = everything(lab)
        await again_and_again(HELD, {"cp-1", "worker-1", "worker-2"})
        wanted = {name_of(each) for each in objects("*.yaml", "admission/*.yaml")}
        assert wanted <= everything(lab).keys()
        await again_and_again(UPGRADE, {"cp-1", "worker-1", "worker-2"})
        assert wanted <= everything(lab).keys()
        await again_and_again(("approver", "remove", "--pins", "--yes"), set())
        assert everything(lab).keys() - before.keys() == {f"Namespace /{SPACE}"}


@pytest.mark.parametrize(
    ("words", "at"),
    [(UPGRADE, "get"), (UPGRADE, "patch"), (("approver", "remove", "--yes"), "list")],
    ids=["looking", "trying", "remove"],
)
async def test_who_interrupts_it_before_anything_is_written_is_told_that_nothing_was_changed(
    authority: Authority, kubevouch: Program, words: tuple[str, ...], at: str
) -> None:
    running, sent = list[Process](), list[str]()

    def looking(info: RequestInfo) -> tuple[bool, str]:
        if running and info.verb == at and not sent:
            sent.append(info.resource)
            assert info.verb != "patch" or info.dry_run
            running[0].send_signal(signal.SIGINT)
        return True, ""

    async with another_bench(kubevouch, authority, looking) as lab:
        await kubevouch(*HELD, code=4)
        before = everything(lab)
        running.append(await kubevouch.started(*words))
        ran = await ended(running[0], code=130)
        assert ran.err.splitlines()[-2:] == ["Nothing was changed.", "Error: interrupted"], ran
        assert "UNDO" not in ran.out
        assert everything(lab) == before


@installed
@pytest.mark.parametrize("removed", [True, False], ids=["removed", "its Deployment deleted"])
async def test_an_approver_that_comes_back_has_the_pins_that_it_had(
    lab: Bench, kubevouch: Program, removed: bool
) -> None:
    """A node that nobody has pinned may be left out because it is suspect. Where one has led, nothing stopped on its way."""
    await kubevouch("approver", "pin", "worker-2", "--remove", "--yes", code=0)
    if removed:
        await kubevouch("approver", "remove", "--yes", code=0)
    else:
        metadata = {"name": NAME, "namespace": SPACE}
        lab.local.create(LEASES, {"metadata": metadata, "spec": {"holderIdentity": "one"}})
        lab.local.delete(DEPLOYMENTS, NAME, SPACE)
    ran = await kubevouch(*HELD, code=4)
    assert "Not pinned by this command: worker-2." in ran.err
    assert pinned_nodes(lab) == {"cp-1", "worker-1"}


async def test_nobody_is_pinned_where_that_is_said_or_an_approver_is_there(
    lab: Bench, kubevouch: Program
) -> None:
    await kubevouch(*HELD, "--no-pins", code=4)
    await kubevouch(*HELD, code=4)
    assert pinned_nodes(lab) == set()


async def test_kubectl_applies_the_same_files(lab: Bench) -> None:
    """What an operator does with the checkout alone, in a dry run of the server and for good."""
    folder = folder_of_manifests()
    await lab.does("apply", "--server-side", "-f", str(folder / "00-namespace.yaml"))
    for each in (folder, folder / "two-replicas", folder / "admission"):
        words = ("apply", "--server-side", "-f", str(each))
        await lab.does(*words, "--dry-run=server")
        out = await lab.does(*words)
        assert "serverside-applied" in out
