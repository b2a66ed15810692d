"""Which APIServices the chart renders, by what the cluster has: v1 leads to no pod that does not serve it."""

import re
from typing import Any

import pytest
import yaml

from real.charts import METRICS_SERVER, Helm
from tests.charts.cluster import looked_up
from tests.charts.rendering import IMAGE

OURS, THEIRS = "kubevouch-metrics-server-0", "metrics-server-3.13.1"


def deployment(chart: str, **status: int) -> dict[str, Any]:
    """As it stands in the cluster, of this chart; rolled out, but for what its status says."""
    rolled_out = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    metadata = {"generation": 2, "labels": {"helm.sh/chart": chart}}
    return {"metadata": metadata, "status": {**rolled_out, **status}}


VERIFIED, UNVERIFIED = {"caBundle": "QUJD"}, {"insecureSkipTLSVerify": True}
SECRET = {"data": {"ca.crt": "REVG"}}


@pytest.mark.parametrize(
    ("deployed", "there", "rendered_as", "said"),
    [
        pytest.param(
            None,
            {},
            {"v1beta1": {"caBundle": "REVG"}, "v1": {"caBundle": "REVG"}},
            "",
            id="nothing",
        ),
        pytest.param(
            deployment(THEIRS),
            {"v1beta1": VERIFIED},
            {"v1beta1": VERIFIED},
            "NO v1 YET",
            id="theirs, verified",
        ),
        pytest.param(
            deployment(THEIRS),
            {"v1beta1": UNVERIFIED},
            {"v1beta1": UNVERIFIED},
            "NOT VERIFIED YET",
            id="theirs, not verified",
        ),
        *(
            pytest.param(
                deployment(OURS, **{what: 1}),
                {"v1beta1": VERIFIED},
                {"v1beta1": VERIFIED},
                "NO v1 YET",
                id=what,
            )
            for what in ("observedGeneration", "updatedReplicas", "readyReplicas")
        ),
        pytest.param(
            deployment(OURS),
            {"v1beta1": UNVERIFIED},
            {"v1beta1": {"caBundle": "REVG"}, "v1": {"caBundle": "REVG"}},
            "",
            id="ours, not verified",
        ),
        pytest.param(
            deployment(OURS),
            {"v1beta1": VERIFIED},
            {"v1beta1": VERIFIED, "v1": {"caBundle": "REVG"}},
            "",
            id="ours, verified",
        ),
        pytest.param(
            deployment(OURS, updatedReplicas=1),
            {"v1beta1": VERIFIED, "v1": {"caBundle": "R0hJ"}},
            {"v1beta1": VERIFIED, "v1": {"caBundle": "R0hJ"}},
            "",
            id="an ordinary roll-out",
        ),
        pytest.param(
            deployment(OURS, updatedReplicas=1),
            {"v1beta1": UNVERIFIED, "v1": VERIFIED},
            {"v1beta1": UNVERIFIED, "v1": VERIFIED},
            "NOT VERIFIED YET",
            id="each its own",
        ),
    ],
)
def test_v1_comes_once_the_pods_that_answer_serve_it_and_stays(
    helm: Helm,
    deployed: dict[str, Any] | None,
    there: dict[str, Any],
    rendered_as: dict[str, Any],
    said: str,
) -> None:
    """Each APIService is verified by its own bundle; a new one by the authority in the Secret."""
    asked = _asked(helm, deployed, there)
    _, _, rest = asked.partition("MANIFEST:\n")
    manifest, _, notes = rest.partition("\nNOTES:\n")
    services = {
        each["spec"]["version"]: {
            key: value
            for key, value in each["spec"].items()
            if key in ("caBundle", "insecureSkipTLSVerify")
        }
        for each in yaml.safe_load_all(manifest)
        if each["kind"] == "APIService"
    }
    assert services == rendered_as
    assert re.findall("NO v1 YET|NOT VERIFIED YET", notes) == [*filter(None, [said])]


@pytest.mark.parametrize("owner", ["metrics-server", "another"])
def test_v1_alone_takes_no_v1beta1_from_who_reads_it(helm: Helm, owner: str) -> None:
    """Helm would delete the release's own, and HPAs go blind."""
    words = ("--set", "apiService.v1Only=true")
    asked = _asked(helm, None, {"v1beta1": VERIFIED}, *words, owner=owner, check=False)
    assert ("apiService.v1Only" in asked) is (owner == "metrics-server")


def _asked(
    helm: Helm,
    deployed: dict[str, Any] | None,
    there: dict[str, Any],
    *words: str,
    owner: str = "metrics-server",
    check: bool = True,
) -> str:
    """What Helm says of the release where these APIServices, this Deployment and a filled Secret are; all of them are the owner's."""
    found = {
        ("APIService", f"{name}.metrics.k8s.io"): {"spec": spec} for name, spec in there.items()
    }
    found["Secret", "metrics-server-authority"] = SECRET
    if deployed:
        found["Deployment", "metrics-server"] = deployed
    with looked_up(found, owner) as cluster:
        named = ("install", "metrics-server", str(METRICS_SERVER), "-n", "kube-system")
        done = helm.run(*named, *IMAGE, *words, *cluster, check=check)
    return done.stdout + done.stderr
