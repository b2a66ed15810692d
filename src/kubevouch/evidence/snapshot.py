"""The snapshot: plain values, put together by `gather` and read by `diagnose`, `policy` and `rollout`."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import (
    APIService,
    CertificateSigningRequest,
    Condition,
    ConfigMap,
    Container,
    Deployment,
    Lease,
    Node,
    NodeMetrics,
    Pod,
    Service,
)
from kubevouch.kubelet.dial_result import DialResult
from kubevouch.kubelet.problems import Problem
from kubevouch.x509 import Certificate, Verdict

METRICS_SERVER_NAMESPACE = "kube-system"
METRICS_SERVER_LABELS = {"k8s-app": "metrics-server"}
"""Where metrics-server's own manifests put its pods (manifests/base/deployment.yaml)."""

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """Which cluster this is. uid: of the namespace kube-system."""

    context: str
    server: str
    uid: Measured[str]
    version: Measured[str]


@dataclass(frozen=True, slots=True)
class TrustedRoots:
    """The authorities that pods trust, and metrics-server with them (ConfigMap kube-root-ca.crt)."""

    certificates: tuple[Certificate, ...]
    sha256: str
    """Of the certificates' DER, sorted: the same bundle however it is written."""


def trusted_roots_of(certificates: tuple[Certificate, ...]) -> TrustedRoots:
    """A bundle, with a sum that does not depend on its order."""
    whole = b"".join(sorted(each.der for each in certificates))
    return TrustedRoots(certificates, hashlib.sha256(whole).hexdigest())


@dataclass(frozen=True, slots=True)
class Served:
    """What a kubelet presented, and what metrics-server would make of it.

    verdict: None where nothing was presented, or where the trusted authorities are not known.
    """

    node: str
    address: str
    dialled: DialResult
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class LoggedScrapeFailure:
    """The newest line of a metrics-server about a node that it could not scrape."""

    node: str
    text: str
    pod: str


@dataclass(frozen=True, slots=True)
class LoggedDenial:
    """A right that metrics-server lacks, as the API server's refusal in its log names it.

    user: as RBAC names it. what: verb and resource, as `list nodes`.
    """

    user: str
    what: str
    text: str
    pod: str


@dataclass(frozen=True, slots=True)
class MetricsPath:
    """The way from `kubectl top` to a kubelet."""

    api_service: Measured[APIService]
    service: Measured[Service]
    deployment: Measured[Deployment]
    pods: Measured[tuple[Pod, ...]]
    failures: Measured[tuple[LoggedScrapeFailure, ...]]
    denials: Measured[tuple[LoggedDenial, ...]]
    """From the same logs."""

    node_metrics: Measured[tuple[NodeMetrics, ...]]

    @property
    def place(self) -> tuple[str, dict[str, str]]:
        """Namespace and labels of metrics-server's pods: those that the Service selects, else those of its manifests."""
        service = self.service.value
        if service is not None and service.spec.selector:
            return service.namespace, service.spec.selector
        return METRICS_SERVER_NAMESPACE, METRICS_SERVER_LABELS

    @property
    def flags(self) -> tuple[str, ...]:
        """metrics-server's command line; empty where no pod of its is there, or none may be seen (`pods` tells)."""
        for pod in self.pods.or_else(()):
            container = scraper_of(pod)
            return (*container.command, *container.args)
        return ()

    @property
    def available(self) -> Condition | None:
        """The APIService's own word on whether it answers; None where there is none, or it cannot be read."""
        conditions = self.api_service.value.status.conditions if self.api_service.value else ()
        return next((each for each in conditions if each.type == "Available"), None)

    @property
    def measured_nodes(self) -> frozenset[str] | None:
        """Nodes that the metrics API has an answer for; None where that is not known.

        An API that is known not to answer has none.
        """
        if self.node_metrics.is_known:
            return frozenset(each.name for each in self.node_metrics.or_else(()))
        return frozenset() if self.available is not None and not self.available.true else None


@dataclass(frozen=True, slots=True)
class KubeletConfigMap:
    """The kubelet-config ConfigMap: how the next joiner starts. bootstrap: its serverTLSBootstrap."""

    object: ConfigMap
    text: str
    bootstrap: bool
    cluster_domain: str = ""
    ignored: tuple[Problem, ...] = ()
    """Keys that every kubelet will pass over."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who seems to approve serving requests on this cluster, and how we know."""

    name: str
    evidence: str
    running: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was looked at, at one moment."""

    at: datetime
    cluster: ClusterIdentity
    trust: Measured[TrustedRoots]
    nodes: Measured[tuple[Node, ...]]
    served: tuple[Served, ...]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    """Of the signer kubernetes.io/kubelet-serving, oldest first."""

    names: ClusterNames | None
    """What no request may ask for; None where no request waits for a decision: then nobody asked."""

    kubelet_config: Measured[KubeletConfigMap]
    metrics: MetricsPath
    approvers: Measured[tuple[Approver, ...]]
    api_server_flags: Measured[tuple[str, ...]]
    leases: Measured[tuple[Lease, ...]]
    """Of kube-node-lease, one a node: when each kubelet last said that it lives."""

    bootstrap_tokens: Measured[tuple[str, ...]]
    """Ids of live bootstrap tokens that have the usage `signing`; others cannot be seen without reading Secrets."""

    def served_by(self, node: str) -> Served | None:
        """What that node's kubelet presented at the address that metrics-server dials."""
        return next((each for each in self.served if each.node == node), None)


def scraper_of(pod: Pod) -> Container:
    """metrics-server's container in a pod that may have others beside it: by its name, else the first."""
    containers = pod.spec.containers or (Container(),)
    return next((each for each in containers if each.name == "metrics-server"), containers[0])


def is_control_plane(node: Node) -> bool:
    """By its label, which a node may not set on itself (NodeRestriction: node-role.kubernetes.io/*)."""
    return CONTROL_PLANE_LABEL in node.metadata.labels


def flag_value(flags: tuple[str, ...], name: str) -> str | None:
    """The value of `--name=value` or `--name value`, the last one; "" for a bare flag; None if it is not there."""
    found: str | None = None
    for index, word in enumerate(flags):
        if word == f"--{name}":
            following = flags[index + 1] if index + 1 < len(flags) else ""
            found = "" if following.startswith("-") else following
        elif word.startswith(f"--{name}="):
            found = word.partition("=")[2]
    return found
