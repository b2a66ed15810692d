"""What an e2e test may do to a cluster: run kubevouch and kubectl, go into nodes, break things, look at the audit log.

The tests know nothing else, so that a second kind of cluster can take them as they are.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import yaml

from real.audit import Entry
from real.handshake import Seen
from real.node import Entry as TreeEntry
from real.node import UnitEvent
from real.prober import probing
from real.processes import Done
from tests.cli.program import Ran

from .programs import CHECKOUT, KUBEVOUCH, Running


class Shell(Protocol):
    """Where a script can be run."""

    def sh(
        self, script: str, *arguments: str, check: bool = True, seconds: float = 120
    ) -> Done: ...


class Node(Shell, Protocol):
    """One machine."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes, mode: int = 0o644) -> None: ...
    def exists(self, path: str) -> bool: ...
    def tree(self, *folders: str) -> Mapping[str, TreeEntry]: ...
    def handshake(self) -> Seen: ...
    def unit_events(self, unit: str, since: datetime) -> tuple[UnitEvent, ...]: ...
    def cut_ssh(self) -> None: ...
    def mend(self) -> None: ...
    def fill(self, folder: str, size: str = "8m") -> None: ...
    def free(self) -> None: ...


class Cluster(Protocol):
    """The whole of it: one control plane, three workers. What goes through kubectl and kubevouch is the same on both kinds."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @property
    def nodes(self) -> tuple[Node, ...]: ...
    @property
    def workers(self) -> tuple[Node, ...]: ...
    @property
    def master(self) -> Node: ...
    @property
    def inside(self) -> Sequence[str]:
        """The words under which a program is where this cluster is; none where that is everywhere."""
        return ()

    def given(self) -> Mapping[str, str]:
        """What stands in kubevouch's environment besides the test's own."""

    def state(self, state: str) -> None:
        """Brings it into a state: expired, no-ip-sans, pending, rotated-expired, healthy."""

    def forget_armed(self) -> None:
        """Takes from the Lease what it says of nodes that a new state has put back. Of runs that were killed it says so for minutes."""
        lease = ("lease", "-n", "kube-system", "kubevouch-rollout")
        self.kubectl("annotate", *lease, "kubevouch.dev/armed-", check=False)

    def scenario(self, name: str) -> bool:
        """Brings it into a scenario of the lab, or a state of that name; False where it cannot be brought there."""

    def tell_credential_ids(self, *, told: bool) -> bool:
        """Whether new CSRs say which credential made them; False where this cluster's version decides that."""
        return False

    def repair(self, name: str) -> bool:
        """Does what only a person can do about a scenario; False where that is nothing."""
        return False

    def set_clock(self, node: Node, ahead: timedelta) -> bool:
        """The node's clock goes so much ahead, until the next state; False where all have the clock of one machine."""
        return False

    def kubevouch(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        seconds: float = 600,
        under: Sequence[str] = (),
    ) -> Ran:
        """under: the words of a program that runs it."""
        done = subprocess.run(
            [*self.inside, *under, *KUBEVOUCH, *arguments],
            cwd=CHECKOUT,
            env=self._environment(kubeconfig),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start_kubevouch(self, *arguments: str, under: Sequence[str] = ()) -> Running:
        """The same in the background."""
        words = [*self.inside, *under, *KUBEVOUCH, *arguments]
        return Running(words, self._environment(None))

    def _environment(self, kubeconfig: Path | None) -> dict[str, str]:
        return {**os.environ, **self.given(), "KUBECONFIG": str(kubeconfig or self.kubeconfig)}

    def kubectl(
        self,
        *arguments: str,
        stdin: str = "",
        kubeconfig: Path | None = None,
        check: bool = True,
        seconds: float = 60,
    ) -> Done: ...

    def get(self, *words: str) -> Any:
        """What `kubectl get` prints of these, as JSON."""
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def rolled_out(self, deployment: str, namespace: str, seconds: int = 300) -> None:
        """Waits until all of its pods are of the newest template, and ready."""
        words = (
            "rollout",
            "status",
            f"deployment/{deployment}",
            "-n",
            namespace,
            f"--timeout={seconds}s",
        )
        self.kubectl(*words, seconds=seconds + 10)

    def ssh_words(self) -> tuple[str, ...]:
        """The words of `apply` that make ssh reach the nodes."""

    def audit(self, since: datetime) -> tuple[Entry, ...]:
        """What anybody asked of the API server since then."""

    def audit_of(self, user: str, since: datetime) -> tuple[Entry, ...]:
        """What that user asked of the API server since then."""
        account = f"system:serviceaccount:default:{user}"
        return tuple(each for each in self.audit(since) if each.user_name == account)

    def user(self, name: str, folder: Path) -> Path:
        """A kubeconfig of a new user without any right."""
        self.kubectl("create", "serviceaccount", name, "-n", "default")
        return self.account(name, "default", folder)

    def account(self, name: str, namespace: str, folder: Path) -> Path:
        """A kubeconfig with a token of that service account."""
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=2h").stdout
        return self.kubeconfig_with(folder, name, f"--token={token.strip()}")

    def bind(self, manifest: str, role: str, user: str) -> None:
        """Applies the manifest of a ClusterRole and of Roles of the same name, and binds them all to the user."""
        self.kubectl("apply", "-f", "-", stdin=manifest)
        who = f"--serviceaccount=default:{user}"
        words = ("create", "clusterrolebinding", f"{role}-{user}", f"--clusterrole={role}")
        self.kubectl(*words, who)
        for each in filter(None, yaml.safe_load_all(manifest)):
            if each["kind"] == "Role":
                space = each["metadata"]["namespace"]
                binding = ("create", "rolebinding", f"{role}-{user}", "-n", space)
                self.kubectl(*binding, f"--role={role}", who)

    def kubeconfig_with(self, folder: Path, name: str, *credential: str) -> Path:
        """A kubeconfig whose user has this credential, as words of `kubectl config set-credentials`."""
        path = folder / f"{name}.kubeconfig"
        path.write_bytes(self.kubeconfig.read_bytes())
        self.kubectl("config", "set-credentials", name, *credential, kubeconfig=path)
        self.kubectl("config", "set-context", "--current", f"--user={name}", kubeconfig=path)
        return path

    def node_kubeconfig(self, node: Node, folder: Path) -> Path:
        """A kubeconfig with the kubelet's own client certificate: what root on that node has."""
        pem = folder / f"{node.name}.pem"
        pem.write_bytes(node.read("/var/lib/kubelet/pki/kubelet-client-current.pem"))
        files = (f"--client-certificate={pem}", f"--client-key={pem}", "--embed-certs=true")
        return self.kubeconfig_with(folder, node.name, *files)

    def pass_time(self, days: int) -> None:
        """The certificates that kubelets serve become so many days older, and kubelets start anew."""

    def where_pods_run(self, node: str) -> Shell:
        """Where the processes of that node's pods are seen, and signalled: on the node, or beside a lab."""

    def process_of(self, pod: str, node: str) -> str:
        """The process id of the server that this pod runs, ours or the other metrics server, as it is counted there."""

    def printed_by(self, namespace: str, pod: str, node: str) -> str:
        """What the container of a pod has printed since it was started last."""

    def stop_controller_manager(self) -> None: ...
    def start_controller_manager(self) -> None: ...
    @contextmanager
    def probed(self, log: Path) -> Iterator[Path]:
        """While it lasts, every kubelet is dialled ten times a second; real.prober.read reads the log."""
        with probing(sys.executable, log, [node.address for node in self.nodes]):
            yield log
