"""The timeouts of a node's change, when its dead-man's switch fires, and how long a seed is valid."""

from dataclasses import dataclass
from datetime import timedelta

SEED_RESERVE = timedelta(hours=24)
"""How long a seed certificate must still be valid after the dead-man's switch is due.

The kubelet serves the seed until the signer issues a certificate. A seed that we issue is valid no
longer than that, so that nobody relies on it.
"""

HANDSHAKE = 10.0
"""The time limit of a TLS handshake before or after the node's change, in seconds."""

HANDSHAKE_AT_A_GATE = 5.0
"""The time limit of a TLS handshake during the change, in seconds.

The run repeats the handshake until the gates time out.
"""


@dataclass(frozen=True)
class RolloutTimeouts:
    """How long a node may take, in seconds.

    gates: the time for all gates to pass. soak: the wait after a canary before other nodes follow.
    In 60 s, a kubelet checks its node status six times (nodeStatusUpdateFrequency: 10s), and
    metrics-server scrapes it four times (--metric-resolution=15s in its manifest).
    """

    gates: float = 180.0
    soak: float = 60.0

    @property
    def switch(self) -> int:
        """Seconds until the node undoes an unverified change: 20 to 60 more than `gates`, so that the run decides first."""
        return int(self.gates + min(60.0, max(20.0, self.gates / 3)))

    @property
    def approvers_turn(self) -> float:
        """Seconds that a running approver gets to approve a CSR that the policy passes.

        Then the run approves the CSR itself. The time is 20 s, or a third of `gates` if that is
        less. The approver needs less than a second. If it lacks evidence, it retries after two
        seconds.
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
