"""The bed as the e2e tests see it: nodes, kubectl, faults, the audit log, the state.

    bed = Bed.running()
    bed.set_state(State.EXPIRED)
    bed.kubectl("get", "nodes")
    bed.node("k8s-worker-1").exec("systemctl", "is-active", "kubelet")

The caller stands inside the bed's network (`make real` starts pytest there; `python -m real exec -- CMD` does it by hand).
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from real import audit, cluster, faults, loading, network, second_control_plane
from real.errors import BedError, NotRunning
from real.layout import AUDIT_LOG, HOSTS, KUBELET_PORT, MASTER, WORKERS, Folders
from real.machine import Machine
from real.node import Node
from real.pairs import Pair
from real.prober import probing
from real.processes import Done
from real.running import Facts, Record
from real.states import State
from real.switching import Switch

__all__ = ["KUBELET_PORT", "Bed", "Done", "Node", "State"]


@dataclass(frozen=True)
class Bed:
    """A running bed. Its facts are those of the moment it was looked up, but for `state`, which is read anew."""

    folders: Folders
    facts: Facts

    @staticmethod
    def running(environment: Mapping[str, str] | None = None) -> "Bed":
        """The bed that is up.

        Raises:
            NotRunning: there is none, or the caller does not stand inside its network.
        """
        folders = Folders.of(os.environ if environment is None else environment)
        facts = Record(folders).read()
        if not network.inside():
            raise NotRunning(
                "this process",
                "stands outside the bed's network",
                "use `python -m real exec -- CMD`",
            )
        return Bed(folders, facts)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folders.kubeconfig

    @property
    def kubectl_program(self) -> Path:
        """The kubectl of the cluster's own version."""
        return self.folders.kubectl

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: knows every machine by its FQDN, short name and address; host keys are pinned."""
        return self.folders.ssh_config

    @property
    def version(self) -> str:
        """Kubernetes' version, as `1.36.3`."""
        return self.facts.version

    @property
    def ca(self) -> Pair:
        """The cluster's CA, with its key."""
        return Pair(self.facts.ca_chain.encode(), self.facts.ca_key.encode())

    @property
    def state(self) -> State:
        """The state that was last set (tests and the product may have changed things since)."""
        return Record(self.folders).read().state

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All four, the control plane first."""
        return tuple(Node(machine, self.folders) for machine in self._machines)

    @property
    def master(self) -> Node:
        """The control-plane node."""
        return self.node(MASTER.name)

    @property
    def workers(self) -> tuple[Node, ...]:
        """The other three; the last one joined later than the others."""
        return tuple(self.node(host.name) for host in WORKERS)

    def node(self, name: str) -> Node:
        """A node by its name or short name.

        Raises:
            BedError: there is none of that name.
        """
        for node in self.nodes:
            if name in {node.name, node.host.short}:
                return node
        raise BedError(name, "is no node of the bed", ", ".join(host.short for host in HOSTS))

    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done:
        """kubectl, as administrator unless another kubeconfig is given.

        Raises:
            BedError: `check` and it failed, or it did not end in time.
        """
        return cluster.kubectl(
            self.folders,
            *arguments,
            kubeconfig=kubeconfig,
            stdin=stdin,
            check=check,
            seconds=seconds,
        )

    def take_metrics_server_away(self) -> None:
        """Nothing of metrics-server is there any more, so that a chart can be installed."""
        gone = ("delete", "-f", "-", "--ignore-not-found", "--wait")
        self.kubectl(*gone, stdin=cluster.metrics_server(), seconds=120)

    def put_metrics_server_back(self) -> None:
        """metrics-server as the bed was made with it."""
        self.kubectl("apply", "-f", "-", stdin=cluster.metrics_server())

    def load_image(self, archive: Path, repository: str = loading.REPOSITORY) -> str:
        """Gives every node the image of an OCI archive; returns the reference by digest that pods use.

        Raises:
            BedError: it is not an OCI archive of one image, or containerd refuses it.
        """
        return loading.load(self._machines, archive, repository)

    def set_state(self, state: State) -> None:
        """Brings the bed into a state, whatever was done to it; returns when the state is seen from outside.

        Raises:
            BedError: it was not reached.
        """
        Switch(self.folders, self.facts).to(state)

    def observe(self, state: State) -> None:
        """Waits until the wire and metrics-server look as the state says, changing nothing but metrics-server's pods.

        Raises:
            BedError: they do not, in two minutes.
        """
        Switch(self.folders, self.facts).observe(state)

    def audit(self, since: datetime) -> tuple[audit.Entry, ...]:
        """What the API server was asked since that moment, by everyone, in the order of its answers; of two, each for itself."""
        found = audit.entries(self.master.machine, since)
        for each in self.workers:
            if (each.machine.root / AUDIT_LOG.lstrip("/")).exists():
                found += audit.entries(each.machine, since)
        return found

    def stop_controller_manager(self) -> None:
        """Nobody signs from now on; returns when it is gone."""
        faults.stop_controller_manager(self.master.machine)

    def start_controller_manager(self) -> None:
        """Signing goes on; returns when it leads again."""
        faults.start_controller_manager(self.master.machine)

    @contextmanager
    def second_control_plane(self) -> Iterator[Node]:
        """The last worker is a control plane as well, with an API server and a member of etcd, while it lasts.

        Raises:
            BedError: it did not become one, or did not become a worker again.
        """
        node = self.workers[-1]
        try:
            second_control_plane.join(self.folders, node.machine)
            yield node
        finally:
            second_control_plane.leave(self.folders, node.machine)

    @contextmanager
    def probed(self, log: Path) -> Iterator[Path]:
        """While it lasts, a process of its own dials every kubelet ten times a second and writes to the log.

        Read it by `real.prober.read`.
        """
        with probing(sys.executable, log, [node.address for node in self.nodes]):
            yield log

    @property
    def _machines(self) -> Sequence[Machine]:
        return cluster.machines_of(self.folders)
