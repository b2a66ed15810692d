"""A lab that runs: control plane, nodes and their ways in, in one event loop."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.cluster import seed
from kubevouch_lab.cluster.active_faults import ActiveFaults, keep_active_faults, read_active_faults
from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.control_plane import ControlPlane
from kubevouch_lab.cluster.folder import Folder, LabError, Record
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.machine import Machine
from kubevouch_lab.cluster.make_folder import make
from kubevouch_lab.cluster.metrics_server import MetricsServerProgram
from kubevouch_lab.cluster.own_pods import OwnProgram
from kubevouch_lab.cluster.pod_servers import PodServers
from kubevouch_lab.cluster.scenario import Scenario
from kubevouch_lab.cluster.site import (
    API_PORT,
    BLOCKS,
    IPV6_NETWORK,
    KUBELET_PORT,
    SSH_PORT,
    Host,
    IpFamily,
    Site,
)
from kubevouch_lab.cluster.states import State
from kubevouch_lab.objects import bracketed, name_of
from kubevouch_lab.rng import Entropy

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabOptions:
    """What a new lab is to be; empty and 0 are the defaults. An old one must be what they say.

    blocks: those that a new lab may take its addresses from. An old one keeps what it has.
    """

    scenario: str = ""
    nodes: int = 0
    blocks: range = BLOCKS
    family: IpFamily | None = None
    whole: bool = False
    """Whether every node of a new lab is a whole machine, however many there are."""


class Lab:
    """One lab. The lock of its folder is held by who calls. scenario_of: the scenario of a name, or LabError."""

    def __init__(
        self,
        folder: Folder,
        *,
        scenario_of: Callable[[str], Scenario],
        clock: Clock,
        entropy: Entropy,
        notify: Callable[[str], None],
    ) -> None:
        self._scenario_of = scenario_of
        self.folder = folder
        self.clock = clock
        self.entropy = entropy
        self._notify = notify
        self._started: datetime = clock.now()
        self._running = AsyncExitStack()
        self.machines: dict[str, Machine] = {}
        self.record: Record
        self.control_plane: ControlPlane
        self.servers: PodServers

    @property
    def site(self) -> Site:
        """Names and addresses."""
        return self.record.site

    async def start(self, options: LabOptions) -> None:
        """Makes the lab if its folder holds none yet, and starts all of it.

        Raises:
            LabError: it is another lab than the options say, or an address of it is taken.
        """
        self._started = self.clock.now()
        fresh = not self.folder.exists
        self.record = self._made(options) if fresh else self._existing(options)
        master = self.site.hosts[0]
        pki = Authorities.read(self.folder.node(master.name))
        self.control_plane = ControlPlane(
            self.folder, self.site, pki, clock=self.clock, entropy=self.entropy
        )
        scenario = self._scenario_of(self.record.scenario)
        self.control_plane.create_seed_objects(
            ClusterHistory(self.record.made), bootstraps=scenario.state.bootstraps
        )
        self._running.push_async_callback(self.control_plane.stop)
        await self.control_plane.start()
        self.servers = self._pod_servers(pki.ca.chain)
        self.control_plane.authentication.tokens.ends = self.servers.ends
        self._running.push_async_callback(self.servers.stop)
        self._following = asyncio.create_task(self._follow_pods())
        self._running.callback(self._following.cancel)
        self._apply(read_active_faults(self.folder))
        self._running.push_async_callback(self._stop_machines)
        self.machines = {host.name: self._machine(host) for host in self.site.hosts}
        whole = [each for each in self.machines.values() if not each.host.light]
        await asyncio.gather(*(each.start() for each in whole))
        self._light = asyncio.create_task(self._start_light())
        self._running.callback(self._light.cancel)
        if fresh and scenario.faults:
            await self._light
            for fault in scenario.faults:
                await fault(self, scenario.machines(self))
        self._announce()

    def _pod_servers(self, ca: bytes) -> PodServers:
        thrifty = self.site.hosts[-1].light
        metrics = MetricsServerProgram(
            self.site.api_url,
            ca,
            clock=self.clock,
            entropy=self.entropy,
            token=self.control_plane.token,
            resolution=self.pace * (4 if thrifty else 2),
            pause=0.05 if thrifty else 0.02,
        )
        own = OwnProgram(
            self.site,
            ca,
            token=self.control_plane.token,
            loopback_addresses=self.folder.loopback_addresses,
        )
        return PodServers((own, metrics), self.clock)

    def _announce(self) -> None:
        whole = [
            machine
            for host, machine in zip(self.site.hosts, self.machines.values(), strict=True)
            if not host.light
        ]
        without = next((m.system.no_shell for m in whole if m.system.no_shell is not None), None)
        if without is not None:
            self._notify(f"no ssh to the nodes: {without}")
        nodes = "1 node" if self.site.count == 1 else f"{self.site.count} nodes"
        scenarios = ", ".join(dict.fromkeys(self.scenarios.values()))
        self._notify(f"{nodes}, {scenarios}, in {self.folder.root}")

    async def stop(self) -> None:
        """Ends all of it; the folder stays."""
        await self._running.aclose()

    @property
    def pace(self) -> float:
        """Seconds between two samples of usage: nobody wants to wait on a laptop, unless there are hundreds of nodes."""
        return max(1.0, self.site.count / 20)

    def _machine(self, host: Host) -> Machine:
        machine = Machine(
            self.folder,
            self.site,
            host,
            clock=self.clock,
            entropy=self.entropy,
            servers=self.servers,
            pods=lambda: self.control_plane.store.pods_of(host.name),
            light_api=self.control_plane.light_api,
            housekeeping=self.pace,
        )
        machine.apply(self.active_faults)
        return machine

    async def _start_light(self) -> None:
        """One after the other, since there may be thousands, and the API server answers meanwhile."""
        for machine in self.machines.values():
            if machine.host.light:
                await machine.start()
                await self.clock.sleep(0)

    @property
    def active_faults(self) -> ActiveFaults:
        """What has been done to it and lasts."""
        return self.control_plane.active_faults

    def set_active_faults(self, active_faults: ActiveFaults) -> None:
        """Makes it so, now and at later starts."""
        keep_active_faults(self.folder, active_faults)
        self._apply(active_faults)

    def _apply(self, active_faults: ActiveFaults) -> None:
        self.control_plane.active_faults = active_faults
        self.control_plane.review_csrs()
        for machine in self.machines.values():
            machine.apply(active_faults)

    @property
    def scenarios(self) -> dict[str, str]:
        """The scenario that each node is in, by node name."""
        return _scenarios(self.record, self.active_faults)

    def note_scenario(self, name: str, machines: Sequence[Machine]) -> None:
        """A scenario has been applied to these."""
        old = self.active_faults
        applied = {machine.host.name: name for machine in machines}
        self.set_active_faults(msgspec.structs.replace(old, scenarios=old.scenarios | applied))

    def seeded(self, kind: str, name: str) -> dict[str, Any]:
        """An object of metrics-server's manifest, as somebody would create it anew."""
        return next(
            each
            for each in seed.manifest("metrics-server.yaml", self.site)
            if (each["kind"], name_of(each)) == (kind, name)
        )

    async def _follow_pods(self) -> None:
        """What runs in a pod ends with it."""
        with self.control_plane.store.watch(PODS) as changes:
            async for change in changes:
                if change.after is None and change.before is not None:
                    self.servers.gone(change.before["metadata"]["uid"])

    async def _stop_machines(self) -> None:
        """All at once; one that cannot be stopped holds no other."""
        machines = self.machines.values()
        ended = await asyncio.gather(*(each.stop() for each in machines), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                _LOG.error("A machine did not stop cleanly", exc_info=error)

    def status(self) -> dict[str, Any]:
        """What runs and where, for people."""
        up = (self.clock.now() - self._started).total_seconds()
        scenarios = self.scenarios
        return {
            "server": self.site.api_url,
            "scenario": ", ".join(dict.fromkeys(scenarios.values())),
            "up": int(up),
            "nodes": [
                {
                    "name": host.name,
                    "kubelet": f"{bracketed(host.address)}:{KUBELET_PORT}",
                    "ssh": f"{bracketed(host.address)}:{SSH_PORT}",
                    "scenario": scenarios[host.name],
                    "state": machine.state(),
                }
                for host, machine in zip(self.site.hosts, self.machines.values(), strict=True)
            ],
        }

    def _made(self, options: LabOptions) -> Record:
        family = options.family or IpFamily.IPV4
        site = free_site(self.folder, options.nodes or 4, options.blocks, family)
        scenario = self._scenario_of(options.scenario or State.EXPIRED)
        record = Record(
            block=site.block,
            nodes=site.count,
            family=site.family,
            whole=options.whole,
            scenario=scenario.name,
            made=self.clock.now().replace(microsecond=0),
            identity=self.entropy(16).hex(),
        )
        make(self.folder, record, scenario.state, self.entropy)
        return record

    def _existing(self, options: LabOptions) -> Record:
        record = self.folder.record()
        scenarios = _scenarios(record, read_active_faults(self.folder))
        present = ", ".join(dict.fromkeys(scenarios.values()))
        for what, wanted, found in (
            ("scenario", options.scenario, present),
            ("number of nodes", options.nodes, record.nodes),
            ("family of addresses", options.family, record.family),
        ):
            if wanted and wanted != found:
                raise LabError(
                    str(self.folder.root),
                    f"the lab here has another {what}: {found}",
                    "`kubevouch lab down --remove`, or another --dir",
                )
        return record


def _scenarios(record: Record, faults: ActiveFaults) -> dict[str, str]:
    hosts = record.site.hosts
    return {host.name: faults.scenarios.get(host.name, record.scenario) for host in hosts}


def free_site(folder: Folder, nodes: int, blocks: range, family: IpFamily) -> Site:
    """Addresses for a new lab: those that the name of its folder leads to first, unless something listens there.

    Raises:
        LabError: there is no free block, or this machine has no such addresses.
    """
    if family is not IpFamily.IPV4:
        _check_ipv6()
    elif not _binds("127.250.0.1", 0):
        raise LabError(
            "127.0.0.0/8",
            "only 127.0.0.1 can be bound on this machine",
            "expected a system that has all of 127.0.0.0/8",
        )
    start = int.from_bytes(hashlib.sha256(bytes(folder.root)).digest()[:4])
    for tried in range(len(blocks)):
        site = Site(blocks[(start + tried) % len(blocks)], nodes, family=family)
        if all(_binds(site.api_address, port) for port in (API_PORT, KUBELET_PORT)):
            return site
    raise LabError(str(folder.root), "no block of loopback addresses is free", "end other labs")


def _check_ipv6() -> None:
    """Raises LabError where this machine has no address of labs with IPv6."""
    if not _binds(IPV6_NETWORK.replace("/32", "1"), 0):
        raise LabError(
            IPV6_NETWORK,
            "cannot be bound on this machine",
            "run in a shell with its own network namespace: unshare --map-root-user --net sh -c 'ip link set lo up; "
            f"ip -6 route add local {IPV6_NETWORK} dev lo; echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind; exec $SHELL'",
        )


def _binds(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((address, port))
        except OSError:
            return False
    return True
