"""What is filled in where a body does not say it: pkg/apis/*/v1/defaults.go. All of it in place."""

from typing import Any

from kubevouch_lab.objects import Object

_CONTAINERS = ("containers", "initContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_MODE = 0o644
_RBAC = "rbac.authorization.k8s.io"
_PROBE: Object = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}


def default(thing: Object, **values: Any) -> Object:  # noqa: ANN401 - JSON
    """Fills what is missing or null."""
    for key, value in values.items():
        if thing.get(key) is None:
            thing[key] = value
    return thing


def below(thing: Object, key: str) -> Object:
    """The object at a key, made if it is missing."""
    found: Object = default(thing, **{key: {}})[key]
    return found


def items(thing: Object, key: str) -> list[Object]:
    """The list at a key; empty if it is missing."""
    found: list[Object] = thing.get(key) or []
    return found


def pod_spec(spec: Object) -> None:
    """What every pod's spec has."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        # The old name of the same field; who gives a pod its account is an admission plugin.
        spec["serviceAccountName"] = spec["serviceAccount"] = account
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
            _container(container)
    for volume in items(spec, "volumes"):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if volume.get(source) is not None:
                default(volume[source], defaultMode=_FILE_MODE)
        if volume.get("hostPath") is not None:
            default(volume["hostPath"], type="")


def _container(container: Object) -> None:
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
    for probe in (container[name] for name in _PROBES if container.get(name)):
        default(probe, **_PROBE)
        if probe.get("httpGet"):
            default(probe["httpGet"], path="/", scheme="HTTP")
    for variable in items(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            default(reference, apiVersion="v1")


def pod(new: Object) -> None:
    """With the tolerations that admission plugin DefaultTolerationSeconds gives."""
    spec = below(new, "spec")
    default(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    tolerations = items(spec, "tolerations")
    lasting = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(each.get("key") in {key, None, ""} for each in tolerations):
            tolerations.append({"key": key, **lasting})
    spec["tolerations"] = tolerations
    pod_spec(spec)


def deployment(new: Object) -> None:
    """A rolling update of a quarter at a time."""
    spec = below(new, "spec")
    default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = default(below(spec, "strategy"), type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        default(below(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    pod_spec(below(below(spec, "template"), "spec"))


def replica_set(new: Object) -> None:
    """One pod."""
    spec = default(below(new, "spec"), replicas=1)
    pod_spec(below(below(spec, "template"), "spec"))


def service(new: Object) -> None:
    """Ports go where they come from."""
    spec = default(below(new, "spec"), type="ClusterIP", sessionAffinity="None")
    for port in items(spec, "ports"):
        default(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        default(spec, internalTrafficPolicy="Cluster", ipFamilyPolicy="SingleStack")


def namespace(new: Object) -> None:
    """It bears its name as a label."""
    metadata = new["metadata"]
    below(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]


def role(new: Object) -> None:
    """Rules are always there, if only as null."""
    new.setdefault("rules", None)


def binding(new: Object) -> None:
    """API groups of role and subjects."""
    default(below(new, "roleRef"), apiGroup=_RBAC)
    for subject in items(new, "subjects"):
        if subject.get("kind") in {"User", "Group"}:
            default(subject, apiGroup=_RBAC)


def api_service(new: Object) -> None:
    """The port of its Service."""
    _port(below(new, "spec"))


def network_policy(new: Object) -> None:
    """A policy with egress rules is about egress, too."""
    spec = below(new, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*items(spec, "ingress"), *items(spec, "egress")):
        for port in items(rule, "ports"):
            default(port, protocol="TCP")


def webhooks(new: Object) -> None:
    """Of validating and of mutating ones."""
    for webhook in items(new, "webhooks"):
        default(webhook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        default(webhook, namespaceSelector={}, objectSelector={})
        if new["kind"] == "MutatingWebhookConfiguration":
            default(webhook, reinvocationPolicy="Never")
        for rule in items(webhook, "rules"):
            default(rule, scope="*")
        _port(below(webhook, "clientConfig"))


def definition(new: Object) -> None:
    """Of a CustomResourceDefinition, which nobody serves."""
    spec = below(new, "spec")
    kind = below(spec, "names").get("kind", "")
    default(spec["names"], singular=kind.lower(), listKind=f"{kind}List")
    conversion = default(below(spec, "conversion"), strategy="None")
    _port(below(conversion.get("webhook") or {}, "clientConfig"))


def _port(called: Object) -> None:
    if called.get("service") is not None:
        default(called["service"], port=443)
