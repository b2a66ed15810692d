"""`python -m bench.plan`: `plan` of thousands of simulated nodes over a transport that replays surveys, on one core.

The API server and the kubelets, which are dialled, are one Go process (real/programs/fleet) on the other cores. What ssh would bring
from a node is read from a file: a recorded survey of a lab's node that needs the change, with this node's name, machine-id and
client certificate. Everything else is the program as it runs. The limit is 60 s for 2,000 nodes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from bench.fleet import Fleet, fleet, programs
from bench.pairs import Sample, alone, program
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.node.destination import Destination
from kubevouch.node.script import ANSWER_MARK, DialAddress, Script, ScriptResult, T, answer_in
from tests.rollout.recorded import recorded
from tests.support.authority import Authority

_ACCOUNT = "reader"
_RECORDING = "expired-worker"
_REPLAYED = "--replayed"
_SYSTEM = "/api/v1/namespaces/kube-system"
_MARK = ANSWER_MARK.encode()


@dataclass(frozen=True)
class Replayed:
    """A transport to nodes whose answers are files, by name: what ssh's standard output would be."""

    answers: Path
    name: str = "ssh"

    async def destination(self, host: str) -> Destination:
        """As if known_hosts had a key for it."""
        return Destination(host, lookup=host, is_known=True)

    async def run_script(
        self,
        host: str,
        script: Script[T],
        *,
        timeout: float,  # noqa: ARG002 - as of every transport
        at: DialAddress | None = None,  # noqa: ARG002 - the same
    ) -> ScriptResult[T]:
        """The answer to a survey, from the address that is the first line of its file."""
        assert script.name == "survey", f"{script.name} is not replayed"
        dialled, _, said = (self.answers / host).read_bytes().partition(b"\n")
        answer = answer_in(said, script, where=host, complaint="")
        key = f"ssh-ed25519 SHA256:{host}"
        return ScriptResult(answer, host_key=key, known_as=host, dialled=dialled.decode())


def replayed(words: Sequence[str]) -> int:
    """The program, with nodes whose answers are in the first word's folder, on the core that the second names."""
    from kubevouch.cli.app import run
    from kubevouch.cli.rollout import context

    folder, core, *rest = words
    os.sched_setaffinity(0, {int(core)})
    vars(context)["transport_of"] = lambda *_: Replayed(Path(folder))
    return run(rest, program="kubevouch", environment=os.environ)


def objects(nodes: int) -> Mapping[str, Any]:
    """What the API server of a cluster that kubeadm made answers besides nodes and pods, by path."""
    [config] = recorded(_RECORDING).survey.config
    networking = "networking:\n  dnsDomain: cluster.local\n  serviceSubnet: 10.96.0.0/12\n"

    def named(name: str, namespace: str = "", **more: object) -> dict[str, Any]:
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"}
        return {"metadata": {**metadata, "namespace": namespace}, **more}

    def listed(kind: str, version: str, *items: dict[str, Any]) -> dict[str, Any]:
        head = {"kind": f"{kind}List", "apiVersion": version}
        return {**head, "metadata": {"resourceVersion": "7"}, "items": items}

    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    leases = [
        named(f"node-{number:05}.example.com", "kube-node-lease", spec={"renewTime": now})
        for number in range(nodes)
    ]
    kubeadm = named("kubeadm-config", "kube-system", data={"ClusterConfiguration": networking})
    joiners = named("kubelet-config", "kube-system", data={"kubelet": config.content.decode()})
    api = named("kubernetes", "default", spec={"clusterIP": "10.96.0.1"})
    cidrs = named("kubernetes", spec={"cidrs": ["10.96.0.0/12"]})
    return {
        _SYSTEM: named("kube-system"),
        f"{_SYSTEM}/configmaps/kubeadm-config": kubeadm,
        f"{_SYSTEM}/configmaps/kubelet-config": joiners,
        "/api/v1/services": listed("Service", "v1", api),
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": listed(
            "EndpointSlice", "discovery.k8s.io/v1", named("kubernetes", "default")
        ),
        "/apis/networking.k8s.io/v1/servicecidrs": listed(
            "ServiceCIDR", "networking.k8s.io/v1", cidrs
        ),
        "/apis/certificates.k8s.io/v1/certificatesigningrequests": listed(
            "CertificateSigningRequest", "certificates.k8s.io/v1"
        ),
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases": listed(
            "Lease", "coordination.k8s.io/v1", *leases
        ),
    }


def survey_of(node: Mapping[str, Any], authority: Authority) -> NodeSurvey:
    """The recorded survey as this node would have answered a moment ago."""
    seen, now = recorded(_RECORDING).survey, int(time.time())
    name, machine = node["metadata"]["name"], node["status"]["nodeInfo"]["machineID"]
    client = authority.client(f"system:node:{name}", "system:nodes")
    config = tuple(
        msgspec.structs.replace(each, modified=each.modified + now - seen.clock)
        for each in seen.config
    )
    return msgspec.structs.replace(
        seen,
        clock=now,
        machine_id=machine.encode() + b"\n",
        hostname=name.encode(),
        identity=msgspec.structs.replace(seen.identity, pem=client.chain),
        config=config,
    )


def address_of(node: Mapping[str, Any]) -> str:
    """Where its kubelet listens."""
    found = node["status"]["addresses"]
    return next(str(each["address"]) for each in found if each["type"] == "InternalIP")


def record(nodes: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """The answer of each node, in a file."""
    folder.mkdir()
    authority = Authority()
    for node in nodes:
        said = _MARK + msgspec.json.encode(survey_of(node, authority))
        lines = [address_of(node).encode(), said, b""]
        (folder / node["metadata"]["name"]).write_bytes(b"\n".join(lines))


def allow_loopback(there: Fleet, nodes: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The file that lets kubelets of this cluster have loopback addresses."""
    key = load_pem_x509_certificate(there.authority.read_bytes()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    lines = [f"authority sha256:{sha256(spki).hexdigest()}", *map(address_of, nodes), ""]
    path.write_text("\n".join(lines))


def planned(there: Fleet, folder: Path, core: int) -> Sample:
    """What a plan of all of its nodes took. Every one must be planned."""
    nodes = there.listed(_ACCOUNT)
    record(nodes, folder / "answers")
    allow_loopback(there, nodes, folder / "loopback")
    path = folder / "plan.json"
    argv = [sys.executable, "-m", "bench.plan", _REPLAYED, str(folder / "answers"), str(core)]
    argv += ["plan", "-o", str(path), "--kubeconfig", str(there.kubeconfig(_ACCOUNT))]
    environment = {**os.environ, "KUBEVOUCH_LOOPBACK_ADDRESSES": str(folder / "loopback")}
    took = program(argv, {**environment, "XDG_STATE_HOME": str(folder / "state")})
    found = json.loads(path.read_bytes())
    assert len(found["nodes"]) == there.nodes, found["leftOut"][:3]
    return took


def main() -> int:
    """Each size in its turn."""
    if sys.argv[1:2] == [_REPLAYED]:
        return replayed(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="500,1000,2000")
    asked = parser.parse_args()
    binary, _ = programs()
    *others, core = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or {core})
    for nodes in map(int, asked.nodes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-plan-") as name:
            folder = Path(name)
            where, more = folder / "fleet", objects(nodes)
            with fleet(binary, where, [_ACCOUNT], nodes=nodes, pods=0, mix="", objects=more) as it:
                took = planned(it, folder, core)
        what = f"plan, {nodes} nodes"
        alone(f"{what}: wall, one core", took.wall, "s", f"{nodes / took.wall:.0f} nodes a second")
        alone(f"{what}: CPU", took.cpu, "s", f"{took.cpu / nodes * 1000:.1f} s for 1,000")
        alone(f"{what}: peak memory", took.memory, "MiB")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
