"""What is too young to be judged: metrics-server needs two scrapes of a node before it has a number of it."""

from datetime import datetime, timedelta

from kubevouch.diagnose.rules.wire import port_states
from kubevouch.evidence.snapshot import Evidence, MetricsPath
from kubevouch.kube.resources import Node, Pod
from kubevouch.kube.resources.pods import PodSpec
from kubevouch.x509 import CertificateKind, classify
from kubevouch.x509.kinds import NODE_PREFIX

_TWO_SCRAPES = timedelta(minutes=2)
"""Of a metrics-server that looks once a minute (--metric-resolution is 15 s in its manifests)."""

_BACKDATED = timedelta(minutes=5)
"""kube-controller-manager lets a certificate begin that much before it signs (pkg/controller/certificates/authority)."""


def is_new_to_metrics(node: Node, evidence: Evidence) -> bool:
    """The Node, its certificate or a metrics-server that answers is too young, as far as can be told.

    Where its age cannot be told it may be: then metrics that are missing prove nothing.
    """
    # What is wrong with its port explains why there are no metrics.
    if any(port.node == node.name and port.code for port in port_states(evidence)):
        return False
    if _is_young(node.metadata.creation_timestamp, evidence.at):
        return True
    pods = evidence.metrics.pods
    if not pods.is_known or any(
        _is_young(_ready_since(pod), evidence.at) for pod in pods.or_else(())
    ):
        return True
    return _has_new_certificate(node.name, evidence)


def _has_new_certificate(node: str, evidence: Evidence) -> bool:
    served = evidence.served_by(node)
    leaf = served.dialled.leaf if served is not None else None
    if leaf is not None:
        issued = classify(leaf) is CertificateKind.KUBELET_SERVING
        return issued and _is_young(leaf.not_before + _BACKDATED, evidence.at)
    if not evidence.csrs.is_known:
        return True
    approved = (
        csr.condition("Approved")
        for csr in evidence.csrs.or_else(())
        if csr.spec.username == f"{NODE_PREFIX}{node}"
    )
    return any(each and _is_young(each.last_update_time, evidence.at) for each in approved)


def current_pods(metrics: MetricsPath) -> tuple[Pod, ...]:
    """metrics-server's pods without those of a former roll-out: they are about to be replaced.

    A pod of another command line than its Deployment's (the newest pod's, where that is not known) is one; all count
    where none has the Deployment's.
    """
    pods, deployment = metrics.pods.or_else(()), metrics.deployment.value
    if not pods:
        return ()
    newest = max(pods, key=_made)
    wanted = _words(deployment.spec.template.spec if deployment is not None else newest.spec)
    return tuple(pod for pod in pods if _words(pod.spec) == wanted) or pods


def _made(pod: Pod) -> float:
    made = pod.metadata.creation_timestamp
    return made.timestamp() if made is not None else 0.0


def _words(spec: PodSpec) -> tuple[tuple[str, ...], ...]:
    return tuple((*each.command, *each.args) for each in spec.containers)


def only_starting(evidence: Evidence) -> bool:
    """No metrics-server is ready, and all there is to say of it is that its pods have just been made."""
    metrics = evidence.metrics
    pods = current_pods(metrics)
    if not pods or any(port.code for port in port_states(evidence)) or metrics.denials.or_else(()):
        return False
    return all(is_young(pod, evidence.at) for pod in pods) and not any(_waits(pod) for pod in pods)


def awaits_its_endpoint(evidence: Evidence) -> bool:
    """A metrics-server is ready, and each that is has only just become so.

    The EndpointSlice is written after the pod, and the APIService judged after that.
    """
    ready = [pod for pod in evidence.metrics.pods.or_else(()) if pod.ready]
    return bool(ready) and all(_is_young(_ready_since(pod), evidence.at) for pod in ready)


def is_young(pod: Pod, at: datetime) -> bool:
    """It was made less than two minutes ago."""
    return _is_young(pod.metadata.creation_timestamp, at)


def _waits(pod: Pod) -> bool:
    """It has a fault of its own."""
    waiting = (status.state.waiting for status in pod.status.container_statuses)
    return any(each is not None and each.reason != "ContainerCreating" for each in waiting)


def _ready_since(pod: Pod) -> datetime | None:
    ready = (each for each in pod.status.conditions if each.type == "Ready" and each.true)
    return next((each.last_transition_time for each in ready), None)


def _is_young(since: datetime | None, at: datetime) -> bool:
    return since is not None and at - since < _TWO_SCRAPES
