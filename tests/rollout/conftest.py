"""A kubelet's folders on this disk, and a service manager that only writes down what it is told.

systemd itself is on the bed, where the same script runs against it; what is tested here is what the script does
to files, and in which order, also when it is killed half-way.
"""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubevouch.kube.io.client import ApiClient
from kubevouch.kubelet.splice import changed_line
from kubevouch.rollout.decide.transaction import (
    NodeChange,
    Seed,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from tests.powercut.whole import File, Files, Seen
from tests.support.apiservers import access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.local_shell import Local
from tests.support.roots_own import roots_own_folder
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.shells import SHELLS, becomes_sh, place

from .acting import DARK, SELF_SIGNED, Acting, a_signer, acting

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$MACHINE/calls"
pid=4241
read -r pid 2>/dev/null <"$MACHINE/pid"
case $1 in
  show)
    active=active
    case $2 in
      *.timer) [ -e "$MACHINE/switch" ] || active=inactive ;;
      *) [ ! -e "$MACHINE/down" ] || active=failed pid=0 ;;
    esac
    case $3 in *MainPID) echo "MainPID=$pid" ;; *ActiveState) echo "ActiveState=$active" ;; *LoadState) echo LoadState=loaded ;; esac
    ;;
  restart)
    rm -f "$MACHINE/down"
    [ ! -e "$MACHINE/restart-fails" ] || { touch "$MACHINE/down"; echo "Job for kubelet.service failed." >&2; exit 1; }
    [ ! -e "$MACHINE/restart-fails-once" ] || { rm "$MACHINE/restart-fails-once"; echo "Job for kubelet.service failed." >&2; exit 1; }
    [ ! -e "$MACHINE/dies-later" ] || touch "$MACHINE/down"
    echo $((pid + 1)) >"$MACHINE/pid"
    ;;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
echo "systemd-run $*" >>"$MACHINE/calls"
[ ! -e "$MACHINE/systemd-run-fails" ] || { echo "Failed to start transient timer unit." >&2; exit 1; }
while [ "$1" != /bin/sh ]; do shift; done
echo "$*" >"$MACHINE/switch"
"""
# The scripts wait for whole seconds.
SLEEP = """#!/bin/sh
exec /bin/sleep 0.2
"""
# Kills the script at its Nth call of a program that writes. It calls no other program itself: there are thousands of it.
KILLING = """#!/bin/sh
case $1 in show | --help) exec {program} "$@" ;; esac
read -r left <"$MACHINE/kill-in"
echo $((left - 1)) >"$MACHINE/kill-in"
if [ "$left" = 1 ]; then
  kill -9 0 # the script with its subshells, and this
fi
exec {program} "$@"
"""
WRITERS = ("mkdir", "ln", "cp", "mv", "rm", "sync", "systemctl", "systemd-run")

CONFIG = b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
AUTHORITY = Authority()
IDENTITY = AUTHORITY.client("system:node:worker-1", "system:nodes").chain
IDENTITY_KEY = b"-----BEGIN EC PRIVATE KEY-----\nBBBB\n-----END EC PRIVATE KEY-----\n"
KEY = b"-----BEGIN RSA PRIVATE KEY-----\nCCCC\n-----END RSA PRIVATE KEY-----\n"
CHAIN = b"the seed's chain\n"

_ASIDE = ("systemctl show", "systemctl reset-failed", "systemctl stop kubevouch-")


@dataclass
class Machine:
    """The folders of one kubelet, and what its service manager was told."""

    folder: Path
    asked_before: bool = False
    """Its file has the key already, and its pair is good: a change only restarts the kubelet, so that it asks for another."""

    def asks(self) -> None:
        self.config.write_bytes(CONFIG + b"serverTLSBootstrap: true\n")
        self.asked_before = True

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
        """What was to change anything but the switches of runs that are not, or not any more."""
        return [call for call in self.told if not call.startswith(_ASIDE)]

    @property
    def told(self) -> list[str]:
        """All that the service manager was told or asked."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "MACHINE": str(self.folder)}

    def change(self, **other: object) -> NodeChange:
        content = CONFIG + b"serverTLSBootstrap: true\n"
        values: dict[str, object] = {
            "run": "run1",
            "node": "worker-1",
            "machine_id": Path("/etc/machine-id").read_text().strip(),
            "identity_path": str(self.pki / "kubelet-client-current.pem"),
            "root": str(self.root),
            "pki": str(self.pki),
            "config": str(self.config),
            "config_sha256": hashlib.sha256(CONFIG).hexdigest(),
            "content": content,
            "content_sha256": hashlib.sha256(content).hexdigest(),
            "switch_seconds": 240,
            "units": str(self.folder / "units"),
            "line": changed_line(CONFIG, content),
        }
        if self.asked_before:
            values |= {"config_sha256": values["content_sha256"], "line": None}
            values["former_until"] = int(time.time()) + 3600
        return NodeChange(**(values | other))  # type: ignore[arg-type]

    def edits(self, old: bytes, new: bytes, **other: object) -> NodeChange:
        """A change from one config.yaml to another."""
        return self.change(
            config_sha256=hashlib.sha256(old).hexdigest(),
            content=new,
            content_sha256=hashlib.sha256(new).hexdigest(),
            line=changed_line(old, new),
            **other,
        )

    def seed(self, **other: object) -> Seed:
        """A new certificate for the key that the node has."""
        certificate = self.pki / "kubelet.crt"
        values: dict[str, object] = {
            "certificate": str(certificate),
            "certificate_sha256": hashlib.sha256(certificate.read_bytes()).hexdigest(),
            "key": str(self.pki / "kubelet.key"),
            "not_before": 0,
            "not_after": int(time.time()) + 86400,
            "chain_pem": CHAIN,
        }
        return Seed(**(values | other))  # type: ignore[arg-type]

    async def call(
        self,
        action: TransactionStep,
        change: NodeChange | None = None,
        seed: Seed | None = None,
        fence: int = 0,
        ends: TransactionState | None = None,
    ) -> TransactionAnswer:
        """ends: what it has to come to."""
        script = render(action, change or self.change(), seed or self.seed(), fence=fence)
        transport = Local(environment=self.environment)
        answer = (await transport.run_script("node-1", script, timeout=120)).answer
        assert ends in (None, answer.outcome), f"expected {ends}, got {answer}"
        return answer

    async def is_done(self, change: NodeChange | None = None) -> None:
        """Begun, issued and committed."""
        await self.call(TransactionStep.BEGIN, change)
        self.gets_a_pair()
        await self.call(TransactionStep.COMMIT, change)

    def gets_a_pair(self) -> None:
        """The issued one, as the kubelet's store writes it (client-go util/certificate/certificate_store.go)."""
        current, issued = (self.pki / f"kubelet-server-{each}.pem" for each in ("current", "2026"))
        issued.write_text("the issued pair")
        current.unlink(missing_ok=True)
        current.symlink_to(issued)

    def killed_at(self, write: int, step: TransactionStep) -> bool:
        """Runs a script and kills its shell at that write; False when it ended before."""
        script = render(step, self.change(), self.seed())
        return self._killed_at(write, ["sh", "-s"], script.sealed())

    def switch_killed_at(self, write: int) -> bool:
        """The switch goes off and is killed at that write; False when it ended before."""
        return self._killed_at(write, (self.folder / "switch").read_text().split(), b"")

    def _killed_at(self, write: int, argv: list[str], script: bytes) -> bool:
        (self.folder / "kill-in").write_text(f"{write}\n")
        environment = self.environment
        ran = subprocess.run(
            argv,
            check=False,
            input=script,
            env={**environment, "PATH": f"{self._killing()}:{environment['PATH']}"},
            capture_output=True,
            timeout=120,
            start_new_session=True,
        )
        return ran.returncode != 0

    def _killing(self) -> Path:
        """A folder of programs that count their calls. Only what is to be killed finds them."""
        folder = self.folder / "killing"
        if not folder.exists():
            texts = {each: KILLING.replace("{program}", self.program(each)) for each in WRITERS}
            place(folder, texts)
        return folder

    def program(self, name: str) -> str:
        """The real one, or the service manager of these tests."""
        ours = self.folder / "bin" / name
        return str(ours) if name.startswith("system") else str(shutil.which(name))

    def switch(self) -> bool:
        """The dead-man's switch goes off, if it was ever set."""
        if not (self.folder / "switch").exists():
            return False
        code, said = self.switch_alone()
        assert code == 0, said
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

    def tree(self) -> dict[str, File]:
        """All under the kubelet's folder, less the runs' own folder."""
        return dict(Seen(files_in(self.root), {}).own)


def files_in(folder: Path) -> Files:
    """All that lies in a folder, by its path from there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        what = b""
        if path.is_symlink():
            what = str(path.readlink()).encode()
        elif path.is_file():
            what = path.read_bytes()
        modified = stat.st_mtime_ns * path.is_file()
        found[str(path.relative_to(folder))] = File(
            stat.st_mode, stat.st_uid, stat.st_gid, modified, what
        )
    return found


@pytest.fixture
def machine() -> Iterator[Machine]:
    with roots_own_folder() as folder:
        yield machine_in(folder)


@pytest.fixture(params=SHELLS)
def on_each_shell(request: pytest.FixtureRequest, machine: Machine) -> None:
    becomes_sh(request.param, machine.folder / "bin")


def machine_in(folder: Path) -> Machine:
    """A kubelet's folders in this one, which is root's alone and has an empty `bin`."""
    machine = Machine(folder)
    place(folder / "bin", {"systemctl": SYSTEMCTL, "systemd-run": SYSTEMD_RUN, "sleep": SLEEP})
    machine.pki.mkdir(parents=True, mode=0o755)
    (folder / "units").mkdir(exist_ok=True)
    machine.config.write_bytes(CONFIG)
    machine.config.chmod(0o640)
    for name, content, mode in (
        ("kubelet.crt", b"the old chain\n", 0o644),
        ("kubelet.key", KEY, 0o600),
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


@pytest.fixture
async def here() -> AsyncIterator[Acting]:
    """A cluster whose kubelets sign their own certificates, which have expired."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        yield here


@pytest.fixture
async def dark() -> AsyncIterator[Acting]:
    """A cluster whose kubelets have asked for a certificate; what is approved is signed."""
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        yield here


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiServer]:
    """An API server alone."""
    async with api_server(AUTHORITY) as running:
        yield running


@pytest.fixture(name="time")
def _time() -> WoundClock:
    """By which renewals are dated: the API server's as this machine reckons it."""
    return WoundClock()


@pytest.fixture
async def api(server: ScriptedApiServer, time: WoundClock) -> AsyncIterator[ApiClient]:
    async with client_of(access_to(server, AUTHORITY), time) as client:
        yield client
