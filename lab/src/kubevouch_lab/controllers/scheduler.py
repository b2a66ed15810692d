"""Which node a pod goes to: a small scheduler. Pure, and the loop that binds.

Ready nodes whose taints are tolerated, whose labels fit nodeSelector, and on which no pod is that a required
anti-affinity by host name keeps apart; of those the one with the fewest pods of the same owner, then with the fewest.
Resources, volumes, preemption and preferences are not looked at.

Texts: pkg/scheduler/framework/plugins and pkg/scheduler/framework/types.go (FitError).
"""

from collections import Counter

from kubevouch_lab.apiserver.kinds import NODES, PODS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.controllers.loop import Controller, attempt_each
from kubevouch_lab.controllers.owners import controller_uid
from kubevouch_lab.objects import Object, condition, labels_of, name_of, namespace_of, status_of

_HARD = frozenset({"NoSchedule", "NoExecute"})
_HOST = "kubernetes.io/hostname"


class Scheduler(Controller):
    """Binds pods that have no node."""

    kinds = (PODS, NODES)

    def sync(self) -> float | None:
        """Every pod that waits, once; again in five seconds while one waits, for what failed."""
        attempt_each(self._store.pods_of(""), self._one)
        return 5.0 if self._store.pods_of("") else None

    def _one(self, thing: Object) -> None:
        nodes = self._store.list(NODES)
        pods = self._store.list(PODS)
        against = {name_of(node): objection(thing, node, pods) for node in nodes}
        free = [name for name, why in against.items() if not why]
        if free:
            self._bind(thing, least_loaded(thing, free, pods))
        else:
            self._note(thing, fit_error(against))

    def _bind(self, pod: Object, node: str) -> None:
        name, space = name_of(pod), namespace_of(pod)
        if condition(pod, "PodScheduled"):
            self._client.update(PODS, _with_conditions(pod, []), "status")
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"metadata": {"name": name, "namespace": space}, "target": target}
        self._client.update(PODS, binding, "binding")

    def _note(self, pod: Object, why: str) -> None:
        """The condition PodScheduled says why it waits."""
        old = condition(pod, "PodScheduled") or {}
        if (old.get("status"), old.get("message")) == ("False", why):
            return
        made = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": why,
            "lastProbeTime": None,
            "lastTransitionTime": old.get("lastTransitionTime") or moment(self._clock.now()),
        }
        self._client.update(PODS, _with_conditions(pod, [made]), "status")


def _with_conditions(pod: Object, made: list[Object]) -> Object:
    """The pod with its condition PodScheduled replaced."""
    status = status_of(pod)
    others = [each for each in status.get("conditions") or [] if each["type"] != "PodScheduled"]
    return {**pod, "status": {**status, "conditions": [*others, *made]}}


def objection(pod: Object, node: Object, pods: list[Object]) -> str:
    """Why a pod cannot go to a node, in the scheduler's words; empty if it can."""
    spec, name = node.get("spec") or {}, name_of(node)
    if spec.get("unschedulable"):
        return "were unschedulable"
    labels = labels_of(node)
    if not (pod["spec"].get("nodeSelector") or {}).items() <= labels.items():
        return "didn't match Pod's node affinity/selector"
    tolerations = pod["spec"].get("tolerations") or []
    for taint in spec.get("taints") or []:
        if taint.get("effect") in _HARD and not any(_tolerates(t, taint) for t in tolerations):
            return f"had untolerated taint(s) {{{taint['key']}: {taint.get('value', '')}}}"
    ready = condition(node, "Ready")
    if ready is not None and ready["status"] != "True":
        return "were not ready"
    there = [each for each in pods if each["spec"].get("nodeName") == name]
    if any(_apart(pod, each) for each in there):
        return "didn't match pod anti-affinity rules"
    return ""


def least_loaded(pod: Object, names: list[str], pods: list[Object]) -> str:
    """The node with the fewest pods of the same owner, then with the fewest; then the first by name."""
    owner = controller_uid(pod)
    siblings = Counter(
        each["spec"].get("nodeName") for each in pods if controller_uid(each) == owner
    )
    load = Counter(each["spec"].get("nodeName") for each in pods)
    return min(names, key=lambda name: (siblings[name] if owner else 0, load[name], name))


def fit_error(against: dict[str, str]) -> str:
    """Such as `0/4 nodes are available: 1 node(s) were not ready, 3 node(s) were unschedulable.`."""
    if not against:
        return "no nodes available to schedule pods"
    reasons = sorted(f"{count} node(s) {why}" for why, count in Counter(against.values()).items())
    return f"0/{len(against)} nodes are available: {', '.join(reasons)}."


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    if toleration.get("key") not in {None, "", taint["key"]}:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def _apart(pod: Object, other: Object) -> bool:
    """A required anti-affinity by host name, of this pod, matches the other one."""
    rules = ((pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or []
    space = namespace_of(pod)
    return any(
        rule.get("topologyKey") == _HOST
        and namespace_of(other) in (rule.get("namespaces") or [space])
        and selected_by(rule.get("labelSelector"))(other)
        for rule in rules
    )
