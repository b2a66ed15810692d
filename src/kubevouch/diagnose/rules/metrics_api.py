"""KV1xx: the metrics API and metrics-server."""

from collections.abc import Iterator
from datetime import timedelta

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import api_proof, counted, finding, named
from kubevouch.evidence.serving import preferred_types, scraped_address
from kubevouch.evidence.snapshot import Evidence, MetricsPath
from kubevouch.kube.resources import Condition, Pod
from kubevouch.x509 import Reason, verify

_STALE = timedelta(minutes=5)
_WIRING = {"ServiceNotFound", "ServicePortError", "EndpointsNotFound"}
_INSECURE = ("--kubelet-insecure-tls", "--deprecated-kubelet-completely-insecure")


def api_service_missing(evidence: Evidence) -> Iterator[Finding]:
    """KV101: nothing serves the metrics API."""
    found = evidence.metrics.api_service
    if found.is_known and found.value is None:
        proof = api_proof("v1beta1.metrics.k8s.io", "no such APIService", found)
        yield finding("KV101", "nothing serves the metrics API (no APIService)", proofs=[proof])


def _availability(metrics: MetricsPath) -> Condition | None:
    conditions = metrics.api_service.value.status.conditions if metrics.api_service.value else ()
    return next((each for each in conditions if each.type == "Available"), None)


def api_service_unavailable(evidence: Evidence) -> Iterator[Finding]:
    """KV102, KV103, KV104: the APIService is there and does not answer."""
    metrics = evidence.metrics
    condition = _availability(metrics)
    if condition is None or condition.true:
        return
    proof = api_proof(
        "v1beta1.metrics.k8s.io", f"{condition.reason}: {condition.message}", metrics.api_service
    )
    pods = metrics.pods.or_else(())
    unready = bool(pods) and not any(pod.ready for pod in pods)
    if condition.reason == "MissingEndpoints" and unready:
        title = f"metrics-server {ready_count(metrics)} ready; APIService says MissingEndpoints"
        yield finding("KV103", title, proofs=[proof])
    elif condition.reason in _WIRING or condition.reason == "MissingEndpoints":
        title = f"the metrics APIService leads nowhere: {condition.reason}"
        yield finding("KV102", title, proofs=[proof])
    else:
        yield finding("KV104", f"the metrics APIService fails: {condition.reason}", proofs=[proof])


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
    broken = [(pod, why) for pod in pods.or_else(()) if (why := _why_broken(pod))]
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
    return f"{pod.status.phase} {pod.status.reason}".strip() if pod.status.phase == "Failed" else ""


def insecure_flag(evidence: Evidence) -> Iterator[Finding]:
    """KV109: the workaround that everybody copies."""
    for flag in evidence.metrics.flags:
        name, _, value = flag.partition("=")
        if name in _INSECURE and value.lower() not in {"false", "0", "f"}:
            proof = api_proof("metrics-server", flag, evidence.metrics.pods)
            title = f"metrics-server does not verify kubelets ({name})"
            yield finding("KV109", title, proofs=[proof])


def address_type(evidence: Evidence) -> Iterator[Finding]:
    """KV110: the certificate would do, for another of the node's addresses."""
    trust = evidence.trust.value
    if trust is None:
        return
    types = preferred_types(evidence.metrics.flags)
    misdialled: dict[str, str] = {}
    for node in evidence.nodes.or_else(()):
        served = evidence.served_by(node.name)
        if served is None or served.dialled.leaf is None or served.verdict is None:
            continue
        if served.verdict.reason not in (
            Reason.ADDRESS_NOT_COVERED,
            Reason.NAME_NOT_COVERED,
            Reason.NO_ADDRESSES,
        ):
            continue
        for other in dict.fromkeys(address.type for address in node.status.addresses):
            address = scraped_address(node, [other])
            verdict = address and verify(
                served.dialled.leaf,
                intermediates=served.dialled.chain[1:],
                roots=trust.certificates,
                name=address,
                at=evidence.at,
            )
            if verdict and verdict.trusted:
                misdialled[node.name] = other
                break
    if misdialled:
        order = ",".join(dict.fromkeys([*misdialled.values(), *types]))
        yield finding(
            "KV110",
            f"metrics-server dials {types[0]}, but the certificates of "
            f"{counted(len(misdialled), 'node')} hold {named(sorted(set(misdialled.values())))}: "
            f"--kubelet-preferred-address-types={order} would do",
            subjects=sorted(misdialled),
        )


def partial_metrics(evidence: Evidence) -> Iterator[Finding]:
    """KV112: metrics-server answers, and some nodes are not in its answer."""
    found = evidence.metrics.node_metrics
    if not found.value or evidence.nodes.value is None:
        return
    present = {each.name for each in found.value}
    missing = [
        node.name for node in evidence.nodes.value if node.ready and node.name not in present
    ]
    if missing:
        title = f"no metrics of {len(missing)} of {counted(len(evidence.nodes.value), 'node')}"
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
