"""What can go wrong on the way: the node is as before, by us or by its own switch, or was never touched."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .conftest import expired_cluster
from .told import (
    KUBELET,
    config_map,
    dark_moments,
    ended,
    eventually,
    killed_at,
    kubelet_files,
    plan,
    serving_requests,
)

UNIT = "/etc/systemd/system/kubelet.service.d/99-broken.conf"


expired = pytest.fixture(scope="module")(expired_cluster)
"""Every test of this file leaves its node as it was."""


@pytest.fixture
def node(expired: Cluster, tmp_path: Path) -> Iterator[Node]:
    """A worker that must be as before: its files, the certificate it serves, and the ConfigMap."""
    node = expired.workers[0]
    files, leaf, data = kubelet_files(node), node.handshake().leaf, config_map(expired)
    assert files
    assert leaf
    yield node
    assert kubelet_files(node) == files
    eventually(lambda: node.handshake().leaf == leaf, "the former certificate")
    assert config_map(expired) == data
    timers = "systemctl list-timers --all 'kubevouch-*' --no-legend"
    # A switch that has put the node back is away once its service has ended.
    eventually(lambda: not node.sh(timers).stdout, "that no timer is left")


def _plan(cluster: Cluster, node: Node, folder: Path) -> Path:
    path = folder / "plan.json"
    plan(cluster, path, "--node", node.name)
    return path


@pytest.mark.long_on_the_bed
def test_a_kubelet_that_does_not_come_back_is_put_back(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    """The new start fails as long as the new configuration is there."""
    script = f"! grep -q serverTLSBootstrap {KUBELET}/config.yaml"
    node.write(UNIT, f"[Service]\nExecStartPre=/bin/sh -c '{script}'\n".encode())
    node.sh("systemctl daemon-reload; systemctl restart kubelet")
    eventually(lambda: node.handshake().outcome == "ok", "an answer on the port")
    try:
        path = _plan(expired, node, tmp_path)
        ran = ended(
            expired, 5, "apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "10s"
        )
        assert f"{node.name}  undone" in ran.err, ran
        eventually(lambda: node.handshake().outcome == "ok", "an answer on the port")
    finally:
        node.sh(f"rm -f {UNIT}; systemctl daemon-reload; systemctl start kubelet")


@pytest.mark.long_on_the_bed
def test_a_kubelet_that_stays_down_with_its_former_files_stops_everything_and_shows_its_log(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    """Its kubeconfig is gone: it cannot start with any configuration. Once it can, the node's own switch has put it back."""
    path, conf = tmp_path / "plan.json", "/etc/kubernetes/kubelet.conf"
    files = kubelet_files(node)
    plan(expired, path)
    expired.stop_controller_manager()
    words = ("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "60s")
    running = expired.start_kubevouch(*words)
    try:
        running.wait_for("restarted")
        node.sh(f"mv {conf} {conf}.away; systemctl kill --signal=KILL kubelet.service")
        ran = running.finish()
    finally:
        node.sh(f"mv {conf}.away {conf}")
    told = " ".join(ran.out.split())
    assert ran.code == 4, ran
    assert f"{node.name}  armed" in ran.err, ran
    assert "the end of its log:" in told, ran
    assert "unable to load bootstrap kubeconfig" in told, ran
    assert told.count("untouched") == 3, ran
    eventually(lambda: kubelet_files(node) == files, "that its switch has put it back", seconds=120)
    eventually(lambda: node.handshake().outcome == "ok", "an answer on the port")


def test_an_apply_killed_after_the_restart_is_put_back_by_the_nodes_own_switch(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    path, probes = _plan(expired, node, tmp_path), tmp_path / "probes"
    files = kubelet_files(node)
    with expired.probed(probes):
        killed_at(expired, path, "restarted", "--gate-timeout", "10s")
        assert kubelet_files(node) != files
        eventually(lambda: kubelet_files(node) == files, "the switch", seconds=180)
    assert dark_moments(probes) == []


@pytest.mark.long
def test_the_switch_tries_again_until_the_kubelet_runs_with_its_former_files(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    """As long as it does not, no pair is touched, and the node stays armed."""
    node.write(UNIT, b"[Service]\nExecStartPre=/bin/sh -c '! test -e /run/broken'\n")
    node.sh("systemctl daemon-reload; systemctl restart kubelet")
    eventually(lambda: node.handshake().outcome == "ok", "an answer on the port")
    try:
        files, path = kubelet_files(node), _plan(expired, node, tmp_path)
        run = json.loads(path.read_text())["run"]
        killed_at(expired, path, "restarted", "--gate-timeout", "10s")
        node.sh("touch /run/broken")
        again = f"systemctl show -p NRestarts kubevouch-undo-{run}.service"
        eventually(
            lambda: int(node.sh(again).stdout.split("=")[1]) >= 2, "two more attempts", seconds=240
        )
        node.sh(f"ls {KUBELET}/.kubevouch/{run}/restarted {KUBELET}/pki/kubelet-server.crt")
        assert f"kubevouch-undo-at-boot-{run}" in node.sh("ls -R /etc/systemd/system").stdout
        node.sh("rm /run/broken")
        eventually(lambda: kubelet_files(node) == files, "the switch", seconds=120)
    finally:
        node.sh(f"rm -f {UNIT} /run/broken; systemctl daemon-reload; systemctl start kubelet")


def test_a_machine_that_lost_its_switch_in_a_restart_is_put_back_at_its_start(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    """A restart takes away the timer, which is transient, and starts what multi-user.target wants."""
    path = _plan(expired, node, tmp_path)
    files = kubelet_files(node)
    killed_at(expired, path, "restarted", "--gate-timeout", "1h")
    node.sh("systemctl stop 'kubevouch-*.timer'")
    assert kubelet_files(node) != files
    node.sh("systemctl daemon-reload && systemctl start multi-user.target")
    eventually(lambda: kubelet_files(node) == files, "the unit", seconds=60)
    units = "ls -R /etc/systemd/system"
    eventually(lambda: "kubevouch" not in node.sh(units).stdout, "that the unit is gone")


@pytest.mark.long_on_the_bed
def test_ssh_cut_after_the_restart_is_put_back_by_the_nodes_own_switch(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    path, leaf = _plan(expired, node, tmp_path), node.handshake().leaf
    words = ("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "20s")
    running = expired.start_kubevouch(*words)
    running.wait_for("restarted")
    node.cut_ssh()
    ran = running.finish()
    assert ran.code == 4, ran
    assert "man's switch has undone it" in " ".join(ran.out.split()), ran
    eventually(lambda: node.handshake().leaf == leaf, "the former certificate", seconds=60)


def test_a_full_disk_stops_it_before_harm(expired: Cluster, node: Node, tmp_path: Path) -> None:
    path = _plan(expired, node, tmp_path)
    node.fill(f"{KUBELET}/.kubevouch")
    started = _started(node)
    ran = ended(expired, 4, "apply", str(path), "--yes", "--soak", "1s")
    assert f"{node.name}  untouched" in ran.err, ran
    assert "nothing was changed" in ran.out, ran
    assert _started(node) == started


def test_somebody_without_rights_is_told_so_before_the_first_write(
    expired: Cluster, node: Node, tmp_path: Path, now: datetime
) -> None:
    path = _plan(expired, node, tmp_path)
    from kubevouch.cli.common.roles import roles_of

    name = f"looker-{int(now.timestamp())}"
    kubeconfig = expired.user(name, tmp_path)
    expired.bind(roles_of("reader"), "kubevouch-reader", name)
    ran = ended(expired, 4, "apply", str(path), "--yes", "--soak", "1s", kubeconfig=kubeconfig)
    assert "not allowed to patch certificatesigningrequests/approval" in ran.err, ran


def _started(node: Node) -> str:
    return node.sh("systemctl show kubelet -p ExecMainStartTimestampMonotonic").stdout


@pytest.mark.on_both
def test_no_request_of_those_runs_was_left_approved_without_use(expired: Cluster) -> None:
    """Approvals that were given while a node was changed stay in the API; nothing else was approved."""
    for each in serving_requests(expired):
        for condition in each["status"].get("conditions", []):
            assert condition["reason"] == "KubevouchApprove"
