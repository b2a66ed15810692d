"""`install`, `upgrade` and `remove` of each server against the lab's API server: one way for all of them."""

from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import API_SERVICES, CLUSTER_ROLES, SECRETS
from lab.tests.apiserver.bench import Bench
from tests.approver_install.conftest import IMAGE
from tests.approver_install.installation import (
    OTHER,
    SPACE,
    as_written,
    everything,
    name_of,
    unchanged,
    undone_by,
)
from tests.cli.program import Program
from tests.support.manifests import objects

SYSTEM, METRICS = "kube-system", "v1beta1.metrics.k8s.io"
SPACES = {"approver": SPACE, "exporter": SPACE, "metrics-server": SYSTEM}
FILES = {
    "approver": ("*.yaml", "admission/*.yaml"),
    "exporter": ("*.yaml",),
    # Two workers: two replicas. external.yaml is of a process outside of the cluster.
    "metrics-server": ("[!e]*.yaml", "admission/*.yaml", "two-replicas/*.yaml"),
}
each_server = pytest.mark.parametrize("server", FILES)


def words(verb: str, server: str, image: str = IMAGE) -> tuple[str, ...]:
    said = ("--new-nodes", "hold") if (verb, server) == ("install", "approver") else ()
    return (server, verb, "--image", image, *said, "--yes", "--wait", "0s")


def manifests(server: str) -> list[Any]:
    """What its install applies, and nothing more but an approver's configuration and pins."""
    found = objects(*FILES[server], server=server)
    return found if server != "exporter" else [*objects("00-namespace.yaml"), *found]


@each_server
async def test_it_is_installed_upgraded_and_removed_and_each_is_undone_by_what_it_prints(
    lab: Bench, kubevouch: Program, server: str
) -> None:
    """Literally: every object is then as it was, but for what the API server numbers and dates. Nothing runs pods here: exit code 4."""
    before = everything(lab)
    shown = await kubevouch(*words("install", server), "--dry-run", code=0)
    assert everything(lab) == before
    ran = await kubevouch(*words("install", server), code=4)
    assert f"UNDO  kubevouch {server} remove\n" in ran.out
    made = {
        each for each in everything(lab).keys() - before.keys() if "/kubevouch-pins-" not in each
    }
    configuration = {f"ConfigMap {SPACE}/kubevouch-approver"} if server == "approver" else set()
    assert made == {name_of(each) for each in manifests(server)} | configuration
    for each in made:
        assert f"+++ applied {each.replace(' /', ' ')}\n" in shown.out
        found = everything(lab)[each]["metadata"]
        (entry,) = found["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("kubevouch", "Apply")
        assert found["labels"]["app.kubernetes.io/part-of"] == "kubevouch"
    for each in before:
        assert everything(lab)[each] == before[each]

    installed = everything(lab)
    for verb in ("install", "upgrade"):
        ran = await kubevouch(*words(verb, server), code=4)
        assert f"Nothing to change: the {server.replace('-', ' ')} is up to date." in ran.out
        assert "UNDO" not in ran.out
        assert everything(lab) == installed

    written = as_written(lab)
    upgraded = await kubevouch(*words("upgrade", server, OTHER), code=4)
    assert "create or change 1 object, on" in upgraded.err
    after, deployment = as_written(lab), f"Deployment {SPACES[server]}/kubevouch-{server}"
    assert {name for name in after if after[name] != written.get(name)} == {deployment}
    await kubevouch(*undone_by(upgraded), code=4)
    assert as_written(lab) == written

    shown = await kubevouch(server, "remove", "--dry-run", code=0)
    assert as_written(lab) == written
    assert f"- {deployment}\n" in shown.out
    removed = await kubevouch(server, "remove", "--yes", code=0)
    # With the namespace the approver would go, and all that is written down of nodes.
    assert ("kubectl delete namespace" in removed.out) is (server == "approver")
    left = everything(lab).keys() - before.keys()
    stays = {
        each for each in left if each.startswith((f"Namespace /{SPACE}", f"ConfigMap {SPACE}"))
    }
    assert left == (stays if server == "approver" else {f"Namespace /{SPACE}"} & made)
    await kubevouch(*undone_by(removed), code=4)
    assert as_written(lab) == written


@each_server
async def test_what_somebody_else_owns_is_a_conflict_and_nothing_is_changed(
    lab: Bench, kubevouch: Program, server: str
) -> None:
    await kubevouch(*words("install", server), code=4)
    await lab.does("-n", SPACES[server], "scale", f"deployment/kubevouch-{server}", "--replicas=0")
    ran = await unchanged(lab, kubevouch, *words("upgrade", server, OTHER), code=4)
    assert ".spec.replicas" in ran.err
    assert "Nothing was changed" in ran.err


@each_server
async def test_what_a_release_of_helms_has_is_neither_taken_nor_removed(
    lab: Bench, kubevouch: Program, server: str
) -> None:
    """Its cluster-wide rights have the same names, and our label, in whichever namespace it is."""
    await kubevouch(*words("install", server), code=4)
    helm = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    role = next(each for each in manifests(server) if each["kind"] == "ClusterRole")
    lab.local.patch(CLUSTER_ROLES, role["metadata"]["name"], helm)
    before = everything(lab)
    ran = await kubevouch(*words("upgrade", server, OTHER), code=4)
    assert "belongs to a Helm release" in ran.err
    assert everything(lab) == before
    await kubevouch(server, "remove", "--yes", code=0)
    assert everything(lab)[name_of(role)] == before[name_of(role)]


THEIRS = {"namespace": SYSTEM, "name": "metrics-server", "port": 443}


@pytest.mark.parametrize(
    ("version", "service", "leads_to"),
    [
        ("v1beta1", THEIRS, "Service kube-system/metrics-server"),
        ("v1", THEIRS, "Service kube-system/metrics-server"),
        (
            "v1beta1",
            {**THEIRS, "name": "kubevouch-metrics-server", "namespace": "default"},
            "Service default/",
        ),
        ("v1beta1", None, "the API server itself"),
    ],
)
async def test_where_another_server_serves_the_metrics_api_it_is_left_in_its_place(
    lab: Bench, kubevouch: Program, version: str, service: Any, leads_to: str
) -> None:
    """An install, an upgrade and a removal would all take the metrics from HPAs."""
    name = f"{version}.metrics.k8s.io"
    spec = {"group": "metrics.k8s.io", "version": version, "service": service}
    spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    lab.local.create(API_SERVICES, {"metadata": {"name": name}, "spec": spec})
    ran = await unchanged(lab, kubevouch, *words("install", "metrics-server"), code=4)
    assert f"Error: APIService {name}: points to {leads_to}" in ran.err
    assert "docs/metrics-server.md" in ran.err


async def test_an_api_service_that_leads_elsewhere_by_now_is_not_removed(
    lab: Bench, kubevouch: Program
) -> None:
    await kubevouch(*words("install", "metrics-server"), code=4)
    lab.local.patch(API_SERVICES, METRICS, {"spec": {"service": THEIRS}})
    before = everything(lab)
    await kubevouch(*words("upgrade", "metrics-server", OTHER), code=4)
    assert everything(lab) == before
    await kubevouch("metrics-server", "remove", "--yes", code=0)
    left = {name for name, each in everything(lab).items() if "part-of" in str(each["metadata"])}
    assert left == {f"APIService /{METRICS}"}


async def test_the_key_of_the_authority_is_neither_shown_nor_touched(
    lab: Bench, kubevouch: Program
) -> None:
    """The server has filled its Secret, and somebody took a label from it: a diff of the whole object would show the key."""
    await kubevouch(*words("install", "metrics-server"), code=4)
    name, key = "kubevouch-metrics-server-authority", "c2VjcmV0LWtleQ=="
    lab.local.patch(SECRETS, name, {"data": {"ca.key": key}, "metadata": {"labels": None}}, SYSTEM)
    ran = await kubevouch(*words("install", "metrics-server"), code=4)
    assert "+    app.kubernetes.io/part-of: kubevouch\n" in ran.out
    assert key not in ran.out + ran.err
    assert lab.local.get(SECRETS, name, SYSTEM)["data"] == {"ca.key": key}
