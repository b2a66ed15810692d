"""One run that meets faults which pass, each while a certain node is in hand. How slow the machine is does not matter."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .fleet import (
    LONGEST,
    PROVEN,
    RESTARTED,
    SEES_NO_ANSWER,
    SERVED,
    Fixer,
    Fleet,
    locked,
    once_said,
    run_of,
)
from .hostile import Hostile, ask
from .lab_cluster import LabNode
from .programs import Running
from .told import (
    ended,
    eventually,
    kubelet_files,
    next_lines,
)


@dataclass
class Storm:
    """The run, and who carries it out. No node begins before its turn: until then its lock is held.

    nodes: in the order in which they are changed.
    """

    fleet: Fleet
    fixer: Fixer
    path: Path
    nodes: list[LabNode]
    _running: Running | None = field(default=None, init=False)
    _next: ExitStack = field(default_factory=ExitStack, init=False)
    """What holds the node whose turn comes next."""

    @property
    def running(self) -> Running:
        assert self._running is not None
        return self._running

    def begin(self, *words: str) -> None:
        self._next.enter_context(locked(self.nodes[0]))
        self._running = self.fleet.start(self.path, *words, by=self.fixer)

    def let_go(self) -> None:
        """Whatever became of the test, nothing is held any more."""
        self._next.close()

    def says(self, node: LabNode, text: str) -> str:
        """Waits until it has said this of the node. Returns all that it has said so far."""
        return self.running.wait_for(f"{node.name}  {text}", LONGEST)

    def is_in_hand(self, node: LabNode) -> None:
        assert f"{node.name}  done in " not in self.running.wait_for(""), "the fault came too late"

    @contextmanager
    def turn(self, node: LabNode, then: Callable[[], None] | None = None) -> Iterator[None]:
        """While this lasts the node is in hand, restarted, and nobody signs for it; then it goes through.

        then: makes ready for the next one, once this one's CSR is approved. A node waits for its lock for half a minute only.
        """
        ready, self._next = self._next, ExitStack()
        following = self.nodes[self.nodes.index(node) + 1 :][:1]
        for each in following:
            self._next.enter_context(locked(each))
        self.fleet.cluster.stop_signers()
        try:
            ready.close()
            self.says(node, RESTARTED)
            yield
            if then is not None:
                self.says(node, "waits for certificate issued (")
                then()
        finally:
            self.fleet.cluster.start_controller_manager()
        self.says(node, SERVED)

    def sees_no_answer(self, node: LabNode, after: int) -> None:
        """Waits until the run is seen to wait for the API server. after: how much it had said before the fault."""
        once_said(self.running, SEES_NO_ANSWER, after)
        self.is_in_hand(node)

    def said_so_far(self) -> int:
        return len(self.running.wait_for(""))

    def outage(self, kind: str, node: LabNode) -> None:
        with self.turn(node):
            after = self.said_so_far()
            with self.fleet.cluster.outage(kind):
                # Watches go on, so that a run which only waits for its CSR sees nothing.
                if kind == "overloaded":
                    self.fleet.cluster.start_controller_manager()
                self.sees_no_answer(node, after)

    def signer_late(self, node: LabNode) -> None:
        with self.turn(node):
            self.fleet.cluster.stop_controller_manager()
            self.says(node, "waits for certificate issued (not signed yet)")
            self.is_in_hand(node)

    def other_operators(self, node: LabNode, other: Path, waits: LabNode) -> None:
        """One has the same plan, one another, for a node that waits for its turn. Both are shown where this run stands."""
        run = run_of(self.path)
        with self.turn(node):
            before = kubelet_files(waits)
            for path in (self.path, other):
                ran = ended(self.fleet.cluster, 4, "apply", str(path), "--yes")
                assert f"another run is in progress: held by run {run} of " in ran.err, ran
                [shows] = next_lines(ran)
                assert shows.startswith(f"kubevouch status {run}"), ran
                looked = ended(self.fleet.cluster, 1, *shlex.split(shows)[1:])
                assert f"run {run} of " in " ".join(looked.out.split()), looked
            assert kubelet_files(waits) == before
            self.is_in_hand(node)

    def other_requestors(self, node: LabNode, other: LabNode) -> None:
        """Who may create CSRs asks in the node's name, and another node asks for the name and the address in its own."""
        cluster = self.fleet.cluster
        with self.turn(node):
            own = cluster.node_kubeconfig(other, self.fleet.folder)
            for name, subject, config in (("in-its-name", node, None), ("in-its-own", other, own)):
                pem = Hostile("", names=(node.name,)).pem(subject.name, node.address)
                ask(cluster, name, pem, kubeconfig=config)
            self.is_in_hand(node)

    def written_by_others(self, node: LabNode) -> None:
        """One cordons the node, another edits the ConfigMap. Then the run loses the right to approve."""
        edited = json.dumps({"data": {"kubelet": f"{self.fleet.config_text}maxPods: 77\n"}})
        words = ("patch", "configmap", "-n", "kube-system", "kubelet-config", "-p", edited)
        with self.turn(node, lambda: self.fixer.may_approve(may=False)):
            self.fleet.cluster.kubectl("cordon", node.name)
            self.fleet.cluster.kubectl(*words)
            self.is_in_hand(node)

    def approved_by_hand(self, node: LabNode) -> None:
        """By somebody else, since the run has not the right."""
        with self.turn(node):
            asked = self._asked_in_vain(node)
            self.fleet.cluster.kubectl("certificate", "approve", asked)
            self.says(node, f"{asked} approved with reason 'KubectlApprove'; every rule passes")

    def denied_by_hand(self, node: LabNode) -> None:
        """So the kubelet asks again, and the run has the right meanwhile."""
        with self.turn(node):
            asked = self._asked_in_vain(node)
            self.fleet.cluster.kubectl("certificate", "deny", asked)
            eventually(
                lambda: self.fleet.newest_csr(node)["metadata"]["name"] != asked,
                "that it asks again",
                LONGEST,
            )
            self.fixer.may_approve(may=True)

    def _asked_in_vain(self, node: LabNode) -> str:
        """The node's CSR, once the run has said that it may not approve it."""
        waits = re.escape(f"{node.name}  waits for API server answers (")
        line = re.compile(rf'{waits}.*cannot patch \S+/approval "(\S+)": ')
        found = eventually(
            lambda: line.findall(self.running.wait_for("")), "that it may not approve", LONGEST
        )
        self.is_in_hand(node)
        return str(found[0])

    def credentials_replaced(self, node: LabNode) -> None:
        with self.turn(node):
            after = self.said_so_far()
            self.fixer.logout()
            self.fleet.cluster.start_controller_manager()
            self.sees_no_answer(node, after)
            self.fixer.login()

    def down_while_the_gates_run(self, node: LabNode) -> None:
        """The last node's, for which no metrics come: another one begins as soon as only the sample is missing."""
        with self.turn(node):
            self.fleet.cluster.start_controller_manager()
            self.says(node, SERVED)
            after = self.said_so_far()
            with self.fleet.cluster.outage("down"):
                self.sees_no_answer(node, after)
            self.fleet.nobody_serves_metrics(away=False)

    def down_at_the_commit(self, node: LabNode) -> None:
        """The last worker's, since it takes a while: a control plane begins when all others are done. For that one no metrics come."""
        with self.turn(node):
            with locked(node):
                self.fleet.cluster.start_controller_manager()
                self.says(node, PROVEN)
                self.fleet.nobody_serves_metrics(away=True)
                self.fleet.cluster.begin_outage("down")
                self.is_in_hand(node)
            self.says(node, "done in ")
            self.fleet.cluster.end_outage()
