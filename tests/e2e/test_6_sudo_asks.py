"""A node whose sudo asks for a password: a run from its plan to its undo, the password typed in at a terminal each time.

On the bed the real sudo asks. Whoever logs in to a node of a lab is root there, and nobody asks.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .bed_cluster import BedCluster
from .cluster import Cluster, Node
from .told import KUBELET

pytestmark = pytest.mark.long_on_the_bed
PASSWORD = "of the user ops"
ASKED = "Password of ops for sudo on the nodes"
RULES = "/etc/sudoers.d/ops"


@pytest.fixture
def asks(cluster: Cluster) -> Iterator[Node]:
    """A worker whose sudo asks."""
    cluster.state("expired")
    node = cluster.workers[0]
    if not isinstance(cluster, BedCluster):
        yield node
        return
    rules = node.read(RULES)
    node.sh(f"echo 'ops:{PASSWORD}' | chpasswd")
    node.write(RULES, b"ops ALL=(root) /bin/sh, /usr/bin/sh\n", 0o440)
    try:
        yield node
    finally:
        node.write(RULES, rules, 0o440)
        node.sh("usermod --lock ops")


def typed(cluster: Cluster, state: Path, *words: str, word: str = PASSWORD) -> Ran:
    """What becomes of a command at whose question the word is typed in. state: where it keeps its runs and their logs."""
    under = (sys.executable, "-m", "tests.support.typing_in", ASKED, word)
    ran = cluster.kubevouch(*words, under=("env", f"XDG_STATE_HOME={state}", *under))
    kept = [each for each in state.parent.rglob("*") if each.is_file()]
    assert [each for each in kept if word in each.read_text()] == []
    assert ran.out.count(ASKED) == 1, ran
    assert word not in ran.out
    return Ran(ran.code, ran.out.replace("\r\n", "\n"), ran.err)


def test_a_run_whose_password_is_typed_in(cluster: Cluster, asks: Node, tmp_path: Path) -> None:
    before = asks.read(f"{KUBELET}/config.yaml")
    path, state = tmp_path / "plan.json", tmp_path / "state"
    words = (
        *("plan", "-o", str(path), *cluster.ssh_words(), "--node", asks.name),
        *("--ssh-user", "ops", "--ask-sudo-password"),
    )
    if isinstance(cluster, BedCluster):
        refused = typed(cluster, state, *words, word="another one")
        assert refused.code == 3, refused
        assert "sudo rejected the password" in refused.out
    planned = typed(cluster, state, *words)
    assert planned.code == 0, planned
    assert "with a sudo password" in planned.out
    assert json.loads(path.read_text())["askSudoPassword"] is True
    alone = cluster.kubevouch("apply", str(path), "--yes")
    assert (alone.code, "is not a terminal, so no password can be entered" in alone.err) == (
        2,
        True,
    ), alone
    if isinstance(cluster, BedCluster):
        refused = typed(cluster, state, "apply", str(path), "--yes", word="another one")
        assert refused.code == 4, refused
        assert "sudo -l" in refused.out.partition("NEXT ")[2]
    done = typed(cluster, state, "apply", str(path), "--yes", "--soak", "1s")
    assert done.code == 0, done
    run = json.loads(path.read_text())["run"]
    status = typed(cluster, state, "status", run)
    assert (status.code, f"{run}   done" in status.out) == (0, True), status
    undone = typed(cluster, state, "undo", run, "--yes")
    assert undone.code == 0, undone
    assert asks.read(f"{KUBELET}/config.yaml") == before
    assert list(state.rglob("*.log")), "where the word was looked for"
