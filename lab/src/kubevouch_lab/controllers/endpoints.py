"""EndpointsController and EndpointSlices of Services that have a selector.

Sources: pkg/controller/endpoint/endpoints_controller.go, staging/src/k8s.io/endpointslice/{reconciler,utils}.go.
"""

import hashlib
from collections import defaultdict

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import attempt, reconcile
from kubevouch_lab.controllers.owners import owner_reference
from kubevouch_lab.controllers.replica_sets import is_ready
from kubevouch_lab.objects import (
    Object,
    annotations_of,
    ip_family,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)

MANAGED = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
SERVICE = "kubernetes.io/service-name"
_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"


class EndpointsController:
    """Looks after changes of Services and pods."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (SERVICES, PODS, ENDPOINT_SLICES)
        await reconcile(self._store, kinds, self.sync, clock=self._clock)

    def sync(self) -> None:
        """Every Service with a selector, once."""
        for service in self._store.list(SERVICES):
            if (service.get("spec") or {}).get("selector"):
                attempt(lambda found=service: self._one(found))  # type: ignore[misc]

    def _one(self, service: Object) -> None:
        space = namespace_of(service)
        pods = [
            pod
            for pod in self._store.list(PODS, space)
            if _selected(service, pod) and status_of(pod).get("podIP")
        ]
        slices = slices_of(service, pods)
        self._keep_slices(service, slices)
        self._keep_endpoints(service, slices)

    def _keep_slices(self, service: Object, wanted: list[Object]) -> None:
        space, name = namespace_of(service), name_of(service)
        present = {
            name_of(each): each
            for each in self._store.list(ENDPOINT_SLICES, space)
            if labels_of(each).get(SERVICE) == name and labels_of(each).get(MANAGED) == CONTROLLER
        }
        for each in wanted:
            old = present.pop(name_of(each), None)
            self._keep(ENDPOINT_SLICES, old, each, ("endpoints", "ports"))
        for gone in present:
            self._client.delete(ENDPOINT_SLICES, gone, space)

    def _keep_endpoints(self, service: Object, slices: list[Object]) -> None:
        metadata = service["metadata"]
        old = self._store.find(ENDPOINTS, metadata["name"], metadata["namespace"])
        labels = {
            **(metadata.get("labels") or {}),
            "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        }
        made = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "labels": labels,
            },
            "subsets": [found for each in slices if (found := subset(each))],
        }
        self._keep(ENDPOINTS, old, made, ("subsets",))

    def _keep(self, kind: Kind, old: Object | None, made: Object, keys: tuple[str, ...]) -> None:
        """Writes it if it is new, or if one of these keys has changed."""
        if old is not None and all((old.get(key) or []) == (made.get(key) or []) for key in keys):
            return
        noted = {**annotations_of(made), _TRIGGER: moment(self._clock.now())}
        if old is None:
            metadata = {**made["metadata"], "annotations": noted}
            self._client.create(kind, {**made, "metadata": metadata})
        else:
            metadata = {**old["metadata"], "annotations": noted}
            self._client.update(kind, {**old, **made, "metadata": metadata})


def slices_of(service: Object, pods: list[Object]) -> list[Object]:
    """One slice for each set of port numbers that the pods have behind the Service's ports."""
    by_ports: dict[str, tuple[list[Object], list[Object]]] = defaultdict(lambda: ([], []))
    for pod in pods:
        ports = [
            found for each in service["spec"].get("ports") or [] if (found := _port(each, pod))
        ]
        by_ports[repr(ports)][0][:] = ports
        by_ports[repr(ports)][1].append(_endpoint(service, pod))
    if not by_ports:
        by_ports[""] = ([], [])
    return [_slice(service, *found) for found in by_ports.values()]


def subset(found: Object) -> Object:
    """A subset of an EndpointsController object, of a slice; empty where nothing is."""
    ready: list[Object] = []
    not_ready: list[Object] = []
    for each in found["endpoints"]:
        address = {
            "ip": each["addresses"][0],
            "nodeName": each["nodeName"],
            "targetRef": each["targetRef"],
        }
        (ready if each["conditions"]["ready"] else not_ready).append(address)
    if not ready and not not_ready:
        return {}
    parts = {"addresses": ready, "notReadyAddresses": not_ready, "ports": found["ports"]}
    return {key: value for key, value in parts.items() if value}


def _slice(service: Object, ports: list[Object], endpoints: list[Object]) -> Object:
    metadata = service["metadata"]
    name = metadata["name"]
    mark = hashlib.sha256(f"{metadata['uid']}{ports!r}".encode()).hexdigest()
    letters = "".join("bcdfghjklmnpqrst"[int(digit, 16)] for digit in mark[:5])
    labels = {**(metadata.get("labels") or {}), MANAGED: CONTROLLER, SERVICE: name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{letters}",
            "generateName": f"{name}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [
                owner_reference({"apiVersion": "v1", "kind": "Service", **service})
            ],
        },
        "addressType": ip_family(endpoints[0]["addresses"][0]) if endpoints else "IPv4",
        "endpoints": sorted(endpoints, key=lambda each: str(each["targetRef"]["name"])),
        "ports": ports,
    }


def _endpoint(service: Object, pod: Object) -> Object:
    terminating = "deletionTimestamp" in pod["metadata"]
    serving = is_ready(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    metadata = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }


def _port(declared: Object, pod: Object) -> Object | None:
    """A port of the Service as this pod has it; None if the pod has no port of that name."""
    target = declared.get("targetPort", declared["port"])
    number: int | None
    if isinstance(target, int):
        number = target or declared["port"]
    else:
        number = next(
            (
                port["containerPort"]
                for container in pod["spec"].get("containers") or []
                for port in container.get("ports") or []
                if port.get("name") == target
            ),
            None,
        )
    if number is None:
        return None
    made = {
        "name": declared.get("name", ""),
        "port": number,
        "protocol": declared.get("protocol") or "TCP",
    }
    return made | ({"appProtocol": declared["appProtocol"]} if declared.get("appProtocol") else {})


def _selected(service: Object, pod: Object) -> bool:
    phase = status_of(pod).get("phase")
    labels = labels_of(pod)
    return service["spec"]["selector"].items() <= labels.items() and phase not in {
        "Succeeded",
        "Failed",
    }
