"""A restart that would start something else than what runs: refused by the plan and again by `apply`, with a way out that helps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster, Node
from .conftest import expired_cluster
from .told import (
    KUBELET,
    ended,
    eventually,
    plan,
)

CONFIG = f"{KUBELET}/config.yaml"
DROP_IN = "/etc/systemd/system/kubelet.service.d/98-later.conf"
BROKEN = b'[Service]\nEnvironment="KUBELET_KUBEADM_ARGS=--no-such-flag=1"\nEnvironmentFile=\n'
OWN_PROGRAM = "[Service]\nExecStart=\nExecStart=/opt/{words}\n"
PID = "systemctl show kubelet -p MainPID --value"


expired = pytest.fixture(scope="module")(expired_cluster)
"""In these tests nothing is applied."""


@pytest.fixture
def node(expired: Cluster) -> Iterator[Node]:
    """A worker that is as before at the end, with a kubelet of its own files."""
    node = expired.workers[0]
    content = node.read(CONFIG)
    _wait_past_whole_seconds(node)
    yield node
    node.write(CONFIG, content)
    node.sh(
        f"rm -f {DROP_IN}; systemctl daemon-reload; systemctl restart kubelet; rm -f /opt/kubelet"
    )
    eventually(lambda: node.handshake().outcome == "ok", "an answer on the port")
    ready = ("get", "node", node.name, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')  # fmt: skip
    eventually(lambda: expired.kubectl(*ready).stdout == "True", "that the Node is Ready")


def _wait_past_whole_seconds(node: Node) -> None:
    """Files have whole seconds: what is written two seconds after a kubelet's start cannot be told from what was before."""
    started = "systemctl show kubelet -p ExecMainStartTimestampMonotonic --value"
    script = f"started=$({started}); read -r up rest </proc/uptime; [ ${{up%.*}} -gt $((started / 1000000 + 4)) ]"
    eventually(lambda: node.sh(script, check=False).returncode == 0, "a kubelet of some seconds")


def _plan(cluster: Cluster, node: Node, folder: Path) -> Ran:
    words = ("plan", "-o", str(folder / "plan.json"), "--node", node.name)
    return cluster.kubevouch(*words, *cluster.ssh_words())


def _with_a_drop_in_that_breaks_it(node: Node) -> str:
    node.write(DROP_IN, BROKEN)
    node.sh("systemctl daemon-reload")
    return f"changed after the kubelet's start: {DROP_IN}"


def _with_another_executable(node: Node) -> str:
    words = node.sh(f"tr '\\0' ' ' </proc/$({PID})/cmdline").stdout.split()
    node.sh(
        "cp /usr/bin/kubelet /opt/kubelet 2>/dev/null || printf '\\177ELF' >/opt/kubelet; chmod 755 /opt/kubelet"
    )
    node.write(DROP_IN, OWN_PROGRAM.format(words=" ".join(["kubelet", *words[1:]])).encode())
    node.sh(
        "systemctl daemon-reload; systemctl restart kubelet; cp /opt/kubelet /opt/new; mv /opt/new /opt/kubelet"
    )
    return "another executable: /opt/kubelet was replaced"


def _with_an_edited_file(node: Node) -> str:
    node.sh(f"printf 'maxPods: 50\\n' >>{CONFIG}")
    return f"changed after the kubelet's start: {CONFIG}"


@pytest.mark.long_on_the_bed
@pytest.mark.parametrize("hazard", [_with_another_executable, _with_an_edited_file])
def test_a_restart_that_would_bring_in_more_is_left_to_the_operator(
    expired: Cluster, node: Node, tmp_path: Path, hazard: object
) -> None:
    """What the plan says is to be done helps, done literally."""
    assert callable(hazard)
    why, pid = hazard(node), node.sh(PID).stdout
    ran = _plan(expired, node, tmp_path)
    assert ran.code == 3, ran
    told = " ".join(ran.out.split())
    assert f"{node.name} LEFT OUT: " in told, ran
    assert why in told, ran
    assert node.sh(PID).stdout == pid
    assert "on the node: " in told, ran
    node.sh(told.split("on the node: ")[1].split("; then make a new plan")[0])
    eventually(lambda: _plan(expired, node, tmp_path).code == 0, "a plan")


def test_a_latent_fault_never_takes_a_running_kubelet_down(
    expired: Cluster, node: Node, tmp_path: Path
) -> None:
    """A flag that no kubelet knows waits in a drop-in; the plan was made before it came."""
    path = tmp_path / "plan.json"
    plan(expired, path, "--node", node.name)
    why, pid, content = _with_a_drop_in_that_breaks_it(node), node.sh(PID).stdout, node.read(CONFIG)
    ran = ended(expired, 4, "apply", str(path), "--yes")
    assert why in " ".join(ran.err.split()), ran
    assert (node.sh(PID).stdout, node.read(CONFIG)) == (pid, content)
    assert _plan(expired, node, tmp_path).code == 3
