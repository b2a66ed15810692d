"""`approver remove` against the lab's API server: what goes, what stays, how it is undone, and how far it got."""

import copy
import re
import signal
from pathlib import Path

import pytest

from kubevouch.cli.approver.leaving import why_it_is_still_there
from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    KINDS,
    LEASES,
    NAMESPACES,
)
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench, bench
from tests.approver_install.conftest import HELD, IMAGE, fill
from tests.approver_install.installation import (
    NAMED,
    RULE,
    SECRETS,
    SPACE,
    as_written,
    everything,
    installed,
    run,
    undone_by,
)
from tests.cli.program import Process, Program, ended
from tests.support.authority import Authority
from tests.support.manifests import objects


async def test_remove_with_pins_leaves_the_cluster_as_it_was(
    lab: Bench, kubevouch: Program
) -> None:
    before = copy.deepcopy(everything(lab))
    await run(kubevouch, *HELD, code=4)
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    assert "KV411" in ran.err
    assert everything(lab) == before
    ran = await run(kubevouch, "approver", "pin", "--diff", code=1)
    assert "it is not pinned" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ("--new-nodes", "hold"),
        (*RULE, "--enforce", *NAMED),
        (*RULE, "--new-nodes-per-hour", "7", "--no-pins"),
    ],
)
async def test_a_removal_is_undone_by_the_command_that_it_shows(
    lab: Bench, kubevouch: Program, words: tuple[str, ...]
) -> None:
    """Literally: every object is then as it was, but for what the API server numbers and dates."""
    install = ("approver", "install", "--image", IMAGE, *words, "--yes", "--wait", "0s")
    await run(kubevouch, *install, code=4)
    before = as_written(lab)
    # A controller keeps its notes in the metadata, and no operator would miss them.
    notes = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}
    lab.local.patch(DEPLOYMENTS, "kubevouch-approver", notes, SPACE)
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    assert "is gone" not in ran.out
    await run(kubevouch, *undone_by(ran), code=4)
    assert as_written(lab) == before


@installed
async def test_what_no_command_brings_back_is_named_after_a_removal(
    lab: Bench, kubevouch: Program
) -> None:
    text = "schemaVersion: kubevouch.approver/1\nsources: [pins]\nmaxLifetime: 30d\n"
    data = {"data": {"configuration.yaml": text}}
    lab.local.patch(CONFIG_MAPS, "kubevouch-approver", data, SPACE)
    await lab.does("-n", SPACE, "scale", "deployment/kubevouch-approver", "--replicas=0")
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
    ran = await run(kubevouch, *words, code=4)
    assert f"namespace {SPACE}: is still being deleted after 0 s" in ran.err
    assert "objects are deleted" in ran.out
    before = copy.deepcopy(everything(lab))
    ran = await run(kubevouch, *HELD, code=4)
    assert f"namespace {SPACE}: is being deleted, and nothing can be made in it" in ran.err
    assert "Nothing was changed." in ran.err
    assert everything(lab) == before
    ran = await run(kubevouch, "approver", "pin", "--diff", code=1)
    told = " ".join(ran.out.split())
    assert f"Nothing can be pinned while the namespace {SPACE} is being deleted." in told
    assert "NEXT kubevouch approver install" in told
    # Once more: only the namespace is left, and it is waited for.
    ran = await run(kubevouch, *words, code=4)
    assert "is still being deleted" in ran.err
    lab.local.patch(NAMESPACES, SPACE, {"metadata": {"finalizers": None}})
    await run(kubevouch, *HELD, code=4)


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
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    left = {name: each for name, each in everything(lab).items() if SPACE in name}
    left.pop(f"Namespace /{SPACE}")
    left.pop(f"Lease {SPACE}/kubevouch-approver")
    assert left == kept
    stays = (
        f"What stays: Namespace {SPACE}, 2 ConfigMaps with pins (3 nodes), 16 with what was recorded, the Lease. "
        "`kubevouch approver remove --pins` takes them out, too."
    )
    assert stays in " ".join(ran.out.split()), ran.out
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    told = " ".join(ran.out.split())
    assert "There is nothing to remove: no approver is installed here." in told
    assert stays in told
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", "--wait", "0s", code=0)
    for_good = (
        "No command brings these ConfigMaps back: another install pins what the Nodes claim then, without what --allow "
        "and --csr gave to pins, and without what was recorded."
    )
    assert ran.err.index(for_good) < ran.err.index("This will delete"), ran.err


@installed
async def test_remove_leaves_what_is_not_ours(lab: Bench, kubevouch: Program) -> None:
    lab.local.create(CONFIG_MAPS, {"metadata": {"name": "mine"}}, SPACE)
    lab.local.patch(DEPLOYMENTS, "kubevouch-approver", {"metadata": {"labels": None}}, SPACE)
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
    ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
    assert f"- Namespace {SPACE}" in ran.out


async def test_the_namespace_stays_where_it_is_not_known_what_lies_in_it(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    def no_secrets(info: RequestInfo) -> tuple[bool, str]:
        return info.resource != "secrets", ""

    async with bench(tmp_path, authority, authorize=no_secrets) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await run(kubevouch, *HELD, code=4)
        ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
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
        await run(kubevouch, *HELD, code=4)
        before = everything(lab)
        ran = await run(kubevouch, "approver", "remove", "--pins", "--yes", code=4)
        assert "others' objects in it (Secret theirs)" in " ".join(ran.err.split())
        assert "It stopped after 0 of " in ran.err
        assert everything(lab).keys() == before.keys() | {f"Secret {SPACE}/theirs"}
        await run(kubevouch, "approver", "remove", "--pins", "--yes", code=0)
        assert lab.local.get(SECRETS, "theirs", SPACE)


async def test_who_may_not_delete_is_told_which_right_lacks_and_not_to_try_again(
    tmp_path: Path, authority: Authority, kubevouch: Program
) -> None:
    async with bench(
        tmp_path, authority, authorize=lambda info: (info.verb != "delete", "")
    ) as lab:
        fill(lab)
        kubevouch.environment["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        await run(kubevouch, *HELD, code=4)
        before = everything(lab)
        ran = await run(kubevouch, "approver", "remove", "--yes", code=4)
        assert everything(lab) == before
        assert "cannot delete resource" in ran.err
        assert "It stopped after 0 of " in ran.err
        assert "The same command goes on with it, once that is mended." in ran.err


async def test_where_the_deployment_was_deleted_by_hand_the_undo_says_that_it_takes_out_more_than_this_put_in(
    lab: Bench, kubevouch: Program
) -> None:
    first = await run(kubevouch, *HELD, code=4)
    assert "were there before" not in first.out
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await run(kubevouch, *HELD, code=4)
    assert "1 objects new" in ran.err
    said = " ".join(ran.out.partition("UNDO  ")[2].split())
    removed = await run(kubevouch, "approver", "remove", "--yes", code=0)
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
        await run(kubevouch, *HELD, code=4)
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
        await run(kubevouch, *install, code=4)
        running.append(await kubevouch.started("approver", "remove", "--yes"))
        first = await ended(running[0])
        assert first.code == 130, first
        again = await run(kubevouch, "approver", "remove", "--yes", code=0)
        assert undone_by(again) == undone_by(first), again


async def test_where_what_tells_how_a_removal_is_undone_has_gone_it_says_so(
    lab: Bench, kubevouch: Program
) -> None:
    await run(kubevouch, *HELD, code=4)
    lab.local.delete(CONFIG_MAPS, "kubevouch-approver", SPACE)
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    told = " ".join(ran.out.split())
    assert "kubevouch-approver had gone before this, and what it said of new nodes is" in told
    await run(kubevouch, *HELD, code=4)
    lab.local.delete(DEPLOYMENTS, "kubevouch-approver", SPACE)
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    assert "UNDO kubevouch approver install --image NAME@sha256:DIGEST" in " ".join(ran.out.split())
    assert "whoever deleted its Deployment was told with which image" in " ".join(ran.out.split())


async def test_there_may_be_nothing_to_remove(lab: Bench, kubevouch: Program) -> None:
    ran = await run(kubevouch, "approver", "remove", "--yes", code=0)
    assert ran.out == "There is nothing to remove: no approver is installed here.\n"
