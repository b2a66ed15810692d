"""The bed, in the words of `cluster.Cluster`: what `make real` has booted around this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from real.aging import age, signed_by_a_former_ca
from real.audit import Entry
from real.bed import Bed, Done, State
from real.node import Node as BedNode

from .cluster import Cluster


@dataclass(frozen=True)
class BedCluster(Cluster):
    """The real one."""

    bed: Bed

    @property
    def kubeconfig(self) -> Path:
        return self.bed.kubeconfig

    def given(self) -> Mapping[str, str]:
        return {"XDG_STATE_HOME": str(self.bed.folders.state / "xdg-state")}

    @property
    def nodes(self) -> tuple[BedNode, ...]:
        return self.bed.nodes

    @property
    def workers(self) -> tuple[BedNode, ...]:
        return self.bed.workers

    @property
    def master(self) -> BedNode:
        return self.bed.master

    def state(self, state: str) -> None:
        self.bed.set_state(State(state))
        self.forget_armed()

    def scenario(self, name: str) -> bool:
        if name == "wrong-ca":
            self.state("healthy")
            signed_by_a_former_ca(self.workers[0])
        elif name not in set(State):
            return False
        else:
            self.state(name)
        return True

    def kubectl(self, *arguments: str, **how: Any) -> Done:
        return self.bed.kubectl(*arguments, **how)

    def ssh_words(self) -> tuple[str, ...]:
        return ("--via", "ssh", "--ssh-config", str(self.bed.ssh_config))

    def audit(self, since: datetime) -> tuple[Entry, ...]:
        return self.bed.audit(since)

    def pass_time(self, days: int) -> None:
        age(self.bed, days)

    def where_pods_run(self, node: str) -> BedNode:
        return self.bed.node(node)

    def process_of(self, pod: str, node: str) -> str:
        sh = self.bed.node(node).sh
        found = sh(
            "pgrep -f '[k]ubevouch.cli.container|bin/[k]ubevouch|bin/[m]etrics-server'"
        ).stdout.split()
        for each in found:
            if sh(f"nsenter -t {each} -u hostname", check=False).stdout == f"{pod}\n":
                return each
        raise AssertionError((pod, found))

    def printed_by(self, namespace: str, pod: str, node: str) -> str:
        """From the node's disk: the kubelet's port may be dark."""
        path = f"/var/log/pods/{namespace}_{pod}_*/*/*.log"
        lines = self.bed.node(node).sh(f"cat {path}").stdout.splitlines()
        return "\n".join(line.split(" ", 3)[3] for line in lines)

    def stop_controller_manager(self) -> None:
        self.bed.stop_controller_manager()

    def start_controller_manager(self) -> None:
        self.bed.start_controller_manager()
