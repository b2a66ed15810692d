"""One machine of the lab: its disk, its clock, its journal, its kubelet and the way in."""

import logging
from collections.abc import Callable
from typing import Any

from kubevouch.clock import Clock
from kubevouch.lab.clock import OffsetClock
from kubevouch.lab.cluster.chance import Entropy
from kubevouch.lab.cluster.folder import Folder
from kubevouch.lab.cluster.metrics_server import MetricsServers
from kubevouch.lab.cluster.runtime import NodeRuntime
from kubevouch.lab.cluster.site import Host, Site
from kubevouch.lab.kubelets.kubelet import Kubelet
from kubevouch.lab.kubelets.settings import StartFailure
from kubevouch.lab.nodes.files import NodeFiles
from kubevouch.lab.nodes.journal import Journal

Object = dict[str, Any]
_LOG = logging.getLogger(__name__)
KUBELET = "kubelet.service"


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
        servers: MetricsServers,
        pods: Callable[[], list[Object]],
    ) -> None:
        self.host = host
        self.clock = OffsetClock(clock)
        self.files = NodeFiles(folder.node(host.name), host.name)
        self.journal = Journal(self.files, self.clock)
        self.kubelet = Kubelet(
            self.files,
            clock=self.clock,
            entropy=entropy,
            address=host.address,
            say=lambda line, priority: self.journal.add(
                KUBELET, line, identifier="kubelet", pid=1000 + host.number, priority=priority
            ),
            pid=1000 + host.number,
            runtime=NodeRuntime(site, host, clock, servers, pods),
        )

    async def start(self) -> None:
        """What the service manager starts at boot."""
        await self.start_kubelet()

    async def stop(self) -> None:
        """All of it ends."""
        await self.kubelet.stop()

    async def start_kubelet(self) -> None:
        """A kubelet that does not start has said why in its journal."""
        try:
            await self.kubelet.start()
        except StartFailure as failure:
            _LOG.warning("%s: %s", self.host.name, failure)

    async def stop_kubelet(self) -> None:
        """As systemctl stop does it."""
        await self.kubelet.stop()

    def forget_units(self, pattern: str) -> None:
        """Stops and forgets what somebody has set up with the service manager."""
        for folder in ("/run/systemd/transient", "/etc/systemd/system"):
            for left in self.files.path(folder).glob(pattern):
                left.unlink()

    async def cut_ssh(self) -> None:
        """Its ssh port no longer answers, and open connections hang."""

    async def mend(self) -> None:
        """What was cut is whole again."""

    def state(self) -> str:
        """In a word or two, for people."""
        if not self.kubelet.running:
            return "kubelet is not running"
        waits = self.kubelet.waits_for
        return f"waits for {waits}" if waits else "runs"
