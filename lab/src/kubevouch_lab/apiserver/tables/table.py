"""meta.k8s.io Table documents."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.tables import authority, cluster, network, pods, workloads
from kubevouch_lab.apiserver.tables.ages import moment
from kubevouch_lab.apiserver.tables.columns import NAME, Cell, Column, Printer, at, name_of
from kubevouch_lab.objects import ReadOnlyObject

IncludeObject = Literal["None", "Metadata", "Object"]


def _default(thing: ReadOnlyObject, _: datetime) -> list[Cell]:
    created = moment(at(thing, "metadata.creationTimestamp"))
    # Go's zero time, as apiserver formats it
    shown = f"{created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if created else "0001-01-01T00:00:00Z"
    return [name_of(thing), shown]


DEFAULT = Printer((NAME, Column("Created At", "When it was created.", "date")), _default)

_APPS, _RBAC, _ADMISSION = "apps", "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
_PRINTERS: Mapping[tuple[str, str], Printer] = {
    ("", "nodes"): cluster.NODE,
    ("", "namespaces"): cluster.NAMESPACE,
    ("", "pods"): pods.POD,
    ("", "services"): network.SERVICE,
    ("", "endpoints"): network.ENDPOINTS,
    ("", "configmaps"): cluster.CONFIG_MAP,
    ("", "secrets"): cluster.SECRET,
    ("", "serviceaccounts"): cluster.SERVICE_ACCOUNT,
    ("", "events"): cluster.EVENT,
    ("", "replicationcontrollers"): workloads.REPLICATION_CONTROLLER,
    ("", "persistentvolumeclaims"): cluster.CLAIM,
    ("", "resourcequotas"): cluster.RESOURCE_QUOTA,
    (_APPS, "deployments"): workloads.DEPLOYMENT,
    (_APPS, "replicasets"): workloads.REPLICA_SET,
    (_APPS, "daemonsets"): workloads.DAEMON_SET,
    (_APPS, "statefulsets"): workloads.STATEFUL_SET,
    (_APPS, "controllerrevisions"): workloads.CONTROLLER_REVISION,
    ("batch", "jobs"): workloads.JOB,
    ("batch", "cronjobs"): workloads.CRON_JOB,
    ("autoscaling", "horizontalpodautoscalers"): workloads.AUTOSCALER,
    ("coordination.k8s.io", "leases"): cluster.LEASE,
    ("certificates.k8s.io", "certificatesigningrequests"): authority.REQUEST,
    (_RBAC, "rolebindings"): authority.BINDING,
    (_RBAC, "clusterrolebindings"): authority.BINDING,
    ("discovery.k8s.io", "endpointslices"): network.ENDPOINT_SLICE,
    ("apiregistration.k8s.io", "apiservices"): authority.API_SERVICE,
    ("events.k8s.io", "events"): cluster.EVENT,
    ("networking.k8s.io", "networkpolicies"): network.NETWORK_POLICY,
    ("policy", "poddisruptionbudgets"): workloads.DISRUPTION_BUDGET,
    ("scheduling.k8s.io", "priorityclasses"): cluster.PRIORITY_CLASS,
    (_ADMISSION, "validatingadmissionpolicies"): authority.POLICY,
    (_ADMISSION, "validatingadmissionpolicybindings"): authority.POLICY_BINDING,
    (_ADMISSION, "mutatingwebhookconfigurations"): authority.WEBHOOKS,
    (_ADMISSION, "validatingwebhookconfigurations"): authority.WEBHOOKS,
}


def _printer(kind: Kind) -> Printer:
    return _PRINTERS.get((kind.group, kind.plural), DEFAULT)


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The columns of a kind's table, wide ones included."""
    return _printer(kind).columns


def table_for(
    kind: Kind,
    objects: Iterable[ReadOnlyObject],
    *,
    list_metadata: Mapping[str, Any],
    include_object: IncludeObject | None,
    now: datetime,
    headers: bool = True,
    version: str = "v1",
) -> dict[str, Any]:
    """A `meta.k8s.io/<version>` Table.

    list_metadata: the metadata of the list (resourceVersion, continue, remainingItemCount); for one object its
    resourceVersion. include_object: the query parameter; None and "Metadata" give PartialObjectMetadata.
    headers: False leaves the columns out, as a watch does after its first event.
    """
    things = list(objects)
    # The one subresource whose objects are of a kind that no path of its own leads to.
    is_scale = any(thing.get("kind") == "Scale" for thing in things)
    printer = workloads.SCALE if is_scale else _printer(kind)
    rows = []
    for thing in things:
        row: dict[str, Any] = {"cells": printer.row(thing, now)}
        if printer is pods.POD and (conditions := pods.completed(thing)):
            row["conditions"] = conditions
        rows.append({**row, "object": _included(thing, include_object, version)})
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(list_metadata),
        "columnDefinitions": [column.body() for column in printer.columns] if headers else None,
        "rows": rows,
    }


def _included(thing: ReadOnlyObject, include_object: IncludeObject | None, version: str) -> Any:  # noqa: ANN401 - JSON
    if include_object == "None":
        return None
    if include_object == "Object":
        return thing
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": at(thing, "metadata"),
    }
