"""A lab of its own, in the words of `cluster.Cluster`: made for the tests, a process beside them, gone after them."""

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kubevouch.errors import UsageError
from kubevouch.system_clock import SystemClock
from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.site import KUBELET_PORT, Host, Site
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.process.control_socket import ask
from real.audit import Entry, read
from real.handshake import Seen, context, shake
from real.node import EVENTS, TREE, UnitEvent
from real.node import Entry as TreeEntry
from real.processes import Done

from .cluster import Cluster, Node
from .programs import CHECKOUT

AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"
VARIABLE = "KUBEVOUCH_LOOPBACK_ADDRESSES"
_SETTLES = 600.0
"""Seconds for a change of state: the lab itself says earlier what does not come about."""
_KUBECTL = Path(sys.executable).with_name("kubectl")


@dataclass(frozen=True)
class Here:
    """This machine, on which a lab's pods are processes."""

    def sh(self, script: str, *arguments: str, check: bool = True, seconds: float = 120) -> Done:
        words = ("sh", "-c", script, "sh", *arguments)
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0 or not check, (script, done)
        return done


@dataclass(frozen=True)
class LabNode:
    """One node. Everything here goes by the lab's own process, so it works while its ssh is cut."""

    folder: Folder
    host: Host

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def address(self) -> str:
        return self.host.address

    @property
    def files(self) -> NodeFiles:
        return NodeFiles(self.folder.node(self.name), self.name)

    def sh(self, script: str, *arguments: str, check: bool = True, seconds: float = 120) -> Done:
        asked = {"node": self.name, "script": script, "arguments": arguments}
        said = self._ask("sh", timeout=seconds, **asked)
        ended = Done(script, said["code"], _text(said["out"]), _text(said["err"]))
        assert ended.returncode == 0 or not check, (self.name, ended)
        return ended

    def read(self, path: str) -> bytes:
        return self.files.read(path)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.files.write(path, data, mode)

    def exists(self, path: str) -> bool:
        return self.sh('[ -e "$1" ]', path, check=False).returncode == 0

    def tree(self, *folders: str) -> Mapping[str, TreeEntry]:
        lines = self.sh(TREE, *folders).stdout.splitlines()
        fields = [line.split("\t", 4) for line in lines]
        return {
            path: TreeEntry(kind, mode, owner, content)
            for kind, mode, owner, path, content in fields
        }

    def handshake(self) -> Seen:
        return shake(self.address, port=KUBELET_PORT, tls=context())

    def unit_events(self, unit: str, since: datetime) -> tuple[UnitEvent, ...]:
        lines = Journal(self.files, SystemClock()).of(unit)
        known = [(line.moment, line.fields.get("MESSAGE_ID", "")) for line in lines]
        return tuple(
            UnitEvent(at, EVENTS[id_]) for at, id_ in known if id_ in EVENTS and at >= since
        )

    def cut_ssh(self) -> None:
        self._ask("cut-ssh", node=self.name)

    def mend(self) -> None:
        self._ask("mend", node=self.name)

    def fill(self, folder: str, size: str = "8m") -> None:
        self._ask("fill", node=self.name, folder=folder, size=size)

    def free(self) -> None:
        self._ask("mend", node=self.name)

    def _ask(self, verb: str, *, timeout: float = 60, **more: object) -> dict[str, Any]:
        return ask(self.folder, {"do": verb, **more}, timeout=timeout)


@dataclass(frozen=True)
class LabCluster(Cluster):
    """A running lab."""

    folder: Folder
    site: Site
    network: Sequence[str] = ()

    @property
    def inside(self) -> Sequence[str]:
        return self.network

    @property
    def kubeconfig(self) -> Path:
        return self.folder.kubeconfig

    def given(self) -> Mapping[str, str]:
        loopback = {VARIABLE: str(self.folder.loopback_addresses)}
        return {
            "XDG_STATE_HOME": str(self.folder.root / "xdg-state"),
            **(loopback if self.site.on_loopback else {}),
        }

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        return tuple(LabNode(self.folder, host) for host in self.site.hosts)

    @property
    def workers(self) -> tuple[LabNode, ...]:
        return self.nodes[1:]

    @property
    def master(self) -> LabNode:
        return self.nodes[0]

    def state(self, state: str) -> None:
        ask(self.folder, {"do": "state", "state": state}, timeout=_SETTLES)
        self.forget_armed()

    def scenario(self, name: str) -> bool:
        ask(self.folder, {"do": "break", "scenario": name, "nodes": []}, timeout=_SETTLES)
        self.forget_armed()
        return True

    def tell_credential_ids(self, *, told: bool) -> bool:
        ask(self.folder, {"do": "credential-ids", "told": told})
        return True

    def set_clock(self, node: Node, ahead: timedelta) -> bool:
        asked = {"do": "set-clock", "node": node.name, "ahead": ahead.total_seconds()}
        ask(self.folder, asked)
        return True

    def repair(self, name: str) -> bool:
        try:
            ask(self.folder, {"do": "repair", "scenario": name}, timeout=_SETTLES)
        except UsageError:
            return False
        return True

    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done:
        given = f"--kubeconfig={kubeconfig or self.kubeconfig}"
        cache = f"--cache-dir={self.folder.root / 'kubectl-cache'}"
        done = subprocess.run(
            [*self.inside, _KUBECTL, given, cache, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, (arguments, done.stdout, done.stderr)
        return done

    def ssh_words(self) -> tuple[str, ...]:
        return ("--via", "ssh", "--ssh-config", str(self.folder.ssh_config))

    def audit(self, since: datetime) -> tuple[Entry, ...]:
        return read(self.master.read(AUDIT_LOG), since)

    def pass_time(self, days: int) -> None:
        asked = {"do": "age", "days": days, "nodes": [], "serving": True}
        ask(self.folder, asked, timeout=_SETTLES)

    def where_pods_run(self, node: str) -> Here:
        del node
        return Here()

    def process_of(self, pod: str, node: str) -> str:
        del node
        wanted = f"HOSTNAME={pod}".encode()
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (each / "cmdline").read_bytes()
                if (
                    b"kubevouch.cli.container" in words
                    and wanted in (each / "environ").read_bytes()
                ):
                    return each.name
        raise AssertionError(pod)

    def printed_by(self, namespace: str, pod: str, node: str) -> str:
        del node
        return self.kubectl("logs", "-n", namespace, pod).stdout

    def stop_controller_manager(self) -> None:
        ask(self.folder, {"do": "stop-controller-manager"})

    def stop_signers(self) -> None:
        """Nobody signs; the rest of the controller manager goes on, until all of it is started again."""
        ask(self.folder, {"do": "stop-controller-manager", "names": ["signers"]})

    def start_controller_manager(self) -> None:
        ask(self.folder, {"do": "start-controller-manager"})

    @contextlib.contextmanager
    def outage(self, kind: str) -> Iterator[None]:
        """The API server is `down`, `no-backend`, `overloaded` or `silent`, for all who reach it over the wire."""
        self.begin_outage(kind)
        try:
            yield
        finally:
            self.end_outage()

    def begin_outage(self, kind: str) -> None:
        ask(self.folder, {"do": "begin-outage", "outage": kind})

    def end_outage(self) -> None:
        ask(self.folder, {"do": "end-outage"})


@contextlib.contextmanager
def lab(root: Path, *words: str, network: Sequence[str] = ()) -> Iterator[LabCluster]:
    """A lab in that folder while it lasts. Whatever became of it, nothing of it is left.

    network: the words of a program that runs others in a network of their own.
    """
    folder = Folder(root)
    _lab("up", root, "--detach", *words, network=network)
    try:
        yield LabCluster(folder, folder.record().site, network)
    finally:
        _lab("down", root)


def _lab(verb: str, root: Path, *words: str, network: Sequence[str] = ()) -> None:
    done = subprocess.run(
        [*network, sys.executable, "-m", "kubevouch", "lab", verb, "--dir", str(root), *words],
        cwd=CHECKOUT,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="replace")
