"""The other states that a site is found in: named, and mended."""

import json
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .test_8_no_dead_ends import Operator, tidy
from .told import (
    KUBELET,
    config_map,
    dark_moments,
    ended,
    findings,
    kubelet_files,
    names,
    plan,
)

__all__ = ["tidy"]

CASES = {
    # state: (the codes that doctor names, words of its cause, what each node needs)
    "pending": ({"KV103", "KV307", "KV401"}, "nothing on this cluster approves them", "approve"),
    "no-ip-sans": ({"KV103", "KV302", "KV501"}, "they contain no IP address", "bootstrap"),
}


@pytest.mark.long_on_the_bed
@pytest.mark.parametrize("state", CASES)  # `expired` is the story's own
def test_a_state_is_named_and_mended(cluster: Cluster, tmp_path: Path, state: str) -> None:
    codes, cause, change = CASES[state]
    cluster.state(state)
    doctor = ended(cluster, 1, "doctor", "-o", "json")
    assert set(findings(doctor)) - {"KV407"} == codes
    for code in codes - {"KV103"}:
        assert sorted(findings(doctor)[code]) == names(cluster.nodes)
    assert cause in json.loads(doctor.out)["cause"]["text"]

    path = tmp_path / "plan.json"
    made = plan(cluster, path)
    assert {each["change"] for each in made["nodes"]} == {change}
    before = {node.name: _config_and_start(node) for node in cluster.nodes}
    dry = ended(cluster, 0, "apply", str(path), "--dry-run")
    assert ("this cannot be undone" in dry.err) is (change == "approve")
    assert dry.err.splitlines()[-1] == "Dry run. Nothing was changed.", dry
    ended(cluster, 1, "verify")
    ended(cluster, 0, "apply", str(path), "--yes", "--soak", "1s")
    ended(cluster, 0, "verify", "--wait", "2m")
    assert "serverTLSBootstrap: true" in config_map(cluster)
    if change == "approve":  # nothing was written, nothing restarted
        assert {node.name: _config_and_start(node) for node in cluster.nodes} == before


def _config_and_start(node: Node) -> tuple[bytes, str]:
    started = node.sh("systemctl show kubelet -p ExecMainStartTimestampMonotonic").stdout
    return node.read(f"{KUBELET}/config.yaml"), started


@pytest.mark.long_on_the_bed
def test_a_healthy_cluster_has_one_warning_and_nothing_to_do(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.state("healthy")
    doctor = ended(cluster, 0, "doctor", "-o", "json")
    assert list(findings(doctor)) == ["KV411"]
    told = cluster.kubevouch("doctor").out
    assert "rotation stalls from 2027-" in told
    assert "certificates expire from" in told
    ran = cluster.kubevouch("plan", "-o", str(tmp_path / "plan.json"), *cluster.ssh_words())
    made = json.loads((tmp_path / "plan.json").read_text())
    assert made["nodes"] == []
    assert len(made["leftOut"]) == 4
    assert ran.out.count("nothing to do") == 4


@pytest.mark.long_on_the_bed
@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("scenario", ["rotated-expired", "renewal-due", "wrong-ca"])
def test_who_begins_with_a_plan_is_led_to_a_well_cluster(
    cluster: Cluster, tmp_path: Path, scenario: str
) -> None:
    """Whatever doctor would say: the plan is carried out at once, and a port that answered before answers all the time."""
    if not cluster.scenario(scenario):
        pytest.skip("this cluster cannot be brought into that")
    operator = Operator(cluster, scenario, tmp_path)
    with cluster.probed(tmp_path / "probes") as probes:
        operator.follow("kubevouch plan -o plan.json --via ssh")
    assert scenario == "rotated-expired" or dark_moments(probes) == []
    operator.work()
    ended(cluster, 0, "verify", "--wait", "2m")


@pytest.mark.long
def test_a_pair_approved_long_ago_and_left_behind_does_not_darken_the_port(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Half-done: bootstrap is off again, but an expired kubelet-server-current.pem still lies there and would win."""
    cluster.state("rotated-expired")
    worker = cluster.workers[0]
    old = worker.read(f"{KUBELET}/pki/kubelet-server-current.pem")
    cluster.state("expired")
    worker.write(f"{KUBELET}/pki/kubelet-server-2025-09-30-12-00-00.pem", old, 0o600)
    worker.sh(
        f"ln -s {KUBELET}/pki/kubelet-server-2025-09-30-12-00-00.pem {KUBELET}/pki/kubelet-server-current.pem"
    )
    before = kubelet_files(worker)
    path, probes = tmp_path / "plan.json", tmp_path / "probes"
    made = plan(cluster, path, "--node", worker.name)
    assert "kubelet-server-current.pem" in made["nodes"][0]["disk"]["aside"]
    with cluster.probed(probes):
        applied = cluster.kubevouch("apply", str(path), "--yes", "--soak", "1s")
    assert applied.code == 0, applied
    assert dark_moments(probes) == []
    assert cluster.kubevouch("undo", str(made["run"]), "--yes").code == 0
    assert kubelet_files(worker) == before
