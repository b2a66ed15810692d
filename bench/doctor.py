"""`python -m bench.doctor`: `doctor` on a lab of many nodes, and what the lab itself takes for it.

The lab is one process with its API server and every kubelet, on the same cores; its metrics servers are refused by each
kubelet. Wall time counts only on a machine that does nothing else: beside it stands what doctor and the lab have used.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.pairs import Sample, alone, median, program, report
from kubevouch_lab.cluster.folder import Folder

_TICKS = os.sysconf("SC_CLK_TCK")
_LIMITS = {1000: 1.5, 5000: 15.0}
"""Seconds of wall time, by nodes."""
_CPU, _MEMORY = 7, 180
"""Seconds and MiB of doctor on 5,000 nodes."""
_LAB_MEMORY = 1400
"""MiB of a lab of 5,000 nodes, at any time."""


def _lab(verb: str, folder: Path, *words: str) -> Sample:
    argv = [sys.executable, "-m", "kubevouch", "lab", verb, "--dir", str(folder), *words]
    line = 'exec "$@" >/dev/null'
    return program(["sh", "-c", line, "sh", *argv], os.environ)


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(each for each in lines if each.startswith("VmHWM")).split()[1]) / 1024


def _wait_until_ready(folder: Folder, nodes: int) -> float:
    """Seconds until the kubelet of every node runs."""
    began = time.perf_counter()
    kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={folder.kubeconfig}"]
    while True:
        words = (*kubectl, "get", "nodes", "--no-headers", "--request-timeout=60s")
        listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        if sum(line.split()[1] == "Ready" for line in listed.splitlines()) == nodes:
            return time.perf_counter() - began
        time.sleep(5)


def _doctor(folder: Folder) -> Sample:
    addresses = str(folder.loopback_addresses)
    environment = {**os.environ, "KUBEVOUCH_LOOPBACK_ADDRESSES": addresses}
    argv = [sys.executable, "-m", "kubevouch", "doctor", f"--kubeconfig={folder.kubeconfig}"]
    return program(
        ["sh", "-c", 'out=$1; shift; "$@" >"$out"', "sh", _said(folder), *argv], environment
    )


def _bare(folder: Folder) -> Sample:
    argv = [sys.executable, "-m", "bench.bare_handshakes", str(folder.loopback_addresses)]
    return program(argv, os.environ)


def _said(folder: Folder) -> str:
    return str(folder.root / "said")


def _unfinished(folder: Folder) -> int:
    """How many kubelets did not finish doctor's last handshake with them."""
    found = re.search(r"(\d+) kubelets? accepts? connections and", Path(_said(folder)).read_text())
    return int(found[1]) if found else 0


def measure(nodes: int, rounds: int) -> None:
    """One lab of that size."""
    with tempfile.TemporaryDirectory(prefix="bench-doctor-") as name:
        folder = Folder(Path(name) / "lab")
        up = _lab("up", folder.root, "--nodes", str(nodes), "--detach")
        try:
            alone(f"lab up, {nodes} nodes: until the API server answers", up.wall, "s")
            ready = _wait_until_ready(folder, nodes)
            alone(f"lab up, {nodes} nodes: until all are Ready", up.wall + ready, "s")
            process = folder.running()
            before = _cpu(process)
            found = [_doctor(folder) for _ in range(rounds)]
            used = (_cpu(process) - before) / rounds
            bare = [_bare(folder) for _ in range(rounds)]
            what, limit = f"doctor, {nodes} nodes", _LIMITS.get(nodes)
            beside = f"limit {limit} s on two idle cores" if limit else ""
            alone(f"{what}: wall", median(found, "wall"), "s", beside)
            alone(f"{what}: CPU", median(found, "cpu"), "s", f"limit {_CPU} for 5,000")
            cpu, least = median(found, "cpu"), median(bare, "cpu")
            report(f"{what}: CPU", cpu, "the same handshakes bare", least, "s")
            alone(f"{what}: peak memory", median(found, "memory"), "MiB", f"limit {_MEMORY}")
            alone(f"{what}: CPU of the lab meanwhile", used, "s")
            alone(f"{what}: handshakes not finished", _unfinished(folder), "")
            alone(
                f"lab of {nodes} nodes: peak memory", _peak(process), "MiB", f"limit {_LAB_MEMORY}"
            )
        finally:
            _lab("down", folder.root)


def main() -> int:
    """Each size in its turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="1000,5000")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    for nodes in map(int, asked.nodes.split(",")):
        measure(nodes, asked.rounds)
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
