"""Pods (with their images, command lines and states), Deployments and PodDisruptionBudgets."""

import re
from datetime import datetime
from typing import Final

from msgspec import field

from kubevouch.kube.resources.meta import Condition, Metadata, Narrow, Object, Resource

_MIRROR = "kubernetes.io/config.mirror"


class Container(Narrow, frozen=True, kw_only=True):
    """A container: its image and command line."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class PodSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a Pod."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    active_deadline_seconds: int = 0


class Waiting(Narrow, frozen=True, kw_only=True):
    """The state of a container that waits to start."""

    reason: str = ""
    message: str = ""


class Running(Narrow, frozen=True, kw_only=True):
    """The state of a running container."""

    started_at: datetime | None = None


class Terminated(Narrow, frozen=True, kw_only=True):
    """The state of a container that has ended. message: the text at its terminationMessagePath."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


class ContainerState(Narrow, frozen=True, kw_only=True):
    """The state of a container. At most one field is set."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Narrow, frozen=True, kw_only=True):
    """The status of a container, as the kubelet reports it."""

    name: str = ""
    ready: bool = False
    state: ContainerState = ContainerState()


class PodStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Pod, as the kubelet reports it."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether the condition Ready is true."""
        return any(found.type == "Ready" and found.true for found in self.status.conditions)

    @property
    def is_ending(self) -> bool:
        """Whether the pod was deleted but still runs."""
        return self.metadata.deletion_timestamp is not None

    @property
    def is_mirror(self) -> bool:
        """Whether this is a mirror pod, which a kubelet creates for a static pod.

        NodeRestriction lets a node create no other pods.
        """
        return _MIRROR in self.metadata.annotations


PODS = Resource("", "v1", "pods", "Pod", Pod, namespaced=True)


class PodTemplate(Narrow, frozen=True, kw_only=True):
    """The template of a Deployment's pods."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DeploymentSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a Deployment. The default of `replicas` is 1 (apps/v1 defaults.go)."""

    replicas: int = 1
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Deployment: counts of pods."""

    replicas: int = 0
    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True, kw_only=True):
    """A Deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", Deployment, namespaced=True)


class _Requirement(Narrow, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = f"({','.join(self.values)})"
        return {
            "In": f"{self.key} in {values}",
            "NotIn": f"{self.key} notin {values}",
            "Exists": self.key,
            "DoesNotExist": f"!{self.key}",
        }.get(self.operator, "")


class LabelSelector(Narrow, frozen=True, kw_only=True):
    """A metav1.LabelSelector. An empty selector selects everything.

    `str()` returns the query parameter labelSelector.
    """

    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: tuple[_Requirement, ...] = ()

    def __str__(self) -> str:
        labels = (f"{key}={value}" for key, value in self.match_labels.items())
        return ",".join((*labels, *map(str, self.match_expressions)))


class DisruptionBudgetSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a PodDisruptionBudget.

    Without a selector, a PodDisruptionBudget covers no pods (policy/v1 types.go).
    """

    selector: LabelSelector | None = None


class DisruptionBudgetStatus(Narrow, frozen=True, kw_only=True):
    """The status of a PodDisruptionBudget, which the controller-manager computes."""

    disruptions_allowed: int = 0
    current_healthy: int = 0
    expected_pods: int = 0


class PodDisruptionBudget(Object, frozen=True, kw_only=True):
    """A PodDisruptionBudget."""

    spec: DisruptionBudgetSpec = DisruptionBudgetSpec()
    status: DisruptionBudgetStatus = DisruptionBudgetStatus()


DISRUPTION_BUDGETS = Resource(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    PodDisruptionBudget,
    namespaced=True,
)


_BY_DIGEST: Final = re.compile(
    r"[a-z0-9][\w.-]*(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)*(?::[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64}",
    re.ASCII,
)


def names_an_image(reference: str) -> bool:
    """Whether the reference contains a digest, and so always refers to the same image."""
    return _BY_DIGEST.fullmatch(reference) is not None


def digest_of(reference: str) -> str:
    """The digest in an image reference; the whole reference if it has no digest."""
    return reference.rpartition("@")[2]
