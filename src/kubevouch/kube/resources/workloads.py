"""Deployments."""

from kubevouch.kube.resources.meta import Condition, Metadata, Narrow, Object, Resource
from kubevouch.kube.resources.pods import PodSpec


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
