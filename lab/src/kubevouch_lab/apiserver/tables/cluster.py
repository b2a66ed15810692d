"""Nodes, namespaces, what is kept in them, events, and who claims to be alive."""

from datetime import datetime

from kubevouch_lab.apiserver.tables.ages import UNKNOWN, since
from kubevouch_lab.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    Printer,
    age_of,
    at,
    condition,
    items,
    mapping,
    name_of,
    number,
    text,
    whole,
    wide,
)
from kubevouch_lab.objects import ReadOnlyObject

_ROLE_LABEL = "node-role.kubernetes.io/"


def _node(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ready = condition(thing, "Ready")
    status = ["Unknown"]
    if ready:
        status = ["Ready" if ready.get("status") == "True" else "NotReady"]
    if at(thing, "spec.unschedulable"):
        status.append("SchedulingDisabled")
    info = mapping(thing, "status.nodeInfo")
    kernel = text(info, "kernelVersion") or UNKNOWN
    if architecture := text(info, "architecture"):
        kernel = f"{kernel} ({architecture})"
    return [
        name_of(thing),
        ",".join(status),
        ",".join(_roles(thing)) or NONE,
        age_of(thing, now),
        text(info, "kubeletVersion"),
        _address(thing, "InternalIP"),
        _address(thing, "ExternalIP"),
        text(info, "osImage") or UNKNOWN,
        kernel,
        text(info, "containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(thing: ReadOnlyObject) -> list[str]:
    found = set()
    for key, value in mapping(thing, "metadata.labels").items():
        if key.startswith(_ROLE_LABEL):
            found.add(key.removeprefix(_ROLE_LABEL))
        elif key == "kubernetes.io/role":
            found.add(str(value))
    return sorted(filter(None, found))


def _address(thing: ReadOnlyObject, kind: str) -> str:
    for one in items(thing, "status.addresses"):
        if at(one, "type") == kind:
            return text(one, "address")
    return NONE


def _namespace(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [name_of(thing), text(thing, "status.phase"), age_of(thing, now)]


def _config_map(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    entries = len(mapping(thing, "data")) + len(mapping(thing, "binaryData"))
    return [name_of(thing), entries, age_of(thing, now)]


def _secret(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [name_of(thing), text(thing, "type"), len(mapping(thing, "data")), age_of(thing, now)]


def _plain(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [name_of(thing), age_of(thing, now)]


def _lease(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [name_of(thing), text(thing, "spec.holderIdentity"), age_of(thing, now)]


def _event(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    """An Event of v1, or of events.k8s.io/v1, where the same things have other names."""
    involved = at(thing, "involvedObject") or at(thing, "regarding")
    source = at(thing, "source") or at(thing, "deprecatedSource")
    first = _either(thing, "firstTimestamp", "deprecatedFirstTimestamp")
    last = _either(thing, "lastTimestamp", "deprecatedLastTimestamp")
    first_seen = since(first or at(thing, "eventTime"), now)
    last_seen = since(last, now) if last else first_seen
    count = whole(thing, "count") or whole(thing, "deprecatedCount") or 1
    if at(thing, "series") is not None:
        last_seen = since(at(thing, "series.lastObservedTime"), now)
        count = whole(thing, "series.count")
    kind, name = text(involved, "kind").lower(), text(involved, "name")
    controller = text(thing, "reportingComponent") or text(thing, "reportingController")
    where = text(source, "host") or text(thing, "reportingInstance")
    reporter = text(source, "component") or controller
    return [
        last_seen,
        text(thing, "type"),
        text(thing, "reason"),
        f"{kind}/{name}" if name else kind,
        text(involved, "fieldPath"),
        f"{reporter}, {where}" if where else reporter,
        (text(thing, "message") or text(thing, "note")).strip(),
        first_seen,
        count,
        name_of(thing),
    ]


def _either(thing: ReadOnlyObject, path: str, other: str) -> object:
    return at(thing, path) or at(thing, other)


def _resource_quota(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    used = mapping(thing, "status.used")
    requests: list[str] = []
    limits: list[str] = []
    for resource, hard in sorted(mapping(thing, "status.hard").items()):
        shown = f"{resource}: {used.get(resource, '0')}/{hard}"
        (limits if resource.startswith("limits.") else requests).append(shown)
    return [name_of(thing), ", ".join(requests), ", ".join(limits), age_of(thing, now)]


_ACCESS = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _claim(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    deleted = at(thing, "metadata.deletionTimestamp") is not None
    volume = text(thing, "spec.volumeName")
    modes = items(thing, "status.accessModes") if volume else []
    return [
        name_of(thing),
        "Terminating" if deleted else text(thing, "status.phase"),
        volume,
        (text(thing, "status.capacity.storage") or "0") if volume else "",
        ",".join(short for mode, short in _ACCESS.items() if mode in modes),
        text(thing, "spec.storageClassName"),
        _set(thing, "spec.volumeAttributesClassName"),
        age_of(thing, now),
        _set(thing, "spec.volumeMode"),
    ]


def _set(thing: ReadOnlyObject, path: str) -> str:
    return UNSET if at(thing, path) is None else text(thing, path)


def _priority_class(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [
        name_of(thing),
        whole(thing, "value"),
        bool(at(thing, "globalDefault")),
        age_of(thing, now),
        text(thing, "preemptionPolicy"),
    ]


NODE = Printer(
    (
        NAME,
        Column("Status", "Whether the node is ready, and whether pods may go there."),
        Column("Roles", "What the node is for."),
        AGE,
        Column("Version", "The version of its kubelet."),
        wide("Internal-IP", "Its address inside the cluster."),
        wide("External-IP", "Its address outside the cluster."),
        wide("OS-Image", "Its operating system."),
        wide("Kernel-Version", "Its kernel and architecture."),
        wide("Container-Runtime", "What runs its containers."),
    ),
    _node,
)
NAMESPACE = Printer((NAME, Column("Status", "Active or Terminating."), AGE), _namespace)
CONFIG_MAP = Printer((NAME, Column("Data", "How many entries it has."), AGE), _config_map)
SECRET = Printer(
    (NAME, Column("Type", "What it is for."), Column("Data", "How many entries it has."), AGE),
    _secret,
)
SERVICE_ACCOUNT = Printer((NAME, AGE), _plain)
LEASE = Printer((NAME, Column("Holder", "Who holds it."), AGE), _lease)
EVENT = Printer(
    (
        Column("Last Seen", "When it happened last."),
        Column("Type", "Normal or Warning."),
        Column("Reason", "One word for machines."),
        Column("Object", "What it is about."),
        wide("Subobject", "Which part of that."),
        wide("Source", "Who says so."),
        Column("Message", "A sentence for people."),
        wide("First Seen", "When it happened first."),
        wide("Count", "How often it happened."),
        Column("Name", NAME.description, format="name", priority=1),
    ),
    _event,
)
RESOURCE_QUOTA = Printer(
    (
        NAME,
        Column("Request", "What is asked for, of what may be."),
        Column("Limit", "What may be used, of what may be."),
        AGE,
    ),
    _resource_quota,
)
CLAIM = Printer(
    (
        NAME,
        Column("Status", "Whether a volume is bound to it."),
        Column("Volume", "The volume."),
        Column("Capacity", "The volume's size."),
        Column("Access Modes", "How the volume may be mounted."),
        Column("StorageClass", "Which storage it asks for."),
        Column("VolumeAttributesClass", "Which attributes it asks for."),
        AGE,
        wide("VolumeMode", "File system or block device."),
    ),
    _claim,
)
PRIORITY_CLASS = Printer(
    (
        NAME,
        number("Value", "The higher, the sooner."),
        Column("Global-Default", "Whether pods without a class have it.", "boolean"),
        AGE,
        Column("PreemptionPolicy", "Whether it drives others out."),
    ),
    _priority_class,
)
