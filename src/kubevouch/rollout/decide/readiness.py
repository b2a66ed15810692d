"""What a kubelet's restart does to pods that are probed: before Kubernetes 1.35 none is ready until it is probed again. Pure.

Such a kubelet takes a container with a readiness or startup probe for not ready right before its first probe, which comes after a random
part of the probe's period; or earlier, if it looks at the pod before that (pkg/kubelet/prober, worker.go and prober_manager.go). From
1.35 on only the gate ChangeContainerStatusOnKubeletRestart, which is off by default, has it do so.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_MOST_NAMED = 8


def forgets_readiness(kubelet_version: str) -> bool:
    """Whether a kubelet of that version (v1.34.4) takes probed pods for not ready after its restart. Unknown versions do not."""
    parts = kubelet_version.removeprefix("v").split(".")
    return len(parts) > 1 and parts[1].isdigit() and (parts[0], int(parts[1])) < ("1", 35)


@dataclass(frozen=True)
class PodEndpoint:
    """A ready endpoint of a Service. pod: its name, empty if it is none; node: empty if that is not known."""

    pod: str
    node: str


@dataclass(frozen=True, order=True)
class LoneService:
    """A Service that has ready endpoints on one node only, and each of them is a pod with a probe. name: NAMESPACE/NAME."""

    name: str
    node: str


@dataclass(frozen=True)
class LoneServices:
    """All of them on the nodes that a run restarts. unread: why that is not known; empty if it is."""

    found: tuple[LoneService, ...] = ()
    unread: str = ""


def only_node(endpoints: Collection[PodEndpoint]) -> str:
    """The node that holds all of these endpoints; empty if there is no such node, or if it is not known."""
    nodes = {each.node for each in endpoints}
    return nodes.pop() if len(nodes) == 1 else ""


def lone_services(
    ready: Mapping[tuple[str, str], Collection[PodEndpoint]], probed: Collection[tuple[str, str]]
) -> tuple[LoneService, ...]:
    """Those of these Services. ready: their ready endpoints. probed: the pods with a probe. Keys are (namespace, name)."""
    return tuple(
        sorted(
            LoneService(f"{space}/{name}", node)
            for (space, name), endpoints in ready.items()
            if (node := only_node(endpoints))
            and all((space, each.pod) in probed for each in endpoints)
        )
    )


def readiness_notice(versions: Iterable[str], services: LoneServices) -> str:
    """What is said in a plan that restarts kubelets of these versions, which all forget readiness."""
    said = (
        f"kubelet {', '.join(sorted(set(versions)))}: pods with a readiness or startup probe are not ready after its restart, until they "
        "are probed again (kubernetes#100277; not from 1.35 on)"
    )
    if services.unread:
        return f"{said}. Which Services have no other endpoint is not known: {services.unread}"
    if not services.found:
        return f"{said}. No Service has all of its ready endpoints on one of these nodes"
    few = [f"{each.name} on {each.node}" for each in services.found[:_MOST_NAMED]]
    left = len(services.found) - len(few)
    more = f" and {left} more" if left else ""
    have = "1 Service has" if len(services.found) == 1 else f"{len(services.found)} Services have"
    return f"{said}. {have} no ready endpoint then: {', '.join(few)}{more}"
