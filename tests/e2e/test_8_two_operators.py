"""A second operator while a run is on, or after it was killed: one run at a time writes to a cluster.

Beside a run that is under way nobody begins: storm.py, with two operators more.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .told import (
    config_map,
    ended,
    eventually,
    kubelet_files,
    next_lines,
    plan,
)

LEASE = ("lease", "kubevouch-rollout", "-n", "kube-system")


pytestmark = pytest.mark.long_on_the_bed


def holder(cluster: Cluster) -> str:
    return cluster.kubectl("get", *LEASE, "-o", "jsonpath={.spec.holderIdentity}").stdout


def test_a_run_that_was_stopped_and_goes_on_after_it_was_taken_over_writes_nothing_more(
    expired: Cluster, workers: tuple[Node, ...], tmp_path: Path
) -> None:
    """SIGSTOP for longer than its Lease is good for: the second one goes on with the run, and ends it."""
    path = tmp_path / "plan.json"
    plan(expired, path, "--node", workers[0].name)
    before = config_map(expired)
    running = expired.start_kubevouch("apply", str(path), "--yes")
    running.wait_for("restarted")
    running.stop()
    second = ended(expired, 0, "apply", str(path), "--yes")
    assert "was not renewed and is taken over" in second.err, second
    leaf = workers[0].handshake().leaf
    running.carry_on()
    first = running.finish()
    assert first.code in (0, 4), first  # it may find that the node is proven, and lost nothing
    assert workers[0].handshake().leaf == leaf
    assert config_map(expired) == before
    ended(expired, 0, "apply", str(path), "--yes")


def takes_over(cluster: Cluster, run: str) -> str:
    """Somebody else's run is the holder from now on: written as a Lease is taken, by kubectl. Returns how it calls itself."""
    identity, now = f"{run} on bob@elsewhere (1)", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    found = cluster.get(*LEASE)
    taken = {"holderIdentity": identity, "acquireTime": now, "renewTime": now}
    number = {"leaseTransitions": found["spec"]["leaseTransitions"] + 1}
    patch = json.dumps({"spec": {**taken, **number}})
    cluster.kubectl("patch", *LEASE, "--type=merge", "-p", patch)
    return identity


@pytest.fixture
def given_back(expired: Cluster) -> Iterator[None]:
    yield
    expired.start_controller_manager()
    expired.kubectl("delete", *LEASE, "--ignore-not-found")


@pytest.mark.usefixtures("given_back")
def test_a_node_in_hand_of_a_run_whose_lease_another_takes_is_put_back_by_its_own_switch(
    expired: Cluster, workers: tuple[Node, ...], tmp_path: Path
) -> None:
    path, (node, second) = tmp_path / "plan.json", workers[:2]
    made = plan(expired, path, "--node", node.name, "--node", second.name)
    before = [kubelet_files(each) for each in (node, second)]
    expired.stop_controller_manager()  # so that the run waits for a certificate
    quick = ("--soak", "1s", "--gate-timeout", "10s")
    running = expired.start_kubevouch("apply", str(path), "--yes", *quick)
    running.wait_for("restarted")
    identity = takes_over(expired, "bbbb")
    ran = running.finish(60)
    assert ran.code == 4, ran
    told = " ".join(ran.out.split())
    assert re.search(rf"{node.name} +armed ", told), ran
    assert "this run has lost the Lease and stops here: held by run bbbb" in told, ran
    assert re.search(
        "the dead-man's switch undoes an unverified change in [0-9]+ s, at .*, unless the node is",
        told,
    ), ran
    other, on = next_lines(ran)
    assert other.startswith("kubevouch status bbbb"), ran
    assert on == f"kubevouch resume {made['run']}", ran
    looked = ended(expired, 1, "status", str(made["run"]))
    assert re.search(rf"^{node.name} .* armed +in \d+ s", looked.out, re.MULTILINE), looked
    eventually(lambda: kubelet_files(node) == before[0], "that its switch has put it back", 60)
    assert kubelet_files(second) == before[1]
    assert holder(expired) == identity


def test_the_printed_role_is_enough_and_an_undo_goes_on_without_the_right_to_the_lease(
    expired: Cluster, workers: tuple[Node, ...], tmp_path: Path
) -> None:
    user = f"fixer-{int(datetime.now(UTC).timestamp())}"
    kubeconfig = expired.user(user, tmp_path)
    printed = expired.kubevouch("apply", "--print-role").out
    path, before = tmp_path / "plan.json", kubelet_files(workers[0])
    made = plan(expired, path, "--node", workers[0].name)
    without = printed.replace("resourceNames: [kubevouch-rollout]", "resourceNames: [another]")
    expired.bind(without, "kubevouch-rollout", user)
    refused = ended(expired, 4, "apply", str(path), "--yes", kubeconfig=kubeconfig)
    assert "not allowed to get leases kube-system/kubevouch-rollout" in refused.err, refused
    assert "`kubevouch apply --print-role" in refused.err, refused
    expired.kubectl("apply", "-f", "-", stdin=printed)
    ended(expired, 0, "apply", str(path), "--yes", kubeconfig=kubeconfig)
    undo = ("undo", str(made["run"]), "--yes")
    expired.kubectl("apply", "-f", "-", stdin=without)
    undone = ended(expired, 0, *undo, kubeconfig=kubeconfig)
    assert "only each node's lock keeps other runs away" in undone.err, undone
    assert kubelet_files(workers[0]) == before
    expired.kubectl("apply", "-f", "-", stdin=printed)
    undone = ended(expired, 0, *undo, kubeconfig=kubeconfig)
    assert "keeps other runs away" not in undone.err, undone
