"""`python -m bench.approver_flood`: the approver while nodes flood it with CSRs, each by its own client certificate.

On the bed if this process stands in its network (`python -m real exec -- python -m bench.approver_flood`), else on a lab. Three
parts, one table: `pile`, memory and time until ready where many CSRs wait already; `flood`, how long an honest CSR waits from when
a watch shows it until the watch shows it approved, while nodes post without end; `limit`, the same for minutes with a pile that is
kept (the oldest is deleted for each new one), and with the memory of the Deployment (256Mi) in a cgroup of its own.

`--save FILE` keeps the figures, `--beside FILE` prints those of an earlier run, such as of another commit, as "before".
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from bench.clusters import BenchedCluster, Identity, bed, is_bed_up, lab
from bench.crowd import CSRS, LABEL, Crowd, Member
from bench.running import Program, running
from real import cgroups
from tests.support.api_connection import ApiConnection, RefusedRequest, path_of
from tests.support.requests import request

_GROUP = "kubevouch-flood"
_LIMIT = 256 * 1024 * 1024
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NAMES = [a + b + c for a in _DIGITS for b in _DIGITS[:10] for c in _DIGITS[:10]][:1050]
"""So many short names make a CSR of 7.5 KB, just under the limit: what costs the most to read."""

_NAME = re.compile(rb'"name":\s?"(bench-honest-[^"]+)"')
_APPROVED = re.compile(rb'"type":\s?"Approved"')
Figures = dict[str, str]


class Watched:
    """When a watch has shown each honest CSR, and when it has shown it approved, by name."""

    def __init__(self, api: ApiConnection) -> None:
        self._api = api
        self.seen: dict[str, float] = {}
        self.approved: dict[str, float] = {}

    def start(self) -> None:
        """From now on."""
        version = self._api.get(CSRS, limit="1")["metadata"]["resourceVersion"]
        threading.Thread(target=self._follow, args=(version,), daemon=True).start()

    def _follow(self, version: str) -> None:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "3600"}
        with self._api.stream(CSRS, **query) as (answer, _):
            while line := answer.readline():
                found = _NAME.search(line[:2000])
                if found is None:
                    continue
                now, name = time.perf_counter(), found[1].decode()
                self.seen.setdefault(name, now)
                if _APPROVED.search(line):
                    self.approved.setdefault(name, now)

    def waits(self, names: Sequence[str]) -> list[float]:
        """Seconds of each, shortest first."""
        return sorted(self.approved[n] - self.seen[n] for n in names)


@dataclass(frozen=True)
class Poster:
    """One process that posts: which nodes' CSRs, how many a second, and how many of them it keeps."""

    number: int
    server: str
    trusted: Path
    admin: Path
    nodes: tuple[tuple[str, Path], ...]
    count: int
    rate: float
    kept: int

    def post(self, posted: "Synchronized[int]", pause: float) -> None:
        """Posts `count` of them, or without end (0). With a pile to keep, deletes its oldest for each above that."""
        admin = ApiConnection(self.server, ApiConnection.trusting(self.trusted, self.admin))
        senders = [
            (
                ApiConnection(self.server, ApiConnection.trusting(self.trusted, pair)),
                b64encode(request(name, _NAMES, ["192.0.2.1"])).decode(),
            )
            for name, pair in self.nodes
        ]
        there: deque[str] = deque()
        time.sleep(pause)
        began, number = time.perf_counter(), 0
        while not self.count or number < self.count:
            if self.rate:
                time.sleep(max(0.0, began + number / self.rate - time.perf_counter()))
            api, text = senders[number % len(senders)]
            name = f"bench-flood-{self.number}-{os.getpid()}-{number}"
            with contextlib.suppress(RefusedRequest, OSError):
                api.post(CSRS, _csr(name, text))
                there.append(name)
                with posted.get_lock():
                    posted.value += 1
            number += 1
            if self.kept and len(there) > self.kept:
                with contextlib.suppress(RefusedRequest, OSError):
                    admin.delete(path_of(CSRS, there.popleft()))


@dataclass
class Flood:
    """All processes that post. kept: of all of them together."""

    run: "Run"
    nodes: Sequence[Member]
    count: int = 0
    rate: float = 0.0
    kept: int = 0
    processes: int = 2
    posted: "Synchronized[int]" = field(
        default_factory=lambda: multiprocessing.get_context("spawn").Value("l", 0)
    )

    @contextlib.contextmanager
    def posting(self) -> Iterator[list[Any]]:
        """They post while the block lasts."""
        spawn = multiprocessing.get_context("spawn")
        cluster, n = self.run.cluster, self.processes
        started = []
        for number in range(n):
            nodes = tuple((m.name, m.identity.pair) for m in self.nodes[number::n])
            poster = Poster(
                number, cluster.server, cluster.issuer.trusted, self.run.admin.pair, nodes,
                self.count // n, self.rate / n, self.kept // n,
            )  # fmt: skip
            started.append(spawn.Process(target=poster.post, args=(self.posted, 0.5), daemon=True))
            started[-1].start()
        try:
            yield started
        finally:
            for each in started:
                each.terminate()
                each.join()

    def post_all(self) -> None:
        """Until all are posted."""
        with self.posting() as started:
            for each in started:
                each.join()


@dataclass(frozen=True)
class Run:
    """Where all of it happens."""

    cluster: BenchedCluster
    admin: Identity
    crowd: Crowd
    watched: Watched
    log: Path
    limited: bool
    is_bed: bool

    @contextlib.contextmanager
    def approver(self) -> Iterator["Approver"]:
        """It runs while the block lasts, and is looked at four times a second."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        kubeconfig = str(self.cluster.kubeconfig(self.admin))
        words = ["--kubeconfig", kubeconfig, "--namespace", self.crowd.space]
        argv = [sys.executable, "-m", "kubevouch", "approver", "run", *words]
        argv += ["--secure-port", str(port)]
        if self.limited:
            argv = _limited(argv)
        with running(argv, os.environ, self.log) as program:
            found = Approver(program, port)
            watching = threading.Thread(target=found.look, daemon=True)
            watching.start()
            try:
                yield found
            finally:
                found.ended.set()
                watching.join()

    def honest(self, members: Sequence[Member], round_: str, every: float) -> list[str]:
        """A CSR from each, so many seconds apart. Returns their names."""
        names = []
        began = time.perf_counter()
        for number, member in enumerate(members):
            time.sleep(max(0.0, began + number * every - time.perf_counter()))
            name = f"bench-honest-{round_}-{number}"
            text = b64encode(request(member.name, [member.name], [member.address])).decode()
            api = self.cluster.connection(member.identity)
            api.post(CSRS, _csr(name, text))
            api.close()
            names.append(name)
        return names

    def forget(self) -> None:
        """Deletes the CSRs. On a lab nothing: each part has its own, and it deletes thousands at once too slowly."""
        while self.is_bed and self.crowd.admin.get(CSRS, labelSelector=LABEL, limit="1")["items"]:
            with contextlib.suppress(RefusedRequest, OSError):  # an API server's minute is over
                self.crowd.forget_csrs()

    def until_approved(self, names: Sequence[str], seconds: float) -> list[str]:
        """Those that are approved by then."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and not self.watched.approved.keys() >= set(names):
            time.sleep(0.1)
        return [name for name in names if name in self.watched.approved]


class Approver:
    """One that runs. peak: of its PSS, in MB (10^6 bytes)."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self._port = port
        self._began = time.perf_counter()
        self.ready = 0.0
        self.ready_cpu = 0.0
        self.peak = 0.0
        self.cpu = 0.0
        self.ended = threading.Event()

    def look(self) -> None:
        """Until it is ended."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self.ended.wait(0.25):
            self.peak = max(self.peak, self.program.memory()[0])
            self.cpu = self.program.cpu() or self.cpu
            if self.ready:
                continue
            with contextlib.suppress(OSError):
                url = f"https://127.0.0.1:{self._port}/readyz"
                with urllib.request.urlopen(url, context=context, timeout=5):
                    self.ready = time.perf_counter() - self._began
                    self.ready_cpu = self.cpu

    def until_ready(self, seconds: float) -> str:
        """How long that took."""
        end = time.perf_counter() + seconds
        while not self.ready and self.program.alive and time.perf_counter() < end:
            time.sleep(0.1)
        if not self.program.alive:
            return f"never: ended after {time.perf_counter() - self._began:.0f} s"
        if not self.ready:
            return f"not in {seconds:.0f} s, {self.cpu:.1f} s of CPU"
        return f"{self.ready:.1f} s, {self.ready_cpu:.1f} s of CPU"


def _csr(name: str, text: str) -> dict[str, object]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": {LABEL: "1"}},
        "spec": {
            "request": text,
            "signerName": "kubernetes.io/kubelet-serving",
            "usages": ["digital signature", "server auth"],
        },
    }


def _limited(argv: list[str]) -> list[str]:
    """The same program in a cgroup with the memory that the Deployment has, and no swap besides."""
    found = cgroups.inside("approver", argv, "memory", _GROUP)
    folder = _memory()
    for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"):
        if (folder / name).exists():
            (folder / name).write_text(str(_LIMIT))
    return found


def _memory() -> Path:
    (hierarchy,) = (each for each in cgroups.hierarchies() if each.name == "memory")
    return hierarchy / _GROUP / "approver"


def _cgroup_figures() -> str:
    most = int((_memory() / "memory.max_usage_in_bytes").read_text()) / 1e6
    (line,) = re.findall(r"oom_kill (\d+)", (_memory() / "memory.oom_control").read_text())
    return f"{most:.0f} MB of {_LIMIT / 1e6:.0f}, {line} OOM kills"


def _spread(waits: Sequence[float]) -> str:
    if not waits:
        return "none approved"
    p50, p99 = waits[len(waits) // 2], waits[min(len(waits) - 1, int(0.99 * len(waits)))]
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits[-1]:.2f} s"


def idle(run: Run) -> float:
    """PSS while nothing waits."""
    with run.approver() as approver:
        approver.until_ready(120)
        time.sleep(5)
        return approver.program.memory()[0]


def pile(run: Run, hostile: Sequence[Member], honest: Sequence[Member], count: int) -> Figures:
    """So many wait, with one of each honest node among them; then the approver starts."""
    before = idle(run)
    half = len(honest) // 2
    first = run.honest(honest[:half], "pile-a", 0)
    Flood(run, hostile, count=count).post_all()
    names = first + run.honest(honest[half:], "pile-b", 0)
    with run.approver() as approver:
        ready = approver.until_ready(240)
        began = time.perf_counter()
        done = run.until_approved(names, 60 if approver.ready else 0)
        waited = time.perf_counter() - began
        peak = approver.peak
        now, _ = approver.program.memory()
    run.forget()
    what = f"{count} CSRs of {len(hostile)} nodes wait: "
    return {
        f"{what}peak above idle ({before:.0f} MB)": f"{peak - before:.0f} MB",
        f"{what}memory then, above idle": f"{now - before:.0f} MB",
        f"{what}ready after": ready,
        f"{what}honest ones approved": f"{len(done)} of {len(names)}, {waited:.1f} s after ready",
    }


def flood(
    run: Run, hostile: Sequence[Member], honest: Sequence[Member], rate: float, every: float
) -> Figures:
    """Nodes post without end while honest ones ask."""
    with run.approver() as approver:
        approver.until_ready(120)
        before = approver.program.memory()[0]
        posting = Flood(run, hostile, rate=rate)
        with posting.posting():
            time.sleep(5)
            began, count, cpu = time.perf_counter(), posting.posted.value, approver.cpu
            names = run.honest(honest, "flood", every)
            done = run.until_approved(names, 60)
            seconds = time.perf_counter() - began
            got, used = (posting.posted.value - count) / seconds, (approver.cpu - cpu) / seconds
        peak = approver.peak
    run.forget()
    what = f"flood by {len(hostile)} nodes, {rate:.0f}/s asked for: "
    return {
        f"{what}posted": f"{got:.0f}/s",
        f"{what}honest ones approved": f"{len(done)} of {len(names)}",
        f"{what}from seen to decided": _spread(run.watched.waits(done)),
        f"{what}peak above before": f"{peak - before:.0f} MB",
        f"{what}CPU of the approver": f"{100 * used:.0f} % of a core",
    }


def limit(
    run: Run, hostile: Sequence[Member], honest: Sequence[Member], kept: int, minutes: float
) -> Figures:
    """A pile is there and is posted anew, oldest first, for so long."""
    posting = Flood(run, hostile, kept=kept)
    with posting.posting():
        while posting.posted.value < kept:
            time.sleep(1)
        with run.approver() as approver:
            ready = approver.until_ready(240)
            began, count, names = time.perf_counter(), posting.posted.value, list[str]()
            round_ = 0
            while time.perf_counter() - began < 60 * minutes and approver.program.alive:
                names += run.honest(honest, f"limit-{round_}", 1.0)
                round_ += 1
            seconds = time.perf_counter() - began
            got = (posting.posted.value - count) / seconds
            done = run.until_approved(names, 60)
            alive = "no" if approver.program.alive else "it has ended"
            memory = _cgroup_figures() if run.limited else f"PSS {approver.peak:.0f} MB at most"
    run.forget()
    what = f"{kept} held, {minutes:g} min: "
    return {
        f"{what}ready after": ready,
        f"{what}posted": f"{got:.0f}/s",
        f"{what}memory": memory,
        f"{what}restarts": alive,
        f"{what}honest ones approved": f"{len(done)} of {len(names)}",
        f"{what}from seen to decided": _spread(run.watched.waits(done)),
    }


def _print(found: Figures, before: Figures) -> None:
    width = max(map(len, found))
    print(f"{'':{width}} | {'before':46} | after")
    for what, value in found.items():
        print(f"{what:{width}} | {before.get(what, '-'):46} | {value}")


@contextlib.contextmanager
def _run(folder: Path, part: str, *, limited: bool) -> Iterator[Run]:
    with (bed if is_bed_up() else lab)(folder) as cluster:
        identity = cluster.issuer.client("bench-operator", "system:masters")
        admin = cluster.connection(identity)
        admin.timeout = 1000
        crowd = Crowd(cluster, admin, f"kubevouch-bench-{part}-{os.getpid()}")
        crowd.make_space()
        watched = Watched(ApiConnection(cluster.server, admin.context, timeout=3600))
        watched.start()
        run = Run(cluster, identity, crowd, watched, folder / "approver.log", limited, is_bed_up())
        try:
            yield run
        finally:
            run.forget()
            if run.is_bed:
                crowd.leave()
            if limited:
                cgroups.sweep(_GROUP)


def main() -> None:
    """All of it, or a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="pile,flood")
    parser.add_argument("--pile", type=int, default=20_000, help="CSRs that wait, or are held")
    parser.add_argument("--hostile", type=int, default=20, help="nodes that make the pile")
    parser.add_argument("--flooders", type=int, default=5, help="nodes that post without end")
    parser.add_argument("--rate", type=float, default=200, help="CSRs a second of all of them")
    parser.add_argument("--honest", type=int, default=100, help="nodes that ask as kubelets do")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two of theirs")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--limited", action="store_true", help="256Mi for the approver, always")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--beside", type=Path)
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    limited = chosen.limited or "limit" in parts
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # puts all back first
    found: Figures = {}
    for part in parts:
        with (
            tempfile.TemporaryDirectory(prefix="bench-flood-") as name,
            _run(Path(name), part, limited=limited) as run,
        ):
            print(f"{part}, on {run.cluster.name}", flush=True)
            run.crowd.grow(chosen.hostile + chosen.honest)
            run.crowd.settle()
            hostile = run.crowd.members[: chosen.hostile]
            honest = run.crowd.members[chosen.hostile :]
            if part == "pile":
                found |= pile(run, hostile, honest, chosen.pile)
            elif part == "flood":
                flooders = hostile[: chosen.flooders]
                found |= flood(run, flooders, honest, chosen.rate, chosen.every)
            else:
                found |= limit(run, hostile, honest, chosen.pile, chosen.minutes)
        if chosen.save:
            chosen.save.write_text(json.dumps(found))
    _print(found, json.loads(chosen.beside.read_text()) if chosen.beside else {})


if __name__ == "__main__":
    main()
