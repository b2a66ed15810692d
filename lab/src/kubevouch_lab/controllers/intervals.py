"""How often controllers look even if nothing has changed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ControllerIntervals:
    """Seconds. A test that passes a year takes longer ones.

    nodes: between two looks at Leases (--node-monitor-period); grace: until a silent node is Unknown
    (--node-monitor-grace-period); services: between two checks of aggregated servers.
    """

    nodes: float = 5.0
    grace: float = 40.0
    services: float = 30.0


REAL = ControllerIntervals()
