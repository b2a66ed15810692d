"""Pods, as far as somebody looks for a program and its flags, or whether it runs."""

from datetime import datetime

from kubevouch.kube.resources.meta import Condition, Narrow, Object, Resource


class Container(Narrow, frozen=True, kw_only=True):
    """A container's image and how it is started."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class PodSpec(Narrow, frozen=True, kw_only=True):
    """What is to run, and where."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()


class Waiting(Narrow, frozen=True, kw_only=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Running(Narrow, frozen=True, kw_only=True):
    """Since when a container runs."""

    started_at: datetime | None = None


class ContainerState(Narrow, frozen=True, kw_only=True):
    """At most one of them is set."""

    waiting: Waiting | None = None
    running: Running | None = None


class ContainerStatus(Narrow, frozen=True, kw_only=True):
    """What the kubelet says of a container."""

    name: str = ""
    ready: bool = False
    state: ContainerState = ContainerState()


class PodStatus(Narrow, frozen=True, kw_only=True):
    """What the kubelet says of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether its Ready condition holds."""
        return any(found.type == "Ready" and found.true for found in self.status.conditions)


PODS = Resource("", "v1", "pods", "Pod", Pod, namespaced=True)
