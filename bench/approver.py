"""`python -m bench.approver`: the approver against straight, unchecked PUTs of /approval in the same run.

On the bed if this process stands in its network (`python -m real exec -- python -m bench.approver`), else on a lab. What is
made in the cluster is removed at the end. With the image's own Python where `make image` has built the image. Another
approver is driven in the same run by `--peer PROGRAM [ARGUMENTS]`; it finds $KUBECONFIG.

API server, etcd and contestant share the machine's cores, so the ratio is mostly one of CPU. `--apart` adds bursts with the bed
on one core and the contestant, whichever it is, on another: a control plane that has a core to spare. What a write costs
depends on how many come together, so there are straight PUTs over 16 connections, and over as many as the approver uses.
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench import approver_costs
from bench.approver_runs import Contestant, Run, bursts, size, steady
from bench.clusters import BenchedCluster, Identity, bed, given, is_bed_up, lab
from bench.cores import layouts
from bench.crowd import Crowd
from bench.image_python import Interpreter, interpreter
from bench.running import Approvals
from image.building import ARCHIVE, DIST
from kubevouch.approve.act.decider import WRITTEN_AT_ONCE
from tests.support.api_connection import ApiConnection


def contestants(
    space: str, python: Interpreter, peer: Sequence[str], environment: Mapping[str, str]
) -> list[Contestant]:
    """The straight PUTs first, then as many at once as the approver writes, then those with a read before each."""

    def straight(*words: str) -> Callable[[Path, BenchedCluster, Identity], list[str | Path]]:
        def argv(_: Path, cluster: BenchedCluster, identity: Identity) -> list[str | Path]:
            where = urlsplit(cluster.server)
            there = [str(where.hostname), str(where.port)]
            files = [cluster.issuer.trusted, identity.pair]
            return [sys.executable, "-m", "bench.straight", *there, *files, *words]

        return argv

    def ours(kubeconfig: Path, *_: object) -> list[str | Path]:
        words = ["approver", "run", "--kubeconfig", str(kubeconfig), "--namespace", space]
        return [*python.words, *words, "--secure-port", str(_free_port())]

    most = str(WRITTEN_AT_ONCE)
    found = [
        Contestant("straight PUTs, 16 at once", straight("16"), environment),
        Contestant(f"straight PUTs, {most} at once", straight(most), environment),
        Contestant("16 at once, Nodes read", straight("16", "read"), environment),
        Contestant("the approver", ours, {**environment, **python.environment}),
    ]
    if peer:
        found.append(Contestant(Path(peer[0]).name, lambda *_: peer, environment))
    return found


@contextlib.contextmanager
def _run(folder: Path, chosen: argparse.Namespace) -> Iterator[Run]:
    with _cluster(folder, chosen.server) as cluster:
        identity = cluster.issuer.client("bench-operator", "system:masters")
        admin = cluster.connection(identity)
        crowd = Crowd(cluster, admin, f"kubevouch-bench-{os.getpid()}")
        crowd.make_space()
        approvals = Approvals(ApiConnection(cluster.server, admin.context, timeout=1000))
        approvals.start()
        try:
            yield Run(cluster, crowd, approvals, chosen.keep_log or folder / "contestants.log")
        finally:
            crowd.leave()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _cluster(
    folder: Path, server: Sequence[str]
) -> contextlib.AbstractContextManager[BenchedCluster]:
    if server:
        return given(server[0], list(map(Path, server[1:])), folder)
    return (bed if is_bed_up() else lab)(folder)


def main() -> None:
    """All of it, or a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--many", type=int, default=5000, help="Nodes while memory is looked at")
    parser.add_argument("--steady", type=int, default=300, help="CSRs at ten a second")
    parser.add_argument("--rounds", type=int, default=2, help="bursts of each, in turns")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="bursts also with the bed on one core, and the contestants on another",
    )
    parser.add_argument("--parts", default="costs,bursts,steady,size")
    parser.add_argument(
        "--server",
        nargs=4,
        default=[],
        metavar=("URL", "CA", "CA-KEY", "AUDIT-LOG"),
        help="an API server that is already there",
    )
    parser.add_argument("--image", type=Path, default=DIST / ARCHIVE, help="its OCI archive")
    parser.add_argument("--keep-log", type=Path, help="where the contestants' output goes")
    parser.add_argument("--peer", nargs=argparse.REMAINDER, default=[])
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    if chosen.apart and (chosen.server or not is_bed_up()):
        parser.error("--apart moves the processes of the bed, which is not up here")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # puts all back first
    if "costs" in parts:
        approver_costs.main(chosen.nodes)
    if parts == ["costs"]:
        return
    names = (f"{number:02}" for number in range(100))
    with (
        tempfile.TemporaryDirectory(prefix="bench-approver-") as name,
        _run(Path(name), chosen) as run,
    ):
        python = interpreter(Path(name), chosen.image)
        print(f"on {run.cluster.name}; the approver with {python.name}")
        all_ = contestants(run.crowd.space, python, chosen.peer, os.environ)
        run.crowd.grow(chosen.nodes)
        run.crowd.settle()
        if "bursts" in parts:
            bursts(run, all_, names, rounds=chosen.rounds, layouts=layouts(apart=chosen.apart))
        for each in all_[3:]:
            if "steady" in parts:
                steady(run, each, names, count=min(chosen.steady, chosen.nodes))
        for each in all_[3:]:
            if "size" in parts:
                size(run, each, names, nodes=chosen.many)


if __name__ == "__main__":
    main()
