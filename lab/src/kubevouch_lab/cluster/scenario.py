"""What a scenario is: a state of the kubelets, and what somebody has done besides. Those that exist are in scenarios/."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubevouch_lab.cluster.states import State

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine

Fault = Callable[["Lab", "Sequence[Machine]"], Awaitable[None]]
"""What is done to a running lab and some of its machines."""


@dataclass(frozen=True)
class Scenario:
    """One of them. faults: what is done, in order, once kubelets are in the state."""

    name: str
    description: str
    state: State
    faults: tuple[Fault, ...] = ()
    shows: Callable[["Lab"], Mapping[str, Callable[[], bool]]] | None = None
    """What can be seen once it has come about, by what it is called: for what takes its time though nothing moves."""

    repair: Fault | None = None
    """What only a person can do about it, and no command of kubevouch: done by `lab repair`."""

    repair_suffices: bool = True
    """Whether nothing else is left to do after `repair`: kubelets and controllers then come right by themselves."""

    single: bool = False
    """It is about one node: the second worker, if nobody says another."""

    def machines(self, lab: "Lab") -> "list[Machine]":
        """Those that the faults are put on if nobody says others."""
        found = list(lab.machines.values())
        return found[min(2, len(found) - 1) :][:1] if self.single else found
