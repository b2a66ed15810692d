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


SECRET = {"data": {"ca.crt": "REVG"}}
VERIFIED, UNVERIFIED = {"caBundle": "QUJD"}, {"insecureSkipTLSVerify": True}
NEW = {"caBundle": "REVG"}
BOTH_NEW = {"v1beta1": NEW, "v1": NEW}
ALONE, UNVERIFIED_ALONE = {"v1beta1": VERIFIED}, {"v1beta1": UNVERIFIED}
OF_EACH = {"v1beta1": VERIFIED, "v1": {"caBundle": "R0hJ"}}
MIXED = {"v1beta1": UNVERIFIED, "v1": VERIFIED}
UNDER_WAY = deployment(OURS, updatedReplicas=1)
CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], dict[str, Any], str]] = {
    # the Deployment and the APIServices there; those that are rendered, and what the notes say
    "nothing": (None, {}, BOTH_NEW, ""),
    "theirs, verified": (deployment(THEIRS), ALONE, ALONE, "NO v1 YET"),
    "theirs, not verified": (
        deployment(THEIRS), UNVERIFIED_ALONE, UNVERIFIED_ALONE, "NOT VERIFIED YET",
    ),
    **{
        what: (deployment(OURS, **{what: 1}), ALONE, ALONE, "NO v1 YET")
        for what in ("observedGeneration", "updatedReplicas", "readyReplicas")
    },
    "ours, not verified": (deployment(OURS), UNVERIFIED_ALONE, BOTH_NEW, ""),
    "ours, verified": (deployment(OURS), ALONE, {**ALONE, "v1": NEW}, ""),
    "an ordinary roll-out": (UNDER_WAY, OF_EACH, OF_EACH, ""),
    "each its own": (UNDER_WAY, MIXED, MIXED, "NOT VERIFIED YET"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_v1_comes_once_the_pods_that_answer_serve_it_and_stays(helm: Helm, case: str) -> None:
    """Each APIService is verified by its own bundle; a new one by the authority in the Secret."""
    deployed, there, rendered_as, said = CASES[case]
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
