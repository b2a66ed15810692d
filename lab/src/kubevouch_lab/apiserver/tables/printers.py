"""The columns and cells of each kind, besides its name. Kinds that stand not here show when they were created."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kubevouch_lab.apiserver.tables.cells import (
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    at,
    condition,
    human_duration,
    items,
    labels,
    mapping,
    shortened,
    since,
    text,
    whole,
)
from kubevouch_lab.apiserver.tables.pods import pod_cells
from kubevouch_lab.objects import ReadOnlyObject

Row = Callable[[ReadOnlyObject, datetime], list[Cell]]


@dataclass(frozen=True)
class Printer:
    """columns: their names, with commas between; `|` stands before those of the wide form, `#` before integers."""

    columns: str
    row: Row


def _age(thing: ReadOnlyObject, now: datetime) -> str:
    return since(at(thing, "metadata.creationTimestamp"), now)


def _paths(*paths: str) -> Row:
    """What stands at each path: a text, how many there are in a collection, or an age for ''."""

    def cell(thing: ReadOnlyObject, path: str) -> Cell:
        found = at(thing, path)
        if isinstance(found, Mapping | list):
            return len(found)
        return "" if found is None else found

    return lambda thing, now: [cell(thing, path) if path else _age(thing, now) for path in paths]


def _node(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ready = condition(thing, "Ready")
    status = "Unknown" if not ready else "Ready" if ready == "True" else "NotReady"
    roles = sorted(
        key.removeprefix("node-role.kubernetes.io/")
        for key in mapping(thing, "metadata.labels")
        if key.startswith("node-role.kubernetes.io/")
    )
    addresses = {text(each, "type"): text(each, "address") for each in _addresses(thing)}
    info = mapping(thing, "status.nodeInfo")
    kernel, machine = text(info, "kernelVersion"), text(info, "architecture")
    return [
        status + (",SchedulingDisabled" if at(thing, "spec.unschedulable") else ""),
        ",".join(roles) or NONE,
        _age(thing, now),
        text(info, "kubeletVersion"),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        text(info, "osImage") or UNKNOWN,
        f"{kernel} ({machine})" if kernel else UNKNOWN,
        text(info, "containerRuntimeVersion") or UNKNOWN,
    ]


def _addresses(node: ReadOnlyObject) -> list[ReadOnlyObject]:
    """The last first, so that of each type the first counts."""
    return list(reversed(items(node, "status.addresses")))


def _config_map(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [len(mapping(thing, "data")) + len(mapping(thing, "binaryData")), _age(thing, now)]


def _event(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    """An Event of v1, or of events.k8s.io/v1, where the same things have other names."""
    involved = at(thing, "involvedObject") or at(thing, "regarding")
    last = at(thing, "lastTimestamp") or at(thing, "deprecatedLastTimestamp")
    moment = at(thing, "series.lastObservedTime") or last or at(thing, "eventTime")
    return [
        since(moment, now),
        text(thing, "type"),
        text(thing, "reason"),
        f"{text(involved, 'kind').lower()}/{text(involved, 'name')}",
        (text(thing, "message") or text(thing, "note")).strip(),
    ]


def _service(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ports = [
        f"{text(port, 'port')}/{text(port, 'protocol')}" for port in items(thing, "spec.ports")
    ]
    return [
        text(thing, "spec.type"),
        text(thing, "spec.clusterIP") or NONE,
        text(thing, "spec.externalName") or NONE,
        ",".join(ports) or NONE,
        _age(thing, now),
        labels(mapping(thing, "spec.selector")),
    ]


def _endpoint_slice(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ports = [text(each, "port") for each in items(thing, "ports")]
    found = [ip for each in items(thing, "endpoints") for ip in items(each, "addresses")]
    shown = shortened(ports, UNSET), shortened(list(map(str, found)), UNSET)
    return [text(thing, "addressType"), *shown, _age(thing, now)]


def _deployment(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    containers = items(thing, "spec.template.spec.containers")
    return [
        f"{whole(thing, 'status.readyReplicas')}/{whole(thing, 'spec.replicas')}",
        whole(thing, "status.updatedReplicas"),
        whole(thing, "status.availableReplicas"),
        _age(thing, now),
        ",".join(text(each, "name") for each in containers),
        ",".join(text(each, "image") for each in containers),
        labels(mapping(thing, "spec.selector.matchLabels")),
    ]


def _request(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    seconds = at(thing, "spec.expirationSeconds")
    types = {text(one, "type") for one in items(thing, "status.conditions")}
    decided = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    failed = ",Failed" if "Failed" in types else ""
    issued = ",Issued" if text(thing, "status.certificate") else ""
    return [
        _age(thing, now),
        text(thing, "spec.signerName") or NONE,
        text(thing, "spec.username"),
        human_duration(seconds) if isinstance(seconds, int) else NONE,
        decided + failed + issued,
    ]


def _api_service(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    service = at(thing, "spec.service")
    where = f"{text(service, 'namespace')}/{text(service, 'name')}" if service else "Local"
    found = [
        each for each in items(thing, "status.conditions") if text(each, "type") == "Available"
    ]
    status = text(found[-1], "status") if found else "Unknown"
    reason = text(found[-1], "reason") if found and status != "True" else ""
    return [where, f"{status} ({reason})" if reason else status, _age(thing, now)]


PRINTERS: Mapping[str, Printer] = {
    "nodes": Printer(
        "Status,Roles,Age,Version,|Internal-IP,|External-IP,|OS-Image,|Kernel-Version,|Container-Runtime",
        _node,
    ),
    "namespaces": Printer("Status,Age", _paths("status.phase", "")),
    "pods": Printer(
        "Ready,Status,Restarts,Age,|IP,|Node,|Nominated Node,|Readiness Gates", pod_cells
    ),
    "services": Printer("Type,Cluster-IP,External-IP,Port(s),Age,|Selector", _service),
    "endpointslices": Printer("AddressType,Ports,Endpoints,Age", _endpoint_slice),
    "configmaps": Printer("#Data,Age", _config_map),
    "secrets": Printer("Type,#Data,Age", _paths("type", "data", "")),
    "events": Printer("Last Seen,Type,Reason,Object,Message", _event),
    "deployments": Printer(
        "Ready,#Up-to-date,#Available,Age,|Containers,|Images,|Selector", _deployment
    ),
    "leases": Printer("Holder,Age", _paths("spec.holderIdentity", "")),
    "certificatesigningrequests": Printer(
        "Age,SignerName,Requestor,RequestedDuration,Condition", _request
    ),
    "apiservices": Printer("Service,Available,Age", _api_service),
}
OTHERS = Printer(
    "Created At", lambda thing, _: [text(thing, "metadata.creationTimestamp") or UNKNOWN]
)
