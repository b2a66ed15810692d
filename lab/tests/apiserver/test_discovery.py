"""Which resources there are: judged by real kubectl, and by what a real 1.36 server says of the same."""

from pathlib import Path

from kubevouch_lab.apiserver.backends import Backends
from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority


async def test_kubectl_prints_the_resources_of_a_real_cluster(lab: Bench) -> None:
    _, *printed = (await lab.does("api-resources", "-o", "wide")).splitlines()
    rows = {tuple(line.split()) for line in printed}
    every = "create,delete,deletecollection,get,list,patch,update,watch"
    assert ("nodes", "no", "v1", "false", "Node", every) in rows
    assert ("deployments", "deploy", "apps/v1", "true", "Deployment", every) in rows
    assert ("tokenreviews", "authentication.k8s.io/v1", "false", "TokenReview", "create") in rows
    assert len(rows) == len(printed)
    versions = (await lab.does("api-versions")).split()
    assert {"v1", "apps/v1", "apiregistration.k8s.io/v1", "certificates.k8s.io/v1"} <= set(versions)


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


async def test_an_aggregated_api_that_does_not_answer_holds_no_other(
    tmp_path: Path, authority: Authority
) -> None:
    backends = Backends(others=lambda: [("metrics.k8s.io", "v1beta1")])
    async with bench(tmp_path, authority, backends=backends) as lab:
        _, groups = await lab.ask("GET", "/apis")
        assert groups["groups"][-1]["name"] == "metrics.k8s.io"
        assert (await lab.does("get", "nodes", "-o", "name")) == ""


async def test_kubectl_explain_finds_no_schema(lab: Bench) -> None:
    ran = await lab.kubectl("explain", "nodes")
    assert ran.code == 1, ran
    assert "not found" in ran.err, ran
    assert (await lab.ask("GET", "/openapi/v3/apis/none/v1"))[0] == 404
