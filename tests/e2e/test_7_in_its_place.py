"""Our metrics server in the place of the other one, as two replicas: one of them ends while somebody asks."""

import json
import shlex
import time
from collections.abc import Container, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from .bed_cluster import BedCluster
from .cluster import Cluster
from .documented import block, typed
from .in_place import (
    API_SERVICE,
    DEPLOYMENT,
    NAMESPACE,
    SELECTOR,
    container_of,
    in_place,
    pods,
    ready_addresses,
    set_image,
    wait_until_ready,
)
from .load import Asked, under_load
from .programs import CHECKOUT
from .told import (
    ended,
    eventually,
    findings,
    names,
    plan,
)

_SYNCED = 3.0
"""Seconds from the moment when an EndpointSlice says so until no new connection goes there (kube-proxy's own pace)."""


@pytest.mark.long_on_the_bed
def test_a_replica_ends_while_somebody_asks(cluster: Cluster, image_reference: str) -> None:
    """By SIGTERM nobody notices; by SIGKILL only who asks before its endpoint is withdrawn."""
    cluster.state("healthy")
    with in_place(cluster, image_reference, replicas=2):
        ended, _ = wait_until_ready(cluster, 2)
        with under_load(cluster) as load:
            words = ("delete", "pod", ended.name, "-n", "kube-system", "--timeout=300s")
            cluster.kubectl(*words, seconds=310)
            left = wait_until_ready(cluster, 2)
        assert ended.name not in {each.name for each in left}
        assert not load.failures, load.failures
        assert not load.holes, load.holes

        killed, other = left
        with under_load(cluster) as load:
            process = cluster.process_of(killed.name, killed.node)
            cluster.where_pods_run(killed.node).sh(f"kill -KILL {process}")
            eventually(lambda: killed.address not in ready_addresses(cluster), "its withdrawal")
            withdrawn = time.monotonic()
            again = wait_until_ready(cluster, 2)
        assert not load.holes, load.holes
        late = [each for each in load.failures if each.began > withdrawn + _SYNCED]
        assert not late, late
        assert len(load.asked) > len(load.failures)
        print(f"{len(load.failures)} of {len(load.asked)} failed before the withdrawal")
        restarts = {each.name: each.restarts for each in again}
        assert restarts == {killed.name: killed.restarts + 1, other.name: other.restarts}
        assert pods(cluster) == again


@pytest.mark.long
def test_from_a_server_that_verifies_nothing_to_ours_while_somebody_asks(
    bed: BedCluster, image_reference: str, tmp_path: Path
) -> None:
    """By the docs alone: the image first, then `apply`, then the flag. Nobody who asks is ever left without an answer."""
    cluster = bed
    cluster.state("expired")
    theirs, flag = container_of(cluster)["image"], "--kubelet-insecure-tls"
    with in_place(cluster, theirs, arguments=[flag]):
        their_pods = {each.name for each in wait_until_ready(cluster, 3)}
        their_revision = _revision(cluster)
        with under_load(cluster) as load:
            set_image(cluster, image_reference)
            held = eventually(lambda: _ours_that_wait(cluster), "a pod of ours that waits")
            log = eventually(lambda: _warning(cluster, held), "its warning")
            assert "`kubevouch plan -o plan.json` shows the fix" in log
            doctor = cluster.kubevouch("doctor", "-o", "json")
            assert sorted(findings(doctor)["KV116"]) == names(cluster.nodes), doctor
            assert json.loads(doctor.out)["cause"]["code"] == "KV501"

            path = tmp_path / "plan.json"
            plan(cluster, path)
            ended(cluster, 0, "apply", str(path), "--yes", "--soak", "1s")
            cluster.rolled_out(DEPLOYMENT, NAMESPACE)

            doctor = cluster.kubevouch("doctor", "-o", "json")
            (left,) = [f for f in json.loads(doctor.out)["findings"] if f["code"] == "KV116"]
            program, *words = shlex.split(left["next"])
            assert program == "kubectl"
            cluster.kubectl(*words)
            cluster.rolled_out(DEPLOYMENT, NAMESPACE)
            assert flag not in container_of(cluster)["args"]
            assert "KV116" not in findings(cluster.kubevouch("doctor", "-o", "json"))
        assert cluster.kubevouch("verify", "--wait", "2m").code == 0
        # While a kubelet starts anew, the server that was there before loses its node for two scrapes; ours does not.
        # And it does not wait, when it ends, until nobody is sent to it any more; ours does.
        ends = _told_to_end(cluster, their_pods)
        assert len(ends) == len(their_pods)
        ours = [each for each in load.failures if not _right_after(each, ends)]
        assert not ours, (ours, ends)
        print(
            f"{len(load.asked)} asked, {len(load.failures)} as theirs ended, {len(load.holes)} holes"
        )
        _verified_by_the_api_server_and_back(cluster, their_revision)
        assert container_of(cluster)["image"] == theirs


def _verified_by_the_api_server_and_back(cluster: BedCluster, their_revision: str) -> None:
    """The last step and its way back, as the docs have them; with one replica, for the sake of time."""
    cluster.kubectl("scale", "deployment", DEPLOYMENT, "-n", NAMESPACE, "--replicas=1")
    wait_until_ready(cluster, 1)
    shown = typed(cluster.bed, block("### A verified APIService without Helm"), CHECKOUT)
    assert sum(each.name in shown for each in cluster.nodes) == 4, shown
    spec = cluster.get("apiservice", API_SERVICE)["spec"]
    assert (bool(spec["caBundle"]), spec.get("insecureSkipTLSVerify", False)) == (True, False)
    # The pod before, whose certificate nobody could verify, may still be ending.
    assert "KV609" not in findings(cluster.kubevouch("doctor", "-o", "json"))
    typed(cluster.bed, block("Back: the APIServices **first**", REVISION=their_revision), CHECKOUT)
    spec = cluster.get("apiservice", API_SERVICE)["spec"]
    assert (spec.get("caBundle"), spec["insecureSkipTLSVerify"]) == (None, True)


def _revision(cluster: Cluster) -> str:
    """The last one in `kubectl rollout history`."""
    path = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}"
    return cluster.kubectl("get", "deployment", DEPLOYMENT, "-n", NAMESPACE, "-o", path).stdout


def _ours_that_wait(cluster: Cluster) -> str:
    """The name of a pod of the new image, once it runs."""
    for each in cluster.get("pods", "-n", "kube-system", "-l", SELECTOR)["items"]:
        running = each["status"].get("phase") == "Running"
        if running and "kubevouch" in each["spec"]["containers"][0]["image"]:
            return str(each["metadata"]["name"])
    return ""


def _told_to_end(cluster: Cluster, names: Container[str]) -> list[float]:
    """When each of these pods was, in whole seconds since 1970, by the events of their kubelets."""
    found = cluster.get("events", "-n", "kube-system", "--field-selector=reason=Killing")["items"]
    return [
        datetime.fromisoformat(each["lastTimestamp"]).timestamp()
        for each in found
        if each["involvedObject"]["name"] in names
    ]


def _right_after(asked: Asked, ends: Sequence[float]) -> bool:
    """Whether it was asked before nobody was sent to a pod that had just ended."""
    began = asked.began + time.time() - time.monotonic()
    return any(end - 1 <= began <= end + 1 + _SYNCED for end in ends)


def _warning(cluster: Cluster, pod: str) -> str:
    log = cluster.kubectl("logs", "-n", "kube-system", pod, check=False).stdout
    return next((line for line in log.splitlines() if "--kubelet-insecure-tls: " in line), "")
