"""What happens to a node while its disks write down what reaches them."""

import os
from collections.abc import Awaitable, Callable, Mapping

from kubevouch.rollout.decide.transaction import TransactionState, TransactionStep

from .node import PoweredNode, start

ISSUED = b"the issued pair\n"
_ISSUED_FILE = "kubelet-server-2026-11-26-10-00-00.pem"

Step = Callable[[PoweredNode], Awaitable[None]]


def calls(action: TransactionStep, expected: TransactionState) -> Step:
    """A call of the transaction script; its answer counts from when it is there."""

    async def step(node: PoweredNode) -> None:
        node.mark(f"call {action}")
        answer = await node.call(action)
        node.mark(f"answer {answer.outcome}")
        assert answer.outcome is expected, answer.reason

    return step


async def kubelet_gets_its_certificate(node: PoweredNode) -> None:
    """As client-go writes it (util/certificate/certificate_store.go, Update): it syncs the file, and not its folder."""
    node.mark("the kubelet writes the issued pair")
    pair, updated = node.pki / _ISSUED_FILE, node.pki / "kubelet-server-updated.pem"
    with pair.open("xb") as file:
        pair.chmod(0o600)
        file.write(ISSUED)
        file.flush()
        os.fsync(file.fileno())
    updated.symlink_to(pair)
    updated.rename(node.pki / "kubelet-server-current.pem")


async def switch_fires(node: PoweredNode) -> None:
    """The dead-man's switch, as the node's timer runs it."""
    node.mark("call the switch")
    node.switch()


async def machine_starts(node: PoweredNode) -> None:
    """What a start of the machine runs."""
    node.mark("call what the start runs")
    start(node)


async def nothing_is_synced(node: PoweredNode) -> None:
    """A change that puts everything in its place, and says so, and never asks the disk."""
    change, record = node.change(), node.root / ".kubevouch" / "run1"
    record.mkdir(parents=True)
    new = node.config.with_suffix(".new")
    new.write_bytes(change.content)
    new.rename(node.config)
    (record / "committed").touch()
    node.mark("answer committed")


STORIES: Mapping[str, tuple[Step, ...]] = {
    "begin, commit, undo": (
        calls(TransactionStep.BEGIN, TransactionState.BEGUN),
        kubelet_gets_its_certificate,
        calls(TransactionStep.COMMIT, TransactionState.COMMITTED),
        calls(TransactionStep.UNDO, TransactionState.UNDONE),
    ),
    "begin, rollback": (
        calls(TransactionStep.BEGIN, TransactionState.BEGUN),
        kubelet_gets_its_certificate,
        calls(TransactionStep.ROLLBACK, TransactionState.UNDONE),
    ),
    "begin, the switch": (calls(TransactionStep.BEGIN, TransactionState.BEGUN), switch_fires),
    "begin, a start of the machine": (
        calls(TransactionStep.BEGIN, TransactionState.BEGUN),
        machine_starts,
    ),
}
FAULTY: Mapping[str, tuple[Step, ...]] = {"nothing is synced": (nothing_is_synced,)}
"""They must be found wrong."""
