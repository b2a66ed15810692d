"""The Node and the Lease that a kubelet keeps of itself.

pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go; values as a kubelet 1.36 of a kubeadm cluster reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.objects import Object, status_of

VERSION: Final = "v1.36.3"
NODES: Final = "/api/v1/nodes"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

_PRESSURES: Final = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
_SIZE: Final = {"cpu": "2", "hugepages-1Gi": "0", "hugepages-2Mi": "0"}


@dataclass(frozen=True)
class MachineInfo:
    """What a kubelet finds out of the machine that it runs on. addresses: (type, address), as they are reported."""

    name: str
    addresses: tuple[tuple[str, str], ...]
    port: int
    machine_id: str = ""
    boot_id: str = ""
    pods: int = 110
    version: str = VERSION


def new_node(machine: MachineInfo) -> Object:
    """The object as it is first created."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
    }
    attached = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": machine.name, "labels": labels, "annotations": attached},
        "spec": {},
    }


def node_status(machine: MachineInfo, held: Object, now: datetime) -> Object:
    """The status that the kubelet reports. held: the Node's status so far, from which conditions keep the time of their last change."""
    stamp = moment(now)
    old = {each["type"]: each for each in held.get("conditions") or ()}
    conditions = [
        _condition(old, (kind, "False", why, text), stamp) for kind, why, text in _PRESSURES
    ]
    ready = ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
    conditions.append(_condition(old, ready, stamp))
    ours = {each["type"] for each in conditions}
    foreign = [each for kind, each in old.items() if kind not in ours]
    return {
        "addresses": [{"type": kind, "address": address} for kind, address in machine.addresses],
        "allocatable": {**_SIZE, "memory": "3905284Ki", "pods": str(machine.pods)},
        "capacity": {**_SIZE, "memory": "4007684Ki", "pods": str(machine.pods)},
        "conditions": [*foreign, *conditions],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": machine.port}},
        "images": held.get("images") or [],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": machine.boot_id,
            "containerRuntimeVersion": "containerd://1.6.20",
            "kernelVersion": "6.1.0-37-amd64",
            "kubeProxyVersion": "",
            "kubeletVersion": machine.version,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "systemUUID": machine.machine_id,
        },
    }


def same_but_for_the_time(one: Object, other: Object) -> bool:
    """Whether two statuses differ in heartbeats only; then one is reported every five minutes, not every ten seconds."""

    def told(status: Object) -> Object:
        rest = [
            {key: value for key, value in each.items() if key != "lastHeartbeatTime"}
            for each in status.get("conditions") or ()
        ]
        return {**status, "conditions": rest}

    return told(one) == told(other)


def addresses_of(node: Object) -> tuple[tuple[str, str], ...]:
    """Node.status.addresses, as the API server has them."""
    listed: Sequence[Object] = status_of(node).get("addresses") or ()
    return tuple((str(each["type"]), str(each["address"])) for each in listed)


def lease(name: str, uid: str, now: datetime, seconds: int) -> Object:
    """The Lease that says the kubelet lives."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "kube-node-lease",
            **({"ownerReferences": [owner]} if uid else {}),
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": seconds,
            "renewTime": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        },
    }


def _condition(old: dict[str, Object], said: tuple[str, str, str, str], stamp: str) -> Object:
    kind, status, reason, text = said
    before = old.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": since or stamp,
        "reason": reason,
        "message": text,
    }
