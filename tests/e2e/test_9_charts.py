"""The charts by real Helm on the bed: ours in the place of metrics-server's release and back, and installed, upgraded, removed.

While a chart takes another's place, `kubectl top nodes` is asked without a pause. The bed's own metrics-server, which is not
Helm's, is away meanwhile.
"""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from real.bed import State
from real.charts import APPROVER, METRICS_SERVER, Helm, real_helm, upstream_chart
from real.layout import IMAGE_REPOSITORY, METRICS_SERVER_VERSION

from .bed_cluster import BedCluster
from .documented import block, commands, typed
from .in_place import container_of
from .load import Load, under_load
from .programs import CHECKOUT
from .told import eventually, findings

SPACE, RELEASE = "kube-system", "metrics-server"
AUTHORITY, GROUP = f"{RELEASE}-authority", "metrics.k8s.io"
THEIRS = f"{IMAGE_REPOSITORY}/metrics-server:v{METRICS_SERVER_VERSION}"
OWNED = "clusterroles,clusterrolebindings,apiservices,validatingadmissionpolicies,validatingadmissionpolicybindings"
OWNED_THERE = (
    "all,serviceaccounts,secrets,roles,rolebindings,poddisruptionbudgets,networkpolicies,leases"
)


class Released:
    """A release of Helm's on the bed."""

    def __init__(self, helm: Helm, bed: BedCluster, name: str, namespace: str) -> None:
        self.bed, self.name, self.namespace = bed, name, namespace
        self._helm = helm

    def __call__(self, verb: str, *words: str) -> str:
        """A verb of Helm's about this release, waited for."""
        named = (verb, self.name, *words, "--namespace", self.namespace, "--timeout=4m")
        waiting = () if verb == "get" else ("--wait",)
        return self._helm.run(*named, *waiting, kubeconfig=self.bed.kubeconfig, seconds=300).stdout

    def typed(self, command: str) -> str:
        """A command of Helm's, as it stands in the docs."""
        program, *words = shlex.split(command)
        assert program == "helm"
        return self._helm.run(*words, kubeconfig=self.bed.kubeconfig, seconds=400).stdout

    def upgraded(self, chart: Path, **values: str) -> str:
        """An upgrade with all values of the release, and these."""
        sets = [word for name, value in values.items() for word in ("--set-string", f"{name.replace('__', '.')}={value}")]  # fmt: skip
        return self("upgrade", str(chart), "--reuse-values", *sets)

    def images(self) -> set[str]:
        """What its pods run, those that are ending left out."""
        pods = self.listed("pods", "-l", f"app.kubernetes.io/instance={self.name}")
        return {
            each["spec"]["containers"][0]["image"]
            for each in pods
            if "deletionTimestamp" not in each["metadata"]
        }

    def of_helm(self) -> list[str]:
        """All objects that bear the release's name."""
        found = []
        for kinds, where in ((OWNED, ()), (OWNED_THERE, ("-A",))):
            for each in self.listed(kinds, *where, namespaced=False):
                marks = each["metadata"].get("annotations", {})
                if marks.get("meta.helm.sh/release-name") == self.name:
                    found.append(f"{each['kind']}/{each['metadata']['name']}")
        return sorted(found)

    def listed(self, kinds: str, *words: str, namespaced: bool = True) -> list[dict[str, Any]]:
        """Objects of these kinds."""
        space = ("-n", self.namespace) if namespaced else ()
        return list(self.bed.get(kinds, *words, *space)["items"])


@pytest.fixture(scope="module")
def helm(bed: BedCluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return real_helm(bed.bed.folders, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def away(bed: BedCluster) -> Iterator[None]:
    """The bed's own metrics-server is not there, and comes back."""
    bed.state("healthy")
    bed.bed.take_metrics_server_away()
    yield
    bed.bed.put_metrics_server_back()
    bed.bed.observe(State.HEALTHY)


@pytest.fixture
def release(helm: Helm, bed: BedCluster, away: None) -> Iterator[Released]:
    del away
    found = Released(helm, bed, RELEASE, SPACE)
    yield found
    words = ("uninstall", RELEASE, "--namespace", SPACE, "--wait", "--ignore-not-found")
    helm.run(*words, kubeconfig=bed.kubeconfig)


@pytest.fixture
def ours(image_reference: str) -> dict[str, str]:
    """Our image, as our chart wants it named."""
    repository, digest = image_reference.split("@")
    return {"image__repository": repository, "image__digest": digest}


def _install_theirs(release: Released, *arguments: str) -> None:
    """metrics-server's chart with its own values, but for where its image is, and with these arguments besides its own."""
    repository, tag = THEIRS.split(":")
    image = f"image.repository={repository},image.tag={tag}"
    added = ("--set-json", f"args={json.dumps(arguments)}") if arguments else ()
    release("install", str(upstream_chart()), "--set", image, *added)
    _top(release.bed)


def _top(bed: BedCluster) -> None:
    """All four nodes have their numbers."""
    words = ("top", "nodes", "--no-headers")

    def look() -> bool:
        lines = bed.kubectl(*words, check=False).stdout.splitlines()
        return len([line for line in lines if re.search(r"\d+m\s+\d+%\s+\d+Mi\s+\d+%", line)]) == 4

    eventually(look, "four nodes in kubectl top")


def _api_service(bed: BedCluster) -> dict[str, Any]:
    return dict(bed.get("apiservice", "v1beta1.metrics.k8s.io"))


def _versions(bed: BedCluster) -> set[str]:
    """Of the metrics API, those that have an APIService."""
    listed = bed.kubectl("get", "apiservices", "-o", "name").stdout
    return set(re.findall(r"/(\w+)\.metrics\.k8s\.io$", listed, re.MULTILINE))


THEIR_POD_ENDS, VERIFIED, OUR_POD_ENDS = "their pod ends", "verified from now on", "our pod ends"
_FOR_A_MOMENT = ("(ServiceUnavailable)", "Metrics API not available")
_ROLLED_BACK = '/apis/metrics.k8s.io/v1/nodes" status="404'
"""kubectl picks v1 from /apis, and asks for it when a rollback has just deleted the APIService of v1."""
_LOOKED_AT_AGAIN = 30.0
"""Seconds until the API server looks again at an APIService that did not answer, at the latest (kube-aggregator,
pkg/controllers/status/remote/remote_available_controller.go: each look that fails doubles the wait, from 5 ms to 30 s)."""


def only_for_a_moment(load: Load) -> bool:
    """All that failed did while the API server learned what is served where: of a pod that ends, or of another APIService."""
    assert len(load.asked) > 20
    first = {each.meanwhile: each.ended for each in reversed(load.failures)}
    for each in load.failures:
        lasted = each.ended - first[each.meanwhile]
        print(f"{each.meanwhile}, {lasted:.1f} s after the first: {each.failure}")
        words = (*_FOR_A_MOMENT, *([_ROLLED_BACK] if each.meanwhile == OUR_POD_ENDS else []))
        if lasted > _LOOKED_AT_AGAIN or not any(word in each.failure for word in words):
            return False
    return True


@pytest.mark.as_the_version_is
def test_our_chart_takes_the_place_of_their_release_and_gives_it_back(
    release: Released, image_reference: str
) -> None:
    """By the commands of the docs, from a release that verifies no kubelet."""
    bed, flag = release.bed, "--kubelet-insecure-tls"
    repository, _, digits = image_reference.partition("@sha256:")
    registry = repository.removesuffix("/kubevouch")
    first, second, third, last = commands(
        block("**With Helm.** The second upgrade", REGISTRY=registry, DIGEST=digits)
    )
    _install_theirs(release, flag)
    before = _fixed(bed)
    with under_load(bed, askers=1) as load:
        load.meanwhile = THEIR_POD_ENDS
        said = release.typed(first)
        load.meanwhile = VERIFIED
        assert "NOT VERIFIED YET" in said
        assert release.images() == {image_reference}
        # The pods that answered at first are nobody's to verify: what was there stays for this one upgrade.
        assert _api_service(bed)["spec"]["insecureSkipTLSVerify"] is True
        assert _versions(bed) == {"v1beta1"}
        assert flag in container_of(bed)["args"]
        assert "NOT VERIFIED YET" not in release.typed(second)
        assert flag not in container_of(bed)["args"]
        assert len(typed(bed.bed, third, CHECKOUT)) > 500
        # Its last pod with the flag is ending, and the one that has taken its place serves.
        assert last == "kubevouch doctor"
        assert "KV116" not in findings(bed.kubevouch("doctor", "-o", "json"))
        spec = _api_service(bed)["spec"]
        assert (bool(spec["caBundle"]), spec.get("insecureSkipTLSVerify", False)) == (True, False)
        assert _versions(bed) == {"v1", "v1beta1"}
        both = [f"apiservice/{version}.metrics.k8s.io" for version in _versions(bed)]
        bed.kubectl("wait", *both, "--for=condition=Available", "--timeout=60s")
        _top(bed)
        _kubectl_asks_for_the_newest_that_it_knows(bed)
        assert _fixed(bed) == before
        load.meanwhile = OUR_POD_ENDS
        release("rollback", "1")
        assert release.images() == {THEIRS}
        assert _fixed(bed) == before
    assert _versions(bed) == {"v1beta1"}
    assert _api_service(bed)["spec"]["insecureSkipTLSVerify"] is True
    _top(bed)
    assert only_for_a_moment(load), load.failures


def _kubectl_asks_for_the_newest_that_it_knows(bed: BedCluster) -> None:
    """Seen in the audit log. From 1.37 on it knows v1."""
    version = bed.bed.version
    newest = "v1" if int(version.split(".")[1]) >= 37 else "v1beta1"
    since = datetime.now(UTC)
    bed.kubectl("top", "nodes")
    bed.kubectl("top", "pods", "-n", SPACE)

    def asked() -> set[tuple[str, str]]:
        by_it = [e for e in bed.audit(since) if e.user_agent.startswith(f"kubectl/v{version} ")]
        refs = [each.object_ref for each in by_it]
        return {(ref.resource, ref.api_version) for ref in refs if ref.api_group == GROUP}

    eventually(lambda: len(asked()) > 1, "nodes and pods in the audit log")
    assert asked() == {("nodes", newest), ("pods", newest)}


def _its_authority_is_written_again_and_nothing_else(bed: BedCluster) -> None:
    """Whoever replaces the object whole, or Argo CD with Replace=true, takes the caBundle out: the server writes its own again.

    Kubelets are shown the account's token: who takes it leads the metrics API nowhere else.
    """
    own = json.loads(_authority(bed)[0])["ca.crt"]
    bare = json.dumps([{"op": "remove", "path": "/spec/caBundle"}])
    patch = ("patch", "apiservice", "v1beta1.metrics.k8s.io")
    bed.kubectl(*patch, "--type=json", "-p", bare)
    eventually(lambda: _api_service(bed)["spec"].get("caBundle") == own, "the caBundle")
    for spec in (
        {"service": {"name": "thief"}},
        {"insecureSkipTLSVerify": True, "caBundle": None},
    ):
        words = (f"--as=system:serviceaccount:{SPACE}:{RELEASE}", "--type=merge", "-p")
        stolen = bed.kubectl(*patch, *words, json.dumps({"spec": spec}), check=False)
        assert "writes spec.caBundle of its APIServices and nothing else" in stolen.stderr
    _top(bed)


def _fixed(bed: BedCluster) -> tuple[object, ...]:
    """What an upgrade in place must not have made anew."""
    uids = [
        bed.kubectl("get", kind, RELEASE, "-n", SPACE, "-o", "jsonpath={.metadata.uid}").stdout
        for kind in ("deployment", "service", "serviceaccount")
    ]
    return (*uids, _api_service(bed)["metadata"]["uid"])


@pytest.mark.long
def test_their_chart_runs_our_image_with_nothing_changed_but_the_image(
    release: Released, image_reference: str
) -> None:
    bed = release.bed
    _install_theirs(release)
    repository, digits = image_reference.rsplit(":", 1)
    with under_load(bed, askers=1) as load:
        load.meanwhile = THEIR_POD_ENDS
        release.upgraded(upstream_chart(), image__repository=repository, image__tag=digits)
        assert release.images() == {image_reference}
        _top(bed)
        load.meanwhile = OUR_POD_ENDS
        release("rollback", "1")
        assert release.images() == {THEIRS}
    _top(bed)
    # Their chart gives no --shutdown-delay-duration.
    assert only_for_a_moment(load), load.failures


@pytest.mark.long
def test_our_chart_is_installed_upgraded_rolled_back_and_leaves_nothing(
    release: Released, ours: dict[str, str], image_reference: str
) -> None:
    bed = release.bed
    sets = ",".join(f"{name.replace('__', '.')}={value}" for name, value in ours.items())
    release("install", str(METRICS_SERVER), "--set", sets)
    assert release.images() == {image_reference}
    spec = _api_service(bed)["spec"]
    assert (bool(spec["caBundle"]), spec.get("insecureSkipTLSVerify", False)) == (True, False)
    _top(bed)
    pods = release.listed("pods", "-l", f"app.kubernetes.io/instance={RELEASE}")
    assert len({each["spec"]["nodeName"] for each in pods}) == 2, "three workers take pods"
    owned = release.of_helm()
    for name in (
        f"NetworkPolicy/{RELEASE}",
        f"PodDisruptionBudget/{RELEASE}",
        f"Secret/{AUTHORITY}",
    ):
        assert name in owned
    authority = _authority(bed)
    with under_load(bed, askers=1) as load:
        release(
            "upgrade", str(METRICS_SERVER), "--reset-then-reuse-values", "--set", "podLabels.a=b"
        )
        release("rollback", "1")
    assert len(load.asked) > 20
    assert load.failures == []
    assert _authority(bed) == authority
    release("uninstall")
    assert release.of_helm() == []


def _authority(bed: BedCluster) -> tuple[str, str]:
    """The Secret's data, and what the API server verifies by."""
    words = ("get", "secret", AUTHORITY, "-n", SPACE, "-o", "jsonpath={.data}")
    data = bed.kubectl(*words).stdout
    assert "ca.key" in data
    return data, _api_service(bed)["spec"]["caBundle"]


@pytest.mark.long
@pytest.mark.usefixtures("away")
def test_a_second_rendering_that_is_applied_takes_nothing_from_who_asks(
    helm: Helm, bed: BedCluster, ours: dict[str, str]
) -> None:
    """As Argo CD does it: no cluster is asked for what is rendered. Then all pods are made anew, with the same authority."""
    sets = ",".join(f"{name.replace('__', '.')}={value}" for name, value in ours.items())
    first, second = (
        helm.template(METRICS_SERVER, "--set", sets, release=RELEASE, namespace=SPACE)
        for _ in range(2)
    )
    assert first == second
    try:
        bed.kubectl("apply", "-f", "-", stdin=first)
        bed.rolled_out(RELEASE, SPACE, 240)
        _top(bed)
        authority = _authority(bed)
        with under_load(bed, askers=1) as load:
            for words in (("apply",), ("apply", "--server-side", "--force-conflicts")):
                load.meanwhile = " ".join(words)
                bed.kubectl(*words, "-f", "-", stdin=second)
            load.meanwhile = "rollout restart"
            bed.kubectl("rollout", "restart", f"deployment/{RELEASE}", "-n", SPACE)
            bed.rolled_out(RELEASE, SPACE, 240)
        assert len(load.asked) > 20
        assert load.failures == []
        assert _authority(bed) == authority
        _its_authority_is_written_again_and_nothing_else(bed)
    finally:
        bed.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=first, seconds=310)


@pytest.mark.as_the_version_is
def test_the_approvers_chart_is_installed_enforced_rolled_back_and_keeps_what_was_recorded(
    helm: Helm, bed: BedCluster, image_reference: str
) -> None:
    release = Released(helm, bed, "kubevouch-approver", "kubevouch-system")
    repository, digest = image_reference.split("@")
    image = f"image.repository={repository},image.digest={digest}"
    release("install", str(APPROVER), "--create-namespace", "--set", image)
    try:
        eventually(lambda: _lease(bed), "a leader")
        assert _actions(bed) == {"Warn"}
        release("upgrade", str(APPROVER), "--reuse-values", "--set", "admission.enforcement=deny")
        assert _actions(bed) == {"Deny"}
        release("rollback", "1")
        assert _actions(bed) == {"Warn"}
    finally:
        release("uninstall")
    assert release.of_helm() == []
    kept = bed.kubectl("get", "configmaps", "-n", release.namespace, "-o", "name").stdout
    assert kept.count("kubevouch-recorded-") == 16
    gone = ("delete", "namespace", release.namespace, "--timeout=300s")
    bed.kubectl(*gone, seconds=310)


def _lease(bed: BedCluster) -> str:
    words = ("get", "lease", "kubevouch-approver", "-n", "kubevouch-system")
    return bed.kubectl(*words, "-o", "jsonpath={.spec.holderIdentity}", check=False).stdout


def _actions(bed: BedCluster) -> set[str]:
    """What the admission policies do, besides the mark in the audit log."""
    found = bed.get("validatingadmissionpolicybindings")["items"]
    ours = [each for each in found if each["metadata"]["name"].startswith("kubevouch-")]
    assert len(ours) == 2
    return {action for each in ours for action in each["spec"]["validationActions"]} - {"Audit"}
