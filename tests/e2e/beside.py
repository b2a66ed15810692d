"""The approver as a process beside a cluster, with the account of its pods: for what a pod cannot be put into."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .approver.installed import NAMESPACE
from .cluster import Cluster
from .programs import CHECKOUT, Running

_PARTS = ("00-namespace.yaml", "10-rbac.yaml", "20-recorded.yaml")


@contextmanager
def without_its_pods(cluster: Cluster) -> Iterator[None]:
    """What `deploy/approver` has, but the Deployment."""
    parts = [str(CHECKOUT / "deploy" / "approver" / name) for name in _PARTS]
    for part in parts:
        cluster.kubectl("apply", "-f", part)
    yield
    for part in reversed(parts):
        cluster.kubectl("delete", "-f", part, "--ignore-not-found", seconds=120)


@contextmanager
def approving(cluster: Cluster, *words: str, under: Sequence[str] = ()) -> Iterator[Running]:
    """The program, until the block ends. under: the words of a program that runs it."""
    running = cluster.start_kubevouch(
        "approver",
        "run",
        f"--namespace={NAMESPACE}",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        *words,
        under=under,
    )
    try:
        yield running
    finally:
        running.kill()


def account(cluster: Cluster, folder: Path) -> str:
    """The words with which the program is the pods' account."""
    return f"--kubeconfig={cluster.account('kubevouch-approver', NAMESPACE, folder)}"
