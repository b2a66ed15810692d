"""Reports each decision about a CSR, in the log and in the metrics."""

from dataclasses import dataclass

from kubevouch.approve.act.instruments import NODE_NOT_READ, ApproverInstruments
from kubevouch.approve.decide.look import LookedAt
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.errors import KubevouchError
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import NODE_USER
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.configuration import IdentitySource
from kubevouch.serve.logs import Log


@dataclass
class Telling:
    """Writes the log lines and metrics about decisions."""

    log: Log
    instruments: ApproverInstruments

    def panicked(self, name: str, error: Exception) -> None:
        """Reports an exception during a decision, which is a bug."""
        what = f"{type(error).__name__}: {error}"
        self.log.error(what, "Observed a panic", csr=name)
        self._count(Outcome.CANNOT_TELL, NODE_NOT_READ, IdentitySource.NONE)

    def failed(self, waiting: WaitingCsr, reason: str, error: KubevouchError) -> None:
        """Reports that the live Node could not be read (NODE_NOT_READ), or the decision not written (NOT_WRITTEN)."""
        self._count(Outcome.CANNOT_TELL, reason, IdentitySource.NONE)
        what = "read the Node" if reason == NODE_NOT_READ else "write the decision"
        self.log.error(error, f"Failed to {what}", csr=waiting.name, node=waiting.node)

    def would_approve(self, waiting: WaitingCsr, looked: LookedAt) -> None:
        """Reports what a dry run would approve."""
        self._count_looked(looked)
        why = looked.answer.why if looked.answer else ""
        if waiting.held_for != f"passes {why}":
            waiting.held_for = f"passes {why}"
            words = {"source": _source(looked), "why": why}
            self.log.info("Would approve", csr=waiting.name, node=waiting.node, **words)

    def approved(self, found: CertificateSigningRequest, looked: LookedAt) -> None:
        """Reports our approval of the CSR."""
        self._count_looked(looked)
        node = found.spec.username.removeprefix(NODE_USER)
        why = looked.answer.why if looked.answer else ""
        self.log.info("Approved", csr=found.name, node=node, source=_source(looked), why=why)

    def held(self, waiting: WaitingCsr, looked: LookedAt) -> None:
        """Reports that the CSR stays pending."""
        self._count_looked(looked)
        why = looked.decision.why
        if waiting.held_for != why:
            waiting.held_for = why
            self.log.info(
                "Held",
                csr=waiting.name,
                node=waiting.node,
                outcome=looked.decision.outcome.value,
                source=_source(looked),
                why=why,
            )

    def passed_over(self) -> None:
        """Counts a CSR that is never decided: its requestor has made a newer one, or too many requestors wait."""
        self._count(Outcome.REFUSE, HoldReason.SUPERSEDED, IdentitySource.NONE)

    def approved_by_others(self, found: CertificateSigningRequest, decision: Decision) -> None:
        """Reports an approval by another client, with the reason and field manager that the client declared."""
        self.instruments.others_approved.labels(decision.outcome.value).inc()
        condition = found.condition("Approved")
        reason = condition.reason if condition else ""
        manager = _approver(found)
        words = {"csr": found.name, "selfDeclaredReason": reason, "selfDeclaredManager": manager}
        if decision.outcome is Outcome.REFUSE:
            self.log.error(decision.why, "Another client approved a CSR our policy holds", **words)
        elif decision.outcome is Outcome.CANNOT_TELL:
            self.log.info(
                "Another client approved a CSR our policy cannot decide",
                why=decision.why,
                **words,
            )

    def _count_looked(self, looked: LookedAt) -> None:
        held = looked.decision.held_by
        reason = held[0].reason if held else HoldReason.PASSES
        self._count(looked.decision.outcome, reason, _source(looked))

    def _count(self, outcome: Outcome, reason: str, source: str) -> None:
        self.instruments.decisions.labels(outcome, str(reason), source).inc()


def _source(looked: LookedAt) -> str:
    return str(looked.answer.source if looked.answer else IdentitySource.NONE)


def _approver(found: CertificateSigningRequest) -> str:
    """The self-declared name (field manager) of the client that last wrote /approval."""
    writers = [w for w in found.metadata.managed_fields if w.subresource == "approval"]
    return writers[-1].manager if writers else ""
