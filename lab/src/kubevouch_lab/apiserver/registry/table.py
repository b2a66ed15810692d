"""Which kinds have rules of their own, and what these are."""

import base64
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.registry import defaults
from kubevouch_lab.apiserver.registry.defaults import below, default, items
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, status_of, uid_of


def _invalid(kind: str, name: str, field: str, text: str) -> status.StatusError:
    group = "autoscaling" if kind == "Scale" else ""
    return status.invalid(group, kind, name, [("FieldValueInvalid", field, text)])


class Nodes(Strategy):
    """A kubelet registers with its status."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """All of it is kept."""
        del kind, info, now
        below(new, "spec")
        return new


class Namespaces(Strategy):
    """A namespace is Active; its finalizer is the cluster's."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """It has no spec of its own."""
        return {**super().create(kind, info, new, now), "spec": {"finalizers": ["kubernetes"]}}

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """The spec stays."""
        return super().main(kind, old, {**new, "spec": old["spec"]})


@dataclass(frozen=True)
class Services(Strategy):
    """A service gets an address, and keeps it. network: of all Services, as kubeadm sets it."""

    network: str = "10.96.0.0/12"

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """The address follows from the uid."""
        new = super().create(kind, info, new, now)
        spec, network = new["spec"], ip_network(self.network)
        if spec["type"] != "ExternalName":
            if not spec.get("clusterIP"):
                number = int(uid_of(new).replace("-", "")[:8], 16)
                spec["clusterIP"] = str(network[256 + number % (network.num_addresses - 512)])
            default(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=[f"IPv{network.version}"])
        return new

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """What was allocated stays if the client leaves it out."""
        kept = ("clusterIP", "clusterIPs", "ipFamilies")
        default(below(new, "spec"), **{key: old["spec"].get(key) for key in kept})
        return super().main(kind, old, new)


class Secrets(Strategy):
    """Bytes by keys, of a type. stringData is for writing only."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Opaque, if nothing is said."""
        return default(_encoded(super().create(kind, info, new, now)), type="Opaque")

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """The type stays if the client leaves it out."""
        return default(_encoded(super().main(kind, old, new)), type=old["type"])


def _encoded(secret: Object) -> Object:
    for key, value in (secret.pop("stringData", None) or {}).items():
        below(secret, "data")[key] = base64.b64encode(value.encode()).decode()
    return secret


class Pods(Strategy):
    """Pods are bound once, and hardly changed after."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """A pod starts Pending."""
        new = super().create(kind, info, new, now)
        return {**new, "status": {"phase": "Pending"}}

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """A pod's spec stays, but for the node that it is bound to."""
        causes = super().causes(kind, old, new)
        bound = old and {**old["spec"], "nodeName": new["spec"].get("nodeName")}
        if old and new["spec"] not in (old["spec"], None if _node(old) else bound):
            text = "Forbidden: a kubevouch lab cannot change pods"
            causes.append(("FieldValueForbidden", "spec", text))
        return causes

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """Binding writes the node and the condition that says so."""
        if info.subresource == "binding":
            made = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
            scheduled = {**made, "lastTransitionTime": moment(now)}
            conditions = [*items(status_of(old), "conditions"), scheduled]
            return {**new, "status": {**status_of(old), "conditions": conditions}}
        return super().update(kind, info, old, new, now)

    def taken(self, info: RequestInfo, old: Object, body: Object) -> Object:
        """A Binding means the pod with a node's name."""
        if info.subresource != "binding":
            return body
        node = (body.get("target") or {}).get("name", "")
        if not node:
            raise _invalid("Binding", info.name, "target.name", "Required value")
        if bound := _node(old):
            why = f'pod {info.name} is already assigned to node "{bound}"'
            raise status.conflict("", "pods/binding", info.name, why)
        return {**old, "spec": {**old["spec"], "nodeName": node}}


def _node(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "")


class Workloads(Strategy):
    """Deployments and ReplicaSets: a selector, a template of pods, and a Scale."""

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """The selector selects the template."""
        causes, spec = super().causes(kind, old, new), new["spec"]
        template = {"metadata": {}, **(spec.get("template") or {})}
        if not causes and not selected_by(spec["selector"])(template):
            text = "Invalid value: `selector` does not match template `labels`"
            causes.append(("FieldValueInvalid", "spec.template.metadata.labels", text))
        return causes

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """A Scale changes the spec as the main path does."""
        if info.subresource == "scale":
            return self.main(kind, old, new)
        return super().update(kind, info, old, new, now)

    def shown(self, info: RequestInfo, thing: Object) -> Object:
        """The Scale of it."""
        if info.subresource != "scale":
            return thing
        metadata, labels = thing["metadata"], thing["spec"]["selector"].get("matchLabels") or {}
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        replicas = status_of(thing).get("replicas", 0)
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {key: metadata[key] for key in kept if key in metadata},
            "spec": {"replicas": thing["spec"].get("replicas", 0)},
            "status": {"replicas": replicas, "selector": selector},
        }

    def taken(self, info: RequestInfo, old: Object, body: Object) -> Object:
        """A Scale means the object with another count."""
        if info.subresource != "scale":
            return body
        replicas = (body.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise _invalid("Scale", info.name, "spec.replicas", text)
        version = (body.get("metadata") or {}).get("resourceVersion") or ""
        metadata = {**old["metadata"], "resourceVersion": version}
        return {**old, "metadata": metadata, "spec": {**old["spec"], "replicas": replicas}}


_WORKLOAD = ("spec.selector", "spec.template.spec.containers")
_ROLE = Strategy(defaults.role)
_BINDING = Strategy(defaults.binding, ("roleRef.kind", "roleRef.name"), ("roleRef",))
_WEBHOOKS = Strategy(defaults.webhooks, unconditional_update=False)
_VERSIONED = Strategy(unconditional_update=False)

SERVICES = Services(
    defaults.service,
    immutable=("spec.clusterIP",),
    first_status='{"loadBalancer":{}}',
    returns_deleted=True,
)

STRATEGIES: dict[str, Strategy] = {
    "nodes": Nodes(immutable=("spec.podCIDR",)),
    "namespaces": Namespaces(defaults.namespace, first_status='{"phase":"Active"}'),
    "pods": Pods(defaults.pod, ("spec.containers",), returns_deleted=True),
    "services": SERVICES,
    "secrets": Secrets(immutable=("type",)),
    "serviceaccounts": Strategy(returns_deleted=True),
    "deployments": Workloads(defaults.deployment, _WORKLOAD, ("spec.selector",), first_status="{}"),
    "replicasets": Workloads(
        defaults.replica_set, _WORKLOAD, ("spec.selector",), first_status='{"replicas":0}'
    ),
    "leases": _VERSIONED,
    "roles": _ROLE,
    "clusterroles": _ROLE,
    "rolebindings": _BINDING,
    "clusterrolebindings": _BINDING,
    "apiservices": Strategy(
        defaults.api_service,
        ("spec.version", "spec.groupPriorityMinimum", "spec.versionPriority"),
        first_status="{}",
        unconditional_update=False,
    ),
    "networkpolicies": Strategy(defaults.network_policy),
    "poddisruptionbudgets": _VERSIONED,
    "validatingadmissionpolicies": _VERSIONED,
    "validatingadmissionpolicybindings": _VERSIONED,
    "mutatingwebhookconfigurations": _WEBHOOKS,
    "validatingwebhookconfigurations": _WEBHOOKS,
    "customresourcedefinitions": Strategy(
        defaults.definition, ("spec.group",), first_status='{"storedVersions":[]}'
    ),
}
