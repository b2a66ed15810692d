"""What kubelets write of the pods that are bound to them, on behalf of all of them: nothing runs in a lab's pods.

A pod starts as soon as its node is ready, and is ready when `readiness` says so: whoever runs something behind a pod
(the metrics servers) tells the truth about it there. Mirror pods of the control plane are left alone.

Source: pkg/kubelet/{kubelet_pods,status/generate}.go.
"""

import hashlib
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

from kubevouch.clock import Clock
from kubevouch.lab.apiserver.client import LocalClient
from kubevouch.lab.apiserver.kinds import NODES, PODS
from kubevouch.lab.apiserver.metadata import moment
from kubevouch.lab.apiserver.store import Store
from kubevouch.lab.controllers.loop import attempt, reconcile
from kubevouch.lab.signer.conditions import condition

Object = dict[str, Any]
Readiness = Callable[[Object], tuple[bool, str]]
"""Whether a pod that runs is ready, and why not."""

_SOURCE = "kubernetes.io/config.source"
_FIRST = ("PodReadyToStartContainers", "Initialized")
_EVERY = 1.0


def always_ready(_: Object) -> tuple[bool, str]:
    """What runs nowhere fails nowhere."""
    return True, ""


class Pods:
    """Looks after changes of pods, and every second."""

    def __init__(
        self,
        store: Store,
        client: LocalClient,
        clock: Clock,
        readiness: Readiness = always_ready,
    ) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self.readiness = readiness

    async def run(self) -> None:
        """Until it is cancelled."""
        await reconcile(self._store, (PODS,), self.sync, clock=self._clock, every=_EVERY)

    def sync(self) -> None:
        """All of them, once."""
        for pod in self._store.list(PODS):
            attempt(lambda found=pod: self._one(found))  # type: ignore[misc]

    def _one(self, pod: Object) -> None:
        spec, metadata = pod["spec"], pod["metadata"]
        if not spec.get("nodeName") or "deletionTimestamp" in metadata:
            return
        if (metadata.get("annotations") or {}).get(_SOURCE) == "file":
            return
        node = self._store.find(NODES, spec["nodeName"])
        if node is None or (condition(node, "Ready") or {}).get("status") != "True":
            return
        current = pod.get("status") or {}
        address = current.get("podIP") or self._address(pod, node)
        wanted = status_of(pod, node, address, self.readiness(pod), moment(self._clock.now()))
        if wanted != current:
            self._client.update(PODS, {**pod, "status": wanted}, "status")

    def _address(self, pod: Object, node: Object) -> str:
        if pod["spec"].get("hostNetwork"):
            return _node_address(node)
        used = {
            (each.get("status") or {}).get("podIP")
            for each in self._store.list(PODS)
            if each["spec"].get("nodeName") == node["metadata"]["name"]
        }
        return free_address((node.get("spec") or {}).get("podCIDR", ""), used)


def free_address(network: str, used: Iterable[str | None]) -> str:
    """The first address of a node's pod network that no pod has; the very first is the bridge's. Empty if none is left."""
    taken = set(used)
    if not network:
        return ""
    hosts = ip_network(network).hosts()
    next(hosts, None)
    return next((str(each) for each in hosts if str(each) not in taken), "")


def status_of(pod: Object, node: Object, address: str, ready: tuple[bool, str], now: str) -> Object:
    """The status of a pod that runs, as a kubelet of 1.36 writes it."""
    old = pod.get("status") or {}
    started = old.get("startTime") or now
    is_ready, _ = ready
    names = [each["name"] for each in pod["spec"].get("containers") or []]
    message = f"containers with unready status: [{' '.join(names)}]"
    unready = {} if is_ready else {"reason": "ContainersNotReady", "message": message}
    conditions = [
        *(_condition(pod, kind, now, ready=True) for kind in _FIRST),
        _condition(pod, "Ready", now, ready=is_ready, **unready),
        _condition(pod, "ContainersReady", now, ready=is_ready, **unready),
        _condition(pod, "PodScheduled", now, ready=True),
    ]
    host = _node_address(node)
    return {
        "conditions": conditions,
        "containerStatuses": [
            _container(pod, each, started, ready=is_ready)
            for each in pod["spec"].get("containers") or []
        ],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": "Running",
        **({"podIP": address, "podIPs": [{"ip": address}]} if address else {}),
        "qosClass": quality(pod["spec"]),
        "startTime": started,
    }


def quality(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos/qos.go)."""
    resources = [each.get("resources") or {} for each in spec.get("containers") or []]
    asked = [(each.get("requests") or {}, each.get("limits") or {}) for each in resources]
    if not any(requests or limits for requests, limits in asked):
        return "BestEffort"
    whole = all(
        {"cpu", "memory"} <= limits.keys()
        and all(requests.get(k, v) == v for k, v in limits.items())
        for requests, limits in asked
    )
    return "Guaranteed" if whole else "Burstable"


def _condition(pod: Object, kind: str, now: str, *, ready: bool, **why: str) -> Object:
    value = "True" if ready else "False"
    old = condition(pod, kind) or {}
    since = old.get("lastTransitionTime") if old.get("status") == value else None
    return {
        "lastProbeTime": None,
        "lastTransitionTime": since or now,
        **why,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "status": value,
        "type": kind,
    }


def _container(pod: Object, container: Object, started: str, *, ready: bool) -> Object:
    name = container["name"]
    known = (pod.get("status") or {}).get("containerStatuses") or []
    old = next((each for each in known if each.get("name") == name), None)
    image = container.get("image", "")
    made: Object = {
        "containerID": f"containerd://{_digest(pod['metadata']['uid'], name)}",
        "image": image,
        "imageID": f"sha256:{_digest(image)}",
        "lastState": {},
        "name": name,
        "resources": container.get("resources") or {},
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": started}},
    }
    return {**made, **(old or {}), "ready": ready}


def _digest(*words: str) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()


def _node_address(node: Object) -> str:
    addresses = (node.get("status") or {}).get("addresses") or []
    found = (each["address"] for each in addresses if each.get("type") == "InternalIP")
    return str(next(found, ""))
