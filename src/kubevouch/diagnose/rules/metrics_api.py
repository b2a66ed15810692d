"""KV1xx: the metrics API and metrics-server."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import api_proof, counted, finding
from kubevouch.evidence.snapshot import Evidence, MetricsPath
from kubevouch.kube.resources import Pod

_STALE = timedelta(minutes=5)
_WIRING = {"ServiceNotFound", "ServicePortError", "EndpointsNotFound"}
_INSECURE = ("--kubelet-insecure-tls", "--deprecated-kubelet-completely-insecure")


def api_service_missing(evidence: Evidence) -> Iterator[Finding]:
    """KV101: nothing serves the metrics API."""
    found = evidence.metrics.api_service
    if found.is_known and found.value is None:
        proof = api_proof("v1beta1.metrics.k8s.io", "no such APIService", found)
        yield finding("KV101", "nothing serves the metrics API (no APIService)", proofs=[proof])


def api_service_unavailable(evidence: Evidence) -> Iterator[Finding]:
    """KV102, KV103, KV104: the APIService is there and does not answer."""
    metrics = evidence.metrics
    condition = metrics.available
    if condition is None or condition.true:
        return
    proof = api_proof(
        "v1beta1.metrics.k8s.io", f"{condition.reason}: {condition.message}", metrics.api_service
    )
    code = _why_unavailable(condition.reason, metrics)
    yield finding(code, _TITLES[code](condition.reason, metrics), proofs=[proof])


def _why_unavailable(reason: str, metrics: MetricsPath) -> str:
    """The code: whether pods are there and ready decides who is to blame for missing endpoints."""
    if reason in _WIRING:
        return "KV102"
    if reason != "MissingEndpoints":
        return "KV104"
    if metrics.pods.value:
        return "KV102" if any(pod.ready for pod in metrics.pods.value) else "KV103"
    if not (metrics.pods.is_known and metrics.deployment.is_known):
        return "KV903"
    return "KV103" if metrics.deployment.value else "KV102"


_TITLES: dict[str, Callable[[str, MetricsPath], str]] = {
    "KV102": lambda reason, _: f"the metrics APIService leads nowhere: {reason}",
    "KV103": lambda reason, metrics: (
        f"metrics-server {ready_count(metrics)} ready; APIService says {reason}"
    ),
    "KV104": lambda reason, _: f"the metrics APIService fails: {reason}",
    "KV903": lambda reason, _: (
        f"APIService says {reason}; whether metrics-server runs could not be told"
    ),
}


def ready_count(metrics: MetricsPath) -> str:
    """As kubectl prints it for the Deployment: `0/3`."""
    if metrics.deployment.value is not None:
        deployment = metrics.deployment.value
        return f"{deployment.status.ready_replicas}/{deployment.spec.replicas}"
    pods = metrics.pods.or_else(())
    return f"{sum(pod.ready for pod in pods)}/{len(pods)}"


def pods_broken(evidence: Evidence) -> Iterator[Finding]:
    """KV108: metrics-server's pods do not run at all."""
    pods = evidence.metrics.pods
    # Where another one is ready, what is left of an evicted pod is only litter.
    serves = any(pod.ready for pod in pods.or_else(()))
    broken = [
        (pod, why)
        for pod in pods.or_else(())
        if (why := _why_broken(pod)) and not (serves and pod.status.phase == "Failed")
    ]
    if broken:
        yield finding(
            "KV108",
            f"{counted(len(broken), 'pod')} of metrics-server not running",
            subjects=[pod.name for pod, _ in broken],
            proofs=[api_proof(pod.name, why, pods) for pod, why in broken],
        )


def _why_broken(pod: Pod) -> str:
    for status in pod.status.container_statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.reason != "ContainerCreating":
            return f"{waiting.reason}: {waiting.message}".strip(": ")
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and not condition.true:
            return f"Pending: {condition.reason}: {condition.message}".strip(": ")
    return f"{pod.status.phase} {pod.status.reason}".strip() if pod.status.phase == "Failed" else ""


def insecure_flag(evidence: Evidence) -> Iterator[Finding]:
    """KV109: the workaround that everybody copies."""
    for flag in evidence.metrics.flags:
        name, _, value = flag.partition("=")
        if name in _INSECURE and value.lower() not in {"false", "0", "f"}:
            proof = api_proof("metrics-server", flag, evidence.metrics.pods)
            title = f"metrics-server does not verify kubelets ({name})"
            yield finding("KV109", title, proofs=[proof])


def partial_metrics(evidence: Evidence) -> Iterator[Finding]:
    """KV112: the metrics API answers, and some nodes are not in its answer, or none is."""
    found, available = evidence.metrics.node_metrics, evidence.metrics.available
    if found.value is None or available is None or not available.true:
        return
    present = {each.name for each in found.value}
    nodes = evidence.nodes.or_else(())
    missing = [node.name for node in nodes if node.ready and node.name not in present]
    if missing:
        title = f"no metrics of {len(missing)} of {counted(len(nodes), 'node')}"
        proofs = [api_proof(name, "no NodeMetrics", found) for name in missing]
        yield finding("KV112", title, subjects=missing, proofs=proofs)


def stale_metrics(evidence: Evidence) -> Iterator[Finding]:
    """KV113: metrics-server answers with old numbers."""
    found = evidence.metrics.node_metrics
    old = [
        each
        for each in found.or_else(())
        if each.timestamp is not None and found.at - each.timestamp > _STALE
    ]
    if old:
        yield finding(
            "KV113",
            f"metrics of {counted(len(old), 'node')} are more than 5 minutes old",
            subjects=[each.name for each in old],
            proofs=[api_proof(each.name, f"timestamp {each.timestamp}", found) for each in old],
        )
