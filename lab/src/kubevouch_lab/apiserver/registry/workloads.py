"""Deployments and their like: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, and the Scale of each."""

from datetime import datetime

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.registry.fields import (
    below,
    default,
    immutable,
    items,
    refused,
    required,
)
from kubevouch_lab.apiserver.registry.pods import defaulted_pod_spec, pod_spec_causes
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, status_of


class Workloads(Strategy):
    """What has a selector and a template of pods."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Its status is nobody's yet."""
        new = super().create(kind, info, new, now)
        _default(kind, below(new, "spec"))
        return {**new, "status": {} if kind.kind == "Deployment" else _no_pods(kind)}

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Defaults come first, so that they are no change of the spec."""
        _default(kind, below(new, "spec"))
        return super().main(kind, old, new)

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """The selector is there, selects the template, and stays."""
        spec = new["spec"]
        selector, template = spec.get("selector"), spec.get("template") or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        causes: list[Cause] = []
        if selector is None:
            causes.append(required("spec.selector"))
        elif wrong := _unreadable(selector):
            causes += wrong
        elif not selected_by(selector)({"metadata": {"labels": labels}}):
            why = "`selector` does not match template `labels`"
            causes.append(refused("spec.template.metadata.labels", labels, why))
        causes += pod_spec_causes(template.get("spec") or {}, "spec.template.spec")
        if old is not None:
            causes += immutable("spec.selector", old["spec"].get("selector"), selector)
        if kind.subresource("scale") and spec.get("replicas", 0) < 0:
            why = "must be greater than or equal to 0"
            causes.append(refused("spec.replicas", spec["replicas"], why))
        return causes

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """A Scale changes the spec as the main path does."""
        if info.subresource == "scale":
            return self.main(kind, old, new)
        return super().update(kind, info, old, new, now)

    def shown(self, kind: Kind, info: RequestInfo, thing: Object) -> Object:
        """The Scale of it."""
        del kind
        return _scale(thing) if info.subresource == "scale" else thing

    def taken(self, kind: Kind, info: RequestInfo, old: Object, body: Object) -> Object:
        """A Scale means the object with another count."""
        del kind
        if info.subresource != "scale":
            return body
        replicas = (body.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            why = "must be greater than or equal to 0"
            cause = refused("spec.replicas", replicas, why)
            raise status.invalid("autoscaling", "Scale", info.name, [cause])
        metadata = {**old["metadata"], "resourceVersion": _version(body)}
        return {**old, "metadata": metadata, "spec": {**old["spec"], "replicas": replicas}}


def _unreadable(selector: Object) -> list[Cause]:
    """As apimachinery's ValidateLabelSelectorRequirement, as far as operators go."""
    return [
        refused(
            f"spec.selector.matchExpressions[{index}].operator",
            each.get("operator", ""),
            "not a valid selector operator",
        )
        for index, each in enumerate(items(selector, "matchExpressions"))
        if each.get("operator") not in {"In", "NotIn", "Exists", "DoesNotExist"}
    ]


def _version(body: Object) -> str:
    return (body.get("metadata") or {}).get("resourceVersion") or ""


def _default(kind: Kind, spec: Object) -> None:
    rolling = {"type": "RollingUpdate"}
    match kind.kind:
        case "Deployment":
            bounds = {"maxUnavailable": "25%", "maxSurge": "25%"}
            default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
            default(spec, strategy={})
            default(spec["strategy"], type="RollingUpdate")
            if spec["strategy"]["type"] == "RollingUpdate":
                default(below(spec["strategy"], "rollingUpdate"), **bounds)
        case "ReplicaSet":
            default(spec, replicas=1)
        case "DaemonSet":
            bounds_of_nodes = {"maxUnavailable": 1, "maxSurge": 0}
            default(spec, revisionHistoryLimit=10, updateStrategy={})
            default(spec["updateStrategy"], type="RollingUpdate")
            if spec["updateStrategy"]["type"] == "RollingUpdate":
                default(below(spec["updateStrategy"], "rollingUpdate"), **bounds_of_nodes)
        case "StatefulSet":
            default(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
            default(spec, updateStrategy={**rolling, "rollingUpdate": {"partition": 0}})
    defaulted_pod_spec(below(below(spec, "template"), "spec"))


def _no_pods(kind: Kind) -> Object:
    if kind.kind == "DaemonSet":
        counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled")
        return dict.fromkeys((*counts, "numberReady"), 0)
    return {"replicas": 0}


def _scale(thing: Object) -> Object:
    metadata = thing["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = (thing["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": thing["spec"].get("replicas", 0)},
        "status": {
            "replicas": status_of(thing).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
        },
    }
