"""The charts by real Helm, where no cluster can be asked: linted, rendered with several value files, and equal to deploy/."""

import json
from pathlib import Path

import click
import pytest
import yaml

from kubevouch import __version__
from kubevouch.cli.app import program
from kubevouch.policy.sources.configuration import ApproverConfiguration, read_configuration
from real.charts import APPROVER, CHECKOUT, DEPLOYED, EXPORTER, METRICS_SERVER, Helm
from real.charts import rendered as deployed
from real.errors import BedError
from tests.charts.rendering import IMAGE, only, rendered

VALUES = Path(__file__).parent / "values"
FILES = sorted(VALUES.glob("*.yaml"))


def chart_of(values: Path) -> Path:
    for chart in (APPROVER, EXPORTER):
        if values.name.startswith(chart.name.removeprefix("kubevouch-")):
            return chart
    return METRICS_SERVER


def test_deploy_is_what_the_charts_render(helm: Helm) -> None:
    found = {path: deployed(helm, rendering) for path, rendering in DEPLOYED.items()}
    written = {path: (CHECKOUT / "deploy" / path).read_text("utf-8") for path in DEPLOYED}
    assert found == written, "run `make deploy`"


def test_every_file_of_deploy_comes_from_a_chart_but_two() -> None:
    """What a cluster needs of a metrics server outside of it, and of an exporter in the approver's pod."""
    deploy = CHECKOUT / "deploy"
    files = {path.relative_to(deploy).as_posix() for path in deploy.rglob("*.yaml")}
    by_hand = {"metrics-server/external.yaml"}
    assert files - set(DEPLOYED) == by_hand


@pytest.mark.parametrize("values", FILES, ids=lambda path: path.stem)
def test_a_value_file_lints_and_renders_to_objects_in_their_places(
    helm: Helm, values: Path
) -> None:
    chart = chart_of(values)
    where = ("--namespace", "kube-system" if chart is METRICS_SERVER else "kubevouch-system")
    linted = helm.run("lint", "--strict", str(chart), *where, *IMAGE, "-f", str(values), check=False)  # fmt: skip
    assert linted.returncode == 0, linted.stdout
    found = rendered(helm, chart, *IMAGE, "-f", str(values))
    for (kind, namespace, _), thing in found.items():
        assert thing["apiVersion"]
        assert bool(namespace) is not (
            kind.startswith(("Cluster", "Validating", "APIService", "Namespace"))
        )
        assert thing["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize("values", FILES, ids=lambda path: path.stem)
def test_it_renders_the_same_bytes_twice(helm: Helm, values: Path) -> None:
    """Argo CD, and who pipes `helm template` into kubectl, applies each rendering: what differs is changed in the cluster."""
    words = (*IMAGE, "-f", str(values))
    namespace = "kube-system" if chart_of(values) is METRICS_SERVER else "kubevouch-system"
    first, second = (
        helm.template(chart_of(values), *words, release=chart_of(values).name, namespace=namespace)
        for _ in range(2)
    )
    assert first == second


UMBRELLA = {
    "global": {"imageRegistry": "registry.example.com", "own": {"deep": [1]}},
    "enabled": True,
}


@pytest.mark.parametrize("chart", [APPROVER, METRICS_SERVER, EXPORTER], ids=lambda path: path.name)
def test_it_is_a_part_of_an_umbrella_chart(helm: Helm, chart: Path) -> None:
    """`global` is what all parts are told, and the `condition` of a part lies among its values."""
    values = ("--set-json", f"global={json.dumps(UMBRELLA['global'])}", "--set", "enabled=true")
    assert rendered(helm, chart, *IMAGE, *values) == rendered(helm, chart, *IMAGE)


@pytest.mark.parametrize(
    ("wishes", "kind", "found"),
    [
        ("replicas=2", "PodDisruptionBudget", {"minAvailable": 1}),
        (
            "replicas=2,podDisruptionBudget.maxUnavailable=1",
            "PodDisruptionBudget",
            {"maxUnavailable": 1},
        ),
        (
            "replicas=2,podDisruptionBudget.maxUnavailable=0",
            "PodDisruptionBudget",
            {"maxUnavailable": 0},
        ),
        (
            "replicas=3,podDisruptionBudget.minAvailable=50%",
            "PodDisruptionBudget",
            {"minAvailable": "50%"},
        ),
        (
            "service.ipFamilyPolicy=PreferDualStack,service.ipFamilies={IPv6,IPv4}",
            "Service",
            {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]},
        ),
    ],
)
def test_a_value_says_what_the_object_says(
    helm: Helm, wishes: str, kind: str, found: dict[str, object]
) -> None:
    """Of the fields that exclude each other, or that a cluster chooses where nobody does, no other is there."""
    spec = only(rendered(helm, METRICS_SERVER, *IMAGE, "--set", wishes), kind)["spec"]
    named = ("minAvailable", "maxUnavailable", "ipFamilyPolicy", "ipFamilies")
    assert {name: spec[name] for name in named if name in spec} == found


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ("image.repository=a.example/k,image.tag=v1", "a.example/k:v1"),
        (
            f"image.repository=a.example/k,image.tag=v1,image.digest=sha256:{'4f' * 32}",
            f"a.example/k@sha256:{'4f' * 32}",
        ),
    ],
)
def test_a_tag_names_the_image_where_no_digest_does(helm: Helm, values: str, image: str) -> None:
    spec = only(rendered(helm, METRICS_SERVER, "--set", values), "Deployment")["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize("chart", [APPROVER, METRICS_SERVER, EXPORTER], ids=lambda path: path.name)
def test_a_chart_has_the_products_version(chart: Path) -> None:
    read = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    assert read["appVersion"] == __version__
    assert read["version"] == __version__.replace(".dev", "-dev.")


@pytest.mark.parametrize(
    ("chart", "words", "said"),
    [
        (APPROVER, (), "expected image.repository and image.digest"),
        (METRICS_SERVER, (), "expected image.repository and image.digest"),
        (EXPORTER, (), "expected image.repository and image.digest"),
        (EXPORTER, (*IMAGE, "--set", "interval=often"), "interval"),
        (METRICS_SERVER, ("--set", "image.tag=v1"), "expected image.repository and image.digest"),
        (
            METRICS_SERVER,
            ("--set", "image.repository=a"),
            "expected image.repository and image.digest",
        ),
        (METRICS_SERVER, (*IMAGE, "--set", "image.digest=sha256:12"), "image.digest"),
        (METRICS_SERVER, (*IMAGE, "--set", "addonResizer.enabled=true"), "no resizer"),
        (METRICS_SERVER, (*IMAGE, "--set", "repliccas=2"), "repliccas"),
        (METRICS_SERVER, (*IMAGE, "--set", "tls.type=none"), "tls"),
        (METRICS_SERVER, (*IMAGE, "--set", "replicas=two"), "replicas"),
        (
            METRICS_SERVER,
            (*IMAGE, "--set", "tls.type=existingSecret,tls.existingSecret.name=s"),
            "expected apiService.caBundle",
        ),
        (METRICS_SERVER, (*IMAGE, "--set", "tls.type=existingSecret"), "tls.existingSecret.name"),
        (APPROVER, (*IMAGE, "--set", "admission.enforcement=hard"), "enforcement"),
        (APPROVER, (*IMAGE, "--namespace", "elsewhere"), "expected --namespace kubevouch-system"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(
    helm: Helm, chart: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BedError, match=said):
        rendered(helm, chart, *words)


@pytest.mark.parametrize("chart", [APPROVER, METRICS_SERVER, EXPORTER], ids=lambda path: path.name)
def test_one_value_keeps_the_pods_on_nodes_of_the_images_architecture(
    helm: Helm, chart: Path
) -> None:
    """The image that we build is for amd64. No default says so: whoever builds another one has it run where he wants."""
    linux = {"kubernetes.io/os": "linux"}
    for words, chosen in (
        ((), linux),
        (
            ("--set", r"nodeSelector.kubernetes\.io/arch=amd64"),
            {**linux, "kubernetes.io/arch": "amd64"},
        ),
    ):
        deployment = only(rendered(helm, chart, *IMAGE, *words), "Deployment")
        assert deployment["spec"]["template"]["spec"]["nodeSelector"] == chosen


def test_the_configuration_is_one_that_the_approver_reads(helm: Helm) -> None:
    found = rendered(helm, APPROVER, *IMAGE, "-f", str(VALUES / "approver-all-on.yaml"))
    text = found["ConfigMap", "kubevouch-system", "kubevouch-approver"]["data"][
        "configuration.yaml"
    ]
    read = read_configuration(text)
    assert isinstance(read, ApproverConfiguration)
    assert read.problems == ()
    assert [rule.names for rule in read.new_nodes] == ["worker-*"]


def test_who_may_decide_is_a_list_of_cel_whatever_the_names_are(helm: Helm) -> None:
    found = rendered(helm, APPROVER, *IMAGE, "-f", str(VALUES / "approver-all-on.yaml"))
    decided = found["ValidatingAdmissionPolicy", "", "kubevouch-serving-csr-is-decided-by"]
    names = {each["name"]: json.loads(each["expression"]) for each in decided["spec"]["variables"]}
    account = "system:serviceaccount:kubevouch-system:kubevouch-approver"
    assert names["users"] == [account, "o'hara"]
    assert names["groups"] == ["kubeadm:cluster-admins", "system:masters", "platform"]


def test_no_rendering_switches_verification_off(helm: Helm) -> None:
    for values in FILES:
        if chart_of(values) is METRICS_SERVER:
            more = ("--set", "apiService.insecureSkipTLSVerify=true")
            found = rendered(helm, METRICS_SERVER, *IMAGE, "-f", str(values), *more)
            kept = ("Secret", "kube-system", "metrics-server-authority") in found
            for version in ("v1", "v1beta1"):
                service = found["APIService", "", f"{version}.metrics.k8s.io"]
                assert "insecureSkipTLSVerify" not in service["spec"]
                annotations = service["metadata"].get("annotations", {})
                injected = "cert-manager.io/inject-ca-from" in annotations
                assert injected or kept or service["spec"]["caBundle"], values


@pytest.mark.parametrize(
    "values",
    [each for each in FILES if chart_of(each) is not METRICS_SERVER],
    ids=lambda path: path.stem,
)
def test_the_program_takes_the_arguments_of_the_pod(helm: Helm, values: Path) -> None:
    for thing in rendered(helm, chart_of(values), *IMAGE, "-f", str(values)).values():
        if thing["kind"] != "Deployment":
            continue
        words = thing["spec"]["template"]["spec"]["containers"][0]["args"]
        command: click.Command = program
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, words
            command, words = found, words[1:]
        with command.make_context(values.stem, list(words)):
            pass
