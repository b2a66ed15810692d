"""`python -m bench.certs`: `certs` and `doctor` before thousands of simulated kubelets, each with its own certificate and handshake.

The kubelets and the API server are one Go process (real/programs/fleet) on the same machine, so its share of the cores is
part of what is waited for. The limits of `certs` are 3 s for 1,000 nodes and 15 s for 5,000; of `doctor`, which looks at the
same inventory and at much else, 10 s and 150 MiB for 5,000.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.fleet import Fleet, fleet, programs
from bench.pairs import Sample, alone, in_turns, median, program

_ACCOUNT = "reader"
_ROUNDS = 3
_PODS = 0
_MEASURED = ("certs", "certs --redact", "doctor")


def asked(there: Fleet, *words: str) -> list[str]:
    """The command line that is measured."""
    config = str(there.kubeconfig(_ACCOUNT))
    return [sys.executable, "-m", "kubevouch", *words, "--kubeconfig", config, "-o", "json"]


def assert_all_are_read(there: Fleet) -> None:
    """Every kubelet has its row, verified."""
    done = subprocess.run(asked(there, "certs"), capture_output=True, check=False)
    rows = json.loads(done.stdout)["certificates"]
    served = {each["node"] for each in rows if each["use"] == "kubelet-serving"}
    assert len(served) == there.nodes, f"{len(served)} of {there.nodes} kubelets; {done.stderr!r}"
    assert all(each["state"] == "valid" for each in rows), [r for r in rows if r["remarks"]][:3]
    done = subprocess.run(asked(there, "doctor"), capture_output=True, check=False)
    kubelets = json.loads(done.stdout)["kubelets"]
    assert len(kubelets) == there.nodes, f"{len(kubelets)} of {there.nodes}; {done.stderr!r}"


def one_size(nodes: int, folder: Path) -> None:
    """All figures with so many nodes."""
    binary, _ = programs()
    with fleet(binary, folder, [_ACCOUNT], nodes=nodes, pods=_PODS, mix="") as there:
        assert_all_are_read(there)

        def measured(*words: str) -> Callable[[], Sample]:
            return lambda: program(asked(there, *words), os.environ)

        found = in_turns(_ROUNDS, *(measured(*words.split()) for words in _MEASURED))
    for words, samples in zip(_MEASURED, found, strict=True):
        what, wall = f"{words}, {nodes} nodes", median(samples, "wall")
        alone(f"{what}: wall", wall, "s", f"{nodes / wall:,.0f} kubelets a second")
        alone(f"{what}: CPU of ours", median(samples, "cpu"), "s")
        alone(f"{what}: peak memory", median(samples, "memory"), "MiB")


def main() -> None:
    """Each size in its turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="1000,5000")
    for nodes in map(int, parser.parse_args().nodes.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-certs-") as name:
            one_size(nodes, Path(name) / "fleet")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
