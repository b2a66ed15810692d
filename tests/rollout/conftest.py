"""A kubelet's folders on this disk, and a service manager that only writes down what it is told.

systemd itself is on the bed, where the same script runs against it; what is tested here is what the script does
to files, and in which order, also when it is killed half-way.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubevouch.node.io.local import Local
from kubevouch.rollout.decide.transaction import (
    NodeChange,
    Seed,
    TransactionAnswer,
    TransactionStep,
    render,
)
from tests.support.roots_own import roots_own_folder

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$MACHINE/calls"
case $1 in
  show) case $3 in *MainPID) echo MainPID=4242 ;; *) echo ActiveState=active ;; esac ;;
  restart) [ ! -e "$MACHINE/restart-fails" ] || { echo "Job for kubelet.service failed." >&2; exit 1; } ;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
echo "systemd-run $*" >>"$MACHINE/calls"
[ ! -e "$MACHINE/systemd-run-fails" ] || { echo "Failed to start transient timer unit." >&2; exit 1; }
while [ "$1" != /bin/sh ]; do shift; done
echo "$*" >"$MACHINE/switch"
"""
# Kills the script at its Nth call of a program that writes.
KILLING = """#!/bin/sh
n=$(($(cat "$MACHINE/writes" 2>/dev/null || echo 0) + 1))
echo $n >"$MACHINE/writes"
if [ "$n" = "$(cat "$MACHINE/kill-at" 2>/dev/null)" ]; then
  kill -9 $PPID
  exit 1
fi
exec {program} "$@"
"""
WRITERS = ("mkdir", "ln", "cp", "mv", "rm", "sync", "systemctl", "systemd-run")

CONFIG = b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
IDENTITY = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
IDENTITY_KEY = b"-----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----\n"
SEED = Seed(chain_pem=b"the seed's chain\n", key_pem=b"the seed's key\n")

Tree = dict[str, tuple[str, int, int, int, str]]


@dataclass
class Machine:
    """The folders of one kubelet, and what its service manager was told."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "kubelet"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return (
            [c for c in path.read_text().splitlines() if " show " not in c] if path.exists() else []
        )

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "MACHINE": str(self.folder)}

    def change(self, **other: object) -> NodeChange:
        content = CONFIG + b"serverTLSBootstrap: true\n"
        values: dict[str, object] = {
            "run": "run1",
            "machine_id": Path("/etc/machine-id").read_text().strip(),
            "identity_path": str(self.pki / "kubelet-client-current.pem"),
            "identity_sha256": hashlib.sha256(IDENTITY).hexdigest(),
            "root": str(self.root),
            "pki": str(self.pki),
            "config": str(self.config),
            "config_sha256": hashlib.sha256(CONFIG).hexdigest(),
            "content": content,
            "content_sha256": hashlib.sha256(content).hexdigest(),
            "switch_seconds": 240,
            "units": str(self.folder / "units"),
        }
        return NodeChange(**(values | other))  # type: ignore[arg-type]

    async def call(
        self, action: TransactionStep, change: NodeChange | None = None, seed: Seed | None = SEED
    ) -> TransactionAnswer:
        script = render(action, change or self.change(), seed)
        transport = Local(environment=self.environment)
        return (await transport.run_script("node-1", script, timeout=120)).answer

    def begin_killed_at(self, write: int) -> bool:
        """Runs `begin` and kills its shell at that write; False when it ended before."""
        return self._killed_at(
            write, ["sh", "-s"], render(TransactionStep.BEGIN, self.change(), SEED).sealed()
        )

    def switch_killed_at(self, write: int) -> bool:
        """The switch goes off and is killed at that write; False when it ended before."""
        return self._killed_at(write, (self.folder / "switch").read_text().split(), b"")

    def _killed_at(self, write: int, argv: list[str], script: bytes) -> bool:
        (self.folder / "kill-at").write_text(str(write))
        (self.folder / "writes").unlink(missing_ok=True)
        ran = subprocess.run(
            argv, check=False, input=script, env=self.environment, capture_output=True, timeout=120
        )
        (self.folder / "kill-at").unlink()
        return ran.returncode != 0

    def switch(self) -> bool:
        """The dead-man's switch goes off, if it was ever set."""
        command = self.folder / "switch"
        if not command.exists():
            return False
        subprocess.run(command.read_text().split(), env=self.environment, check=True, timeout=120)
        return True

    def switch_alone(self) -> tuple[int, str]:
        """The dead-man's switch goes off: its exit status and what it said."""
        ran = subprocess.run(
            (self.folder / "switch").read_text().replace("/bin/sh", "sh").split(),
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ran.returncode, ran.stderr

    def boots(self) -> None:
        """Starts what multi-user.target wants, as systemd does after a restart of the machine."""
        for unit in (self.folder / "units" / "multi-user.target.wants").iterdir():
            words = [
                line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")
            ]
            command = words[0].removeprefix("ExecStart=").split()
            subprocess.run(command, env=self.environment, check=True, timeout=120)

    def tree(self) -> Tree:
        """Path, kind, mode, owner and content of all under the kubelet's folder, less the runs' own folder."""
        found: Tree = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.split("/", maxsplit=1)[0] == ".kubevouch":
                continue
            stat = path.lstat()
            if path.is_symlink():
                what = str(path.readlink())
            elif path.is_dir():
                what = "folder"
            else:
                what = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (
                oct(stat.st_mode),
                stat.st_uid,
                stat.st_gid,
                stat.st_mtime_ns * path.is_file(),
                what,
            )
        return found


@pytest.fixture
def machine() -> Iterator[Machine]:
    with roots_own_folder() as folder:
        yield _machine(folder)


def _machine(folder: Path) -> Machine:
    machine = Machine(folder)
    real = {"systemctl": folder / "systemctl", "systemd-run": folder / "systemd-run"}
    real["systemctl"].write_text(SYSTEMCTL)
    real["systemd-run"].write_text(SYSTEMD_RUN)
    for name in WRITERS:
        program = (
            real.get(name)
            or subprocess.run(
                ["sh", "-c", f"command -v {name}"], check=True, capture_output=True, text=True
            ).stdout.strip()
        )
        (folder / "bin" / name).write_text(KILLING.replace("{program}", str(program)))
    for script in (*real.values(), *(folder / "bin").iterdir()):
        script.chmod(0o755)
    machine.pki.mkdir(parents=True, mode=0o755)
    (folder / "units").mkdir()
    machine.config.write_bytes(CONFIG)
    machine.config.chmod(0o640)
    for name, content, mode in (
        ("kubelet.crt", b"the old chain\n", 0o644),
        ("kubelet.key", b"the old key\n", 0o600),
        ("kubelet-client-2026.pem", IDENTITY + IDENTITY_KEY, 0o600),
        ("kubelet-server-2025.pem", b"an expired pair\n", 0o600),
    ):
        (machine.pki / name).write_bytes(content)
        (machine.pki / name).chmod(mode)
    for kind, target in (("client", "2026"), ("server", "2025")):
        (machine.pki / f"kubelet-{kind}-current.pem").symlink_to(
            machine.pki / f"kubelet-{kind}-{target}.pem"
        )
    return machine
