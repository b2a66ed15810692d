"""What makes pods: deployments and their like."""

from datetime import datetime

from kubevouch_lab.apiserver.tables.ages import human_duration, moment, since
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
    boolean,
    condition,
    formatted_selector,
    items,
    labels,
    mapping,
    name_of,
    number,
    selector,
    text,
    whole,
    wide,
)
from kubevouch_lab.objects import ReadOnlyObject

_CONTAINERS = (
    wide("Containers", "The names of the template's containers."),
    wide("Images", "The images of the template's containers."),
)
_SELECTOR = wide("Selector", "Which pods belong to it.")
_TEMPLATE = "spec.template.spec.containers"


def _images(thing: ReadOnlyObject, path: str = _TEMPLATE) -> list[Cell]:
    containers = items(thing, path)
    return [
        ",".join(text(one, "name") for one in containers),
        ",".join(text(one, "image") for one in containers),
    ]


def _deployment(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    try:
        selected = selector(at(thing, "spec.selector"))
    except ValueError:
        selected = "<invalid>"
    return [
        name_of(thing),
        f"{whole(thing, 'status.readyReplicas')}/{whole(thing, 'spec.replicas')}",
        whole(thing, "status.updatedReplicas"),
        whole(thing, "status.availableReplicas"),
        age_of(thing, now),
        *_images(thing),
        selected,
    ]


def _replicas(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [
        name_of(thing),
        whole(thing, "spec.replicas"),
        whole(thing, "status.replicas"),
        whole(thing, "status.readyReplicas"),
        age_of(thing, now),
        *_images(thing),
    ]


def _replica_set(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [*_replicas(thing, now), formatted_selector(at(thing, "spec.selector"))]


def _replication_controller(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [*_replicas(thing, now), labels(mapping(thing, "spec.selector"))]


def _stateful_set(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    ready = f"{whole(thing, 'status.readyReplicas')}/{whole(thing, 'spec.replicas')}"
    return [name_of(thing), ready, age_of(thing, now), *_images(thing)]


_SCHEDULED = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon_set(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    return [
        name_of(thing),
        *(whole(thing, f"status.{counted}") for counted in _SCHEDULED),
        labels(mapping(thing, "spec.template.spec.nodeSelector")),
        age_of(thing, now),
        *_images(thing),
        formatted_selector(at(thing, "spec.selector")),
    ]


# In the order in which printJob looks for them; a job being deleted stands between Failed and Suspended.
_JOB = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def _job_status(thing: ReadOnlyObject) -> str:
    for kind, word in _JOB:
        found = condition(thing, kind) if kind else None
        deleted = not kind and at(thing, "metadata.deletionTimestamp") is not None
        if deleted or (found and found.get("status") == "True"):
            return word
    return "Running"


def _job(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    done, parallel = whole(thing, "status.succeeded"), whole(thing, "spec.parallelism")
    wanted = at(thing, "spec.completions")
    if wanted is not None:
        completions = f"{done}/{wanted}"
    else:
        completions = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    start, end = (moment(at(thing, f"status.{key}")) for key in ("startTime", "completionTime"))
    took = human_duration(((end or now) - start).total_seconds()) if start else ""
    return [
        name_of(thing),
        _job_status(thing),
        completions,
        took,
        age_of(thing, now),
        *_images(thing),
        formatted_selector(at(thing, "spec.selector")),
    ]


def _cron_job(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    zone, last = at(thing, "spec.timeZone"), at(thing, "status.lastScheduleTime")
    return [
        name_of(thing),
        text(thing, "spec.schedule"),
        NONE if zone is None else zone,
        boolean(at(thing, "spec.suspend")),
        len(items(thing, "status.active")),
        NONE if last is None else since(last, now),
        age_of(thing, now),
        *_images(thing, "spec.jobTemplate.spec.template.spec.containers"),
        formatted_selector(at(thing, "spec.jobTemplate.spec.selector")),
    ]


def _disruption_budget(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    bounds = (at(thing, f"spec.{key}") for key in ("minAvailable", "maxUnavailable"))
    allowed = whole(thing, "status.disruptionsAllowed")
    shown = ("N/A" if bound is None else str(bound) for bound in bounds)
    return [name_of(thing), *shown, allowed, age_of(thing, now)]


def _controller_revision(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    owners = [one for one in items(thing, "metadata.ownerReferences") if at(one, "controller")]
    owner = NONE
    if owners:
        group = text(owners[0], "apiVersion").rpartition("/")[0]
        kind = text(owners[0], "kind").lower()
        owner = f"{kind}.{group}" if group else kind
        owner = f"{owner}/{text(owners[0], 'name')}"
    return [name_of(thing), owner, whole(thing, "revision"), age_of(thing, now)]


def _scale(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    """As printScale of printersinternal shows it: what stands as available is status.replicas."""
    counted = [int(at(thing, f"{part}.replicas") or 0) for part in ("spec", "status")]
    return [name_of(thing), *counted, age_of(thing, now)]


def _autoscaler(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    """The targets are shown only as far as resources go: no metrics pipeline here sets others."""
    target = f"{text(thing, 'spec.scaleTargetRef.kind')}/{text(thing, 'spec.scaleTargetRef.name')}"
    current = items(thing, "status.currentMetrics")
    targets = []
    for index, metric in enumerate(items(thing, "spec.metrics")):
        now_used = at(current[index], "resource.current") if index < len(current) else None
        wanted = at(metric, "resource.target")
        shown = f"{_utilization(now_used, '<unknown>')}/{_utilization(wanted, '<auto>')}"
        targets.append(f"{text(metric, 'resource.name')}: {shown}")
    least = at(thing, "spec.minReplicas")
    more = f" + {len(targets) - 2} more..." if len(targets) > 2 else ""
    return [
        name_of(thing),
        target,
        (", ".join(targets[:2]) + more) or NONE,
        UNSET if least is None else str(least),
        whole(thing, "spec.maxReplicas"),
        whole(thing, "status.currentReplicas"),
        age_of(thing, now),
    ]


def _utilization(value: object, absent: str) -> str:
    if average := text(value, "averageValue"):
        return average
    percent = at(value, "averageUtilization")
    return absent if percent is None else f"{percent}%"


_COUNTED = (
    number("Desired", "How many pods there should be."),
    number("Current", "How many pods there are."),
    number("Ready", "How many pods are ready."),
)

DEPLOYMENT = Printer(
    (
        NAME,
        Column("Ready", "How many of its pods are ready, of how many."),
        Column("Up-to-date", "How many pods are of the newest template."),
        Column("Available", "How many pods have been ready for long enough."),
        AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    _deployment,
)
REPLICA_SET = Printer((NAME, *_COUNTED, AGE, *_CONTAINERS, _SELECTOR), _replica_set)
REPLICATION_CONTROLLER = Printer(
    (NAME, *_COUNTED, AGE, *_CONTAINERS, _SELECTOR), _replication_controller
)
STATEFUL_SET = Printer(
    (NAME, Column("Ready", "How many of its pods are ready, of how many."), AGE, *_CONTAINERS),
    _stateful_set,
)
DAEMON_SET = Printer(
    (
        NAME,
        *_COUNTED,
        number("Up-to-date", "How many nodes run a pod of the newest template."),
        number("Available", "How many pods have been ready for long enough."),
        Column("Node Selector", "Which nodes it is for."),
        AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    _daemon_set,
)
JOB = Printer(
    (
        NAME,
        Column("Status", "How it stands with the job."),
        Column("Completions", "How many pods have succeeded, of how many."),
        Column("Duration", "How long it took, or has taken so far."),
        AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    _job,
)
CRON_JOB = Printer(
    (
        NAME,
        Column("Schedule", "When it runs."),
        Column("Timezone", "The time zone of the schedule."),
        Column("Suspend", "Whether it rests.", "boolean"),
        number("Active", "How many of its jobs run."),
        Column("Last Schedule", "When it ran last."),
        AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    _cron_job,
)
DISRUPTION_BUDGET = Printer(
    (
        NAME,
        Column("Min Available", "How many pods must stay."),
        Column("Max Unavailable", "How many pods may be away."),
        number("Allowed Disruptions", "How many pods may be taken now."),
        AGE,
    ),
    _disruption_budget,
)
CONTROLLER_REVISION = Printer(
    (
        NAME,
        Column("Controller", "Whose state it is."),
        Column("Revision", "Its place in time."),
        AGE,
    ),
    _controller_revision,
)
SCALE = Printer(
    (
        NAME,
        number("Desired", "How many pods are wanted."),
        number("Available", "How many pods there are."),
        AGE,
    ),
    _scale,
)
AUTOSCALER = Printer(
    (
        NAME,
        Column("Reference", "What it scales."),
        Column("Targets", "What is used now, of what is wanted."),
        Column("MinPods", "The fewest pods."),
        Column("MaxPods", "The most pods."),
        Column("Replicas", "How many there are."),
        AGE,
    ),
    _autoscaler,
)
