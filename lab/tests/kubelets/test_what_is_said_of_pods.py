"""What a kubelet of the lab says of its pods."""

import json
from datetime import timedelta

from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.kubelets.pods import pod_status
from lab.tests.bodies import pod
from lab.tests.kubelets.conftest import ALL_RUN
from lab.tests.plane import NOW, Plane

HOSTS = ("192.0.2.1",)


def test_a_pod_with_host_pid_is_ended_with_the_reason_and_stays_so() -> None:
    ended = pod(hostPID=True)
    status = pod_status(ended, ALL_RUN, NOW, HOSTS)
    assert status is not None
    assert status["phase"] == "Failed"
    assert "this cluster is a kubevouch lab, which has no containers" in status["message"]
    assert pod_status({**ended, "status": status}, ALL_RUN, NOW, HOSTS) is None


async def test_a_status_that_the_api_server_has_taken_is_not_reported_again(cluster: Plane) -> None:
    """Over the wire, as a kubelet sends and sees it: there a field that is null is none."""
    made = cluster.admin.create(PODS, pod(space="kube-system", hostNetwork=True))
    reported = json.dumps({"status": pod_status(made, ALL_RUN, NOW, HOSTS)})
    its = ("pod", "p", "-n", "kube-system")
    await cluster.does("patch", *its, "--subresource=status", "--type=merge", "-p", reported)
    kept = json.loads(await cluster.does("get", *its, "-o", "json"))
    assert kept["status"]["phase"] == "Running"
    assert pod_status(kept, ALL_RUN, NOW + timedelta(seconds=5), HOSTS) is None
