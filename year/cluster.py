"""The lab on the moved clock, with our three servers in it, and the hands of its operator."""

import base64
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from cryptography import x509

from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.site import Host
from kubevouch_lab.process.control_socket import ask
from tests.support.api_connection import ApiConnection, RefusedRequest

Found = TypeVar("Found")
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CORE, APPS = "/api/v1/namespaces", "/apis/apps/v1/namespaces"
OURS, SYSTEM, WATCHERS = "kubevouch-system", "kube-system", "monitoring"
SERVERS = {"kubevouch-approver": OURS, "kubevouch-exporter": OURS, "metrics-server": SYSTEM}
SERVING = "kubernetes.io/kubelet-serving"
_IMAGE = f"registry.example.com/kubevouch@sha256:{'0' * 64}"
_RULE = (
    "--new-nodes",
    "rule",
    "--new-node-names",
    "k8s-worker-*.internal.example.com",
    "--new-nodes-per-hour",
    "5",
)
_PATIENCE = 120.0
_A_MOMENT = 1.0


@dataclass
class YearCluster:
    """Its folder, and how many machines it has."""

    root: Path
    count: int
    pods: list[tuple[str, int]] = field(default_factory=list)
    """Where our servers listen."""

    @property
    def folder(self) -> Folder:
        """The lab's."""
        return Folder(self.root / "lab")

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All of its machines, nodes or not."""
        return self.folder.record().site.hosts

    @contextmanager
    def running(self) -> Iterator[None]:
        """The lab's process; what it prints is in a file."""
        argv = [sys.executable, "-m", "year.lab", str(self.folder.root), str(self.count)]
        with (self.root / "lab.out").open("ab") as out:
            process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            until = time.monotonic() + _PATIENCE
            while True:
                assert process.poll() is None, (self.root / "lab.out").read_text()
                assert time.monotonic() < until, "the lab does not come up"
                with suppress(Exception):
                    self.do("status")
                    break
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE)

    def do(self, verb: str, **more: object) -> dict[str, Any]:
        """What the lab is asked to do."""
        return ask(self.folder, {"do": verb, **more}, timeout=_PATIENCE)

    def api(self) -> ApiConnection:
        """As the administrator whom the kubeconfig names now."""
        return self._api("administrator", self._admin_pair())

    def as_node(self, host: Host) -> ApiConnection:
        """With what root finds on a node's disk."""
        return self._api(host.short, self._current(host, "client").read_bytes())

    def _current(self, host: Host, use: str) -> Path:
        """What its kubelet has of that use, `server` or `client`. Raises OSError if it has none."""
        root = self.folder.node(host.name)
        link = root / f"var/lib/kubelet/pki/kubelet-{use}-current.pem"
        return root / str(link.readlink()).lstrip("/")

    def _api(self, name: str, pair: bytes) -> ApiConnection:
        cluster = yaml.safe_load(self.folder.kubeconfig.read_text())["clusters"][0]["cluster"]
        ca, own = self.root / "ca.pem", self.root / f"{name}.pem"
        ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        own.touch(0o600)
        own.write_bytes(pair)
        return ApiConnection(cluster["server"], ApiConnection.trusting(ca, own))

    def _admin_pair(self) -> bytes:
        user = yaml.safe_load(self.folder.kubeconfig.read_text())["users"][0]["user"]
        held = (user[f"client-{each}-data"] for each in ("certificate", "key"))
        return b"".join(map(base64.b64decode, held))

    def kubevouch(self, *words: str) -> str:
        """What the program prints; it ends well."""
        given = {
            "KUBECONFIG": str(self.folder.kubeconfig),
            "KUBEVOUCH_LOOPBACK_ADDRESSES": str(self.folder.loopback_addresses),
            "XDG_STATE_HOME": str(self.root / "state"),
        }
        argv = [sys.executable, "-m", "kubevouch", *words]
        environment = {**os.environ, **given}
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, (words, done.stdout[-4000:], done.stderr[-4000:])
        return done.stdout

    def install(self, admitted: Iterable[Host]) -> None:
        """Our servers, as an operator installs them; nobody else approves any more. admitted: whom the rule for new nodes lets in."""
        networks = [f"--new-node-cidr={host.address}/32" for host in admitted]
        api = self.api()
        self.do("alone")
        for name in ("approver", "exporter"):
            more = (*_RULE, *networks) if name == "approver" else ()
            self.kubevouch(name, "install", "--image", _IMAGE, "--yes", *more)
        change = [
            {"op": "replace", "path": "/spec/replicas", "value": 1},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": _IMAGE},
        ]
        path = f"{APPS}/{SYSTEM}/deployments/metrics-server"
        api.ask("PATCH", path, change, "application/json-patch+json")

    def watch(self, targets: Path) -> None:
        """Prometheus's account, and where the servers are; again after each start of theirs."""
        api = self.api()
        with suppress(RefusedRequest):
            api.post("/api/v1/namespaces", _named("v1", "Namespace", WATCHERS))
            account = _named("v1", "ServiceAccount", "prometheus-k8s")
            api.post(f"{CORE}/{WATCHERS}/serviceaccounts", account)
            rbac = "/apis/rbac.authorization.k8s.io/v1"
            text = Path("deploy/exporter/monitoring/service-monitor.yaml").read_text()
            for each in yaml.safe_load_all(text):
                if each["kind"] != "ServiceMonitor":
                    api.post(f"{rbac}/{each['kind'].lower()}s", each)
        path = f"{CORE}/{WATCHERS}/serviceaccounts/prometheus-k8s/token"
        token = api.post(path, {"spec": {"expirationSeconds": 3 * 365 * 86400}})
        (targets / "token").write_text(token["status"]["token"])
        self.pods = []
        for name, space in SERVERS.items():
            found = [_address(pod) for pod in self.pods_of(name, space)]
            self.pods += found
            said = [{"targets": [f"{address}:{port}" for address, port in found]}]
            (targets / f"{name}.json").write_text(json.dumps(said))

    def pods_of(self, name: str, space: str) -> list[dict[str, Any]]:
        """Those of a Deployment, once all are ready and none is ending."""
        api = self.api()

        def look() -> list[dict[str, Any]]:
            wanted = api.get(f"{APPS}/{space}/deployments/{name}")["spec"]
            labels = ",".join(f"{k}={v}" for k, v in wanted["selector"]["matchLabels"].items())
            pods = list(api.get(f"{CORE}/{space}/pods", labelSelector=labels)["items"])
            return pods if len(pods) == wanted["replicas"] and all(map(_is_ready, pods)) else []

        return self.wait_for(look, f"pods of {name}")

    @staticmethod
    def wait_for(look: Callable[[], Found], what: str) -> Found:
        """What is found at last."""
        until = time.monotonic() + _PATIENCE
        while not (found := look()):
            assert time.monotonic() < until, what
            time.sleep(0.3)
        return found

    def serves(self, host: Host) -> bool:
        """Whether its kubelet has a serving certificate of the cluster's."""
        with suppress(OSError):
            return self._current(host, "server").exists()
        return False

    def wake(self) -> None:
        """A stranger asks each server. It asks the API server who that is, hears the time, and does what is due by then."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def ask_one(where: tuple[str, int]) -> None:
            asked = http.client.HTTPSConnection(*where, context=context, timeout=_A_MOMENT)
            with suppress(OSError, http.client.HTTPException):
                who = {"Authorization": f"Bearer stranger-{time.time()}"}
                asked.request("GET", "/metrics", headers=who)
                asked.getresponse().read()
            asked.close()

        with ThreadPoolExecutor() as pool:
            list(pool.map(ask_one, self.pods))

    def fingerprint(self, host: Host) -> str:
        """Of its serving certificate."""
        return hashlib.sha256(self._current(host, "server").read_bytes()).hexdigest()

    def expired(self, hosts: Iterable[Host]) -> list[str]:
        """Kubelets' certificates on the disks of these nodes that are over."""
        now, found = datetime.now(UTC), []
        for host in hosts:
            for use in ("server", "client"):
                leaf = x509.load_pem_x509_certificate(self._current(host, use).read_bytes())
                if leaf.not_valid_after_utc <= now:
                    found.append(f"{host.short} {use} {leaf.not_valid_after_utc}")
        return found


def csr(name: str, pem: bytes, usages: Iterable[str], signer: str = SERVING) -> dict[str, Any]:
    """The object."""
    made = _named("certificates.k8s.io/v1", "CertificateSigningRequest", name)
    request = base64.b64encode(pem).decode()
    made["spec"] = {"request": request, "signerName": signer, "usages": [*usages]}
    return made


def _named(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _address(pod: dict[str, Any]) -> tuple[str, int]:
    [port, *_] = [each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]]
    return pod["status"]["podIP"], port
