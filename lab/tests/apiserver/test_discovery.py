"""Which resources there are: judged by real kubectl, and by what a real 1.36 server says of the same."""

import json
from typing import Any

import pytest

from kubevouch_lab.apiserver import discovery, resource_lists
from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.discovery import GroupVersion
from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority

METRICS_SERVICE = {
    "metadata": {"name": "v1beta1.metrics.k8s.io"},
    "spec": {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": "metrics-server", "namespace": "kube-system"},
    },
}
# What metrics-server 0.9 answers for /apis/metrics.k8s.io/v1beta1.
METRICS = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "metrics.k8s.io/v1beta1",
    "resources": [
        {
            "name": "nodes",
            "singularName": "",
            "namespaced": False,
            "kind": "NodeMetrics",
            "verbs": ["get", "list"],
        },
        {
            "name": "pods",
            "singularName": "",
            "namespaced": True,
            "kind": "PodMetrics",
            "verbs": ["get", "list"],
        },
    ],
}


async def test_kubectl_prints_the_resources_of_a_real_cluster(lab: Bench) -> None:
    head, *printed = (await lab.does("api-resources", "-o", "wide")).splitlines()
    rows = {tuple(line.split()) for line in printed}
    every = "create,delete,deletecollection,get,list,patch,update,watch"
    assert head.split() == [
        *("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES")
    ]
    assert ("nodes", "no", "v1", "false", "Node", every) in rows
    assert ("deployments", "deploy", "apps/v1", "true", "Deployment", every, "all") in rows
    assert ("tokenreviews", "authentication.k8s.io/v1", "false", "TokenReview", "create") in rows
    assert [line.split()[0] for line in printed[:3]] == ["bindings", "configmaps", "endpoints"]
    assert len(rows) == len(printed)


async def test_kubectl_prints_the_versions(lab: Bench) -> None:
    printed = (await lab.does("api-versions")).split()
    assert printed == sorted(printed)
    assert {"v1", "apps/v1", "apiregistration.k8s.io/v1", "certificates.k8s.io/v1"} <= set(printed)


async def test_short_names_and_categories_reach_their_kinds(lab: Bench) -> None:
    assert await lab.does("get", "ns", "-o", "name") == "".join(
        f"namespace/{name}\n"
        for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    )
    await lab.does("create", "deployment", "web", "--image=x")
    assert "deployment.apps/web" in await lab.does("get", "all", "-o", "name")


async def test_a_known_document_is_not_sent_twice(lab: Bench) -> None:
    headers = {"Accept": f"{discovery.content_type('v2')},application/json"}
    async with lab.session.get(f"{lab.server.url}/apis", headers=headers) as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Content-Type"] == discovery.content_type("v2")
        document = await answer.read()
    assert json.loads(document)["apiVersion"] == "apidiscovery.k8s.io/v2"
    again = {**headers, "If-None-Match": tag}
    async with lab.session.get(f"{lab.server.url}/apis", headers=again) as answer:
        assert answer.status == 304
        assert await answer.read() == b""


@pytest.mark.parametrize(
    ("group", "resource", "digest"),
    [
        # `kubectl get --raw /api/v1` and its like, on a real cluster
        ("", "nodes", "XwShjMxG9Fs="),
        ("", "pods", "xPOwRZ+Yhw8="),
        ("", "services", "0/CO1lhkEBI="),
        ("apps", "deployments", "8aSe+NMegvE="),
        ("certificates.k8s.io", "certificatesigningrequests", "95fRKMXA+00="),
        ("events.k8s.io", "events", "r2yiGXH7wu8="),
    ],
)
def test_what_is_stored_has_the_hash_that_a_real_server_gives_it(
    group: str, resource: str, digest: str
) -> None:
    found = resource_lists.resources(group, "v1")
    assert found
    (one,) = [each for each in found["resources"] if each["name"] == resource]
    assert one["storageVersionHash"] == digest


def test_groups_come_in_the_order_of_a_real_server() -> None:
    names = [group["name"] for group in discovery.groups()["groups"]]
    assert names == [
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
    ]


def _metrics(answer: Any, *, fresh: bool) -> GroupVersion:
    return discovery.remote(METRICS_SERVICE, answer, fresh=fresh)


async def test_an_aggregated_api_is_listed_beside_ours(tmp_path: Any, authority: Authority) -> None:
    backends = Backends(others=lambda: (_metrics(METRICS, fresh=True),))
    async with bench(tmp_path, authority, backends=backends) as lab:
        printed = await lab.does("api-resources", "--api-group=metrics.k8s.io")
    assert [line.split() for line in printed.splitlines()[1:]] == [
        ["nodes", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"],
        ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
    ]


async def test_an_aggregated_api_that_does_not_answer_is_there_for_nobody(
    tmp_path: Any, authority: Authority
) -> None:
    """Recorded on the real cluster while its metrics-server was 0/3."""
    backends = Backends(others=lambda: (_metrics(None, fresh=False),))
    async with bench(tmp_path, authority, backends=backends) as lab:
        ran = await lab.kubectl("top", "nodes")
        _, groups = await lab.ask("GET", "/apis")
    assert (ran.code, ran.err) == (1, "error: Metrics API not available\n")
    assert groups["groups"][-1]["name"] == "metrics.k8s.io"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"kind": "APIResourceList", "resources": "no"},
        {"kind": "APIResourceList", "resources": [1, {"name": 4}, {}]},
        {"kind": "APIGroupDiscoveryList", "items": 7},
        {"kind": "APIGroupDiscoveryList", "items": [3, {"metadata": 1}]},
        {
            "kind": "APIGroupDiscoveryList",
            "items": [{"metadata": {"name": "metrics.k8s.io"}, "versions": [1, {"version": "v1"}]}],
        },
    ],
)
def test_an_aggregated_server_that_talks_nonsense_harms_nobody(answer: Any) -> None:
    one = _metrics(answer, fresh=True)
    listed = discovery.aggregated("v2", core=False, others=[one])["items"]
    assert listed[-1]["metadata"]["name"] == "metrics.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", None),
        ("application/json", None),
        ("*/*", None),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "v2"),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,*/*",
            "v2beta1",
        ),
        ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList", None),
        (
            "application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            None,
        ),
    ],
)
def test_the_first_form_that_is_known_decides(accept: str, form: str | None) -> None:
    assert discovery.wants_aggregated(accept) == form
