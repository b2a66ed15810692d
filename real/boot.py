"""From nothing to a cluster in one of its states: what is missing is built, then four machines are booted."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from real import (
    clock,
    cluster,
    images,
    machine_files,
    network,
    operator_place,
    pairs,
    programs,
    rootfs,
)
from real.layout import Folders
from real.machine import Machine
from real.processes import at_once
from real.progress import step
from real.running import Facts, Record
from real.states import KUBELET, History, State, serving_files
from real.switching import Switch


class Boot:
    """One boot. Before it, `sweep` has left nothing; after a failure, `sweep` removes what is there."""

    def __init__(self, folders: Folders, version: str) -> None:
        self.folders = folders
        self.version = version
        self.history = History(clock.now())
        self.machines = cluster.machines_of(folders)
        self.master, self.workers = self.machines[0], self.machines[1:]

    def run(self, state: State) -> Facts:
        """Builds, boots, and brings the bed into the state.

        Raises:
            BedError: a step failed.
        """
        built = programs.build(self.folders, programs.modules(self.version))
        root = rootfs.build(self.folders)
        wanted = images.wanted(built, self.version)
        archives = images.build(self.folders, built, wanted)
        ca = pairs.cluster_ca(self.history.cluster_made)
        with step("four machines booted"):
            self._boot_machines(built, root, wanted[0].name, ca)
        self._make_cluster(archives, ca)
        with step("pod network and kube-proxy"):
            self._connect()
        facts = self._facts(ca)
        Record(self.folders).write(facts)
        with step("Nodes Ready"):
            cluster.wait_nodes_ready(self.folders)
        switch = Switch(self.folders, facts)
        if state is State.EXPIRED:
            switch.observe(state)
        else:
            switch.to(state)
        return Record(self.folders).read()

    def _boot_machines(
        self, built: programs.Programs, root: Path, pause: str, ca: pairs.Pair
    ) -> None:
        keys = operator_place.furnish(self.folders, built.paths["kubectl"])
        network.build()
        network.enter()
        settings = machine_files.Settings(
            self.version, pause, keys.operator_public, pairs.ca_hash(ca)
        )

        def start(machine: Machine) -> None:
            files = machine_files.of(machine.host, keys.host_private[machine.host], settings)
            machine.prepare(root, files)
            machine.boot(built.paths)
            # The seed's state: in place before kubeadm, so that the kubelet never makes a pair of its own.
            machine.exec("mkdir", "-p", f"{KUBELET}/pki")
            machine.place(serving_files(State.EXPIRED, machine.host, self.history, ca))

        at_once(start, self.machines)

    def _make_cluster(self, archives: Path, ca: pairs.Pair) -> None:
        """The workers unpack their images while the master comes up."""
        with ThreadPoolExecutor() as pool:
            unpacked = [pool.submit(_import_workers, machine, archives) for machine in self.workers]
            with step("control plane's images imported"):
                cluster.import_images(self.master, archives / "control-plane.tar")
            with step("kubeadm init"):
                operator_place.write_kubeconfig(self.folders, cluster.init(self.master, ca))
            for each in unpacked:
                each.result()
        with step("kubeadm join"):
            at_once(cluster.join, self.workers)
            cluster.forget_tokens(self.folders)

    def _connect(self) -> None:
        proxy = cluster.proxy_kubeconfig(self.master)
        cidrs = cluster.pod_cidrs(self.folders)
        network.route_pods(dict(cidrs))

        def connect(machine: Machine) -> None:
            cluster.start_proxy(machine, proxy)
            cluster.give_pod_network(machine, cidrs[machine.host])

        at_once(connect, self.machines)
        cluster.apply_workloads(self.folders)

    def _facts(self, ca: pairs.Pair) -> Facts:
        return Facts(
            version=self.version,
            booted=self.history.booted,
            state=State.EXPIRED,
            ca_chain=ca.chain.decode(),
            ca_key=ca.key.decode(),
            kubelet_config_map=cluster.kubelet_config_map(self.folders),
            node_files={
                machine.host.short: cluster.node_files(machine) for machine in self.machines
            },
        )


def _import_workers(machine: Machine, archives: Path) -> None:
    cluster.import_images(machine, archives / "workers.tar")
