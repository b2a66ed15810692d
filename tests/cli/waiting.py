"""Nodes that wait with a CSR each, and what an operator or the approver has written down of them."""

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.requests import request
from tests.support.scripted.kinds import CSRS, KINDS
from tests.support.stage import Stage

Object = dict[str, Any]
NODE, ADDRESS = "w9.example.com", "192.168.88.90"
OTHER, OTHERS_ADDRESS = "w8.example.com", "192.168.88.80"
CREDENTIAL = "ab" * 32
LEASES = KINDS["coordination.k8s.io", "v1", "leases"]
NODES, CONFIG_MAPS, NAMESPACES = (
    KINDS["", "v1", kind] for kind in ("nodes", "configmaps", "namespaces")
)


def put_node(stage: Stage, name: str, uid: str, *addresses: str) -> None:
    claimed = [{"type": "InternalIP", "address": each} for each in addresses]
    created = f"{datetime.now(UTC) - timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    node: Object = {
        "metadata": {"name": name, "uid": uid, "creationTimestamp": created},
        "status": {"addresses": [{"type": "Hostname", "address": name}, *claimed]},
    }
    stage.server.store.put(NODES, node)


def put_csr(
    stage: Stage,
    csr: str,
    node: str,
    *addresses: str,
    signer: str = "kubelet-serving",
    pem: bytes = b"",
) -> None:
    """As a kubelet has just sent it."""
    key = "authentication.kubernetes.io/credential-id"
    spec: Object = {
        "signerName": f"kubernetes.io/{signer}",
        "username": f"system:node:{node}",
        "groups": ["system:nodes", "system:authenticated"],
        "extra": {key: [f"X509SHA256={CREDENTIAL}"]},
        "usages": ["digital signature", "server auth"],
        "request": b64encode(pem or request(node, [node], addresses)).decode(),
    }
    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    metadata = {"name": csr, "uid": csr, "resourceVersion": "900", "creationTimestamp": created}
    stage.server.store.put(CSRS, {"metadata": metadata, "spec": spec, "status": {}})


def put_written(stage: Stage, name: str, data: dict[str, str]) -> None:
    """A ConfigMap of the approver's namespace."""
    stage.server.store.put(NAMESPACES, {"metadata": {"name": "kubevouch-system", "uid": "ns"}})
    metadata = {
        "name": name,
        "namespace": "kubevouch-system",
        "uid": name,
        "resourceVersion": "7",
        "labels": {"app.kubernetes.io/part-of": "kubevouch"},
    }
    stage.server.store.put(CONFIG_MAPS, {"metadata": metadata, "data": data})


def put_entry(stage: Stage, kind: str, node: str, entry: Object) -> None:
    """A node's entry, in the ConfigMap whose number is the first digit of the SHA-256 of its name."""
    number = int(hashlib.sha256(node.encode()).hexdigest()[0], 16)
    put_written(stage, f"kubevouch-{kind}-{number}", {node: json.dumps({"v": 1, **entry})})


def put_pin(stage: Stage, node: str = NODE, uid: str = "uid-9", *addresses: str) -> None:
    entry = {
        "uid": uid,
        "names": [node],
        "addresses": addresses or [ADDRESS],
        "pinnedAt": "2026-11-20T08:00:00Z",
        "by": "alice",
    }
    put_entry(stage, "pins", node, entry)


def put_leader(stage: Stage) -> None:
    """An approver holds the Lease."""
    spec = {"holderIdentity": "one", "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}
    metadata = {"name": "kubevouch-approver", "namespace": "kubevouch-system", "uid": "l"}
    stage.server.store.put(LEASES, {"metadata": metadata, "spec": spec})


def conditions(stage: Stage, csr: str) -> list[Object]:
    found: list[Object] = stage.server.store.get(CSRS, csr)["status"].get("conditions", [])
    return found


def decide(stage: Stage, csr: str, certificate: str = "", **condition: str) -> None:
    """Somebody else has. certificate: what was issued."""
    found = stage.server.store.get(CSRS, csr)
    by_others = {"type": "Approved", "status": "True", "reason": "AutoApproved", **condition}
    found["status"] = {"conditions": [by_others], "certificate": certificate}
    stage.server.store.put(CSRS, found)


def writes(stage: Stage) -> list[str]:
    """What was written, in order: the last but one word of each path is the CSR."""
    return [each.path.split("/")[-2] for each in stage.server.requests if each.method != "GET"]
