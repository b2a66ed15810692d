"""One machine of the lab: its disk, its clock, its journal, its kubelet and the way in."""

import logging
from collections.abc import Callable
from datetime import timedelta

from kubevouch.clock import Clock
from kubevouch_lab.clock import OffsetClock
from kubevouch_lab.cluster.active_faults import ActiveFaults
from kubevouch_lab.cluster.folder import Folder, LabError
from kubevouch_lab.cluster.kubeadm import kubeadm
from kubevouch_lab.cluster.operator_files import HOST_KEY
from kubevouch_lab.cluster.pod_servers import PodServers
from kubevouch_lab.cluster.runtime import NodeRuntime
from kubevouch_lab.cluster.site import SSH_PORT, Host, Site
from kubevouch_lab.kubelets.api import Api, Connect
from kubevouch_lab.kubelets.kubelet import Kubelet
from kubevouch_lab.kubelets.reporter import ReportIntervals
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.nodes.services import StartFailure
from kubevouch_lab.nodes.system import System
from kubevouch_lab.nodes.units import KUBELET, JobFailed
from kubevouch_lab.objects import Object, bracketed
from kubevouch_lab.rng import Entropy
from kubevouch_lab.ssh.server import NodeSsh

_LOG = logging.getLogger(__name__)
# A real kubelet puts a Node right that somebody has bent within five minutes; nobody waits so long on a laptop.
_RHYTHM = ReportIntervals(lease=10.0, status=5.0, report=20.0)
_LIGHT_RHYTHM = ReportIntervals(lease=30.0, status=60.0)
_UP_FOR = timedelta(days=3, hours=7)
_ERROR = 3
_AUTHORIZED = "/root/.ssh/authorized_keys"


class Machine:
    """A node from below: what its operator and its kubelet have of it."""

    def __init__(
        self,
        folder: Folder,
        site: Site,
        host: Host,
        *,
        clock: Clock,
        entropy: Entropy,
        servers: PodServers,
        pods: Callable[[], list[Object]],
        light_api: Connect,
        housekeeping: float = 1.0,
    ) -> None:
        self.host = host
        self.clock = OffsetClock(clock)
        self.files = NodeFiles(folder.node(host.name), host.name)
        self.journal = Journal(self.files, self.clock)
        runtime = NodeRuntime(site, host, servers, pods)
        self.kubelet = Kubelet(
            self.files,
            clock=self.clock,
            entropy=entropy,
            addresses=host.addresses,
            say=self._log_line,
            runtime=runtime,
            connect=light_api if host.light else Api,
            rhythm=_LIGHT_RHYTHM if host.light else _RHYTHM,
            housekeeping=housekeeping,
        )
        runtime.changed = self.kubelet.look_at_pods
        self.system = System(
            self.files,
            kubelet=self.kubelet,
            journal=self.journal,
            clock=self.clock,
            entropy=entropy,
            programs={"kubeadm": kubeadm(self.files, self.clock)},
        )
        self.ssh = None if host.light else self._door()

    def _door(self) -> NodeSsh:
        return NodeSsh(
            self.system,
            host_key=self.files.read(HOST_KEY),
            authorized_keys=self.files.text(_AUTHORIZED),
        )

    def _log_line(self, line: str, priority: int) -> None:
        if self.host.light and priority > _ERROR:
            return
        self.journal.add(
            KUBELET, line, identifier="kubelet", pid=self.kubelet.pid, priority=priority
        )

    async def start(self) -> None:
        """Switches it on, and lets the operator in. Raises LabError where its ssh port is taken."""
        if self.host.light:
            await self.start_kubelet()
            return
        await self.system.boot(_UP_FOR)
        if self.system.no_shell is not None:
            _LOG.warning("%s: %s", self.host.name, self.system.no_shell)
        assert self.ssh is not None
        try:
            await self.ssh.start(self.host.addresses, SSH_PORT)
        except OSError as error:
            where = f"{bracketed(self.host.address)}:{SSH_PORT}"
            raise LabError(where, error.strerror or str(error), "stop what listens there") from None

    async def stop(self) -> None:
        """All of it ends."""
        if self.ssh is None:
            await self.kubelet.stop()
            return
        await self.ssh.stop()
        await self.system.power_off()

    async def start_kubelet(self) -> None:
        """As systemctl start does it. A kubelet that does not start has said why in its journal."""
        try:
            if self.host.light:
                await self.kubelet.start()
                return
            self.system.units.reload()
            await self.system.units.start(KUBELET)
        except (JobFailed, StartFailure) as failure:
            _LOG.warning("%s: %s", self.host.name, failure)

    async def stop_kubelet(self) -> None:
        """As systemctl stop does it."""
        if self.host.light:
            await self.kubelet.stop()
        else:
            await self.system.units.stop(KUBELET)

    def apply(self, active_faults: ActiveFaults) -> None:
        """What lasts of what was done to it."""
        name = self.host.name
        self.clock.offset = timedelta(seconds=active_faults.ahead.get(name, 0.0))
        self.kubelet.set_responsive(responsive=name not in active_faults.unresponsive)

    async def forget_units(self, pattern: str) -> None:
        """Stops and forgets what somebody has set up with the service manager."""
        if self.host.light:
            return
        for name in self.system.units.matching([pattern]):
            await self.system.units.stop(name)
        for folder in ("/run/systemd/transient", "/etc/systemd/system"):
            for left in self.files.path(folder).glob(pattern):
                left.unlink()

    async def cut_ssh(self) -> None:
        """Its ssh port no longer answers, and open connections hang."""
        if self.ssh is not None:
            self.ssh.cut()

    async def mend(self) -> None:
        """What was cut is whole again, what was filled is free."""
        if self.ssh is not None:
            self.ssh.mend()
            await self.system.free()

    def state(self) -> str:
        """In a word or two, for people."""
        if not self.kubelet.running:
            return "kubelet is not running"
        waits = self.kubelet.waits_for
        return f"waits for {waits}" if waits else "runs"
