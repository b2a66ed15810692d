"""Simulated nodes: machines that are not there, with client certificates that are real.

Each joins as kubeadm lets a machine join: a bootstrap token makes a CSR for a client certificate, the cluster's own
controllers approve and sign it, and with that certificate the node makes its Node and asks for serving certificates.
"""

import base64
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.e2e.cluster import Cluster
from tests.e2e.hostile import client_request, csr_body
from tests.e2e.told import eventually
from tests.support.api_connection import ApiConnection, RefusedRequest, path_of
from tests.support.following import Following, following
from tests.support.requests import request

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/kubevouch-system/pods"
APPROVER = "app.kubernetes.io/name=kubevouch-approver"
SECRETS = "/api/v1/namespaces/kube-system/secrets"
SERVING = "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
USAGES = {
    SERVING: ["digital signature", "server auth"],
    CLIENT: ["digital signature", "client auth"],
}
_TOKEN_ID, _TOKEN_SECRET = "j01n3r", "0123456789abcdef"
_AT_ONCE = 8


@dataclass
class SimulatedNode:
    """One of them: what somebody can do who holds its client certificate."""

    name: str
    address: str
    api: ApiConnection
    folder: Path
    asked: Iterator[int] = field(default_factory=itertools.count)

    def register(self, *addresses: str) -> str:
        """Makes its Node as a kubelet does, and returns the UID."""
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}},
            "spec": {"unschedulable": True},
            "status": self._status(addresses or (self.address,)),
        }
        return str(self.api.post(NODES, body)["metadata"]["uid"])

    def claim(self, *addresses: str) -> None:
        """Writes other addresses into its Node's status."""
        path = path_of(NODES, self.name) + "/status"
        self.api.patch(path, {"status": self._status(addresses)})

    def ask(
        self,
        *addresses: str,
        names: Sequence[str] = (),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> str:
        """Makes a CSR for a serving certificate, its own name and address unless it says otherwise. Its name."""
        pem = request(self.name, names or [self.name], addresses or [self.address], key=key)
        return self._create(pem, SERVING)

    def renew_client(self) -> str:
        """Makes a CSR for another client certificate; its key is in `folder`. The CSR's name."""
        return self._create(client_request(self.name, _key(self.folder / "renewed.key")), CLIENT)

    def _create(self, pem: bytes, signer: str) -> str:
        name = f"{self.name}-{self.folder.name}-{next(self.asked)}"
        return create_csr(self.api, name, pem, signer)

    def _status(self, addresses: Sequence[str]) -> dict[str, Any]:
        listed = [{"type": "InternalIP", "address": each} for each in addresses]
        return {
            "addresses": [*listed, {"type": "Hostname", "address": self.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        }


@dataclass
class Joining:
    """Whoever holds the administrator's credential and a bootstrap token, and watches what becomes of every CSR."""

    admin: ApiConnection
    csrs: Following
    server: str
    ca: Path
    folder: Path
    joined: list[SimulatedNode] = field(default_factory=list)

    def join(self, name: str, address: str) -> SimulatedNode:
        """A node with a client certificate of its own, registered."""
        node = self.certified(name, address)
        node.register()
        return node

    def join_all(self, nodes: dict[str, str]) -> list[SimulatedNode]:
        """Many at the same time: names and addresses."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda each: self.join(*each), nodes.items()))

    def certified(self, name: str, address: str) -> SimulatedNode:
        """A client certificate of that name, which a bootstrap token has asked for. No Node."""
        folder = self.folder / f"c{len(list(self.folder.iterdir()))}-{name[:40]}"
        folder.mkdir()
        key = _key(folder / "client.key")
        with closing(self._with(token=f"{_TOKEN_ID}.{_TOKEN_SECRET}")) as by:
            pem = client_request(name, key)
            csr = create_csr(by, f"join-{name}-{folder.name[:8]}", pem, CLIENT)
        return self.with_certificate(name, address, folder, csr, "client.key")

    def wait_for_the_next_second(self, node: SimulatedNode) -> None:
        """The API server writes times to the second: what is made after this is later than the Node by its own word."""
        created = datetime.fromisoformat(
            self.admin.get(path_of(NODES, node.name))["metadata"]["creationTimestamp"]
        )
        while (ahead := created + timedelta(seconds=1) - datetime.now(UTC)) > timedelta():
            time.sleep(ahead.total_seconds())

    def renewed(self, node: SimulatedNode) -> SimulatedNode:
        """The same node with another client certificate, for which the former one has asked."""
        csr = node.renew_client()
        found = self.with_certificate(node.name, node.address, node.folder, csr, "renewed.key")
        found.asked = node.asked
        return found

    def with_certificate(
        self, name: str, address: str, folder: Path, csr: str, key: str
    ) -> SimulatedNode:
        pair = folder / f"{key}.pair"
        pair.write_bytes(self.issued(csr) + (folder / key).read_bytes())
        node = SimulatedNode(name, address, self._with(pair=pair), folder)
        self.joined.append(node)
        return node

    def _with(self, pair: Path | None = None, token: str = "") -> ApiConnection:
        return ApiConnection(self.server, ApiConnection.trusting(self.ca, pair), token)

    # What becomes of a CSR

    def issued(self, csr: str, seconds: float = 150) -> bytes:
        """The certificate in PEM, once it is issued."""

        def look() -> str:
            return str(self.csrs.objects.get(csr, {}).get("status", {}).get("certificate", ""))

        return base64.b64decode(self.csrs.wait(look, f"a certificate for {csr}", seconds))

    def approved(self, csr: str, seconds: float = 150) -> dict[str, Any]:
        """Its only condition, once the certificate is issued."""
        self.issued(csr, seconds)
        (condition,) = self.csrs.objects[csr]["status"]["conditions"]
        assert condition["type"] == "Approved", condition
        found: dict[str, Any] = condition
        return found

    def held(self, csr: str, *words: str) -> str:
        """Why it is held, as a pod of the approver has logged it with these words in it. The CSR itself has no condition."""

        def look() -> str:
            told = self._logged_of(csr)
            return next((why for why in told if all(word in why for word in words)), "")

        why = eventually(look, f"a line of the log that {csr} is held for {words}", 150)
        # The approver may have seen it before our own watch has.
        eventually(lambda: csr in self.csrs.objects, f"a watch that shows {csr}")
        assert not self.csrs.objects[csr]["status"].get("conditions"), self.csrs.objects[csr]
        return why

    def _logged_of(self, csr: str) -> Iterator[str]:
        for pod in self.admin.get(PODS, labelSelector=APPROVER)["items"]:
            path = f"{path_of(PODS, pod['metadata']['name'])}/log"
            with (
                suppress(RefusedRequest),
                self.admin.stream(path, tailLines="400") as (lines, _),
            ):
                told = [json.loads(line) for line in lines if line.startswith(b"{")]
                yield from (e["why"] for e in told if (e["msg"], e.get("csr")) == ("Held", csr))

    def delete_node(self, name: str) -> None:
        self.admin.delete(path_of(NODES, name))

    def forget(self) -> None:
        """Takes away everything that simulated nodes have left."""
        names = {node.name for node in self.joined}
        for path in (path_of(NODES, name) for name in names):
            with suppress(RefusedRequest):
                self.admin.delete(path)
        for csr in self.admin.get(CSRS)["items"]:
            node = csr["spec"]["username"].removeprefix("system:node:")
            if node in names or _TOKEN_ID in csr["spec"]["username"]:
                with suppress(RefusedRequest):
                    self.admin.delete(path_of(CSRS, csr["metadata"]["name"]))
        for node in self.joined:
            node.api.close()


def burst(nodes: Sequence[SimulatedNode]) -> list[str]:
    """A CSR of each, as quickly as they come."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda node: node.ask(), nodes))


def create_csr(api: ApiConnection, name: str, pem: bytes, signer: str) -> str:
    """Makes it, and returns its name."""
    body = csr_body(name, pem, USAGES[signer], signer)
    return str(api.post(CSRS, body)["metadata"]["name"])


@contextmanager
def joining(cluster: Cluster, folder: Path) -> Iterator[Joining]:
    """A bootstrap token and somebody who watches; afterwards no simulated node is left."""
    server, ca, pair = administrator(cluster.kubeconfig, folder)
    admin = ApiConnection(server, ApiConnection.trusting(ca, pair))
    nodes = folder / "nodes"
    nodes.mkdir()
    with ExitStack() as stack:
        stack.callback(admin.close)
        csrs = stack.enter_context(following(admin, CSRS))
        with suppress(RefusedRequest):
            admin.delete(path_of(SECRETS, f"bootstrap-token-{_TOKEN_ID}"))
        admin.post(SECRETS, _token())
        made = Joining(admin, csrs, server, ca, nodes)
        try:
            yield made
        finally:
            made.forget()
            admin.delete(path_of(SECRETS, f"bootstrap-token-{_TOKEN_ID}"))


def administrator(kubeconfig: Path, folder: Path) -> tuple[str, Path, Path]:
    """The server, and files of the CA and of the administrator's certificate with its key."""
    found = yaml.safe_load(kubeconfig.read_text())
    cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    ca, pair = folder / "ca.pem", folder / "administrator.pem"
    ca.write_bytes(_data(cluster, "certificate-authority", kubeconfig))
    pair.write_bytes(
        _data(user, "client-certificate", kubeconfig) + _data(user, "client-key", kubeconfig)
    )
    return cluster["server"], ca, pair


def _data(entry: dict[str, str], field_name: str, kubeconfig: Path) -> bytes:
    if data := entry.get(f"{field_name}-data"):
        return base64.b64decode(data)
    return (kubeconfig.parent / entry[field_name]).read_bytes()


def _token() -> dict[str, Any]:
    data = {
        "token-id": _TOKEN_ID,
        "token-secret": _TOKEN_SECRET,
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{_TOKEN_ID}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new key, kept in that file."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key
