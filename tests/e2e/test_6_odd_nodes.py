"""Nodes on which something is odd: a plan says what, changes nothing, and goes on with the others."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster, Node
from .told import (
    KUBELET,
    by_address,
    ended,
)

CONFIG = f"{KUBELET}/config.yaml"

pytestmark = pytest.mark.long_on_the_bed


def _undo_with_a_stopped_kubelet(cluster: Cluster, node: Node, path: Path) -> None:
    """Somebody's process has the kubelet's name and flags that lead to a script of theirs: neither read nor run."""
    run = json.loads(path.read_text())["run"]
    evil = f"/tmp/evil/.kubevouch/{run}"
    node.sh(
        f"systemctl stop kubelet; mkdir -p {evil}; echo 'touch /tmp/pwned' >{evil}/undo.sh; touch {evil}/armed; "
        'chmod -R 777 /tmp/evil; bash -c \'(exec -a kubelet sh -c "sleep 60; :" --root-dir=/tmp/evil) '
        ">/dev/null 2>&1 </dev/null &'"
    )
    undone = ended(cluster, 0, "undo", run, "--yes", "--node", node.name)
    assert "undone" in undone.out
    assert b"serverTLSBootstrap" not in node.read(CONFIG)
    assert not node.exists("/tmp/pwned")
    shown = node.sh("systemctl show kubelet.service --property=ActiveState").stdout
    assert shown.strip() == "ActiveState=active"


def _answered(cluster: Cluster, answer: str, *words: str) -> Ran:
    """What becomes of a command at whose question this is typed in."""
    under = (sys.executable, "-m", "tests.support.typing_in", "Continue?", answer)
    return cluster.kubevouch(*words, under=("env", "COLUMNS=200", *under))


def _hosts(path: Path) -> dict[str, str]:
    return {each["node"]: each["host"] for each in json.loads(path.read_text())["nodes"]}


def test_nodes_that_ssh_knows_by_their_addresses_only_are_changed_by_the_operators_word(
    expired: Cluster, tmp_path: Path
) -> None:
    """The names cannot be resolved either. The last test: it applies."""
    nodes = {each.name: each.address for each in expired.nodes}
    config = by_address(expired, tmp_path, *expired.nodes)
    path, file = tmp_path / "plan.json", tmp_path / "nodes.txt"
    words = ("plan", "-o", str(path), "--via", "ssh", "--ssh-config", str(config))
    silent = ended(expired, 3, *words)
    assert silent.out.count("LEFT OUT: ssh reaches the node only at") == len(nodes)
    assert "add --addresses FILE" in silent.out
    assert _answered(expired, "n", *words).code == 3
    file.write_text("".join(f"{name} {address}\n" for name, address in nodes.items()))
    ended(expired, 0, *words, "--addresses", str(file))
    assert _hosts(path) == nodes
    yes = _answered(expired, "y", *words)
    assert (yes.code, _hosts(path)) == (0, nodes), yes
    for name, address in nodes.items():
        assert re.search(rf"{name} +{address} +ssh-\S+ SHA256:\S+ +[0-9a-f]{{32}}", yes.out), yes
    assert "the operator says so" in yes.out
    ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    ended(expired, 0, "verify", "--wait", "2m")
    _undo_with_a_stopped_kubelet(expired, expired.workers[0], path)
