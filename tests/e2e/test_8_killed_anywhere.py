"""`kill -9` in any verb, and in the one that mends it: no port goes dark, and the next verb ends well."""

import time
from pathlib import Path

import pytest

from .approver.installed import clean
from .cluster import Cluster
from .told import armed, dark_moments, kubelet_files, plan

pytestmark = pytest.mark.long_on_the_bed

# `@7`: killed after its seventh line, with which a run has begun; `+1`: a second later, or after that second. What is not killed ends with 0.
SEQUENCES = (
    "apply@1 apply",
    "apply@5 apply",
    "apply@6 apply undo",
    "apply@7 resume",
    "apply@9 resume undo",
    "apply@11 undo",
    "apply@7 resume@3 resume",
    "apply@8 undo@3 undo",
    "apply@9 resume@8 undo",
    "apply undo@1 undo",
    "apply undo@5 undo",
    "apply@7 status+1 resume",
    "apply@8 plan+1 apply@9 resume undo",
    "install+1 remove",
    "install+3 install remove+1 remove",
    "install remove+2 remove",
)
MORE = (
    "apply@6+1 apply",
    "apply@6+2 undo",
    "apply@8 undo",
    "apply@10 resume",
    "apply@12 apply",
    "apply@8 undo@4 undo",
    "apply undo@4 undo",
    "plan+1 plan+2 apply",
)
"""Other moments of the same."""

QUICK = ("--soak", "1s", "--gate-timeout", "1m")


@pytest.mark.parametrize(
    "sequence", [*SEQUENCES, *(pytest.param(each, marks=pytest.mark.long) for each in MORE)]
)
def test_a_verb_that_is_killed_leaves_no_port_dark_and_the_next_one_ends_well(
    cluster: Cluster, image_reference: str, tmp_path: Path, sequence: str
) -> None:
    of_the_approver = "install" in sequence
    cluster.state("healthy" if of_the_approver else "expired")
    worker, path = cluster.workers[0], tmp_path / "plan.json"
    ssh, node = cluster.ssh_words(), ("--node", worker.name)
    run = "" if of_the_approver else str(plan(cluster, path, *node)["run"])
    before = kubelet_files(worker)
    verbs = {
        "plan": ("plan", "-o", str(tmp_path / "other.json"), *ssh, *node),
        "apply": ("apply", str(path), "--yes", *QUICK),
        "resume": ("resume", run, "--yes", *QUICK),
        "undo": ("undo", str(path), "--yes"),
        "status": ("status", *ssh),
        "install": (
            "approver",
            "install",
            "--image",
            image_reference,
            "--new-nodes",
            "hold",
            "--yes",
        ),
        "remove": ("approver", "remove", "--pins", "--yes"),
    }
    verb = ""
    with cluster.probed(tmp_path / "handshakes") as log:
        for word in sequence.split():
            timed, _, seconds = word.partition("+")
            verb, _, lines = timed.partition("@")
            if word == verb:
                ran = cluster.kubevouch(*verbs[verb])
                assert ran.code == 0, (word, ran)
                continue
            running = cluster.start_kubevouch(*verbs[verb])
            running.wait_for_lines(int(lines or 0))
            time.sleep(float(seconds or 0))
            running.kill()
    if of_the_approver:
        clean(cluster)
    assert armed(worker) == []
    assert dark_moments(log) == []
    if verb in {"apply", "resume"}:
        assert worker.handshake().leaf is not None
        assert cluster.kubevouch("probe", worker.name).code == 0
    else:
        assert kubelet_files(worker) == before
