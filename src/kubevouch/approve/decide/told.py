"""What is told by an Event."""

from shlex import join
from typing import Final

from kubevouch.kube.resources.events import bounded
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason

_NOT_ALLOWED: Final = frozenset({HoldReason.NAME_NOT_ALLOWED, HoldReason.ADDRESS_NOT_ALLOWED})
LONGEST_WHOLE: Final = 700
"""Bytes of why a CSR is held, where nothing is said besides but the next command."""

_LONGEST_WHY: Final = 500
_LONGEST_ALLOWED: Final = 200
"""Bytes. An Event has room for a thousand, and the CSR's name is among them twice."""


def why_held(decision: Decision, csr: str) -> str:
    """Why a CSR is held, for an Event; where something is not the node's, what is (a part of it); and the next command."""
    why = decision.why
    measured = [r for r in decision.held_by if r.reason in _NOT_ALLOWED and r.allowed]
    allowed = ", ".join(dict.fromkeys(each.allowed for each in measured))
    hint = "" if "kubevouch " in why else f". See: {explaining(csr)}"
    if not measured:
        return f"{bounded(why, LONGEST_WHOLE)}{hint}"
    return f"{bounded(why, _LONGEST_WHY)}; allowed: {bounded(allowed, _LONGEST_ALLOWED)}{hint}"


def explaining(csr: str) -> str:
    """The command that shows every rule with what was seen."""
    return join(("kubevouch", "csr", "explain", csr))
