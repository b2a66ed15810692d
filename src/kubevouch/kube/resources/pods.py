"""Pods: their containers' images and flags, and whether they run."""

from datetime import datetime

from kubevouch.kube.resources.meta import Condition, Narrow, Object, Resource

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
    """The state of a container that does not run yet."""

    reason: str = ""
    message: str = ""


class Running(Narrow, frozen=True, kw_only=True):
    """The state of a running container."""

    started_at: datetime | None = None


class Terminated(Narrow, frozen=True, kw_only=True):
    """The state of a container that has ended. message: what it left at its terminationMessagePath."""

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
        """Whether it was deleted, and has not ended yet."""
        return self.metadata.deletion_timestamp is not None

    @property
    def is_mirror(self) -> bool:
        """Whether a kubelet has made it of a file of its own. A node can create no other pods (NodeRestriction)."""
        return _MIRROR in self.metadata.annotations


PODS = Resource("", "v1", "pods", "Pod", Pod, namespaced=True)
