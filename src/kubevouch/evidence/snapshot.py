"""The snapshot that `gather` fills for `diagnose`, `policy` and `rollout`. Also recognizes our metrics server.

Our metrics server takes upstream's flags and may run from upstream's manifests with only the image
changed. Only the command line or the image name distinguishes it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kubevouch.evidence.approvers import Approver, OurApprover
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.makers import Maker, maker_of
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.run_holder import ArmedNode, RunHolder
from kubevouch.kube.resources import (
    METRICS_API_SERVICES,
    METRICS_VERSIONS,
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
from kubevouch.kubelet.document import Problem
from kubevouch.x509 import Certificate, Verdict

METRICS_SERVER_NAMESPACE = "kube-system"
METRICS_SERVER_LABELS = {"k8s-app": "metrics-server"}
"""The labels in metrics-server's own manifests (manifests/base/deployment.yaml)."""

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The identity of a cluster. uid: the UID of Namespace kube-system."""

    context: str
    server: str
    uid: Measured[str]
    version: Measured[str]


@dataclass(frozen=True, slots=True)
class TrustedRoots:
    """The CAs that pods, and so metrics-server, trust (ConfigMap kube-root-ca.crt)."""

    certificates: tuple[Certificate, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the sorted DER certificates. The order and format of the bundle do not matter."""
        whole = b"".join(sorted(each.der for each in self.certificates))
        return hashlib.sha256(whole).hexdigest()


@dataclass(frozen=True, slots=True)
class Served:
    """A kubelet's certificate, and metrics-server's verdict on it.

    verdict: None if the kubelet presented no certificate, or if the CAs are unknown.
    """

    dialled: DialResult
    verdict: Verdict | None

    @property
    def node(self) -> str:
        """The Node's name."""
        return self.dialled.target.node

    @property
    def is_trusted(self) -> bool:
        """Whether metrics-server trusts the certificate."""
        return self.verdict is not None and self.verdict.trusted


@dataclass(frozen=True, slots=True)
class LoggedScrapeFailure:
    """metrics-server's newest log line about a node that it could not scrape."""

    node: str
    text: str
    pod: str


@dataclass(frozen=True, slots=True)
class LoggedDenial:
    """A permission that metrics-server lacks, according to a Forbidden response in its log.

    user: the account's user name in RBAC. what: verb and resource, such as `list nodes`.
    """

    user: str
    what: str
    text: str
    pod: str


@dataclass(frozen=True, slots=True)
class MetricsPath:
    """The objects on the path from `kubectl top` to a kubelet."""

    api_service: Measured[APIService]
    service: Measured[Service]
    deployment: Measured[Deployment]
    pods: Measured[tuple[Pod, ...]]
    failures: Measured[tuple[LoggedScrapeFailure, ...]]
    denials: Measured[tuple[LoggedDenial, ...]]
    """Permissions that metrics-server lacks, from the same logs as `failures`."""

    node_metrics: Measured[tuple[NodeMetrics, ...]]
    version: str = METRICS_VERSIONS[-1]
    others: tuple["MetricsPath", ...] = ()
    """The paths of the other versions of metrics.k8s.io that have, or may have, an APIService.
    Their logs are not read."""

    @property
    def versions(self) -> tuple["MetricsPath", ...]:
        """The paths of all versions of the metrics API, starting with this path."""
        return (self, *self.others)

    @property
    def api_service_name(self) -> str:
        """The APIService's name, whether the object exists or not."""
        return METRICS_API_SERVICES[self.version]

    @property
    def is_ours(self) -> bool:
        """Whether our metrics server serves the API instead of upstream's; False if unknown."""
        return any(runs_ours(scraper_of(pod)) for pod in self.pods.or_else(()))

    @property
    def place(self) -> tuple[str, dict[str, str]]:
        """Namespace and labels of metrics-server's pods: the Service's selector, or else the labels in its manifests."""
        return place_of(self.service.value)

    @property
    def outside_service(self) -> Service | None:
        """The Service if it has no selector, and so no pods in this cluster; else None."""
        service = self.service.value
        return None if service is None or service.spec.selector else service

    @property
    def flags(self) -> tuple[str, ...]:
        """metrics-server's command line; empty if it has no pods or they cannot be read (see `pods`)."""
        for pod in self.pods.or_else(()):
            container = scraper_of(pod)
            return (*container.command, *container.args)
        return ()

    @property
    def waits_for_several_nodes(self) -> bool:
        """Whether our metrics server is unavailable until it has scraped several nodes.

        With --kubelet-insecure-tls it needs all Ready nodes, with --ready-min-nodes a share of them.
        """
        available = self.available
        if not self.is_ours or available is None or available.true:
            return False
        share = flag_value(self.flags, "ready-min-nodes") or ""
        return bool(insecure_words(self.flags)) or share.strip("0.%") != ""

    @property
    def available(self) -> Condition | None:
        """The APIService's condition Available; None if missing or unreadable."""
        conditions = self.api_service.value.status.conditions if self.api_service.value else ()
        return next((each for each in conditions if each.type == "Available"), None)

    @property
    def measured_nodes(self) -> frozenset[str] | None:
        """The nodes with metrics in the API; None if unknown, empty if the API is unavailable."""
        if self.node_metrics.is_known:
            return frozenset(each.name for each in self.node_metrics.or_else(()))
        return frozenset() if self.available is not None and not self.available.true else None


@dataclass(frozen=True, slots=True)
class KubeletConfigMap:
    """The kubelet-config ConfigMap, which configures nodes that join. bootstrap: its serverTLSBootstrap."""

    object: ConfigMap
    text: str
    bootstrap: bool
    cluster_domain: str = ""
    ignored: tuple[Problem, ...] = ()
    """Keys with wrong letter case, which every kubelet ignores."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All evidence about a cluster at one moment."""

    at: datetime
    cluster: ClusterIdentity
    trust: Measured[TrustedRoots]
    nodes: Measured[tuple[Node, ...]]
    served: tuple[Served, ...]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    """CSRs for the signer kubernetes.io/kubelet-serving, oldest first."""

    names: ClusterNames | None
    """Names that no CSR may request. They are read only if a serving CSR is pending; otherwise
    None."""

    kubelet_config: Measured[KubeletConfigMap]
    metrics: MetricsPath
    approvers: Measured[tuple[Approver, ...]]
    our_approver: Measured[OurApprover]
    """Our own approver; the value is None if it is not installed."""

    api_server_flags: Measured[tuple[str, ...]]
    leases: Measured[tuple[Lease, ...]]
    """Leases of kube-node-lease: one for each node, renewed by its kubelet."""

    bootstrap_tokens: Measured[tuple[str, ...]]
    """IDs of valid bootstrap tokens with the usage `signing`. Other tokens appear only in Secrets,
    which we do not read."""

    run_holder: Measured[RunHolder | None]
    """The holder of the rollout Lease, which may have died; the value is None if nobody holds it."""

    armed: tuple[ArmedNode, ...] = ()
    """The nodes whose dead-man's switch may be armed, according to the rollout Lease."""

    certificates: FoundCertificates | None = None
    """The inventory of certificates; None if not requested."""

    client_csrs: tuple[CertificateSigningRequest, ...] = ()
    """Nodes' CSRs for client certificates, oldest first."""

    @property
    def maker(self) -> Maker | None:
        """The tool that created the cluster; None if kubeadm did, or if unknown.

        Only kubeadm creates ConfigMap kubelet-config, and no node can write it. If it exists, the
        Nodes' labels and versions do not count.
        """
        config = self.kubelet_config
        is_absent = config.is_known and config.value is None
        return maker_of(self.nodes.or_else(())) if is_absent else None

    def served_by(self, node: str) -> Served | None:
        """The certificate that a node's kubelet presented at the address that metrics-server dials."""
        return next((each for each in self.served if each.node == node), None)


def scraper_of(pod: Pod) -> Container:
    """metrics-server's container in a pod, by its name, or else the first container."""
    containers = pod.spec.containers or (Container(),)
    return next((each for each in containers if each.name == "metrics-server"), containers[0])


def place_of(service: Service | None) -> tuple[str, dict[str, str]]:
    """Namespace and labels of a metrics server's pods: its Service's selector, or else the labels in the manifests."""
    if service is not None and service.spec.selector:
        return service.namespace, service.spec.selector
    return METRICS_SERVER_NAMESPACE, METRICS_SERVER_LABELS


def on_control_planes(pods: Iterable[Pod], nodes: Iterable[Node]) -> list[Pod]:
    """The pods on control-plane nodes. No node can set the label of control planes itself.

    Any node may create mirror pods in kube-system with an API server's name and labels
    (plugin/pkg/admission/noderestriction, admitPodCreate), and choose their flags.
    """
    names = {each.name for each in nodes if is_control_plane(each)}
    return [each for each in pods if each.spec.node_name in names]


def is_control_plane(node: Node) -> bool:
    """Whether the Node has the control plane's label, which no node can set itself (NodeRestriction)."""
    return CONTROL_PLANE_LABEL in node.metadata.labels


def flag_value(flags: tuple[str, ...], name: str) -> str | None:
    """The last value of a flag, as `--name=value` or `--name value`; "" for a bare flag, None if it is missing."""
    found: str | None = None
    for index, word in enumerate(flags):
        if word == f"--{name}":
            following = flags[index + 1] if index + 1 < len(flags) else ""
            found = "" if following.startswith("-") else following
        elif word.startswith(f"--{name}="):
            found = word.partition("=")[2]
    return found


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """The evidence for decisions about CSRs. csrs: oldest first."""

    nodes: Measured[tuple[Node, ...]]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames


_INSECURE = ("--kubelet-insecure-tls", "--deprecated-kubelet-completely-insecure")
_VERB = "metrics-server"
_OURS = "kubevouch"


def runs_ours(container: Container) -> bool:
    """Whether a container runs our metrics server."""
    program = _last_part(container.command[0]) if container.command else ""
    is_our_verb = program == _OURS or container.args[:1] == (_VERB,)
    return is_our_verb or _OURS in _last_part(container.image)


def insecure_words(flags: Iterable[str]) -> list[str]:
    """The flags that turn off the verification of kubelets."""
    return [
        flag
        for flag in flags
        if flag.partition("=")[0] in _INSECURE
        and flag.partition("=")[2].lower() not in {"false", "0", "f"}
    ]


def _last_part(path: str) -> str:
    """The last part of a path, or of an image's name without its digest."""
    return path.partition("@")[0].rpartition("/")[2]
