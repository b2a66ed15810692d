"""Our chart in the place of metrics-server's own (3.13.1): with the very values of its release, everything keeps name and selector."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from real.charts import METRICS_SERVER, Helm
from tests.charts.rendering import IMAGE, Identity, only, rendered
from tests.metrics_server.command_line import settings

OURS_ALONE = ("-authority", "-writes-the-ca-bundle-alone", "v1.metrics.k8s.io")
"""What keeps the authority of the serving certificates: metrics-server makes one in memory, that nobody can verify. And v1."""

VERSIONS = ("v1beta1.metrics.k8s.io", "v1.metrics.k8s.io")

WISHES: dict[str, dict[str, Any]] = {
    "nothing set": {},
    "two replicas and a budget": {
        "replicas": 2,
        "podDisruptionBudget": {"enabled": True, "minAvailable": 1},
    },
    "other names": {"fullnameOverride": "usage", "nameOverride": "usage"},
    "an account of their own": {"serviceAccount": {"create": False, "name": "mine"}},
    "arguments": {"args": ["--kubelet-insecure-tls"], "metrics": {"enabled": True}},
    "no roles, no API service": {"rbac": {"create": False}, "apiService": {"create": False}},
}


@pytest.fixture
def reusing(upstream_chart: Path, tmp_path: Path) -> Path:
    """Our chart with their defaults in place of ours: that is what `helm upgrade --reuse-values` makes of it."""
    copy = tmp_path / METRICS_SERVER.name
    shutil.copytree(METRICS_SERVER, copy)
    shutil.copyfile(upstream_chart / "values.yaml", copy / "values.yaml")
    return copy


@pytest.mark.parametrize("wishes", WISHES.values(), ids=WISHES)
@pytest.mark.parametrize("release", ["metrics-server", "usage-of-nodes"])
def test_every_object_keeps_its_name_and_what_cannot_be_changed(
    helm: Helm, upstream_chart: Path, reusing: Path, tmp_path: Path, release: str, wishes: Any
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(wishes))
    theirs = rendered(helm, upstream_chart, "-f", str(values), release=release)
    ours = rendered(helm, reusing, "-f", str(values), *IMAGE, release=release)
    more = {each for each in set(ours) - set(theirs) if not each[2].endswith(OURS_ALONE)}
    assert (set(theirs) - set(ours), more) == (set(), set())
    for each, thing in theirs.items():
        assert _fixed(each, ours[each]) == _fixed(each, thing), each


def test_beside_theirs_it_has_no_object_of_theirs(helm: Helm, upstream_chart: Path) -> None:
    """With v1 alone. v1beta1, which HPAs read, stays with the other server."""
    theirs = rendered(helm, upstream_chart)
    beside = ("--set", "apiService.v1Only=true")
    ours = rendered(helm, METRICS_SERVER, *IMAGE, *beside, release="usage")
    assert set(theirs) & set(ours) == set()
    assert only(ours, "APIService")["metadata"]["name"] == VERSIONS[1]


def _fixed(which: Identity, thing: dict[str, Any]) -> object:
    """What the API server refuses to change, or what others hold on to."""
    match which[0]:
        case "Deployment":
            spec = thing["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            return (
                thing["spec"]["selector"],
                thing["spec"]["template"]["metadata"]["labels"],
                thing["spec"]["replicas"],
                spec["serviceAccountName"],
                (container["name"], container["ports"]),
            )
        case "Service":
            return thing["spec"]
        case "ClusterRoleBinding" | "RoleBinding":
            return thing["roleRef"], thing["subjects"]
        case "APIService":
            return {
                key: value
                for key, value in thing["spec"].items()
                if key not in ("caBundle", "insecureSkipTLSVerify")
            }
        case "PodDisruptionBudget":
            return thing["spec"]
    return None


def test_it_may_do_no_more_than_theirs_but_to_one_secret_and_its_api_services(
    helm: Helm, upstream_chart: Path, reusing: Path
) -> None:
    """By their names. It creates no Secret: who may do so in kube-system lets nodes join, by bootstrap tokens."""
    theirs, ours = (
        _rights(rendered(helm, chart, *words))
        for chart, words in ((upstream_chart, ()), (reusing, IMAGE))
    )
    secret, service = ("metrics-server-authority",), VERSIONS
    assert ours - theirs == {
        *(("secrets", verb, secret) for verb in ("get", "patch")),
        *(
            ("apiregistration.k8s.io apiservices", verb, service)
            for verb in ("get", "list", "watch", "patch")
        ),
    }
    assert {what for what, _, names in ours if not names} == {
        "nodes/metrics",
        "nodes",
        "pods",
        "metrics.k8s.io nodes",
        "metrics.k8s.io pods",
    }


def _rights(found: dict[Identity, Any]) -> set[tuple[str, str, tuple[str, ...]]]:
    """What may be done to what, and to which names of it; to any without a name."""
    return {
        (f"{group} {resource}".strip(), verb, tuple(rule.get("resourceNames", ())))
        for thing in found.values()
        if thing["kind"] in ("ClusterRole", "Role")
        for rule in thing["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_all_of_their_values_are_known_to_the_schema(helm: Helm, reusing: Path) -> None:
    """With a name that is not, so that it is clear that the schema is asked."""
    rendered(helm, reusing, *IMAGE)
    asked = helm.run(
        "template", "metrics-server", str(reusing), *IMAGE, "--set", "tls.typo=1", check=False
    )
    assert "typo" in asked.stderr


def test_the_trick_for_their_chart_names_the_same_image_in_ours(
    helm: Helm, upstream_chart: Path, reusing: Path
) -> None:
    """A release of theirs that runs our image: image.repository NAME@sha256, image.tag the digits."""
    trick = ("--set", "image.repository=registry.example.com/kubevouch@sha256")
    digits = ("--set-string", f"image.tag={'4f' * 32}")
    images = set()
    for chart, words in (
        (upstream_chart, (*trick, *digits)),
        (reusing, (*trick, *digits)),
        (reusing, IMAGE),
    ):
        spec = only(rendered(helm, chart, *words), "Deployment")["spec"]["template"]["spec"]
        images.add(spec["containers"][0]["image"])
    assert images == {f"registry.example.com/kubevouch@sha256:{'4f' * 32}"}


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("tls.type=metrics-server", VERSIONS),
        ("tls.type=helm", VERSIONS),
        ("apiService.v1Only=true", VERSIONS[1:]),
    ],
)
def test_the_pods_keep_an_authority_for_the_name_that_the_api_server_asks_for(
    helm: Helm, reusing: Path, chosen: str, names: tuple[str, ...]
) -> None:
    """Neither the Secret's data nor the caBundle is rendered: what is applied again leaves both as the server has made them."""
    for chart in (METRICS_SERVER, reusing):
        found = rendered(helm, chart, *IMAGE, "--set", chosen)
        secret = only(found, "Secret")
        services = {
            each["metadata"]["name"]: each["spec"]
            for each in found.values()
            if each["kind"] == "APIService"
        }
        assert tuple(services) == names
        priorities = [each["versionPriority"] for each in services.values()]
        assert priorities == [{VERSIONS[0]: 100, VERSIONS[1]: 200}[name] for name in names]
        assert not {"data", "stringData"} & secret.keys()
        name = secret["metadata"]["name"]
        spec = only(found, "Deployment")["spec"]["template"]["spec"]
        (given,) = [each for each in spec["containers"][0]["args"] if "authority" in each]
        place = settings(given).tls.authority
        assert place is not None
        assert (place.namespace, place.secret) == ("kube-system", name)
        for service in services.values():
            asked = service["service"]
            assert f"{asked['name']}.{asked['namespace']}.svc" in place.names
            assert not {"caBundle", "insecureSkipTLSVerify"} & service.keys()
        assert set(place.api_services) == set(names)
        assert "certs" not in {each["name"] for each in spec["volumes"]}
        for role, which in (
            (("Role", "kube-system", name), [name]),
            (("ClusterRole", "", f"system:{name}"), list(names)),
        ):
            (rule,) = found[role]["rules"]
            assert rule["resourceNames"] == which
