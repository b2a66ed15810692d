"""The time-outs of a node's change, when its switch fires, and how long a seed must live."""

from dataclasses import dataclass
from datetime import timedelta

SEED_RESERVE = timedelta(hours=24)
"""What a seed lives longer than the change it is for. Short enough that nobody comes to rely on it."""

HANDSHAKE = 10.0
"""Seconds for a kubelet's handshake where it is looked at once, before and after the nodes are changed."""

HANDSHAKE_AT_A_GATE = 5.0
"""The same for a node in hand, which is looked at again and again until the time for its gates is over."""


@dataclass(frozen=True)
class RolloutTimeouts:
    """How long a node may take, in seconds.

    gates: until every gate is passed. switch: after it the node undoes itself; longer than the gates, so that it is
    we who decide while we can. soak: that a canary is left alone before others follow it; 60 s are six reports of its
    status, and four scrapes of metrics-server as it is set by default.
    """

    gates: float = 180.0
    soak: float = 60.0

    @property
    def switch(self) -> int:
        """Seconds from the change to the node's own undo: a third more than the gates, 20 s at least and 60 s at most."""
        return int(self.gates + min(60.0, max(20.0, self.gates / 3)))

    @property
    def approvers_turn(self) -> float:
        """For how long a CSR that passes is left to the approver, where one leads: 20 s, and no more than a third of the gates.

        The approver needs less than a second for what it passes, and looks again after two where it could not tell.
        """
        return min(20.0, self.gates / 3)

    @property
    def seed_life(self) -> timedelta:
        """How long a seed must be good for, from the moment at which it is put in place."""
        return timedelta(seconds=self.switch) + SEED_RESERVE


USUAL_TIMES = RolloutTimeouts()


def as_said(seconds: float) -> str:
    """A duration as it is said on a command line."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
