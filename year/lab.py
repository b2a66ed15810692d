"""`python -m year.lab FOLDER NODES`: a lab whose clock is moved while it runs, and what happens to a cluster in a year.

The time of day of this process is that of `clock.c`. What it waits for briefly takes its time; of what takes a minute and
longer, what was left out counts, too. So Leases and time-outs are as on any day, and a kubelet renews its certificate when
the day for it has come.
"""

import asyncio
import os
import sys
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver import http_watch
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, NODES
from kubevouch_lab.apiserver.outage import Outage
from kubevouch_lab.apiserver.server import ServerPki
from kubevouch_lab.cluster import control_plane
from kubevouch_lab.cluster.authorities import KUBERNETES, PKI, control_plane_files
from kubevouch_lab.cluster.disk_files import DiskFile, write_files
from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.kubeconfigs import of_kubelet
from kubevouch_lab.cluster.lab import Lab, LabOptions
from kubevouch_lab.cluster.node_disk import PKI as KUBELET_PKI
from kubevouch_lab.pki import KeyPair, authority
from kubevouch_lab.process.commands import Commands, Message
from kubevouch_lab.process.run import run
from kubevouch_lab.rng import serials
from kubevouch_lab.scenarios.faults import swallow, undo
from kubevouch_lab.scenarios.repairs import bootstrapped_again, port_opened
from kubevouch_lab.signer.issuing import SigningCa, signing_ca

_LONG, _LOOK = 60.0, 0.5
_AWAY = 3.0
"""Seconds for which an API server is away that starts anew."""
_AUTHORITIES = ("ca", "front-proxy-ca", "etcd/ca")


class LeapingClock(SystemClock):
    """Sleeps of a minute and longer end when the time of day has come."""

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds of this clock."""
        until = self.now() + timedelta(seconds=seconds)
        while seconds >= _LONG and (left := (until - self.now()).total_seconds()) > 0:
            await super().sleep(min(left, _LOOK))
        if seconds < _LONG:
            await super().sleep(seconds)


class YearCommands(Commands):
    """What happens to a cluster besides."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._known |= {
            "alone": self._alone,
            "leave": self._leave,
            "join": self._join,
            "firewall": self._firewall,
            "renew": self._renew,
            "add-ca": self._add_ca,
            "drop-ca": self._drop_ca,
            "waits": self._waits,
        }

    async def _alone(self, _: Message) -> None:
        """The approver of the lab's own ends."""
        undo(self._lab, self._machines(()))

    async def _waits(self, _: Message) -> Message:
        """Kubelets that wait for a serving certificate."""
        waits = [each.host.name for each in self._lab.machines.values() if each.kubelet.waits_for]
        return {"nodes": waits}

    async def _leave(self, message: Message) -> None:
        """The machine is drained, switched off and deleted; nothing of its identity is left."""
        [machine] = self._machines([message["node"]])
        await machine.stop_kubelet()
        for left in machine.files.path(KUBELET_PKI).glob("kubelet-*"):
            left.unlink()
        machine.files.remove("/etc/kubernetes/bootstrap-kubelet.conf")
        self._lab.control_plane.client.delete(NODES, machine.host.name)

    async def _join(self, message: Message) -> None:
        """`kubeadm join` on a machine that is no node."""
        await bootstrapped_again(self._lab, self._machines([message["node"]]))

    async def _firewall(self, message: Message) -> None:
        """The kubelet's port swallows what comes, or does so no more."""
        change = swallow if message["closed"] else port_opened
        await change(self._lab, self._machines([message["node"]]))

    async def _renew(self, _: Message) -> None:
        """`kubeadm certs renew all`, and the API server starts anew with what is on the disk."""
        lab, root = self._lab, self._root
        master, ca = lab.folder.node(lab.site.hosts[0].name), self._pair("ca")
        signing = {name: self._pair(name) for name in _AUTHORITIES}
        now = ClusterHistory(lab.clock.now())
        history = ClusterHistory(now.now + (now.now - now.renewed))
        made = await asyncio.to_thread(
            control_plane_files, lab.site, history, serials(lab.entropy), signing
        )
        kept = {f"{PKI}/{name}{end}" for name in _AUTHORITIES for end in (".crt", ".key")}
        kept |= {f"{PKI}/sa.key", f"{PKI}/sa.pub"}
        write_files(master, [each for each in made if each.path not in kept])
        lab.folder.kubeconfig.write_bytes((root / "admin.conf").read_bytes())
        plane = lab.control_plane
        leaf = self._pair("apiserver")
        plane.server.tls = ServerPki(leaf.chain, leaf.key, ca.chain)
        await plane.begin_outage(Outage.DOWN)
        await lab.clock.sleep(_AWAY)
        await plane.end_outage()

    async def _add_ca(self, _: Message) -> None:
        """A new CA of the cluster signs from the next start on; the old one is still trusted everywhere."""
        lab = self._lab
        made = authority("kubernetes", lab.clock.now(), serials(lab.entropy)())
        self._trust(KeyPair(made.chain + self._pair("ca").chain, made.key))

    async def _drop_ca(self, _: Message) -> None:
        """The old one goes."""
        ca = self._pair("ca")
        self._trust(KeyPair(ca.leaf.public_bytes(Encoding.PEM), ca.key))

    def _trust(self, ca: KeyPair) -> None:
        """The files of every machine, the operator's and the ConfigMaps that nobody keeps; the lab is then to be started anew."""
        lab, old = self._lab, self._pair("ca").chain
        for host in lab.site.hosts:
            files = [
                DiskFile(f"{PKI}/ca.crt", ca.chain, 0o644),
                DiskFile(
                    f"{KUBERNETES}/kubelet.conf",
                    of_kubelet(lab.site.api_url, ca.chain, host.name),
                    0o600,
                ),
            ]
            write_files(lab.folder.node(host.name), files)
        (self._root / "pki/ca.key").write_bytes(ca.key)
        client = lab.control_plane.client
        name, space = "extension-apiserver-authentication", "kube-system"
        found: Any = client.find(CONFIG_MAPS, name, space)
        found["data"]["client-ca-file"] = ca.chain.decode()
        client.update(CONFIG_MAPS, found)
        for conf in (*self._root.glob("*.conf"), lab.folder.kubeconfig):
            conf.write_bytes(conf.read_bytes().replace(b64encode(old), b64encode(ca.chain)))
        key = ca.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with lab.folder.loopback_addresses.open("a") as known:
            known.write(f"authority sha256:{sha256(key).hexdigest()}\n")

    def _pair(self, name: str) -> KeyPair:
        pki = self._root / "pki"
        return KeyPair((pki / f"{name}.crt").read_bytes(), (pki / f"{name}.key").read_bytes())

    @property
    def _root(self) -> Path:
        lab = self._lab
        return lab.folder.node(lab.site.hosts[0].name) / KUBERNETES.lstrip("/")


async def main(folder: Folder, nodes: int) -> None:
    """Runs it until SIGTERM."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    fresh = not folder.exists
    await run(
        folder,
        LabOptions(scenario="healthy" if fresh else "", nodes=nodes),
        clock=LeapingClock(),
        entropy=os.urandom,
        notify=print,
        ready=ready,
        commands=YearCommands,
    )


def _signing(certificate_pem: bytes, key_pem: bytes) -> SigningCa:
    """By the first of a bundle: what --cluster-signing-cert-file names has one certificate (kubernetes.io, manual rotation of CAs)."""
    first = x509.load_pem_x509_certificate(certificate_pem)
    return signing_ca(first.public_bytes(Encoding.PEM), key_pem)


if __name__ == "__main__":
    control_plane.signing_ca = _signing  # type: ignore[attr-defined]
    # Else a minute of the moved time might pass without one.
    http_watch.serve.__kwdefaults__ = {"bookmark_every": 1.0}
    # What runs in pods gets no environment of ours: their Python is a script that moves its clock.
    sys.executable = os.environ["YEAR_PYTHON"]
    asyncio.run(main(Folder(Path(sys.argv[1])), int(sys.argv[2])))
