"""A node with a service manager and a real shell; its kubelet is a stand-in that only starts and stops."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.nodes.services import StartFailure
from kubevouch_lab.nodes.system import System
from tests.support.clocks import SteppedClock

CONFIG = "/var/lib/kubelet/config.yaml"
UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10
"""
DROP_IN = """\
[Service]
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml" "OTHER=a b"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""


class StandIn:
    """A kubelet by name: which command lines it was started with."""

    def __init__(self) -> None:
        self.pid = 0
        self.exited: Callable[[], None] = lambda: None
        self.starts: list[tuple[str, ...]] = []
        self.runs = False
        self.fails = False

    async def start(self, argv: Sequence[str]) -> None:
        self.starts.append(tuple(argv))
        if self.fails:
            raise StartFailure("as the test wants it")
        self.runs = True

    async def stop(self) -> None:
        self.runs = False


class Machine:
    def __init__(self, root: Path, clock: SteppedClock) -> None:
        self.clock = clock
        self.files = NodeFiles(root, "worker.example.com")
        for path, text in (
            ("/etc/systemd/system/kubelet.service", UNIT),
            ("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", DROP_IN),
            ("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--v=2 --w=3"\n'),
            ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--node-ip=127.0.0.9\n"),
            ("/etc/hostname", "worker.example.com\n"),
            ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            (CONFIG, "kind: KubeletConfiguration\n"),
        ):
            self.files.write(path, text.encode())
        self.kubelet = StandIn()
        self.system = self._system()

    def _system(self) -> System:
        return System(
            self.files,
            kubelet=self.kubelet,
            journal=Journal(self.files, self.clock),
            clock=self.clock,
            entropy=os.urandom,
        )

    async def sh(self, script: str, stdin: bytes = b"") -> str:
        ran = await self.system.run(("/bin/sh", "-euc", script), stdin, seconds=30)
        assert ran.returncode == 0, ran
        return ran.stdout.decode()

    async def fails(self, script: str) -> tuple[int, str]:
        ran = await self.system.run(("/bin/sh", "-euc", script), seconds=30)
        assert ran.returncode != 0, ran
        return ran.returncode, ran.stderr.decode()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    made = Machine(tmp_path / "node", SteppedClock())
    await made.system.boot()
    if made.system.no_shell is not None:
        pytest.skip(str(made.system.no_shell))
    yield made
    await made.system.power_off()
