"""A pod with hostPID: a lab's kubelet says that it has no containers, in place of calling it Running."""

from datetime import UTC, datetime
from typing import Any

from kubevouch_lab.kubelets.pods import AllRun, pod_status

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def _pod(**spec: object) -> dict[str, Any]:
    containers = [{"name": "a", "image": "registry.example.com/kubevouch"}]
    return {"metadata": {"name": "p", "namespace": "s"}, "spec": {"containers": containers, **spec}}


def test_it_is_ended_with_the_reason_and_stays_so() -> None:
    pod = _pod(hostPID=True)
    status = pod_status(pod, AllRun(), NOW, ("192.0.2.1",))
    assert status is not None
    assert status["phase"] == "Failed"
    assert "this cluster is a kubevouch lab, which has no containers" in status["message"]
    assert pod_status({**pod, "status": status}, AllRun(), NOW, ("192.0.2.1",)) is None


def test_any_other_runs_as_before() -> None:
    status = pod_status(_pod(hostNetwork=True), AllRun(), NOW, ("192.0.2.1",))
    assert status is not None
    assert status["phase"] == "Running"
