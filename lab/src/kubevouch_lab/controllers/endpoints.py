"""EndpointSlices of Services that have a selector.

Source: staging/src/k8s.io/endpointslice/{reconciler,utils}.go.
"""

import hashlib

from kubevouch_lab.apiserver.kinds import ENDPOINT_SLICES, PODS, SERVICES
from kubevouch_lab.controllers.loop import Controller
from kubevouch_lab.controllers.owners import owner_reference
from kubevouch_lab.controllers.replica_sets import is_ready
from kubevouch_lab.objects import (
    Object,
    ip_family,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)

MANAGED = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
SERVICE = "kubernetes.io/service-name"


class EndpointsController(Controller):
    """Looks after changes of Services and pods."""

    kinds = (SERVICES, PODS, ENDPOINT_SLICES)

    def _one(self, thing: Object) -> None:
        if not (thing.get("spec") or {}).get("selector"):
            return
        space = namespace_of(thing)
        pods = [
            pod
            for pod in self._store.list(PODS, space)
            if _selected(thing, pod) and status_of(pod).get("podIP")
        ]
        made = slice_of(thing, pods)
        old = self._store.find(ENDPOINT_SLICES, name_of(made), space)
        if old is None:
            self._client.create(ENDPOINT_SLICES, made)
        elif any((old.get(key) or []) != made[key] for key in ("endpoints", "ports")):
            self._client.update(ENDPOINT_SLICES, {**old, **made, "metadata": old["metadata"]})


def slice_of(service: Object, pods: list[Object]) -> Object:
    """One slice for all of them, with the ports of the Service as the first pod has them."""
    declared = service["spec"].get("ports") or []
    ports = [found for each in declared for pod in pods[:1] if (found := _port(each, pod))]
    return _slice(service, ports, [_endpoint(service, pod) for pod in pods])


def _slice(service: Object, ports: list[Object], endpoints: list[Object]) -> Object:
    metadata = service["metadata"]
    name = metadata["name"]
    mark = hashlib.sha256(metadata["uid"].encode()).hexdigest()
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
    serving = is_ready(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    metadata = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or serving,
            "serving": serving,
            "terminating": False,
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
