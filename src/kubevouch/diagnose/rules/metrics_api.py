"""KV1xx: the metrics API and metrics-server."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.catalogue.codes import ON_THE_WIRE
from kubevouch.diagnose.make import (
    Finding,
    Proof,
    api_proof,
    counted,
    deployment_of,
    finding,
    named,
    pods_of,
    sentence,
)
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.wire import (
    awaits_its_endpoint,
    current_pods,
    is_young,
    only_starting,
    port_states,
    strangers,
    without_metrics,
)
from kubevouch.evidence.measured import DoubtKind, Vantage
from kubevouch.evidence.snapshot import Evidence, MetricsPath, insecure_words
from kubevouch.kube.resources import Pod, slices_of
from kubevouch.x509.reasons import TLS_PREFIX

_STALE = timedelta(minutes=5)
_WIRING = {"ServiceNotFound", "ServicePortError", "EndpointsNotFound"}
_ACCOUNT_USER = "system:serviceaccount:"
# Go's texts for a server certificate that does not verify (crypto/tls/common.go, crypto/x509/verify.go).
_UNTRUSTED = re.compile(r"(?:tls: failed to verify certificate: )?x509: .*")


def each_version(
    judge: Callable[[Evidence], Iterable[Finding]],
) -> Callable[[Evidence], Iterable[Finding]]:
    """Decorates a rule to check each version of the metrics API.

    A fault of all versions becomes one finding with all proofs. Otherwise the title names the version.
    """

    def judged(evidence: Evidence) -> Iterable[Finding]:
        found: dict[tuple[Code, str, tuple[str, ...]], list[tuple[str, Finding]]] = {}
        for path in evidence.metrics.versions:
            # Cached results belong to one evidence, not to its copies.
            seen = evidence if path is evidence.metrics else replace(evidence, metrics=path)
            for each in judge(seen):
                key = each.code, each.title, each.subjects
                found.setdefault(key, []).append((path.version, each))
        several = len(evidence.metrics.versions)
        for alike in found.values():
            version, first = alike[0]
            if len(alike) < several:
                yield _of_version(first, version)
                continue
            proofs = {(p.subject, p.seen): p for _, each in alike for p in each.proofs}
            yield msgspec.structs.replace(first, proofs=tuple(proofs.values()))

    return judged


def _of_version(found: Finding, version: str) -> Finding:
    title = f"metrics API {version}: {found.title}"
    cause = found.cause.replace(sentence(found.title), sentence(title))
    return msgspec.structs.replace(found, title=title, cause=cause)


@rule(Code.METRICS_API_MISSING)
def api_service_missing(evidence: Evidence) -> Iterator[Finding]:
    """Nothing serves the metrics API."""
    found = evidence.metrics.api_service
    if found.is_known and found.value is None:
        name = evidence.metrics.api_service_name
        proof = api_proof(name, "no such APIService", found)
        title = "nothing serves the metrics API (no APIService)"
        if deployment := evidence.metrics.deployment.value:
            there = f"Deployment {deployment.name} exists ({ready_count(evidence.metrics)} ready)"
            title = f"APIService {name} is missing, although metrics-server's {there}"
        yield finding(Code.METRICS_API_MISSING, title, proofs=[proof])


@rule(
    Code.API_SERVICE_WIRING,
    Code.NO_READY_METRICS_SERVER,
    Code.API_SERVICE_UNREACHABLE,
    Code.INCONCLUSIVE,
)
@each_version
def api_service_unavailable(evidence: Evidence) -> Iterator[Finding]:
    """The APIService exists but is not available."""
    metrics = evidence.metrics
    condition = metrics.available
    if condition is None or condition.true:
        return
    seen = f"{condition.reason}: {condition.message}"
    proof = api_proof(metrics.api_service_name, seen, metrics.api_service)
    if distrust(metrics):
        return
    code = _why_unavailable(condition.reason, metrics)
    if code is Code.NO_READY_METRICS_SERVER and only_starting(evidence):
        return
    if condition.reason == "MissingEndpoints" and awaits_its_endpoint(evidence):
        return
    details = {**pods_of(evidence), **_named(metrics), "mend": _mend(code, metrics)}
    title = _TITLES[code].format(reason=condition.reason, ready=ready_count(metrics))
    yield finding(code, title, proofs=[proof], details=details)


def _named(metrics: MetricsPath) -> dict[str, str]:
    return {"api_service": metrics.api_service_name}


def _mend(code: Code, metrics: MetricsPath) -> str:
    """How to fix an unavailable APIService by hand."""
    if service := metrics.outside_service:
        whole = f"{service.namespace}/{service.name}"
        shown = f"kubectl get endpointslices -n {service.namespace} -l {slices_of(service.name)}"
        return (
            "start the server that should listen at the address in the EndpointSlice of Service "
            f"{whole} (it has no selector), or correct that address (`{shown}`)"
        )
    if code is Code.API_SERVICE_WIRING:
        return "make the APIService, the Service and the labels of metrics-server's pods agree"
    return "make metrics-server's pods reachable from the control plane; the APIService's condition shows the error"


@rule(Code.API_SERVICE_NOT_TRUSTED)
@each_version
def api_service_not_trusted(evidence: Evidence) -> Iterator[Finding]:
    """The API server reaches metrics-server, but does not accept its certificate."""
    metrics = evidence.metrics
    why = distrust(metrics)
    if why:
        proof = api_proof(metrics.api_service_name, why, metrics.api_service)
        title = f"the API server does not trust metrics-server's certificate: {why}"
        details = _named(metrics)
        yield finding(Code.API_SERVICE_NOT_TRUSTED, title, proofs=[proof], details=details)


@rule(Code.API_SERVICE_NOT_VERIFIED)
@each_version
def api_service_not_verified(evidence: Evidence) -> Iterator[Finding]:
    """The API server does not verify metrics-server's certificate.

    This is reported only if the metrics API is available. Otherwise other findings matter more.
    """
    metrics = evidence.metrics
    found, available = metrics.api_service.value, metrics.available
    if found is None or available is None or not available.true:
        return
    if found.spec.service is not None and found.spec.insecure_skip_tls_verify:
        title = (
            "the API server does not verify metrics-server's certificate (insecureSkipTLSVerify)"
        )
        seen = "spec.insecureSkipTLSVerify: true"
        proof = api_proof(metrics.api_service_name, seen, metrics.api_service)
        yield finding(Code.API_SERVICE_NOT_VERIFIED, title, proofs=[proof])


def distrust(metrics: MetricsPath) -> str:
    """The API server's reason for rejecting metrics-server's certificate; "" if it accepts the certificate.

    Since 1.36 the APIService's condition has the reason. Before 1.36, the APIService is available,
    and every request fails with the reason.
    """
    condition, doubt = metrics.available, metrics.node_metrics.doubt
    said = condition.message if condition is not None and not condition.true else ""
    if not said and doubt is not None and doubt.kind is DoubtKind.FAILED:
        said = doubt.text
    found = _UNTRUSTED.search(said)
    return found[0].removeprefix(TLS_PREFIX) if found else ""


def _why_unavailable(reason: str, metrics: MetricsPath) -> Code:
    """The code for an unavailable APIService. If endpoints are missing, it depends on the pods."""
    if reason in _WIRING:
        return Code.API_SERVICE_WIRING
    if reason != "MissingEndpoints":
        return Code.API_SERVICE_UNREACHABLE
    if metrics.pods.value:
        return (
            Code.API_SERVICE_WIRING
            if any(pod.ready for pod in metrics.pods.value)
            else Code.NO_READY_METRICS_SERVER
        )
    if not (metrics.pods.is_known and metrics.deployment.is_known):
        return Code.INCONCLUSIVE
    there = metrics.deployment.value
    return Code.NO_READY_METRICS_SERVER if there else Code.API_SERVICE_WIRING


_TITLES = {
    Code.API_SERVICE_WIRING: "the metrics APIService has no endpoint: {reason}",
    Code.NO_READY_METRICS_SERVER: "metrics-server {ready} ready; APIService: {reason}",
    Code.API_SERVICE_UNREACHABLE: "the metrics APIService fails: {reason}",
    Code.INCONCLUSIVE: "APIService: {reason}; could not tell whether metrics-server runs",
}


def ready_count(metrics: MetricsPath) -> str:
    """Ready and desired replicas, as kubectl prints them: `0/3`."""
    if metrics.deployment.value is not None:
        deployment = metrics.deployment.value
        return f"{deployment.status.ready_replicas}/{deployment.spec.replicas}"
    pods = metrics.pods.or_else(())
    return f"{sum(pod.ready for pod in pods)}/{len(pods)}"


@rule(Code.METRICS_SERVER_POD_BROKEN)
def pods_broken(evidence: Evidence) -> Iterator[Finding]:
    """Some of metrics-server's pods are not running."""
    pods = evidence.metrics.pods
    # If another pod is ready, an evicted pod is only a remnant.
    serves = any(pod.ready for pod in pods.or_else(()))
    broken = [
        (pod, why)
        for pod in current_pods(evidence.metrics)
        if (why := _why_broken(pod, evidence.at)) and not (serves and pod.status.phase == "Failed")
    ]
    if broken:
        yield finding(
            Code.METRICS_SERVER_POD_BROKEN,
            f"metrics-server has {counted(len(broken), 'pod')} not running",
            subjects=[pod.name for pod, _ in broken],
            proofs=[api_proof(pod.name, why, pods) for pod, why in broken],
            details=pods_of(evidence),
        )


def _why_broken(pod: Pod, at: datetime) -> str:
    """Why the pod does not run. Empty if it runs, or is too new to be scheduled."""
    for status in pod.status.container_statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.reason != "ContainerCreating":
            return f"{waiting.reason}: {waiting.message}".strip(": ")
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and not condition.true and not is_young(pod, at):
            return f"Pending: {condition.reason}: {condition.message}".strip(": ")
    return f"{pod.status.phase} {pod.status.reason}".strip() if pod.status.phase == "Failed" else ""


@rule(Code.METRICS_SERVER_SCALED_DOWN)
def scaled_down(evidence: Evidence) -> Iterator[Finding]:
    """metrics-server's Deployment has 0 replicas."""
    deployment = evidence.metrics.deployment.value
    if deployment is not None and deployment.spec.replicas == 0:
        title = f"metrics-server is scaled to 0 replicas (Deployment {deployment.name})"
        yield finding(Code.METRICS_SERVER_SCALED_DOWN, title, details=deployment_of(evidence))


@rule(Code.METRICS_SERVER_FORBIDDEN)
def metrics_server_forbidden(evidence: Evidence) -> Iterator[Finding]:
    """metrics-server's log shows that its account lacks a permission. Reports nothing while metrics are available."""
    measured = evidence.metrics.measured_nodes
    denials = evidence.metrics.denials
    if measured is None or measured or not denials.value:
        return
    by_right = {each.what: each for each in denials.value}
    account = next(iter(denials.value)).user.removeprefix(_ACCOUNT_USER)
    yield finding(
        Code.METRICS_SERVER_FORBIDDEN,
        f"metrics-server may not {named(sorted(by_right))}: its account {account} lacks the permission",
        proofs=[
            Proof(each.pod, each.text, str(Vantage.SCRAPER_LOG), denials.at)
            for _, each in sorted(by_right.items())
        ],
        # The role's name is the same in upstream's manifests and in ours.
        details={"account": account, "role": f"system:{account.partition(':')[2]}"},
    )


@rule(Code.INSECURE_TLS_WORKAROUND)
def insecure_flag(evidence: Evidence) -> Iterator[Finding]:
    """metrics-server runs with --kubelet-insecure-tls, a widely copied workaround."""
    pods = evidence.metrics.pods
    for flag in insecure_flags(evidence):
        yield finding(
            Code.INSECURE_TLS_WORKAROUND,
            f"metrics-server does not verify kubelets ({flag.partition('=')[0]})",
            subjects=["metrics-server"],
            proofs=[api_proof("metrics-server", flag, pods)],
            details=_to_remove(flag, evidence),
        )


@rule(Code.INSECURE_FLAG_WITHOUT_EFFECT)
def insecure_flag_without_effect(evidence: Evidence) -> Iterator[Finding]:
    """Our metrics server runs with upstream's --kubelet-insecure-tls.

    The subjects are the nodes that it cannot verify.
    """
    if not evidence.metrics.is_ours:
        return
    unverified = _unverified(evidence)
    for flag in insecure_words(evidence.metrics.flags):
        name = flag.partition("=")[0]
        then = "no node is known to need the flag"
        if unverified:
            several = "unverified nodes get"
            then = f"{counted(len(unverified), 'unverified node gets', several)} no token"
        yield finding(
            Code.INSECURE_FLAG_WITHOUT_EFFECT,
            f"kubevouch metrics-server verifies kubelets despite {name}; {then}",
            subjects=unverified,
            proofs=[api_proof("metrics-server", flag, evidence.metrics.pods)],
            details=_to_remove(flag, evidence),
        )


def _unverified(evidence: Evidence) -> list[str]:
    """Ready nodes with a kubelet that our metrics server cannot verify."""
    ready = {node.name for node in evidence.nodes.or_else(()) if node.ready}
    refused = {port.node for port in port_states(evidence) if port.code in ON_THE_WIRE}
    return sorted((refused | strangers(evidence)) & ready)


def _to_remove(flag: str, evidence: Evidence) -> dict[str, str]:
    return {**deployment_of(evidence), "patch": _without(flag, evidence)}


def _without(flag: str, evidence: Evidence) -> str:
    """A JSON patch (RFC 6902) that removes the flag from the Deployment if the Deployment still has it."""
    deployment, pods = evidence.metrics.deployment.value, evidence.metrics.pods.or_else(())
    spec = deployment.spec.template.spec if deployment is not None else pods[0].spec
    for index, container in enumerate(spec.containers):
        for field in ("command", "args"):
            words = getattr(container, field)
            if flag in words:
                path = f"/spec/template/spec/containers/{index}/{field}/{words.index(flag)}"
                steps = [
                    {"op": "test", "path": path, "value": flag},
                    {"op": "remove", "path": path},
                ]
                return msgspec.json.encode(steps).decode()
    return "[]"


def insecure_flags(evidence: Evidence) -> list[str]:
    """metrics-server's flags that turn off the verification of kubelets.

    Empty for our metrics server, which always verifies.
    """
    return [] if evidence.metrics.is_ours else insecure_words(evidence.metrics.flags)


@rule(Code.PARTIAL_METRICS)
@each_version
def partial_metrics(evidence: Evidence) -> Iterator[Finding]:
    """The metrics API answers, but lacks some or all nodes."""
    found, nodes = evidence.metrics.node_metrics, evidence.nodes.or_else(())
    missing = without_metrics(evidence, new=False)
    if missing:
        title = f"no metrics for {len(missing)} of {counted(len(nodes), 'node')}"
        proofs = [api_proof(name, "no NodeMetrics", found) for name in missing]
        yield finding(
            Code.PARTIAL_METRICS, title, subjects=missing, proofs=proofs, details=pods_of(evidence)
        )


def is_stale(timestamp: datetime | None, at: datetime) -> bool:
    """Whether metrics with this timestamp are older than five minutes."""
    return timestamp is not None and at - timestamp > _STALE


@rule(Code.STALE_METRICS)
@each_version
def stale_metrics(evidence: Evidence) -> Iterator[Finding]:
    """The metrics API returns metrics that are older than five minutes."""
    found = evidence.metrics.node_metrics
    old = [each for each in found.or_else(()) if is_stale(each.timestamp, found.at)]
    if old:
        yield finding(
            Code.STALE_METRICS,
            f"metrics of {counted(len(old), 'node')} are older than 5 minutes",
            subjects=[each.name for each in old],
            proofs=[api_proof(each.name, f"timestamp {each.timestamp}", found) for each in old],
            details=pods_of(evidence),
        )
