"""What an e2e test may do to a cluster: run kubevouch and kubectl, go into nodes, break things, look at the audit log.

The tests know nothing else, so that a second kind of cluster can take them as they are.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tests.cli.program import Ran


class Done(Protocol):
    """A process that has ended."""

    @property
    def returncode(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class TreeEntry(Protocol):
    """A file, link or folder: kind, mode, owner, and sha256 or target. Comparable."""

    @property
    def kind(self) -> str: ...
    @property
    def content(self) -> str: ...


class Audited(Protocol):
    """A request in the API server's audit log."""

    @property
    def verb(self) -> str: ...

    @property
    def what(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def code(self) -> int: ...
    @property
    def user_name(self) -> str: ...
    @property
    def pod(self) -> str: ...


class Presented(Protocol):
    """What a kubelet's port answers a handshake with: outcome ok, refused, alert:<name>, ...; the leaf's DER."""

    @property
    def outcome(self) -> str: ...
    @property
    def leaf(self) -> bytes: ...


class UnitEvent(Protocol):
    """Something that the service manager did with a unit."""

    @property
    def at(self) -> datetime: ...
    @property
    def what(self) -> str: ...


class Node(Protocol):
    """One machine."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    def sh(
        self, script: str, *arguments: str, check: bool = True, seconds: float = 120
    ) -> Done: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes, mode: int = 0o644) -> None: ...
    def exists(self, path: str) -> bool: ...
    def tree(self, *folders: str) -> Mapping[str, TreeEntry]: ...
    def handshake(self) -> Presented: ...
    def unit_events(self, unit: str, since: datetime) -> tuple[UnitEvent, ...]: ...
    def cut_ssh(self) -> None: ...
    def mend(self) -> None: ...
    def fill(self, folder: str, size: str = "8m") -> None: ...
    def free(self) -> None: ...


class Running(Protocol):
    """kubevouch, still running."""

    def wait_for(self, text: str, seconds: float = 120) -> str:
        """Waits until it has printed that (either stream); returns all so far."""
        ...

    def wait_for_lines(self, count: int) -> None:
        """Waits until it has printed so many (both streams), or has ended."""
        ...

    def interrupt(self) -> None:
        """Ctrl-C."""
        ...

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        ...

    def stop(self) -> None:
        """SIGSTOP: it goes on when it is continued."""
        ...

    def carry_on(self) -> None:
        """SIGCONT after `stop`."""
        ...

    def end(self) -> None:
        """SIGTERM, as a pod is ended."""
        ...

    def finish(self, seconds: float = 600) -> Ran:
        """Waits for its end."""
        ...


class Shell(Protocol):
    """Where a script can be run."""

    def sh(
        self, script: str, *arguments: str, check: bool = True, seconds: float = 120
    ) -> Done: ...


FORGET_ARMED = (
    "annotate",
    "lease",
    "-n",
    "kube-system",
    "kubevouch-rollout",
    "kubevouch.dev/armed-",
)
"""Takes from the Lease what it says of nodes that a new state has put back. Of runs that were killed it says so for minutes."""


class Cluster(Protocol):
    """The whole of it: one control plane, three workers."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        ...

    @property
    def nodes(self) -> tuple[Node, ...]: ...
    @property
    def workers(self) -> tuple[Node, ...]: ...
    @property
    def master(self) -> Node: ...
    def state(self, state: str) -> None:
        """Brings it into a state: expired, no-ip-sans, pending, rotated-expired, healthy."""
        ...

    def scenario(self, name: str) -> bool:
        """Brings it into a scenario of the lab, or a state of that name; False where it cannot be brought there."""
        ...

    def tell_credential_ids(self, *, told: bool) -> bool:
        """Whether new CSRs say which credential made them; False where this cluster's version decides that."""
        ...

    def repair(self, name: str) -> bool:
        """Does what only a person can do about a scenario; False where that is nothing."""
        ...

    def set_clock(self, node: Node, ahead: timedelta) -> bool:
        """The node's clock goes so much ahead, until the next state; False where all have the clock of one machine."""
        ...

    def kubevouch(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        seconds: float = 600,
        under: Sequence[str] = (),
    ) -> Ran:
        """under: the words of a program that runs it."""
        ...

    def start_kubevouch(self, *arguments: str, under: Sequence[str] = ()) -> Running: ...
    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done: ...
    def ssh_words(self) -> tuple[str, ...]:
        """The words of `apply` that make ssh reach the nodes."""
        ...

    def audit(self, since: datetime) -> tuple[Audited, ...]:
        """What anybody asked of the API server since then."""
        ...

    def audit_of(self, user: str, since: datetime) -> tuple[Audited, ...]:
        """What that user asked of the API server since then."""
        ...

    def user(self, name: str, folder: Path) -> Path:
        """A kubeconfig of a new user without any right."""
        ...

    def bind(self, manifest: str, role: str, user: str) -> None:
        """Applies the manifest of a ClusterRole and of Roles of the same name, and binds them all to the user."""
        ...

    def kubeconfig_with(self, folder: Path, name: str, *credential: str) -> Path:
        """A kubeconfig whose user has this credential, as words of `kubectl config set-credentials`."""
        ...

    def node_kubeconfig(self, node: Node, folder: Path) -> Path:
        """A kubeconfig with the kubelet's own client certificate: what root on that node has."""
        ...

    def pass_time(self, days: int) -> None:
        """The certificates that kubelets serve become so many days older, and kubelets start anew."""
        ...

    def where_pods_run(self, node: str) -> Shell:
        """Where the processes of that node's pods are seen, and signalled: on the node, or beside a lab."""
        ...

    def process_of(self, pod: str, node: str) -> str:
        """The process id of the server that this pod runs, ours or the other metrics server, as it is counted there."""
        ...

    def printed_by(self, namespace: str, pod: str, node: str) -> str:
        """What the container of a pod has printed since it was started last."""
        ...

    def stop_controller_manager(self) -> None: ...
    def start_controller_manager(self) -> None: ...
    def probed(self, log: Path) -> AbstractContextManager[Path]: ...
