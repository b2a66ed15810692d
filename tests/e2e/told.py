"""Sentences that several tests say of a cluster."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from real.prober import Attempt, largest_gap, read
from tests.cli.program import Ran

from .cluster import Cluster, Node

KUBELET = "/var/lib/kubelet"
# What a kubelet writes by itself, and our own record: all else must be as before.
NOT_COMPARED = (
    f"{KUBELET}/.kubevouch",
    f"{KUBELET}/pods",
    f"{KUBELET}/plugins",
    f"{KUBELET}/device-plugins",
    f"{KUBELET}/pod-resources",
    f"{KUBELET}/checkpoints",
    f"{KUBELET}/image_manager",
    f"{KUBELET}/actuated_pods_state",
    f"{KUBELET}/allocated_pods_state",
    f"{KUBELET}/cpu_manager_state",
    f"{KUBELET}/memory_manager_state",
    f"{KUBELET}/dra_manager_state",
)


BESIDE_THE_POINT = {"KV118", "KV310", "KV413"}
"""On both clusters the API server verifies nothing of metrics-server, by upstream's manifest. The bed's machines are containers of
one machine, whose system UUID they share, and kubeadm's token may still live."""

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, seconds: float = 300) -> T:
    """Looks until there is something to see, and returns it."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"{what} was not seen within {seconds:.0f} s"
        time.sleep(0.5)
    return seen


def ended(cluster: Cluster, code: int, *words: str, **how: Any) -> Ran:
    """What kubevouch printed, which ended with that code. how: as Cluster.kubevouch has it."""
    ran = cluster.kubevouch(*words, **how)
    assert ran.code == code, ran
    return ran


def killed_at(cluster: Cluster, path: Path, text: str, *words: str) -> None:
    """`apply`, killed without a chance to say anything once that text is printed."""
    running = cluster.start_kubevouch("apply", str(path), "--yes", "--soak", "1s", *words)
    running.wait_for(text)
    running.kill()


def next_lines(ran: Ran) -> list[str]:
    """The commands that it names."""
    said = ran.out if re.search("^NEXT ", ran.out, re.MULTILINE) else ran.err
    return re.findall(r"^(?:NEXT|THEN) +(k.*)$", said, re.MULTILINE)


def next_of(ran: Ran) -> str:
    """The command that is said to come next."""
    [line] = [each for each in ran.out.splitlines() if each.startswith("NEXT ")]
    return line.split(maxsplit=1)[1]


def shows_as_cut_off(cluster: Cluster, run: str) -> None:
    """`status` does, once the killed run's Lease has gone silent; until then its NEXT waits for that. Then NEXT resumes it."""
    looked = cluster.kubevouch("status")
    for _ in range(60):
        if "died (killed" in looked.out:
            break
        waits, _, shows = next_of(looked).rpartition(" && ")
        assert shows == f"kubevouch status {run}", looked
        assert re.fullmatch(r"(sleep \d+)?", waits), looked
        assert "if it was killed, status shows that in" in " ".join(looked.out.split()), looked
        time.sleep(int(waits.removeprefix("sleep ") or 1))
        looked = cluster.kubevouch("status")
    assert f"Stored     {run}: " in looked.out, looked
    assert "lists the node as armed until" in " ".join(looked.out.split()), looked
    assert next_of(looked) == f"kubevouch resume {run}", looked


_UNFINISHED = re.compile(r".*/\.\d+")
"""What a kubelet was writing when it was stopped (Kubernetes pkg/kubelet/util/store/filestore.go, writeFile)."""


def kubelet_files(node: Node) -> dict[str, object]:
    """Path, mode, owner and content of everything under the kubelet's folders, less what it writes by itself."""
    return {
        path: entry
        for path, entry in node.tree(KUBELET, "/etc/kubernetes").items()
        if not path.lstrip(".").startswith(NOT_COMPARED) and not _UNFINISHED.fullmatch(path)
    }


def armed(node: Node) -> list[str]:
    """Runs whose switch may still put the node back."""
    store = f"{KUBELET}/.kubevouch"
    states = f"{store}/*/armed {store}/*/written {store}/*/restarted {store}/*/verified"
    found = node.sh(f"ls {states} 2>/dev/null", check=False).stdout
    return [line.split("/")[-2] for line in found.split()]


def config_map(cluster: Cluster) -> str:
    """The data of kubelet-config."""
    words = ("get", "configmap", "kubelet-config", "-n", "kube-system", "-o", "jsonpath={.data}")
    return cluster.kubectl(*words).stdout


def findings(ran: Ran) -> dict[str, list[str]]:
    """Code -> subjects, of `-o json`."""
    answer = json.loads(ran.out)
    found = {each["code"]: each["subjects"] for each in answer["findings"]}
    return {code: subjects for code, subjects in found.items() if code not in BESIDE_THE_POINT}


def plan(cluster: Cluster, path: Path, *words: str) -> dict[str, Any]:
    """A plan for these nodes (all, if none is named), made over ssh."""
    ended(cluster, 0, "plan", "-o", str(path), *cluster.ssh_words(), *words)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def names(nodes: Sequence[Node]) -> list[str]:
    """Their names, sorted."""
    return sorted(node.name for node in nodes)


def serving_requests(cluster: Cluster) -> list[dict[str, Any]]:
    """All serving requests, as kubectl shows them."""
    signer = "--field-selector=spec.signerName=kubernetes.io/kubelet-serving"
    return list(cluster.get("csr", signer)["items"])


def csrs_of(cluster: Cluster, node: Node) -> list[dict[str, Any]]:
    """Those in the name of that node."""
    user = f"system:node:{node.name}"
    return [each for each in serving_requests(cluster) if each["spec"]["username"] == user]


def is_approved(csr: dict[str, Any]) -> bool:
    """By anybody."""
    return any(each["type"] == "Approved" for each in csr["status"].get("conditions", ()))


def status_of_csr(cluster: Cluster, name: str) -> Any:
    """What anybody has decided about that serving request, and what was issued."""
    return next(e["status"] for e in serving_requests(cluster) if e["metadata"]["name"] == name)


def ready_metrics_servers(cluster: Cluster) -> str:
    """As kubectl prints it: 0/3, 3/3."""
    words = ("get", "deployment", "metrics-server", "-n", "kube-system", "--no-headers")
    return cluster.kubectl(*words).stdout.split()[1]


def dark_moments(log: Path) -> list[Attempt]:
    """Handshakes that ended with a TLS alert."""
    return [attempt for attempt in read(log) if attempt.outcome.startswith("alert")]


def gaps(log: Path, nodes: Sequence[Node]) -> dict[str, float]:
    """The longest time between two good handshakes, by node, in seconds."""
    attempts = read(log)
    return {node.name: largest_gap(attempts, node.address).seconds for node in nodes}


def by_address(cluster: Cluster, folder: Path, *nodes: Node) -> Path:
    """The cluster's ssh configuration without a word of the nodes' names: known_hosts has their keys for their addresses."""
    whole = cluster.ssh_words()[-1]
    hosts, keys, said = "", "", dict[str, str]()
    for node in nodes:
        printed = _printed("ssh", "-G", "-F", whole, node.name)
        said = {line.partition(" ")[0]: line.partition(" ")[2] for line in printed.splitlines()}
        hosts += f"Host {node.address}\n  Port {said['port']}\n  HostKeyAlias {node.address}\n"
        found = _printed("ssh-keygen", "-F", said["hostkeyalias"], "-f", said["userknownhostsfile"])
        lines = [line.split() for line in found.splitlines() if not line.startswith("#")]
        keys += "".join(f"{node.address} {kind} {key}\n" for _, kind, key, *_ in lines)
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(keys)
    config = folder / "ssh_config"
    config.write_text(
        f'{hosts}Host *\n  User root\n  IdentityFile "{said["identityfile"]}"\n  IdentitiesOnly yes\n'
        f'  UserKnownHostsFile "{known_hosts}"\n  GlobalKnownHostsFile /dev/null\n'
    )
    return config


def _printed(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@contextmanager
def kept_in_status(
    cluster: Cluster, node: Node, kubeconfig: Path, writes: Callable[[dict[str, Any]], bool]
) -> Iterator[None]:
    """Whoever has this kubeconfig writes into the Node's status again and again; the kubelet would take it out again.

    writes: into a status; False where it stands there already.
    """
    words = ("replace", "--raw", f"/api/v1/nodes/{node.name}/status", "-f", "-")
    stop = threading.Event()

    def keep() -> None:
        while not stop.is_set():
            found = cluster.get("node", node.name)
            found["metadata"].pop("resourceVersion")
            if writes(found["status"]):
                text = json.dumps(found)
                cluster.kubectl(*words, stdin=text, kubeconfig=kubeconfig, check=False)
            stop.wait(0.05)

    def is_written() -> bool:
        return not writes(cluster.get("node", node.name)["status"])

    writer = threading.Thread(target=keep)
    writer.start()
    try:
        eventually(is_written, "what is written into the Node's status", seconds=30)
        yield
    finally:
        stop.set()
        writer.join()
        eventually(lambda: not is_written(), "the kubelet's own status", 330)


def posing(
    cluster: Cluster, node: Node, kubeconfig: Path, other: Node
) -> AbstractContextManager[None]:
    """The holder of a node's client certificate keeps another machine's address and id in that Node's status."""
    addresses = [
        {"type": "Hostname", "address": node.name},
        {"type": "InternalIP", "address": other.address},
    ]
    machine_id = other.read("/etc/machine-id").decode().strip()

    def writes(status: dict[str, Any]) -> bool:
        if status["addresses"] == addresses:
            return False
        status["addresses"], status["nodeInfo"]["machineID"] = addresses, machine_id
        return True

    return kept_in_status(cluster, node, kubeconfig, writes)


def lying(cluster: Cluster, node: Node, kubeconfig: Path, lie: str) -> AbstractContextManager[None]:
    """Root on the node keeps an address in the Node's status that is not its own."""
    added = {"type": "InternalIP", "address": lie}

    def writes(status: dict[str, Any]) -> bool:
        if added in status["addresses"]:
            return False
        status["addresses"].insert(1, added)
        return True

    return kept_in_status(cluster, node, kubeconfig, writes)
