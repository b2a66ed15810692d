"""`python -m bench.metrics`: our metrics server beside the real one, in front of the same fleet of simulated kubelets.

Both run at the same time, so that whatever else the machine does hits both: trust the ratios. Ours runs with the image's
own Python where `make image` has built the image. `--server PATH` adds any other that takes metrics-server's flags.
"""

import argparse
import contextlib
import http.client
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Fleet, Served, fleet, programs
from bench.image_python import Interpreter, interpreter
from bench.metrics_contestants import API, RESOLUTION, Contestant, Running, started, watched
from bench.pairs import alone, report
from image.building import ARCHIVE, DIST
from real.layout import METRICS_SERVER_VERSION

_CHECKOUT = Path(__file__).parents[1]
_MOST_PODS_A_NODE = 70
_PODS_OF_MANY = 20  # Kubernetes is made for 5,000 nodes with 150,000 pods
_OFTEN, _LONG_ENOUGH = 200, 0.5
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_UPSTREAM = f"metrics-server {METRICS_SERVER_VERSION}"


@dataclass(frozen=True)
class Request:
    """A request whose cost is measured. count: it is sent so often at least."""

    what: str
    path: str
    accept: str = ""
    encoding: str = "identity"
    count: int = 3


def requests(fleet: Fleet) -> tuple[Request, ...]:
    """What clients ask for, from kubectl's lists to an HPA's."""
    pods = fleet.nodes * fleet.pods
    one = f"{API}/namespaces/team-07/pods?labelSelector=app%3Dservice-00007"
    return (
        Request(f"list of {fleet.nodes} nodes", f"{API}/nodes"),
        Request(f"list of {pods} pods, JSON", f"{API}/pods"),
        Request(f"list of {pods} pods, Table", f"{API}/pods", _TABLE),
        Request(f"list of {pods} pods, gzip", f"{API}/pods", encoding="gzip"),
        Request("pods of a namespace by label", one),
        Request("/metrics", "/metrics"),
    )


def contestants(python: Interpreter, others: Sequence[Path], upstream: Path) -> list[Contestant]:
    """Ours first."""
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    found = [
        Contestant(
            "ours",
            "ours",
            (*python.words, "metrics-server", "run"),
            {**plain, **python.environment},
        ),
        Contestant(_UPSTREAM, "upstream", (upstream,), plain),
    ]
    return found + [
        Contestant(str(path), f"other-{number}", (path,), plain)
        for number, path in enumerate(others)
    ]


def with_watched_loop(ours: Contestant) -> Contestant:
    """The same server, which tells its longest callbacks."""
    words = list(ours.words)
    words[words.index("kubevouch")] = "bench.watched_loop"
    path = ":".join(filter(None, (str(_CHECKOUT), ours.environment.get("PYTHONPATH", ""))))
    return Contestant("ours, watched", "watched", words, {**ours.environment, "PYTHONPATH": path})


def compare(every: Sequence[Running], what: str, figures: Sequence[float], unit: str) -> None:
    """Ours against each of the others."""
    for other, figure in zip(every[1:], figures[1:], strict=True):
        if figure > 0:
            report(what, figures[0], other.contestant.name, figure, unit)
        else:
            alone(what, figures[0], unit, f"{other.contestant.name}: too little to be measured")


def scraping(every: Sequence[Running], resolutions: int) -> list[float]:
    """CPU a node-scrape and memory, over so many resolutions. Returns each one's seconds of CPU a second."""
    began = time.monotonic()
    before = [(each.program.cpu(), _served(each).pages) for each in every]
    time.sleep(resolutions * RESOLUTION)
    after = [(each.program.cpu(), _served(each)) for each in every]
    took = time.monotonic() - began
    costs, rates, shares = [], [], []
    due = every[0].fleet.nodes * took / RESOLUTION
    for (cpu, pages), (later, served) in zip(before, after, strict=True):
        shares.append(100 * (served.pages - pages) / due)
        costs.append(1000 * (later - cpu) / max(1, served.pages - pages))
        rates.append((later - cpu) / took)
    compare(every, "CPU a node-scrape", costs, "ms")
    compare(every, "pages, of those that were due", shares, "%")
    compare(every, "RSS after scraping", [each.program.memory()[1] for each in every], "MB")
    compare(
        every, "longest gap between two pages of a node", [s.longest_gap for _, s in after], "s"
    )
    return rates


def _served(each: Running) -> Served:
    return each.fleet.served(each.contestant.account)


def lists(every: Sequence[Running], rates: Sequence[float]) -> None:
    """CPU of each request, without what scraping takes meanwhile."""
    for request in requests(every[0].fleet):
        costs = []
        for each, rate in zip(every, rates, strict=True):
            costs.append(_cost(each, request, rate))
        compare(every, request.what, costs, "ms")
    compare(every, "RSS after the lists", [each.program.memory()[1] for each in every], "MB")


def _cost(each: Running, request: Request, rate: float) -> float:
    """Milliseconds; 0 if an answer was cut off, as both servers do after a minute: the machine is too busy to tell."""
    began, cpu, sent = time.monotonic(), each.program.cpu(), 0
    # Linux counts in hundredths of a second.
    while sent < request.count or (sent < _OFTEN and each.program.cpu() - cpu < _LONG_ENOUGH):
        try:
            code, body = each.ask(request.path, accept=request.accept, encoding=request.encoding)
        except http.client.IncompleteRead:
            return 0.0
        assert code == 200, f"{each.contestant.name}: {request.path}: {code} {body[:200]!r}"
        assert len(body) > 100, f"{each.contestant.name}: {request.path}: {body!r}"
        sent += 1
    used = each.program.cpu() - cpu - rate * (time.monotonic() - began)
    return 1000 * used / sent


def loop(contestant: Contestant, fleet: Fleet, log: Path) -> None:
    """The longest callbacks of ours: while it starts, scrapes, and answers."""
    with watched(contestant, fleet, log) as (server, phase):

        def tell(name: str) -> None:
            [first, *_] = phase(name).longest
            note = f"of which {first['gc_ms']:.0f} collecting; {first['what']}"
            milliseconds = first["ms"]
            assert isinstance(milliseconds, float)
            alone(f"longest callback: {name}", milliseconds, "ms", note)

        server.until_ready()
        tell("start")
        time.sleep(2 * RESOLUTION)
        tell("scraping")
        for request in requests(fleet):
            for _ in range(3):
                server.ask(request.path, accept=request.accept, encoding=request.encoding)
            tell(request.what)


def one_size(nodes: int, pods: int, chosen: argparse.Namespace, folder: Path) -> None:
    """All of it with so many nodes."""
    program, upstream = programs()
    python = interpreter(folder, chosen.image)
    every = contestants(python, chosen.server, upstream)
    watched_one = with_watched_loop(every[0])
    accounts = [each.account for each in (*every, watched_one)]
    log = chosen.keep_log or folder / "contestants.log"
    parts = chosen.parts.split(",")
    print(f"{nodes} nodes with {pods} pods each; ours with {python.name}")
    with fleet(
        program, folder / "fleet", accounts, nodes=nodes, pods=pods, mix=chosen.mix
    ) as there:
        if parts != ["loop"]:
            with contextlib.ExitStack() as stack:
                running = [stack.enter_context(started(each, there, log)) for each in every]
                compare(
                    running,
                    "CPU until all is read twice",
                    [each.until_ready() for each in running],
                    "s",
                )
                time.sleep(RESOLUTION)
                rates = scraping(running, chosen.resolutions)
                if "lists" in parts:
                    lists(running, rates)
        if "loop" in parts:
            loop(watched_one, there, log)


def main() -> None:
    """Each size in its turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="4,100,1000,5000")
    parser.add_argument("--pods", type=int, help="on each node")
    parser.add_argument(
        "--mix",
        default="",
        help="kinds of nodes, as repeated=10,idle=10,churning=5,stalled=5 (percent)",
    )
    parser.add_argument("--resolutions", type=int, default=6, help="how long scraping is measured")
    parser.add_argument("--parts", default="scraping,lists,loop")
    parser.add_argument("--server", type=Path, action="append", default=[], metavar="PATH")
    parser.add_argument("--image", type=Path, default=DIST / ARCHIVE, help="its OCI archive")
    parser.add_argument("--keep-log", type=Path, help="where the servers' output goes")
    chosen = parser.parse_args()
    for nodes in map(int, chosen.nodes.split(",")):
        pods = chosen.pods or (_MOST_PODS_A_NODE if nodes <= 1000 else _PODS_OF_MANY)
        with tempfile.TemporaryDirectory(prefix="bench-metrics-") as name:
            one_size(nodes, pods, chosen, Path(name))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
