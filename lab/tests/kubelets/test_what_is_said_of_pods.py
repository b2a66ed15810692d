"""What a kubelet of the lab says of its pods."""

import json
from datetime import timedelta
from typing import Any

from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.kubelets.pods import pod_status
from lab.tests.kubelets.conftest import ALL_RUN
from lab.tests.plane import NOW, Plane

HOSTS = ("192.0.2.1",)


def _pod(**spec: object) -> dict[str, Any]:
    containers = [{"name": "a", "image": "registry.example.com/kubevouch"}]
    metadata = {"name": "p", "namespace": "kube-system"}
    return {"metadata": metadata, "spec": {"containers": containers, **spec}}


def test_a_pod_with_host_pid_is_ended_with_the_reason_and_stays_so() -> None:
    pod = _pod(hostPID=True)
    status = pod_status(pod, ALL_RUN, NOW, HOSTS)
    assert status is not None
    assert status["phase"] == "Failed"
    assert "this cluster is a kubevouch lab, which has no containers" in status["message"]
    assert pod_status({**pod, "status": status}, ALL_RUN, NOW, HOSTS) is None


async def test_a_status_that_the_api_server_has_taken_is_not_reported_again(cluster: Plane) -> None:
    """Over the wire, as a kubelet sends and sees it: there a field that is null is none."""
    pod: dict[str, Any] = cluster.admin.create(PODS, _pod(hostNetwork=True))
    reported = json.dumps({"status": pod_status(pod, ALL_RUN, NOW, HOSTS)})
    its = ("pod", "p", "-n", "kube-system")
    await cluster.does("patch", *its, "--subresource=status", "--type=merge", "-p", reported)
    kept = json.loads(await cluster.does("get", *its, "-o", "json"))
    assert kept["status"]["phase"] == "Running"
    assert pod_status(kept, ALL_RUN, NOW + timedelta(seconds=5), HOSTS) is None
