"""Metrics servers as they run in front of a fleet, and how they are asked."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.fleet import Fleet
from bench.running import Program, running

API = "/apis/metrics.k8s.io/v1beta1"
RESOLUTION = 15
_START = 600.0


@dataclass(frozen=True)
class Contestant:
    """A metrics server. words: how it is started, without flags."""

    name: str
    account: str
    words: Sequence[str | Path]
    environment: Mapping[str, str]

    def argv(self, fleet: Fleet, port: int) -> list[str | Path]:
        """With the flags that all get."""
        kubeconfig = fleet.kubeconfig(self.account)
        kubeconfigs = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        return [
            *self.words,
            *(f"--{flag}={kubeconfig}" for flag in kubeconfigs),
            f"--kubelet-certificate-authority={fleet.authority}",
            f"--cert-dir={fleet.folder / self.account}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            f"--metric-resolution={RESOLUTION}s",
        ]


@dataclass
class Running:
    """A metrics server that runs."""

    contestant: Contestant
    fleet: Fleet
    program: Program
    port: int
    _connection: http.client.HTTPSConnection | None = field(default=None)

    def ask(self, path: str, *, accept: str = "", encoding: str = "identity") -> tuple[int, bytes]:
        """As the aggregator asks, on one connection: status, and the body as it came."""
        headers = {"X-Remote-User": "admin", "Accept-Encoding": encoding}
        if accept:
            headers["Accept"] = accept
        kept = self._connection
        try:
            return self._asked(kept or self._connected(), path, headers)
        except http.client.RemoteDisconnected:
            if kept is None:
                raise
            # The server has closed the idle connection, as it may.
            return self._asked(self._connected(), path, headers)

    def _asked(
        self, connection: http.client.HTTPSConnection, path: str, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        self._connection = None
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        self._connection = connection
        return answer.status, body

    def _connected(self) -> http.client.HTTPSConnection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        proxy = self.fleet.folder / "front-proxy-client.crt"
        context.load_cert_chain(proxy, proxy.with_suffix(".key"))
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=600)

    def until_ready(self) -> float:
        """Until /readyz says so, and every node that answers has been read twice. Returns the seconds of CPU so far."""
        end = time.monotonic() + _START
        while not (self._is_ready() and self._has_read_all()):
            assert self.program.alive, f"{self.contestant.name} has ended"
            assert time.monotonic() < end, f"{self.contestant.name} is not ready"
            time.sleep(0.5)
        return self.program.cpu()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("/readyz")[0] == 200
        return False

    def _has_read_all(self) -> bool:
        served = self.fleet.served(self.contestant.account)
        code, body = self.ask(f"{API}/nodes")
        return code == 200 and 0 < served.nodes == len(json.loads(body)["items"])


@contextlib.contextmanager
def started(contestant: Contestant, fleet: Fleet, log: Path) -> Iterator[Running]:
    """It runs while the block lasts."""
    port = _free_port()
    (fleet.folder / contestant.account).mkdir(exist_ok=True)
    with running(contestant.argv(fleet, port), contestant.environment, log) as program:
        yield Running(contestant, fleet, program, port)


@dataclass(frozen=True)
class Phase:
    """The longest callbacks of a phase: milliseconds of CPU, of which garbage collection, and what ran."""

    longest: Sequence[Mapping[str, object]]


@contextlib.contextmanager
def watched(
    contestant: Contestant, fleet: Fleet, log: Path
) -> Iterator[tuple[Running, Callable[[str], Phase]]]:
    """It runs on a watched loop (bench/watched_loop.py). The second value ends a phase and tells its longest callbacks."""
    port, pipe = _free_port(), subprocess.PIPE
    (fleet.folder / contestant.account).mkdir(exist_ok=True)
    words = list(map(str, contestant.argv(fleet, port)))
    environment = dict(contestant.environment)
    with (
        log.open("ab") as out,
        subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, stderr=out) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        told, asked = process.stdout, process.stdin

        def phase(name: str) -> Phase:
            asked.write(f"{name}\n".encode())
            asked.flush()
            return Phase(json.loads(told.readline())["longest"])

        try:
            yield Running(contestant, fleet, Program(process), port), phase
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
