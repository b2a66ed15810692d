"""The timeouts of a node's change, when its switch fires, and how long a seed is valid."""

from dataclasses import dataclass
from datetime import timedelta

SEED_RESERVE = timedelta(hours=24)
"""How much longer a seed is valid than the change takes. Short, so that nobody relies on it."""

HANDSHAKE = 10.0
"""Seconds for a single handshake with a kubelet, before or after the node's change."""

HANDSHAKE_AT_A_GATE = 5.0
"""Seconds for a handshake with a kubelet in progress, which is repeated until the gates time out."""


@dataclass(frozen=True)
class RolloutTimeouts:
    """How long a node may take, in seconds.

    gates: the time for all gates to pass. soak: the wait after a canary before others follow: 60 s
    are six status updates of a node, and four scrapes of metrics-server by default.
    """

    gates: float = 180.0
    soak: float = 60.0

    @property
    def switch(self) -> int:
        """Seconds until the node undoes the change by itself: a third more than the gates (20 to 60 s more), so that we decide first."""
        return int(self.gates + min(60.0, max(20.0, self.gates / 3)))

    @property
    def approvers_turn(self) -> float:
        """Seconds for which a passing CSR is left to a running approver: 20, but at most a third of the gates.

        The approver needs less than a second, and retries after two if it could not tell.
        """
        return min(20.0, self.gates / 3)

    @property
    def seed_life(self) -> timedelta:
        """How long a seed must be valid when it is installed."""
        return timedelta(seconds=self.switch) + SEED_RESERVE


USUAL_TIMES = RolloutTimeouts()


def as_said(seconds: float) -> str:
    """Formats a duration for a command line."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
