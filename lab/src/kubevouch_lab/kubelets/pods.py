"""A node's pods as its kubelet sees them, and what runs their containers.

The lab has no container runtime. `Runtime` is who says of a container whether it is ready, and what it has printed; the
default one's containers all run and say nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.objects import Object, annotations_of, status_of

_NO_PROCESSES = (
    "this cluster is a kubevouch lab, which has no containers, so hostPID is not possible"
)


class ContainerLogLine(NamedTuple):
    """What a container has printed: at is when, text ends with a newline."""

    at: datetime
    text: str


@dataclass(frozen=True)
class ContainerState:
    """running: since it is. reason, message: why it waits, if it does not run."""

    running: bool = True
    ready: bool = True
    restarts: int = 0
    reason: str = ""
    message: str = ""


class Runtime(Protocol):
    """Who runs containers. Asked at each look; `Kubelet.look_at_pods` makes it look at once."""

    def state(self, pod: Object, container: str) -> ContainerState:
        """How the container does."""
        ...

    def address(self, pod: Object) -> str:
        """The pod's address; "" while it has none."""
        ...

    def log(self, namespace: str, pod: str, container: str) -> Sequence[ContainerLogLine] | None:
        """What it has printed; None if there is no such container."""
        ...


@dataclass(frozen=True)
class Running:
    """A container that uses something. started: Unix time."""

    namespace: str
    pod: str
    container: str
    started: float


def running(pods: list[Object]) -> Iterator[Running]:
    """Every running container, by the pods' own status."""
    for pod in pods:
        status, metadata = status_of(pod), pod["metadata"]
        if status.get("phase") != "Running":
            continue
        began = _seconds(status.get("startTime") or metadata.get("creationTimestamp", ""))
        for each in status.get("containerStatuses") or ():
            state = (each.get("state") or {}).get("running")
            if state is None:
                continue
            yield Running(
                metadata["namespace"],
                metadata["name"],
                each["name"],
                _seconds(state.get("startedAt", "")) or began,
            )


def _seconds(text: str) -> float:
    """RFC 3339 to Unix time; 0 for nothing."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def pod_status(pod: Object, runtime: Runtime, now: datetime, hosts: Sequence[str]) -> Object | None:
    """The status a kubelet reports; None if it is what stands there already, or not the kubelet's to say."""
    annotations = annotations_of(pod)
    held = status_of(pod)
    ended = held.get("phase") in {"Succeeded", "Failed"}
    if "kubernetes.io/config.mirror" in annotations or ended:
        return None
    if pod["spec"].get("hostPID"):
        refused = {"phase": "Failed", "reason": "NoContainers", "message": _NO_PROCESSES}
        return {**held, **refused, "startTime": moment(now)}
    specs = pod["spec"].get("containers") or []
    states = {spec["name"]: runtime.state(pod, spec["name"]) for spec in specs}
    known = {each["name"]: each for each in held.get("containerStatuses") or ()}
    stamp = moment(now)
    statuses = [
        _container(spec, states[spec["name"]], known.get(spec["name"]), stamp) for spec in specs
    ]
    ready = all(state.running and state.ready for state in states.values())
    unready = [name for name, state in states.items() if not (state.running and state.ready)]
    why = "" if ready else f"containers with unready status: [{' '.join(unready)}]"
    started = all(state.running for state in states.values())
    address = runtime.address(pod)
    made = {
        **held,
        "phase": "Running" if started else "Pending",
        "hostIP": hosts[0],
        "hostIPs": [{"ip": each} for each in hosts],
        "startTime": held.get("startTime") or stamp,
        "qosClass": held.get("qosClass") or "Burstable",
        "containerStatuses": statuses,
        "conditions": [
            _condition("PodReadyToStartContainers", "", held, stamp),
            _condition("Initialized", "", held, stamp),
            _condition("Ready", why, held, stamp),
            _condition("ContainersReady", why, held, stamp),
            _condition("PodScheduled", "", held, stamp),
        ],
    }
    if address:
        made |= {"podIP": address, "podIPs": [{"ip": address}]}
    return None if made == held else made


def _container(spec: Object, state: ContainerState, known: Object | None, stamp: str) -> Object:
    before: Object = (known or {}).get("state") or {}
    old: Object = before.get("running") or {}
    since = old.get("startedAt") if (known or {}).get("restartCount") == state.restarts else None
    now: Object = (
        {"running": {"startedAt": since or stamp}}
        if state.running
        else {"waiting": {"reason": state.reason or "ContainerCreating", "message": state.message}}
    )
    return {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": (known or {}).get("imageID") or f"lab://{spec.get('image', '')}",
        "containerID": (known or {}).get("containerID") or f"lab://{spec['name']}",
        "ready": state.running and state.ready,
        "started": state.running,
        "restartCount": state.restarts,
        "state": now,
        "lastState": (known or {}).get("lastState") or {},
    }


def _condition(kind: str, why: str, held: Object, stamp: str) -> Object:
    """It holds unless there is a why."""
    status = "False" if why else "True"
    found = (each for each in held.get("conditions") or () if each["type"] == kind)
    old: Object = next(found, {})
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    made: Object = {"type": kind, "status": status}
    made["lastTransitionTime"] = since or stamp
    if why:
        made |= {"reason": "ContainersNotReady", "message": why}
    return made
