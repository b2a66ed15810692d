"""The cluster that the tests run on: the bed, which `make real` has booted around this process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, cast

import pytest

from real.audit import Entry
from real.bed import Bed, State
from real.node import Node as BedNode
from tests.e2e.cluster import Cluster, Done, Node, Ran, Running

CHECKOUT = Path(__file__).parents[2]
KUBEVOUCH = [sys.executable, "-m", "kubevouch"]


class _Running:
    """A kubevouch in the background, both of its streams read as they come."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            argv,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._text = {"out": "", "err": ""}
        self._news = threading.Condition()
        assert self._process.stdout
        assert self._process.stderr
        streams = {"out": self._process.stdout, "err": self._process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, cast("TextIO", stream)), daemon=True)
            for name, stream in streams.items()
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: TextIO) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._text[name] += line
                    self._news.notify_all()

    def wait_for(self, text: str, seconds: float = 120) -> str:
        with self._news:
            found = self._news.wait_for(lambda: text in self._all() or self._ended(), seconds)
            assert found, f"{text!r} was not printed within {seconds} s:\n{self._all()}"
            assert text in self._all(), f"it ended without {text!r}:\n{self._all()}"
            return self._all()

    def _all(self) -> str:
        return self._text["out"] + self._text["err"]

    def _ended(self) -> bool:
        return self._process.poll() is not None and not any(r.is_alive() for r in self._readers)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.finish(30)

    def finish(self, seconds: float = 600) -> Ran:
        code = self._process.wait(timeout=seconds)
        for reader in self._readers:
            reader.join(timeout=30)
        return Ran(code, self._text["out"], self._text["err"])


def _account(name: str) -> str:
    return f"system:serviceaccount:default:{name}"


@dataclass(frozen=True)
class BedCluster:
    """The bed, in the words of `cluster.Cluster`."""

    bed: Bed

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

    def kubevouch(
        self, *arguments: str, kubeconfig: Path | None = None, seconds: float = 600
    ) -> Ran:
        done = subprocess.run(
            [*KUBEVOUCH, *arguments],
            cwd=CHECKOUT,
            env=self._environment(kubeconfig),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start_kubevouch(self, *arguments: str) -> Running:
        return _Running([*KUBEVOUCH, *arguments], self._environment(None))

    def _environment(self, kubeconfig: Path | None) -> dict[str, str]:
        state = self.bed.folders.state / "xdg-state"
        return {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or self.bed.kubeconfig),
            "XDG_STATE_HOME": str(state),
        }

    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done:
        return self.bed.kubectl(
            *arguments, stdin=stdin, kubeconfig=kubeconfig, check=check, seconds=seconds
        )

    def ssh_words(self) -> tuple[str, ...]:
        return ("--via", "ssh", "--ssh-config", str(self.bed.ssh_config))

    def audit(self, since: datetime) -> tuple[Entry, ...]:
        return self.bed.audit(since)

    def audit_of(self, user: str, since: datetime) -> tuple[Entry, ...]:
        return tuple(e for e in self.bed.audit(since) if e.user.username == _account(user))

    def user(self, name: str, folder: Path) -> Path:
        self.kubectl("create", "serviceaccount", name, "-n", "default")
        token = self.kubectl("create", "token", name, "-n", "default", "--duration=2h").stdout
        return self._kubeconfig(folder, name, f"--token={token.strip()}")

    def bind(self, manifest: str, role: str, user: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)
        words = ("create", "clusterrolebinding", f"{role}-{user}", f"--clusterrole={role}")
        self.kubectl(*words, f"--serviceaccount=default:{user}")

    def node_kubeconfig(self, node: Node, folder: Path) -> Path:
        pem = folder / f"{node.name}.pem"
        pem.write_bytes(node.read("/var/lib/kubelet/pki/kubelet-client-current.pem"))
        files = (f"--client-certificate={pem}", f"--client-key={pem}", "--embed-certs=true")
        return self._kubeconfig(folder, node.name, *files)

    def _kubeconfig(self, folder: Path, name: str, *credential: str) -> Path:
        path = folder / f"{name}.kubeconfig"
        path.write_bytes(self.bed.kubeconfig.read_bytes())
        self.kubectl("config", "set-credentials", name, *credential, kubeconfig=path)
        self.kubectl("config", "set-context", "--current", f"--user={name}", kubeconfig=path)
        return path

    def stop_controller_manager(self) -> None:
        self.bed.stop_controller_manager()

    def start_controller_manager(self) -> None:
        self.bed.start_controller_manager()

    def probed(self, log: Path) -> AbstractContextManager[Path]:
        return self.bed.probed(log)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return BedCluster(Bed.running())


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def everything_mended(cluster: Cluster) -> Iterator[None]:
    """Whatever a test has broken is whole again after it, also when it failed."""
    yield
    for node in cluster.nodes:
        node.mend()
        node.free()
    cluster.start_controller_manager()
