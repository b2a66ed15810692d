"""Which resources there are: judged by real kubectl, and by what a real 1.36 server says of the same."""

from typing import Any

import pytest

from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.discovery import AGGREGATED, OtherVersion
from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority

# Of what metrics-server 0.9 answers for /apis/metrics.k8s.io/v1beta1.
METRICS = (
    {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]},
    {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
)  # fmt: skip


async def test_kubectl_prints_the_resources_of_a_real_cluster(lab: Bench) -> None:
    _, *printed = (await lab.does("api-resources", "-o", "wide")).splitlines()
    rows = {tuple(line.split()) for line in printed}
    every = "create,delete,deletecollection,get,list,patch,update,watch"
    assert ("nodes", "no", "v1", "false", "Node", every) in rows
    assert ("deployments", "deploy", "apps/v1", "true", "Deployment", every, "all") in rows
    assert ("tokenreviews", "authentication.k8s.io/v1", "false", "TokenReview", "create") in rows
    assert len(rows) == len(printed)
    versions = (await lab.does("api-versions")).split()
    assert {"v1", "apps/v1", "apiregistration.k8s.io/v1", "certificates.k8s.io/v1"} <= set(versions)


async def test_short_names_and_categories_reach_their_kinds(lab: Bench) -> None:
    spaces = await lab.does("get", "ns", "-o", "name")
    assert spaces.split() == [
        f"namespace/{name}" for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    await lab.does("create", "deployment", "web", "--image=x")
    assert "deployment.apps/web" in await lab.does("get", "all", "-o", "name")


async def test_who_asks_group_by_group_gets_the_plain_form(lab: Bench) -> None:
    """As Kubernetes' own specs of the CSR API look for it."""
    _, groups = await lab.ask("GET", "/apis")
    assert (groups["kind"], groups["groups"][0]["name"]) == ("APIGroupList", "apps")
    _, group = await lab.ask("GET", "/apis/certificates.k8s.io")
    assert group["preferredVersion"]["groupVersion"] == "certificates.k8s.io/v1"
    _, listed = await lab.ask("GET", "/apis/certificates.k8s.io/v1")
    assert [each["name"] for each in listed["resources"]] == [
        "certificatesigningrequests",
        "certificatesigningrequests/approval",
        "certificatesigningrequests/status",
    ]
    _, core = await lab.ask("GET", "/api")
    assert core["versions"] == ["v1"]
    assert (await lab.ask("GET", "/apis/none.example.com"))[0] == 404
    _, whole = await lab.ask("GET", "/api", accept=f"{AGGREGATED},application/json")
    assert (whole["kind"], len(whole["items"])) == ("APIGroupDiscoveryList", 1)


@pytest.mark.parametrize(
    ("resources", "listed"),
    [
        (METRICS, ["nodes.metrics.k8s.io", "pods.metrics.k8s.io"]),
        ((7, {"name": 3}, {"name": "a/b"}), None),
        (None, []),
    ],
    ids=["answers", "answers nonsense", "does not answer"],
)
async def test_an_aggregated_api_is_listed_while_it_answers(
    tmp_path: Any, authority: Authority, resources: Any, listed: list[str] | None
) -> None:
    """Recorded on the real cluster while its metrics-server was 0/3: nobody finds it then."""
    other = OtherVersion("metrics.k8s.io", "v1beta1", resources)
    async with bench(tmp_path, authority, backends=Backends(others=lambda: [other])) as lab:
        if listed is not None:
            words = ("api-resources", "--api-group=metrics.k8s.io", "-o", "name")
            assert (await lab.does(*words)).split() == listed
        assert (await lab.does("get", "nodes", "-o", "name")) == ""


async def test_kubectl_explain_finds_no_schema(lab: Bench) -> None:
    ran = await lab.kubectl("explain", "nodes")
    assert ran.code == 1, ran
    assert "not found" in ran.err, ran
    assert (await lab.ask("GET", "/openapi/v3/apis/none/v1"))[0] == 404
