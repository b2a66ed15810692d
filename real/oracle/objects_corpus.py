"""Records what Kubernetes' own Go makes of API objects: `python -m real.oracle.objects_corpus`.

Cases and answers lie in lab/tests/apiserver/recorded/go-objects.jsonl, one JSON line each; plain `make test` replays
them. The judge fills one object of every kind at random, so nothing here knows their fields; what the words in a
status mean is asked with objects written by hand. None has a time in it: an age is told from now.
"""

import json
from pathlib import Path
from typing import Any

from real.oracle.judging import judged

Thing = dict[str, Any]

RECORDED = Path("lab/tests/apiserver/recorded/go-objects.jsonl")
_JUDGE = Path(__file__).parent / "objects"

# kind: how seldom an optional part is filled
_FILLED = {
    "v1": {
        "Node": 0.5,
        "Namespace": 0.3,
        "Pod": 0.9,
        "Service": 0.5,
        "ConfigMap": 0.3,
        "Secret": 0.3,
        "ServiceAccount": 0.3,
        "Event": 0.3,
    },
    "apps/v1": {
        "Deployment": 0.92,
        "ReplicaSet": 0.92,
    },
    "coordination.k8s.io/v1": {"Lease": 0.3},
    "certificates.k8s.io/v1": {"CertificateSigningRequest": 0.3},
    "rbac.authorization.k8s.io/v1": {
        "Role": 0.3,
        "RoleBinding": 0.3,
        "ClusterRole": 0.3,
        "ClusterRoleBinding": 0.3,
    },
    "discovery.k8s.io/v1": {"EndpointSlice": 0.3},
    "events.k8s.io/v1": {"Event": 0.3},
    "networking.k8s.io/v1": {"NetworkPolicy": 0.3},
    "policy/v1": {"PodDisruptionBudget": 0.3},
    "apiregistration.k8s.io/v1": {"APIService": 0.3},
    "admissionregistration.k8s.io/v1": {
        "ValidatingAdmissionPolicy": 0.5,
        "ValidatingAdmissionPolicyBinding": 0.5,
        "MutatingWebhookConfiguration": 0.5,
        "ValidatingWebhookConfiguration": 0.5,
    },
    "authentication.k8s.io/v1": {
        "TokenReview": 0.3,
        "SelfSubjectReview": 0.3,
    },
    "authorization.k8s.io/v1": {
        "SubjectAccessReview": 0.3,
        "SelfSubjectAccessReview": 0.3,
        "LocalSubjectAccessReview": 0.3,
    },
}
_SEEDS = (1, 2)


def _thing(api_version: str, kind: str, **parts: object) -> dict[str, Any]:
    named = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}}
    return {**named, **parts}


def _pod(
    status: dict[str, Any], spec: dict[str, Any] | None = None, **meta: object
) -> dict[str, Any]:
    made = _thing("v1", "Pod", spec={"containers": [{"name": "c"}], **(spec or {})}, status=status)
    return {**made, "metadata": {"name": "it", **meta}}


def _container(state: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": "c", "state": state, "restartCount": 2, **more}


_STATES: tuple[dict[str, Any], ...] = (
    {},
    {"waiting": {"reason": "CrashLoopBackOff"}},
    {"waiting": {"reason": "PodInitializing"}},
    {"waiting": {}},
    {"running": {}},
    {"terminated": {"exitCode": 0, "reason": "Completed"}},
    {"terminated": {"exitCode": 1, "reason": "Error"}},
    {"terminated": {"exitCode": 2}},
    {"terminated": {"exitCode": 0}},
    {"terminated": {"exitCode": 137, "signal": 9}},
)


def _pods() -> list[dict[str, Any]]:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    found = [_pod({"phase": phase}) for phase in ("Pending", "Running", "Succeeded", "Failed", "")]
    found.append(_pod({"phase": "Failed", "reason": "Evicted"}))
    for reason in ("", "NodeLost"):
        for phase in ("Running", "Succeeded"):
            gone: Thing = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
            found.append(_pod({"phase": phase, "reason": reason}, **gone))
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    found.append(_pod({"phase": "Pending", "conditions": [gated]}))
    for state in _STATES:
        for is_ready in (True, False):
            one = _container(state, ready=is_ready)
            other = {"name": "d", "state": {"running": {}}, "ready": True}
            found.append(_pod({"phase": "Running", "containerStatuses": [one]}))
            found.append(_pod({"phase": "Running", "containerStatuses": [one, other], **ready}))
            found += _initializing(one)
    gates = {"readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    found.append(_pod({"conditions": [{"type": "a", "status": "True"}]}, gates))
    found.append(_pod({"podIPs": [{"ip": "10.0.0.1"}]}, {"nodeName": "n"}))
    return found


def _initializing(one: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for policy in ("Always", ""):
        for started in (True, False):
            spec = {"initContainers": [{"name": "c", "restartPolicy": policy}, {"name": "e"}]}
            first = {**one, "started": started}
            last = {"name": "e", "state": {"waiting": {"reason": "PodInitializing"}}}
            status = {"phase": "Pending", "initContainerStatuses": [first, last]}
            found.append(_pod(status, spec))
            done = {"type": "Initialized", "status": "True"}
            found.append(_pod({**status, "conditions": [done]}, spec))
    return found


def _nodes() -> list[dict[str, Any]]:
    found = []
    for status in ("True", "False", "Unknown"):
        for cordoned in (True, False):
            conditions = [{"type": "Ready", "status": status}]
            spec = {"unschedulable": cordoned}
            found.append(_thing("v1", "Node", spec=spec, status={"conditions": conditions}))
    labels = {
        "node-role.kubernetes.io/b": "",
        "node-role.kubernetes.io/a": "x",
        "node-role.kubernetes.io/": "",
        "kubernetes.io/role": "c",
    }
    found.append({**_thing("v1", "Node"), "metadata": {"name": "it", "labels": labels}})
    addresses = [
        {"type": kind, "address": f"{kind}{n}"}
        for n in (1, 2)
        for kind in ("Hostname", "ExternalIP", "InternalIP")
    ]
    info = {"kernelVersion": "6.1", "architecture": "amd64"}
    found.append(_thing("v1", "Node", status={"addresses": addresses, "nodeInfo": info}))
    return found


def _services() -> list[dict[str, Any]]:
    ingress = [{"ip": "203.0.113.9"}, {"hostname": "a.example.com"}]
    found = []
    for kind in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", ""):
        for outside in ([], ["198.51.100.1", "198.51.100.2"]):
            for balancer in ([], ingress):
                spec = {
                    "type": kind,
                    "externalIPs": outside,
                    "externalName": "e.example.com",
                    "clusterIPs": ["10.96.0.7"],
                    "ports": [
                        {"port": 80, "protocol": "TCP"},
                        {"port": 443, "nodePort": 30443, "protocol": "UDP"},
                    ],
                }
                status = {"loadBalancer": {"ingress": balancer}}
                found.append(_thing("v1", "Service", spec=spec, status=status))
    for addresses in (0, 1, 3, 4):
        for ports in (0, 1, 2):
            endpoints = [{"addresses": [f"10.0.0.{n}"]} for n in range(addresses)]
            listed: list[Thing] = [{"port": 80 + n, "name": f"p{n}"} for n in range(ports)]
            listed += [{"name": "n"}, {}]
            parts: Thing = {"endpoints": endpoints, "ports": listed[:4], "addressType": "IPv4"}
            found.append(_thing("discovery.k8s.io/v1", "EndpointSlice", **parts))
    return found


def _others() -> list[dict[str, Any]]:
    found = []
    for types in ([], ["Approved"], ["Denied"], ["Approved", "Denied"], ["Approved", "Failed"]):
        for issued in ("", "UEVN"):
            for seconds in (None, 600, 86400):
                spec: Thing = {"request": "UEVN", "signerName": "a/b", "username": "u"}
                spec |= {"expirationSeconds": seconds} if seconds else {}
                status: Thing = {"conditions": [{"type": one, "status": "True"} for one in types]}
                status |= {"certificate": issued} if issued else {}
                made = _thing("certificates.k8s.io/v1", "CertificateSigningRequest")
                found.append({**made, "spec": spec, "status": status})
    selectors: tuple[dict[str, Any], ...] = (
        {},
        {"matchLabels": {"b": "1", "a": "2"}},
        {"matchExpressions": [{"key": "k", "operator": "In", "values": ["z", "y"]}]},
        {
            "matchLabels": {"m": "1"},
            "matchExpressions": [
                {"key": "z", "operator": "Exists"},
                {"key": "k", "operator": "NotIn", "values": ["x"]},
                {"key": "a", "operator": "DoesNotExist"},
            ],
        },
        {"matchExpressions": [{"key": "k", "operator": "Near"}]},
    )
    for kind in ("Deployment", "ReplicaSet"):
        for selector in selectors:
            found.append(_thing("apps/v1", kind, spec={"selector": selector}))  # noqa: PERF401
        found.append(_thing("apps/v1", kind, spec={}))
    return found


def _wrong() -> list[dict[str, Any]]:
    """Bodies with what a type does not have or cannot hold."""
    deployments: tuple[dict[str, Any], ...] = (
        {"colour": 1, "spec": {"replicas": 1, "colour": {"a": 1}}},
        {"metadata": {"nam": "x", "labels": {"a": "b"}}, "Spec": {}},
        {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"imge": 1}]}}}},
        {"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDirs": {}}]}}}},
        {"spec": {"replicas": "two"}},
        {"spec": {"replicas": 1.5}},
        {"spec": {"replicas": 2147483648}},
        {"spec": {"replicas": True}},
        {"spec": {"paused": "no"}},
        {"spec": {"paused": 1}},
        {"spec": {"template": []}},
        {"spec": {"template": "x"}},
        {"spec": []},
        {"spec": {"selector": {"matchLabels": {"a": 1}}}},
        {"spec": {"selector": {"matchLabels": []}}},
        {"spec": {"template": {"spec": {"containers": {}}}}},
        {"spec": {"template": {"spec": {"containers": [{"command": "sh"}]}}}},
        {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}}},
        {"spec": {"template": {"spec": {"containers": ["a"]}}}},
        {"metadata": {"labels": {"a": None}, "annotations": None}},
        {"metadata": {"creationTimestamp": "yesterday"}},
        {"metadata": {"creationTimestamp": 7}},
        {"metadata": {"finalizers": [1]}},
        {"metadata": {"ownerReferences": [{"uid": "u", "of": "x"}]}},
    )
    found = [{"apiVersion": "apps/v1", "kind": "Deployment", **one} for one in deployments]
    csr = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    found += [{**csr, "spec": {"request": request}} for request in ("a*b=", 1, "", "UEVN")]
    service = {"apiVersion": "v1", "kind": "Service"}
    ports: tuple[Any, ...] = ("https", 443, True, 1.5, {}, 2147483648)
    for port in ports:
        found.append({**service, "spec": {"ports": [{"port": 1, "targetPort": port}]}})
    node = {"apiVersion": "v1", "kind": "Node"}
    quantities: tuple[Any, ...] = ("many", "1", 2, "", True, [], {})
    for quantity in quantities:
        found.append({**node, "status": {"capacity": {"cpu": quantity}}})
    return found


def questions() -> list[dict[str, Any]]:
    """The same ones each time."""
    asked: list[dict[str, Any]] = [
        {"apiVersion": version, "kind": kind, "seed": seed, "nil": seldom}
        for version, kinds in _FILLED.items()
        for kind, seldom in kinds.items()
        for seed in _SEEDS
    ]
    written = (*_pods(), *_nodes(), *_services(), *_others(), *_wrong())
    return asked + [{"object": one} for one in written]


def main() -> None:
    asked = questions()
    with RECORDED.open("w", encoding="utf-8") as file:
        for question, answer in zip(asked, judged(_JUDGE, asked), strict=True):
            line = {**question, "go": answer}
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(asked)} objects: judged")


if __name__ == "__main__":
    main()
