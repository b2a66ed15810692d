"""Deployments and HorizontalPodAutoscalers."""

from msgspec import field

from kubevouch.kube.resources.meta import Condition, Metadata, Narrow, Object, Resource
from kubevouch.kube.resources.pods import PodSpec


class LabelSelector(Narrow, frozen=True, kw_only=True):
    """Only the plain form is read."""

    match_labels: dict[str, str] = field(default_factory=dict)


class PodTemplate(Narrow, frozen=True, kw_only=True):
    """What a Deployment makes pods of."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DeploymentSpec(Narrow, frozen=True, kw_only=True):
    """`replicas` is 1 where it is not said (apps/v1 defaults.go)."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Narrow, frozen=True, kw_only=True):
    """Counts of pods."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True, kw_only=True):
    """A Deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ScaleTarget(Narrow, frozen=True, kw_only=True):
    """What an autoscaler scales."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(Narrow, frozen=True, kw_only=True):
    """What is scaled, between which bounds."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int = 1
    max_replicas: int = 0


class AutoscalerStatus(Narrow, frozen=True, kw_only=True):
    """ScalingActive=False with FailedGetResourceMetric is what a broken metrics API looks like."""

    current_replicas: int = 0
    desired_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Autoscaler(Object, frozen=True, kw_only=True):
    """A HorizontalPodAutoscaler of autoscaling/v2."""

    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", Deployment, namespaced=True)
AUTOSCALERS = Resource(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    Autoscaler,
    namespaced=True,
)
