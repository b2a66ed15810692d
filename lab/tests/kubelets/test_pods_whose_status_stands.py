"""What a kubelet has reported of a pod is not written again: two reports under way would else chase each other for ever."""

import json
from datetime import timedelta
from typing import Any

from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.kubelets.pods import AllRun, pod_status
from lab.tests.plane import NOW, Plane

HOSTS = ("192.0.2.1",)


async def test_a_status_that_the_api_server_has_taken_is_not_reported_again(cluster: Plane) -> None:
    """Over the wire, as a kubelet sends and sees it: there a field that is null is none."""
    spec = {"containers": [{"name": "a", "image": "registry.example.com/a"}]}
    metadata = {"name": "p", "namespace": "kube-system"}
    pod: dict[str, Any] = cluster.admin.create(PODS, {"metadata": metadata, "spec": spec})
    reported = json.dumps({"status": pod_status(pod, AllRun(), NOW, HOSTS)})
    its = ("pod", "p", "-n", "kube-system")
    await cluster.does("patch", *its, "--subresource=status", "--type=merge", "-p", reported)
    kept = json.loads(await cluster.does("get", *its, "-o", "json"))
    assert kept["status"]["phase"] == "Running"
    assert pod_status(kept, AllRun(), NOW + timedelta(seconds=5), HOSTS) is None
