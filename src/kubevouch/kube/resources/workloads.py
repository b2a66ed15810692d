"""Deployments."""

from kubevouch.kube.resources.meta import Condition, Metadata, Narrow, Object, Resource
from kubevouch.kube.resources.pods import PodSpec


class PodTemplate(Narrow, frozen=True, kw_only=True):
    """What a Deployment makes pods of."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DeploymentSpec(Narrow, frozen=True, kw_only=True):
    """`replicas` is 1 where it is not said (apps/v1 defaults.go)."""

    replicas: int = 1
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Narrow, frozen=True, kw_only=True):
    """Counts of pods."""

    replicas: int = 0
    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True, kw_only=True):
    """A Deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", Deployment, namespaced=True)
