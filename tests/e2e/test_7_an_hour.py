"""An hour of our metrics server in the place of the cluster's own, while pods come and go: what its process holds is flat."""

import itertools
import time

import pytest

from .approver.soak import Reading, Soaked, minutes
from .bed_cluster import BedCluster
from .cluster import Cluster
from .in_place import MetricsServerPod, in_place, pods, wait_until_ready

pytestmark = pytest.mark.long

_EVERY = 30.0
"""Seconds between two sizes of the workload, and between two readings."""
_MAY_GROW = {"memory": 2 * 2**20, "files": 2.0}


def _reading(bed: BedCluster, pod: MetricsServerPod) -> Reading:
    """From /proc of the machine that the pod runs on."""
    process = bed.process_of(pod.name, pod.node)
    script = 'grep VmRSS "/proc/$1/status"; ls "/proc/$1/fd" | wc -l'
    memory, files = bed.where_pods_run(pod.node).sh(script, process).stdout.splitlines()
    return Reading(time.monotonic(), int(memory.split()[1]) * 1024.0, float(files), tasks=0.0)


def test_an_hour_in_which_pods_come_and_go_leaves_nothing_behind(
    cluster: Cluster, image_reference: str
) -> None:
    """Within it the kubelet renews the pod's token, and every connection to a kubelet is made anew six times."""
    if not isinstance(cluster, BedCluster):
        pytest.skip("a lab's hour is a day of tests/metrics_server/test_a_day_of_churn.py")
    cluster.state("healthy")
    readings: list[Reading] = []
    scale = ("scale", "deployment", "burner", "-n", "default")
    with in_place(cluster, image_reference, replicas=1):
        [pod] = wait_until_ready(cluster, 1)
        end = time.monotonic() + minutes() * 60
        for size in itertools.cycle((6, 3)):
            if time.monotonic() > end:
                break
            cluster.kubectl(*scale, f"--replicas={size}")
            time.sleep(_EVERY)
            readings.append(_reading(cluster, pod))
        cluster.kubectl(*scale, "--replicas=3")
        assert [each.restarts for each in pods(cluster)] == [0]
        assert len(cluster.kubectl("top", "nodes", "--no-headers").stdout.splitlines()) == 4
    soaked = Soaked((), readings, 60 / _EVERY)
    grown = {what: soaked.grown(what) for what in _MAY_GROW}
    print(*readings, grown, sep="\n")
    assert {what: by for what, by in grown.items() if by > _MAY_GROW[what]} == {}
