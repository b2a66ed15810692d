"""The time-outs of a node's change, when its switch fires, and how long a seed must live."""

from dataclasses import dataclass
from datetime import timedelta

SEED_RESERVE = timedelta(hours=24)
"""How much longer a seed lives than its change. Short enough that nobody comes to rely on it."""

HANDSHAKE = 10.0
"""Seconds for a kubelet's handshake in a single look, before and after the nodes are changed."""

HANDSHAKE_AT_A_GATE = 5.0
"""The same for a node in progress, which is checked again and again until its gates' time is
over."""


@dataclass(frozen=True)
class RolloutTimeouts:
    """How long a node may take, in seconds.

    gates: until every gate has passed. switch: after it the node undoes itself; longer than the
    gates, so that we decide while we can. soak: a canary's wait before others follow; 60 s are six
    reports of its status, and four scrapes of metrics-server's default.
    """

    gates: float = 180.0
    soak: float = 60.0

    @property
    def switch(self) -> int:
        """Seconds from the change to the node's own undo: a third more than the gates, by at least 20 s and at most 60 s."""
        return int(self.gates + min(60.0, max(20.0, self.gates / 3)))

    @property
    def approvers_turn(self) -> float:
        """How long a passing CSR is left to a leading approver: 20 s, but at most a third of the gates.

        The approver needs less than a second to pass one, and looks again after two if it could not
        tell.
        """
        return min(20.0, self.gates / 3)

    @property
    def seed_life(self) -> timedelta:
        """How long a seed must be valid once it is in place."""
        return timedelta(seconds=self.switch) + SEED_RESERVE


USUAL_TIMES = RolloutTimeouts()


def as_said(seconds: float) -> str:
    """A duration as on a command line."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
