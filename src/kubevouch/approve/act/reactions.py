"""Reacts to the watches: queues CSRs, updates records, and reports approvals by other clients."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from kubevouch.approve.act.queue import DecisionQueue
from kubevouch.approve.act.records import RecordWriter
from kubevouch.approve.act.telling import Telling
from kubevouch.approve.decide.look import look_back
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import Requestor
from kubevouch.clock import Clock
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import CertificateSigningRequest, ConfigMap, Node
from kubevouch.policy.csr import csr_of
from kubevouch.serve.process import return_freed_memory

_MOST_MESSAGES: Final = 10_000

_PAUSE: Final = 1.0
"""Seconds of delay for a CSR whose requestor already had another CSR waiting. This limits a
requestor's flood of CSRs to one decision a second."""


@dataclass
class WatchReactions:
    """Handles the watches' events.

    decides: returns whether this process leads now (or is a dry run). active: whether this process
    decides CSRs, as last set by `turned`. namespace: the approver's namespace.
    """

    clock: Clock
    view: ClusterView
    queue: DecisionQueue[Requestor]
    records: RecordWriter
    telling: Telling
    decides: Callable[[], bool]
    active: bool
    namespace: str

    begun: bool = False
    """Whether Nodes, CSRs and ConfigMaps have been listed once."""

    gap: bool = False
    """Whether CSRs for client certificates that no approver has seen may have been deleted before
    this process started."""

    last_gap: float = 0.0
    """When we last noticed that we may have missed CSRs for client certificates, in seconds since
    1970; 0 if never."""

    _messages: dict[str, str] = field(default_factory=dict)
    """The condition messages that this process wrote or tried to write, by the CSR's UID, newest
    last. They are stored before the write, since the watch may show our decision before the API
    server answers. A message is "" once another client's decision has been reported."""

    def turned(self, *, active: bool) -> None:
        """Called when this process starts or stops deciding CSRs."""
        self.active = active
        if active:
            self.look_at_all()

    def others_listed(self) -> None:
        """Called when Nodes and ConfigMaps have been listed once."""
        if self.gap and any(self.view.sources.records()):
            self.client_csrs_missed()
        self._credentials_changed(self.view.begin())

    def csrs_listed(self) -> None:
        """Called when every CSR of a list has been handled."""
        self._credentials_changed(self.view.client_csrs_listed())
        if self.begun:
            return
        self.begun = True
        self.telling.log.info(
            "Listed Nodes, CSRs and ConfigMaps",
            namespace=self.namespace,
            pins=len(self.view.sources.current.pins),
            sources=",".join(self.view.sources.configuration_or_default.sources),
            nodes=len(self.view.nodes),
            pendingCSRs=len(self.view.waiting),
        )
        return_freed_memory()
        self.look_at_all()

    def node(self, node: Node) -> None:
        """Handles a new or changed Node."""
        concerned = self.view.put_node(node)
        self._credentials_changed(self.view.look_at_credentials([node.name]))
        self._look_at(concerned)

    def node_gone(self, name: str) -> None:
        """Handles the deletion of a Node."""
        self._look_at(self.view.remove_node(name))
        self.records.gone(name)

    def serving_csr(self, csr: CertificateSigningRequest) -> None:
        """Handles a new or changed serving CSR."""
        if csr.status.conditions:
            self._decided(csr, is_new=self.view.put_decided_csr(csr))
            return
        news = self.view.put_serving_csr(csr)
        if news is None or (news.asks_again and not news.held_for):
            self.telling.passed_over()
        if news is None:
            return
        created = csr.metadata.creation_timestamp
        if self.begun and created is not None and not news.held_for:
            lag = (self.clock.now() - created).total_seconds()
            self.telling.instruments.watch_lag.observe(max(0.0, lag))
        self._look_at([csr.name], _PAUSE if news.asks_again else 0.0)

    def serving_csr_gone(self, name: str) -> None:
        """Handles the deletion of a serving CSR. The requestor's older CSRs remain superseded."""
        self.view.waiting.remove(name)

    def keeps(self, name: str) -> bool:
        """Whether `view` has a CSR with this name, so that its deletion matters."""
        return self.view.waiting.get(name) is not None

    def client_csr(self, csr: CertificateSigningRequest, *, listed: bool) -> None:
        """Handles a new or changed CSR for a kubelet's client certificate."""
        self._credentials_changed(self.view.put_client_csr(csr, listed=listed))

    def client_csrs_missed(self) -> None:
        """Reports that we may have missed CSRs for client certificates."""
        self.last_gap = self.clock.now().timestamp()
        self.telling.log.info("May have missed CSRs for client certificates")

    def _credentials_changed(self, nodes: Collection[str]) -> None:
        """Records these nodes' changed client certificates, and queues their CSRs."""
        for node in nodes:
            self.records.changed(node)
            self._look_at(self.view.waiting.of_node(node))

    def config_map(self, found: ConfigMap) -> None:
        """Handles a new or changed ConfigMap of the approver."""
        before = self.view.sources.problems.get(found.name)
        self._source_changed(self.view.sources.put(found), found.name, before)

    def config_map_gone(self, name: str) -> None:
        """Handles the deletion of a ConfigMap of the approver."""
        before = self.view.sources.problems.get(name)
        self._source_changed(self.view.sources.remove(name), name, before)

    def _source_changed(
        self, nodes: Collection[str] | None, name: str, before: Collection[str] | None
    ) -> None:
        """Reports problems of a changed ConfigMap, and queues the CSRs that it affects.

        nodes: the nodes that the change affects; None for all. before: the ConfigMap's problems
        before the change.
        """
        problems = self.view.sources.problems.get(name, ())
        for problem in problems:
            self.telling.log.error(problem, "Cannot read an approver ConfigMap")
        if before and not problems:
            self.telling.log.info("An approver ConfigMap can be read again", configMap=name)
        if nodes is None:
            self.look_at_all()
            return
        self._credentials_changed(self.view.look_at_credentials(nodes))
        for node in nodes:
            self._look_at(self.view.waiting.of_node(node))
        self._look_at(self.view.waiting.asking_for(self.view.sources.take_touched()))

    def _decided(self, found: CertificateSigningRequest, *, is_new: bool) -> None:
        approved = found.condition("Approved")
        if approved is None or not self.decides():
            return
        ours = self._messages.get(found.uid)
        messages = [each.message for each in found.status.conditions]
        if is_new and ours not in {"", *messages}:
            self.writing(found.uid, "")
            self._others_approved(found)

    def _others_approved(self, found: CertificateSigningRequest) -> None:
        reserved = self.view.reserved(self.clock.monotonic())
        if reserved is None:
            return
        condition = found.condition("Approved")
        at = condition.last_update_time if condition else None
        decision = look_back(self.view, csr_of(found), reserved, at or self.clock.now())
        self.telling.approved_by_others(found, decision)

    def writing(self, uid: str, message: str) -> None:
        """Remembers a message before it is written, to recognize our own decision in the watch."""
        self._messages.pop(uid, None)
        self._messages[uid] = message
        if len(self._messages) > _MOST_MESSAGES:
            del self._messages[next(iter(self._messages))]

    def _look_at(self, names: Collection[str], after: float = 0.0) -> None:
        """Queues these CSRs after a delay of `after` seconds, if this process decides CSRs."""
        if not (self.begun and self.active):
            return  # a new leader looks at all of them
        for name in names:
            waiting = self.view.waiting.get(name)
            if waiting is not None and not waiting.over:
                self.queue.put(waiting.requestor, after)

    def look_at_all(self) -> None:
        """Queues all pending CSRs now."""
        self._look_at([each.name for each in self.view.waiting])

    def names_changed(self, names: ClusterNames) -> None:
        """Handles a change of the cluster's own names."""
        self.view.set_names(names)
        self.look_at_all()
