"""Running kubevouch and kubectl for the tests, whichever cluster they are pointed at."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, cast

import yaml

from tests.cli.program import Ran

from .cluster import Done, Node, Running

CHECKOUT = Path(__file__).parents[2]
KUBEVOUCH = [sys.executable, "-m", "kubevouch"]


class InBackground:
    """A kubevouch in the background, both of its streams read as they come."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        # Under nohup, SIGHUP would be ignored here, too, and by kubevouch.
        self._process = subprocess.Popen(
            ["env", "--default-signal=HUP", *argv],
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
        end = time.monotonic() + seconds
        with self._news:
            # Its end alone is no news.
            while not (found := text in self._all() or self._ended()) and time.monotonic() < end:
                self._news.wait(1.0)
            assert found, f"{text!r} was not printed within {seconds} s:\n{self._all()}"
            assert text in self._all(), f"it ended without {text!r}:\n{self._all()}"
            return self._all()

    def wait_for_lines(self, count: int) -> None:
        """Until it has printed so many, or has ended."""
        end = time.monotonic() + 120
        with self._news:
            while self._all().count("\n") < count and not self._ended():
                assert time.monotonic() < end, self._all()
                self._news.wait(0.1)

    def _all(self) -> str:
        return self._text["out"] + self._text["err"]

    def _ended(self) -> bool:
        return self._process.poll() is not None and not any(r.is_alive() for r in self._readers)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.finish(30)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def carry_on(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)

    def finish(self, seconds: float = 600) -> Ran:
        code = self._process.wait(timeout=seconds)
        for reader in self._readers:
            reader.join(timeout=30)
        return Ran(code, self._text["out"], self._text["err"])


def account(name: str) -> str:
    """The user name of a service account in `default`."""
    return f"system:serviceaccount:default:{name}"


class Programs(ABC):
    """What both clusters do the same way, since it goes through kubectl and kubevouch."""

    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @abstractmethod
    def given(self) -> Mapping[str, str]:
        """What stands in kubevouch's environment besides the test's own."""

    @property
    def inside(self) -> Sequence[str]:
        """The words under which a program is where this cluster is; none where that is everywhere."""
        return ()

    @abstractmethod
    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done: ...

    def kubevouch(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        seconds: float = 600,
        under: Sequence[str] = (),
    ) -> Ran:
        done = subprocess.run(
            [*self.inside, *under, *KUBEVOUCH, *arguments],
            cwd=CHECKOUT,
            env=self._environment(kubeconfig),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start_kubevouch(self, *arguments: str, under: Sequence[str] = ()) -> Running:
        words = [*self.inside, *under, *KUBEVOUCH, *arguments]
        return InBackground(words, self._environment(None))

    def _environment(self, kubeconfig: Path | None) -> dict[str, str]:
        return {**os.environ, **self.given(), "KUBECONFIG": str(kubeconfig or self.kubeconfig)}

    def user(self, name: str, folder: Path) -> Path:
        self.kubectl("create", "serviceaccount", name, "-n", "default")
        token = self.kubectl("create", "token", name, "-n", "default", "--duration=2h").stdout
        return self.kubeconfig_with(folder, name, f"--token={token.strip()}")

    def bind(self, manifest: str, role: str, user: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)
        who = f"--serviceaccount=default:{user}"
        words = ("create", "clusterrolebinding", f"{role}-{user}", f"--clusterrole={role}")
        self.kubectl(*words, who)
        for each in filter(None, yaml.safe_load_all(manifest)):
            if each["kind"] == "Role":
                space = each["metadata"]["namespace"]
                binding = ("create", "rolebinding", f"{role}-{user}", "-n", space)
                self.kubectl(*binding, f"--role={role}", who)

    def node_kubeconfig(self, node: Node, folder: Path) -> Path:
        pem = folder / f"{node.name}.pem"
        pem.write_bytes(node.read("/var/lib/kubelet/pki/kubelet-client-current.pem"))
        files = (f"--client-certificate={pem}", f"--client-key={pem}", "--embed-certs=true")
        return self.kubeconfig_with(folder, node.name, *files)

    def kubeconfig_with(self, folder: Path, name: str, *credential: str) -> Path:
        path = folder / f"{name}.kubeconfig"
        path.write_bytes(self.kubeconfig.read_bytes())
        self.kubectl("config", "set-credentials", name, *credential, kubeconfig=path)
        self.kubectl("config", "set-context", "--current", f"--user={name}", kubeconfig=path)
        return path
