"""`python -m bench.exporter`: the exporter before thousands of simulated kubelets, each with its own certificate and a real handshake.

The kubelets and the API server are one Go process (real/programs/fleet) on the same machine. Measured is the first round,
from the start to /readyz and to the last kubelet, and then a while at a rate that is told: with an interval of 15 minutes 5,000 nodes are 5.6
handshakes a second.
"""

import argparse
import os
import re
import ssl
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.fleet import fleet, programs
from bench.pairs import alone
from bench.running import running

_ACCOUNT = "reader"
_PORT = 18_443
_ADMIN = "admin"
"""The token of whom the fleet's API server allows everything."""
_WATCHED = 60.0
_PATIENCE = 300.0


def _get(path: str, token: str = "") -> str:
    """What it serves there; empty if it does not. Raises OSError."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"https://127.0.0.1:{_PORT}{path}", headers=headers)
    with urllib.request.urlopen(request, context=context) as answer:
        return str(answer.read(), "utf-8")


def _answers(path: str) -> bool:
    try:
        return bool(_get(path))
    except OSError:
        return False


def _answered() -> float:
    """Of how many nodes it knows what their kubelets serve."""
    found = re.search(
        r"^kubevouch_exporter_nodes_answered (\S+)$", _get("/metrics", _ADMIN), re.MULTILINE
    )
    assert found is not None
    return float(found[1])


def one_size(nodes: int, interval: int, folder: Path) -> None:
    """All figures with so many nodes."""
    binary, _ = programs()
    with fleet(binary, folder / "fleet", [_ACCOUNT], nodes=nodes, pods=0, mix="") as there:
        words = [
            "exporter",
            "--kubeconfig",
            str(there.kubeconfig(_ACCOUNT)),
            f"--secure-port={_PORT}",
        ]
        words += ["--bind-address=127.0.0.1", f"--interval={interval}s"]
        began, log = time.monotonic(), folder / "log"
        with running([sys.executable, "-m", "kubevouch", *words], os.environ, log) as program:
            while not _answers("/readyz"):
                assert program.alive, log.read_text()
                assert time.monotonic() - began < _PATIENCE, log.read_text()[-2000:]
                time.sleep(0.1)
            alone(f"exporter, {nodes} nodes: ready after", time.monotonic() - began, "s")
            alone(f"exporter, {nodes} nodes: CPU until then", program.cpu(), "s")
            while _answered() < nodes:
                assert time.monotonic() - began < _PATIENCE, log.read_text()[-2000:]
                time.sleep(0.2)
            alone(f"exporter, {nodes} nodes: all dialled after", time.monotonic() - began, "s")
            alone(f"exporter, {nodes} nodes: CPU until then", program.cpu(), "s")
            before, since = program.cpu(), time.monotonic()
            time.sleep(_WATCHED)
            share = (program.cpu() - before) / (time.monotonic() - since)
            rate = nodes / interval
            alone(
                f"exporter, {nodes} nodes: CPU afterwards",
                1000 * share,
                "m",
                f"{rate:.1f} handshakes a second",
            )
            alone(f"exporter, {nodes} nodes: memory (RSS)", program.memory()[1], "MB")
            failed = re.findall(r".*Failed.*", log.read_text())
            assert len(failed) < nodes, failed[:3]


def main() -> None:
    """Each size in its turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="1000,5000")
    parser.add_argument("--interval", type=int, default=900, help="Seconds.")
    asked = parser.parse_args()
    for nodes in map(int, asked.nodes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-exporter-") as name:
            one_size(nodes, asked.interval, Path(name))


if __name__ == "__main__":
    main()
