"""Pods: pkg/apis/core/v1/defaults.go, pkg/registry/core/pod, and the admission plugins that fill a pod's spec."""

from datetime import datetime
from typing import Any

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.registry.fields import below, default, forbidden, items, required
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, status_of

_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CONTAINERS = ("containers", "initContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_MODE = 0o644


def defaulted_pod_spec(spec: Object) -> None:
    """Fills what every pod's spec has, in place."""
    default(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for containers in _CONTAINERS:
        for container in items(spec, containers):
            _default_container(container)
    for volume in items(spec, "volumes"):
        _default_volume(volume)


def _default_container(container: Object) -> None:
    image = container.get("image") or ""
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    default(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest and "@" not in image else "IfNotPresent",
        resources={},
    )
    for port in items(container, "ports"):
        default(port, protocol="TCP")
    for name in _PROBES:
        probe = container.get(name)
        if probe:
            default(
                probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3
            )
            if probe.get("httpGet"):
                default(probe["httpGet"], path="/", scheme="HTTP")
    for variable in items(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            default(reference, apiVersion="v1")


def _default_volume(volume: Object) -> None:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(source) is not None:
            default(volume[source], defaultMode=_FILE_MODE)
    if volume.get("hostPath") is not None:
        default(volume["hostPath"], type="")


def pod_spec_causes(spec: Object, path: str) -> list[Cause]:
    """What is missing in a pod's spec."""
    if not items(spec, "containers"):
        return [required(f"{path}.containers")]
    causes = []
    for index, container in enumerate(items(spec, "containers")):
        where = f"{path}.containers[{index}]"
        causes += [
            required(f"{where}.{key}") for key in ("name", "image") if not container.get(key)
        ]
    return causes


class Pods(Strategy):
    """Pods are bound once, and hardly changed after."""

    returns_deleted = True

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """A pod starts Pending."""
        del kind, info, now
        spec = below(new, "spec")
        account = spec.get("serviceAccountName") or spec.get("serviceAccount")
        if account:
            # The old name of the same field; who gives a pod its account is an admission plugin.
            spec["serviceAccountName"] = spec["serviceAccount"] = account
        default(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
        _default_tolerations(spec)
        defaulted_pod_spec(spec)
        new["status"] = {"phase": "Pending", "qosClass": quality(spec)}
        return new

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """A bound pod's spec stays, but for images and the like."""
        del kind
        causes = pod_spec_causes(new["spec"], "spec")
        if old and _fixed(old["spec"]) != _fixed(new["spec"]) and not _binds(old, new):
            causes.append(forbidden("spec", _MUTABLE))
        return causes

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """Binding writes the node and the condition that says so."""
        if info.subresource == "binding":
            conditions = [*items(status_of(old), "conditions"), _scheduled(now)]
            return {**new, "status": {**status_of(old), "conditions": conditions}}
        return super().update(kind, info, old, new, now)

    def taken(self, kind: Kind, info: RequestInfo, old: Object, body: Object) -> Object:
        """A Binding means the pod with a node's name."""
        del kind
        if info.subresource != "binding":
            return body
        node = (body.get("target") or {}).get("name", "")
        bound = old["spec"].get("nodeName", "")
        if not node:
            cause = required("target.name")
            raise status.invalid("", "Binding", info.name, [cause])
        if bound:
            why = f'pod {info.name} is already assigned to node "{bound}"'
            raise status.conflict("", "pods/binding", info.name, why)
        return {**old, "spec": {**old["spec"], "nodeName": node}}


def _scheduled(now: datetime) -> Object:
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    return {**condition, "lastTransitionTime": moment(now)}


def _binds(old: Object, new: Object) -> bool:
    bound = {**old["spec"], "nodeName": new["spec"].get("nodeName")}
    return not old["spec"].get("nodeName") and _fixed(bound) == _fixed(new["spec"])


def _fixed(spec: Object) -> Object:
    """The part of a spec that no update may change."""
    kept: Object = {
        key: value
        for key, value in spec.items()
        if key not in {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}
    }
    for containers in _CONTAINERS:
        if containers in kept:
            kept[containers] = [{**each, "image": ""} for each in items(kept, containers)]
    return kept


def _default_tolerations(spec: Object) -> None:
    """Admission plugin DefaultTolerationSeconds."""
    tolerations = items(spec, "tolerations")
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if any(each.get("key") in {key, None, ""} for each in tolerations):
            continue
        tolerations.append(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        )
    spec["tolerations"] = tolerations


def quality(spec: Object) -> str:
    """The QoS class (pkg/apis/core/v1/helper/qos): by requests and limits of cpu and memory."""
    some, guaranteed = False, True
    for container in (each for name in _CONTAINERS for each in items(spec, name)):
        resources: Any = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for what in ("cpu", "memory"):
            some = some or what in limits or what in requests
            asked = requests.get(what, limits.get(what))
            guaranteed = guaranteed and what in limits and asked == limits[what]
    if not some:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
