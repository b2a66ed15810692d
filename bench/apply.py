"""`python -m bench.apply`: `apply` on a lab of many nodes: planned, then a few of them changed one after the other, then all the rest.

The lab's nodes are alike, and one process with its API server, its kubelets and its ssh, on the same cores. The serial run is the
same program in the same lab, which is told that it cannot know what nodes hold in common: so it has one node in hand at a
time, to the last of its gates. It does some nodes only; its time for each is what is compared.
"""

import argparse
import asyncio
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.pairs import Sample, alone, program, report
from kubevouch.rollout.decide.advice import some

_SERIALLY = "--serially"


class Lab:
    """A lab that runs, with expired certificates on each node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = folder / "lab" / "kubeconfig"
        self._ssh = folder / "lab" / "ssh_config"
        addresses = str(folder / "lab" / "loopback-addresses")
        self._environment = {**os.environ, "KUBEVOUCH_LOOPBACK_ADDRESSES": addresses}
        self._environment["XDG_STATE_HOME"] = str(folder / "state")

    def do(self, verb: str, *words: str) -> None:
        """A verb of the lab's."""
        argv = [sys.executable, "-m", "kubevouch", "lab", verb, "--dir", str(self._folder / "lab")]
        subprocess.run([*argv, *words], stdout=subprocess.DEVNULL, check=True)

    def give_pods(self) -> None:
        """A pod on each node, as real nodes have some: a metrics server that has read no pod is not ready, and no sample is fresh."""
        kubectl = [str(Path(sys.executable).with_name("kubectl")), f"--kubeconfig={self._config}"]
        words = (*kubectl, "get", "nodes", "-o", "name")
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        pods = [_pod(each.removeprefix("node/")) for each in listed]
        made = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
        words = (*kubectl, "create", "-f", "-")
        subprocess.run(words, input=made, text=True, stdout=subprocess.DEVNULL, check=True)

    def kubevouch(self, *words: str, serially: bool = False) -> tuple[Sample, Path]:
        """What it took, and where its document is."""
        said = self._folder / "said.json"
        module = ["bench.apply", _SERIALLY] if serially else ["kubevouch"]
        argv = [sys.executable, "-m", *module, *words]
        argv += ["--kubeconfig", str(self._config)]
        line = f"exec {shlex.join(argv)} >{shlex.quote(str(said))} 2>>{self._folder}/log"
        return program(["sh", "-c", line], self._environment), said

    def planned(self, *nodes: str) -> tuple[Sample, Path]:
        """A plan, of these nodes or of all."""
        path = self._folder / f"plan-{len(nodes)}.json"
        only = some(nodes)
        took, _ = self.kubevouch("plan", "-o", str(path), "--ssh-config", str(self._ssh), *only)
        return took, path

    def applied(self, plan: Path, soak: str, *, serially: bool) -> tuple[Sample, int]:
        """What it took, and on how many nodes. Every one of them must have been done."""
        # A lab of more than sixteen nodes has a sample of each only every 100 s.
        words = ("apply", str(plan), "--yes", "-o", "json", "--soak", soak, "--gate-timeout", "15m")
        took, said = self.kubevouch(*words, serially=serially)
        nodes = json.loads(said.read_bytes())["nodes"]
        failed = [each for each in nodes if each["state"] != "done"]
        assert not failed, failed[:3]
        return took, len(nodes)


def _pod(node: str) -> dict[str, object]:
    """One that a kubelet of the lab runs on paper."""
    container = {"name": "agent", "image": "registry.example.com/agent:1"}
    metadata = {"name": f"agent-{node.partition('.')[0]}", "namespace": "default"}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def workers_in(plan: Path) -> Sequence[str]:
    """The names of those that are no control planes."""
    nodes = json.loads(plan.read_bytes())["nodes"]
    return [each["node"] for each in nodes if not each["controlPlane"]]


def measure(lab: Lab, serial: int, soak: str) -> None:
    """All figures of one lab."""
    took, whole = lab.planned()
    nodes = len(workers_in(whole)) + 1
    alone(
        f"plan, {nodes} nodes: wall",
        took.wall,
        "s",
        f"{nodes / took.wall:.1f} nodes a second",
    )
    alone(f"plan, {nodes} nodes: CPU of ours and of ssh", took.cpu, "s")
    alone(f"plan, {nodes} nodes: peak memory", took.memory, "MiB")
    some, rest = workers_in(whole)[:serial], workers_in(whole)[serial:]
    _, plan = lab.planned(*some)
    one, done = lab.applied(plan, "0s", serially=True)
    each = one.wall / done
    alone(f"apply, {done} nodes one after the other", one.wall, "s", f"{each:.1f} s a node")
    sys.stdout.flush()
    _, plan = lab.planned(*rest)
    many, done = lab.applied(plan, soak, serially=False)
    what = f"apply, {done} nodes, soak {soak}: wall"
    report(what, many.wall, "as many one after the other", each * done, "s")
    alone(f"apply, {done} nodes: CPU of ours and of ssh", many.cpu / done, "s", "a node")
    alone(
        f"apply, {done} nodes: peak memory",
        many.memory,
        "MiB",
        f"{one.memory:.0f} with {serial}",
    )


def serially(words: Sequence[str]) -> int:
    """The program, with one node in hand at a time."""
    from kubevouch.cli.app import run
    from kubevouch.rollout.act import fleet_run
    from kubevouch.rollout.decide.order import Workloads

    async def unread(*_: object) -> Workloads:
        await asyncio.sleep(0)
        return Workloads(unread="a serial run")

    vars(fleet_run)["read_workloads"] = unread
    return run(words, program="kubevouch", environment=os.environ)


def main() -> int:
    """One lab, of a size."""
    if sys.argv[1:2] == [_SERIALLY]:
        return serially(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--serial", type=int, default=10, help="how many one after the other")
    parser.add_argument("--soak", default="60s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-apply-") as name:
        lab = Lab(Path(name))
        lab.do("up", "--nodes", str(asked.nodes), "--whole", "--detach")
        try:
            lab.give_pods()
            measure(lab, asked.serial, asked.soak)
        finally:
            lab.do("down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
