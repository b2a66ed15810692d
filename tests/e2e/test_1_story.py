"""From metrics-server 0/3 to `kubectl top`, on a cluster whose kubelets' certificates have expired; and eleven months later."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_der_x509_certificate

from real.prober import read

from .approver.installed import InstalledApprover, assert_approved_once, clean
from .cluster import Cluster, Node
from .conftest import chosen_cluster
from .in_place import in_place, pods
from .told import (
    config_map,
    dark_moments,
    ended,
    eventually,
    findings,
    gaps,
    names,
    plan,
    ready_metrics_servers,
    serving_requests,
)

cluster = pytest.fixture(scope="session")(chosen_cluster)
"""Of labs one of its own: each stop of a kubelet is counted, also one that an earlier test would have left to come."""


@pytest.mark.as_the_version_is
@pytest.mark.on_both
def test_from_0_of_3_to_kubectl_top_without_a_dark_handshake(
    cluster: Cluster, image_reference: str, tmp_path: Path
) -> None:
    cluster.state("expired")
    _tell(cluster, image_reference, tmp_path)


@pytest.mark.long
def test_the_story_with_our_metrics_server_in_the_place_of_the_other(
    cluster: Cluster, image_reference: str, tmp_path: Path
) -> None:
    with in_place(cluster, image_reference):
        cluster.state("expired")
        _tell(cluster, image_reference, tmp_path)


def _tell(cluster: Cluster, image_reference: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert ready_metrics_servers(cluster) == "0/3"
    servers = [(each.name, each.restarts) for each in pods(cluster)]
    log = eventually(lambda: _scrape_failure(cluster), "metrics-server's complaint")
    assert "x509: certificate has expired or is not yet valid" in log

    doctor = ended(cluster, 1, "doctor", "-o", "json")
    assert set(findings(doctor)) == {"KV103", "KV304", "KV501"}, doctor
    assert sorted(findings(doctor)["KV501"]) == names(cluster.nodes)
    told = cluster.kubevouch("doctor").out
    cause = told[told.index("CAUSE") :]
    assert "serverTLSBootstrap is off" in cause
    for node in cluster.nodes:
        assert node.name in cause.replace("\n       ", " ")

    path, probes = tmp_path / "plan.json", tmp_path / "probes"
    plan(cluster, path)
    with cluster.probed(probes):
        applied = ended(cluster, 0, "apply", str(path), "--yes", "--soak", "1s")
        verified = cluster.kubevouch("verify", "--wait", "2m")
    assert verified.code == 0, verified
    cluster.rolled_out("metrics-server", "kube-system")
    assert ready_metrics_servers(cluster) == "3/3"
    assert [(each.name, each.restarts) for each in pods(cluster)] == servers
    # A metrics server is ready with the usage of one node; it has the others' within a scrape or two.
    eventually(lambda: _top_shows_every_node(cluster), "every node in kubectl top")

    # The port: never dark; away only while the unit is between its stop and its first accept.
    assert dark_moments(probes) == []
    _assert_away_only_while_restarting(cluster, probes, now)
    for name, seconds in gaps(probes, cluster.nodes).items():
        took = re.search(rf"^{re.escape(name)} +done +(\d+) s", applied.out, re.MULTILINE)
        assert took, applied
        print(f"{name}: {took[1]} s, largest gap of the prober {seconds:.2f} s")

    assert "serverTLSBootstrap: true" in config_map(cluster)
    approved = [each["status"]["conditions"][0] for each in serving_requests(cluster)]
    assert [each["reason"] for each in approved] == ["KubevouchApprove"] * 4
    assert "no approver runs" in applied.out

    try:
        _the_next_certificates_are_approved(cluster, image_reference, tmp_path / "later")
    finally:
        clean(cluster)


def _the_next_certificates_are_approved(cluster: Cluster, image: str, probes: Path) -> None:
    """The end of the story: eleven months after `apply`, while nobody is there but the approver."""
    since = datetime.now(UTC)
    before = _csrs(cluster)
    ended(cluster, 0, *("approver", "install", "--image", image, "--new-nodes", "hold", "--yes"))
    with cluster.probed(probes):
        cluster.pass_time(335)
        eventually(lambda: all(map(_begins_anew, cluster.nodes)), "the next certificates")
        verified = cluster.kubevouch("verify", "--wait", "2m")
    assert verified.code == 0, verified
    assert dark_moments(probes) == []
    assert {each.outcome for each in read(probes)} <= {"ok", "refused", "reset"}
    eventually(lambda: _top_shows_every_node(cluster), "every node in kubectl top")
    asked = {name: each for name, each in _csrs(cluster).items() if name not in before}
    users = sorted(each["spec"]["username"] for each in asked.values())
    assert users == [f"system:node:{name}" for name in names(cluster.nodes)]
    by_pin = r"kubevouch approver: every rule passed; names and addresses: pinned on .*"
    for each in asked.values():
        assert re.fullmatch(by_pin, each["status"]["conditions"][0]["message"]), each
    assert_approved_once(InstalledApprover(cluster), asked, since)
    assert not re.search(r"\bKV4\d\d\b", cluster.kubevouch("doctor").out)


def _csrs(cluster: Cluster) -> dict[str, Any]:
    """By name."""
    return {each["metadata"]["name"]: each for each in serving_requests(cluster)}


def _top_shows_every_node(cluster: Cluster) -> bool:
    top = cluster.kubectl("top", "nodes", "--no-headers", check=False).stdout
    shown = sorted(line.split()[0] for line in top.splitlines())
    return shown == names(cluster.nodes) and "<unknown>" not in top


def _begins_anew(node: Node) -> bool:
    """Whether what it serves was issued within this hour; the one before is eleven months old."""
    seen = node.handshake()
    if seen.outcome != "ok":
        return False
    begins = load_der_x509_certificate(seen.leaf).not_valid_before_utc
    return datetime.now(UTC) - begins < timedelta(hours=1)


def _scrape_failure(cluster: Cluster) -> str:
    words = ("logs", "-n", "kube-system", "-l", "k8s-app=metrics-server")
    log = cluster.kubectl(*words, check=False).stdout
    return next((line for line in log.splitlines() if "Failed to scrape node" in line), "")


def _assert_away_only_while_restarting(cluster: Cluster, probes: Path, since: datetime) -> None:
    """Refused or reset only between the unit's stop and the first handshake after it."""
    attempts, until = read(probes), datetime.now(UTC)
    for node in cluster.nodes:
        mine = [each for each in attempts if each.address == node.address]
        # A node whose clock once went ahead has written events that are still to come.
        stops = [
            each
            for each in node.unit_events("kubelet.service", since)
            if each.what == "stopping" and each.at <= until
        ]
        assert len(stops) == 1, stops
        (stop,) = stops
        stopped = stop.at.timestamp()
        away = [each for each in mine if each.outcome != "ok"]
        assert {each.outcome for each in away} <= {"refused", "reset"}, away
        accepted = [each for each in mine if each.outcome == "ok" and each.began > stopped]
        # A handshake of the old process may still end well after the stop was asked for.
        first = min(each.began for each in accepted if not away or each.began > away[0].began)
        for each in away:
            assert stopped <= each.ended, (each, stop)
            assert each.began <= first, (each, first)
