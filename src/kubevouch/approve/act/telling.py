"""Tells what became of each CSR: in the log, in the metrics, and by Events on the CSR and on its Node."""

from shlex import join
from typing import Final

from kubevouch.approve.act.instruments import NODE_NOT_READ, NOT_WRITTEN, ApproverInstruments
from kubevouch.approve.decide.action import Action
from kubevouch.approve.decide.look import LookedAt
from kubevouch.approve.decide.served import IssuedCertificate, ServedResult
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.events import EventSender, EventWord
from kubevouch.kube.resources import CSRS, NODES, CertificateSigningRequest, Node, bounded_note
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import NODE_USER
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import IdentitySource
from kubevouch.serve.logs import Log

APPROVED: Final = EventWord("KubeletServingApproved", "Approve", warning=False)
HELD: Final = EventWord("KubeletServingHeld", "Hold")
NOT_SERVED: Final = EventWord("KubeletServingNotServed", "Probe")
BY_OTHERS: Final = EventWord("KubeletServingApprovedByOthers", "Report")
_DOUBTS_BEFORE_EVENT: Final = 3
"""Looks in a row that could not tell: a Node that was read in time at the next look is no event."""

_LONGEST_WHY: Final = 700
"""Bytes. An Event has room for a thousand, and the CSR's name is among them twice."""


class Telling:
    """One place for all that is told."""

    def __init__(
        self,
        clock: Clock,
        log: Log,
        view: ClusterView,
        instruments: ApproverInstruments,
        events: EventSender,
    ) -> None:
        self._clock = clock
        self._log = log
        self._view = view
        self._instruments = instruments
        self._events = events

    def took(self, seconds: float) -> None:
        """A look and what followed from it took so long."""
        self._instruments.decision_duration.observe(seconds)

    def panicked(self, name: str, error: Exception) -> None:
        """A look ended by an error of ours."""
        self._log.error(f"{type(error).__name__}: {error}", "Observed a panic", csr=name)
        self._count(Action.CANNOT_TELL, NODE_NOT_READ, IdentitySource.NONE)

    def node_not_read(self, waiting: WaitingCsr, error: KubevouchError) -> None:
        """The live Node could not be read."""
        self._count(Action.CANNOT_TELL, NODE_NOT_READ, IdentitySource.NONE)
        self._log.error(error, "Failed to read the Node", csr=waiting.name, node=waiting.node)

    def not_written(self, waiting: WaitingCsr, error: KubevouchError) -> None:
        """The decision could not be written."""
        self._count(Action.CANNOT_TELL, NOT_WRITTEN, IdentitySource.NONE)
        self._log.error(error, "Failed to write the decision", csr=waiting.name, node=waiting.node)

    def would_approve(self, waiting: WaitingCsr, looked: LookedAt) -> None:
        """A dry run: it would have been approved."""
        self._count_looked(looked, Action.APPROVE)
        why = looked.answer.why if looked.answer else ""
        if waiting.held_for != f"{Action.APPROVE} {why}":
            waiting.held_for = f"{Action.APPROVE} {why}"
            words = {"outcome": str(Action.APPROVE), "source": _source(looked), "why": why}
            self._log.info("Would decide", csr=waiting.name, node=waiting.node, **words)

    def approved(self, found: CertificateSigningRequest, looked: LookedAt) -> None:
        """It was approved."""
        self._count_looked(looked, Action.APPROVE)
        node = found.spec.username.removeprefix(NODE_USER)
        why = looked.answer.why if looked.answer else ""
        self._log.info("Approved", csr=found.name, node=node, source=_source(looked), why=why)
        note = f"every rule passed; names and addresses: {why}"
        self._events.tell(found, CSRS, APPROVED, note)

    def held(
        self, waiting: WaitingCsr, live: Node | None, looked: LookedAt, action: Action
    ) -> None:
        """It stays pending."""
        self._count_looked(looked, action)
        why = looked.decision.why
        if waiting.held_for != why:
            waiting.held_for = why
            self._log.info(
                "Held",
                csr=waiting.name,
                node=waiting.node,
                outcome=str(action),
                source=_source(looked),
                why=why,
            )
        if not self._is_event(waiting, looked.decision):
            return
        if waiting.told != why:
            waiting.told = why
            note = why_held(looked.decision, waiting.name)
            self._events.tell(waiting.found, CSRS, HELD, note)
            if live is not None:
                self._events.tell(live, NODES, HELD, f"CSR {waiting.name} is held: {note}")

    def _is_event(self, waiting: WaitingCsr, decision: Decision) -> bool:
        """Whether an operator should hear of it: the newest of a node, and not what the next look may show."""
        if self._view.waiting.get(waiting.name) is not waiting:
            return False
        doubts = {each.reason for each in decision.held_by} == {HoldReason.NOT_IN_EVIDENCE}
        return not doubts or waiting.failures >= _DOUBTS_BEFORE_EVENT

    def passed_over(self) -> None:
        """One is not looked at: its requestor has asked again, or too many ask."""
        self._count(Action.HOLD, HoldReason.SUPERSEDED, IdentitySource.NONE)

    def approved_by_others(self, found: CertificateSigningRequest, decision: Decision) -> None:
        """Somebody else has approved it. Who it was is what he says himself."""
        self._instruments.others_approved.labels(decision.outcome.value).inc()
        condition = found.condition("Approved")
        reason = condition.reason if condition else ""
        manager = _approver(found)
        words = {"csr": found.name, "selfDeclaredReason": reason, "selfDeclaredManager": manager}
        if decision.outcome is Outcome.REFUSE:
            self._log.error(decision.why, "Somebody else approved what our policy holds", **words)
            who = f"by {manager} (self-declared) with reason {reason!r}"
            if not manager:
                who = f"with reason {reason!r} (self-declared) by a client whose name the API server does not keep"
            why = bounded_note(decision.why, _LONGEST_WHY)
            note = (
                f"approved {who}; our policy would hold it: {why}. See: {_explaining(found.name)}"
            )
            self._events.tell(found, CSRS, BY_OTHERS, note)
        elif decision.outcome is Outcome.CANNOT_TELL:
            self._log.info(
                "Somebody else approved it, and whether our policy would cannot be told",
                why=decision.why,
                **words,
            )

    def served(self, issued: IssuedCertificate, result: ServedResult) -> None:
        """Whether a node serves what was issued for it."""
        self._instruments.served_checks.labels(result.value).inc()
        if result is ServedResult.SERVED:
            self._log.verbose(2, "Served", node=issued.node, csr=issued.csr.name)
            return
        if result is ServedResult.UNREACHABLE:
            self._log.info(
                "Whether the issued certificate is served cannot be told from here",
                node=issued.node,
                csr=issued.csr.name,
                address=issued.address,
            )
            return
        note = f"{issued.address} does not serve the certificate that {issued.csr.name} got two minutes ago"
        self._log.error(note, "Not served", node=issued.node, csr=issued.csr.name)
        probe = join(("kubevouch", "probe", issued.node))
        note = f"{note}. See: {probe}; kubevouch doctor"
        self._events.tell(issued.csr, CSRS, NOT_SERVED, note)
        if (node := self._view.nodes.get(issued.node)) is not None:
            self._events.tell(node, NODES, NOT_SERVED, note)

    def _count_looked(self, looked: LookedAt, action: Action) -> None:
        held = looked.decision.held_by
        reason = held[0].reason if held else HoldReason.PASSES
        self._count(action, reason, _source(looked))

    def _count(self, action: Action, reason: str, source: str) -> None:
        self._instruments.decisions.labels(action.value, str(reason), str(source)).inc()


def _source(looked: LookedAt) -> str:
    return str(looked.answer.source if looked.answer else IdentitySource.NONE)


def _approver(found: CertificateSigningRequest) -> str:
    """The client that last wrote /approval, by the name that it gives itself."""
    writers = [w for w in found.metadata.managed_fields if w.subresource == "approval"]
    return writers[-1].manager if writers else ""


def why_held(decision: Decision, csr: str) -> str:
    """Why a CSR is held, for an Event, and the next command."""
    why = decision.why
    hint = "" if "kubevouch " in why else f". See: {_explaining(csr)}"
    return f"{bounded_note(why, _LONGEST_WHY)}{hint}"


def _explaining(csr: str) -> str:
    """The command that shows every rule with what was seen."""
    return join(("kubevouch", "csr", "explain", csr))
