"""A program that approves, as it runs: its CPU and memory as Linux counts them, and when each approval was seen."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.crowd import CSRS
from tests.support.api_connection import ApiConnection

_TICKS = os.sysconf("SC_CLK_TCK")
_NAME = re.compile(rb'"name":"(bench-[^"]+)"')
_APPROVED = re.compile(rb'"type":\s?"Approved"')


class Program:
    """A process and its children."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def alive(self) -> bool:
        """Whether it has not ended. One that has is left there, so that Linux still says what it has used."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return sum(map(_cpu, self._tree()))

    def memory(self) -> tuple[float, float]:
        """PSS and RSS now, in MB (10^6 bytes)."""
        found = {"Pss": 0, "Rss": 0}
        for pid in self._tree():
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, _, rest = line.partition(":")
                    if name in found:
                        found[name] += int(rest.split()[0]) * 1024
        return found["Pss"] / 1e6, found["Rss"] / 1e6

    def _tree(self) -> list[int]:
        found, at = [self._process.pid], 0
        while at < len(found):
            with suppress(OSError):
                children = Path(f"/proc/{found[at]}/task/{found[at]}/children").read_text()
                found += map(int, children.split())
            at += 1
        return found


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


@contextmanager
def running(
    argv: Sequence[str | Path], environment: Mapping[str, str], log: Path
) -> Iterator[Program]:
    """The program runs while the block lasts; then it is asked to stop."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(map(str, argv)),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            yield Program(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Approvals:
    """When the API server's watch has shown each CSR approved, by name: seconds of the monotonic clock."""

    def __init__(self, api: ApiConnection) -> None:
        self._api = api
        self._news = threading.Condition()
        self._of = b""
        self.at: dict[str, float] = {}
        self._first: Callable[[], None] = lambda: None

    def start(self) -> None:
        """From now on."""
        version = self._api.get(CSRS, limit="1")["metadata"]["resourceVersion"]
        threading.Thread(target=self._follow, args=(version,), daemon=True).start()

    def _follow(self, version: str) -> None:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "900"}
        with self._api.stream(CSRS, **query) as (answer, _):
            while line := answer.readline():
                if not _APPROVED.search(line):
                    continue
                now, name = time.perf_counter(), _NAME.search(line)
                if name is None or not name[1].startswith(self._of):
                    continue
                with self._news:
                    if self.at.setdefault(name[1].decode(), now) != now:
                        continue
                    if len(self.at) == 1:
                        self._first()
                    self._news.notify_all()

    def wait(self, count: int, alive: Callable[[], bool], seconds: float) -> bool:
        """Until so many are seen; False if they do not come."""
        end = time.perf_counter() + seconds
        with self._news:
            while len(self.at) < count and time.perf_counter() < end:
                self._news.wait(0.5)
                if not alive() and not self._news.wait_for(lambda: len(self.at) >= count, 30):
                    return False
            return len(self.at) >= count

    def count(self, round_: str, first: Callable[[], None]) -> None:
        """Begins to count those of this round anew. first: called when the first is seen."""
        with self._news:
            self.at, self._first, self._of = {}, first, f"bench-{round_}-".encode()
