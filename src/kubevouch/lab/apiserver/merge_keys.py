"""How a strategic merge patch treats the lists of each kind: the patchMergeKey tags of Kubernetes' API types.

By dotted path, indices left out: `{"spec.containers": "name"}` merges that list by name; an empty key is a list of
plain values that is merged as a set (`metadata.finalizers`); a list that is not here is replaced whole.
Sources: staging/src/k8s.io/api/*/types.go, fields with patchStrategy:"merge".
"""

from collections.abc import Mapping

METADATA: Mapping[str, str] = {"metadata.finalizers": "", "metadata.ownerReferences": "uid"}
CONDITIONS: Mapping[str, str] = {"status.conditions": "type"}

_CONTAINER: Mapping[str, str] = {
    "": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
_POD_SPEC: Mapping[str, str] = {
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    **{
        f"{containers}.{path}".rstrip("."): key
        for containers in ("containers", "initContainers", "ephemeralContainers")
        for path, key in _CONTAINER.items()
    },
}


def _below(prefix: str, keys: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{path}": key for path, key in keys.items()}


_TEMPLATE = {
    **_below("spec.template.spec", _POD_SPEC),
    **_below("spec.template", METADATA),
}
_WORKLOAD: Mapping[str, str] = {**METADATA, **CONDITIONS, **_TEMPLATE}
_STATEFUL: Mapping[str, str] = {**_WORKLOAD}
_CRON_JOB: Mapping[str, str] = {
    **METADATA,
    **_below("spec.jobTemplate", _TEMPLATE),
    **_below("spec.jobTemplate", METADATA),
}

MERGE_KEYS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("", "Node"): {
        **METADATA,
        **CONDITIONS,
        "spec.podCIDRs": "",
        "status.addresses": "type",
    },
    ("", "Namespace"): {**METADATA, **CONDITIONS},
    ("", "Pod"): {
        **METADATA,
        **CONDITIONS,
        **_below("spec", _POD_SPEC),
        "status.podIPs": "ip",
        "status.hostIPs": "ip",
        "status.resourceClaimStatuses": "name",
    },
    ("", "Service"): {**METADATA, **CONDITIONS, "spec.ports": "port"},
    ("", "ServiceAccount"): {**METADATA, "secrets": "name"},
    ("", "ReplicationController"): _WORKLOAD,
    ("", "PersistentVolumeClaim"): {**METADATA, **CONDITIONS},
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _STATEFUL,
    ("batch", "Job"): _WORKLOAD,
    ("batch", "CronJob"): _CRON_JOB,
    ("autoscaling", "HorizontalPodAutoscaler"): {**METADATA, **CONDITIONS},
    ("apiregistration.k8s.io", "APIService"): {**METADATA, **CONDITIONS},
    ("policy", "PodDisruptionBudget"): {**METADATA, **CONDITIONS},
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): {
        **METADATA,
        "spec.matchConditions": "name",
        "spec.variables": "name",
    },
}
