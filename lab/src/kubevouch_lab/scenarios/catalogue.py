"""What can be wrong with a lab: each scenario is a state of the kubelets, and what somebody has done besides.

`lab up --scenario` begins with one, `lab break` applies one to a lab that runs. What `kubevouch doctor` is to find in
each is in lab/tests/scenarios.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubevouch_lab.cluster.folder import LabError
from kubevouch_lab.scenarios import deeds
from kubevouch_lab.scenarios.states import State

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine

Deed = Callable[["Lab", "Sequence[Machine]"], Awaitable[None]]
"""What is done to a running lab and some of its machines."""


@dataclass(frozen=True)
class Scenario:
    """One of them. deeds: what is done, in order, once kubelets are in the state."""

    name: str
    tells: str
    state: State
    deeds: tuple[Deed, ...] = ()
    single: bool = False
    """It is about one node: the second worker, if nobody says another."""

    def machines(self, lab: "Lab") -> "list[Machine]":
        """Those that the deeds are done to if nobody says others."""
        found = list(lab.machines.values())
        return found[min(2, len(found) - 1) :][:1] if self.single else found


_ALL = (
    Scenario("expired", "kubelets sign their own; those certificates have expired", State.EXPIRED),
    Scenario("no-ip-sans", "kubelets sign their own: good for a name only", State.NO_IP_SANS),
    Scenario("pending", "serverTLSBootstrap is on and nobody approves: dark ports", State.PENDING),
    Scenario(
        "rotated-expired",
        "approved once by hand, long ago, and expired since",
        State.ROTATED_EXPIRED,
    ),
    Scenario("healthy", "nothing is wrong", State.HEALTHY, (deeds.somebody_approves,)),
    Scenario(
        "denied-loop",
        "some approver's rule refuses a node, which asks again for ever",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.somebody_denies, deeds.ask_anew),
        single=True,
    ),
    Scenario(
        "approver-gone",
        "certificates are nearly used up, and nobody approves the next ones",
        State.HEALTHY,
        (deeds.nearly_used_up,),
    ),
    Scenario(
        "wrong-ca",
        "a node serves a certificate of a former CA of the same name",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.signed_by_another_ca),
        single=True,
    ),
    Scenario(
        "clock-skew",
        "a node's clock goes a day ahead: it was certified tomorrow",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.clock_ahead),
        single=True,
    ),
    Scenario(
        "unreachable",
        "a node's port swallows what comes",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.swallow),
        single=True,
    ),
    Scenario(
        "insecure-flag",
        "metrics-server runs with --kubelet-insecure-tls",
        State.EXPIRED,
        (deeds.insecure_flag,),
    ),
    Scenario(
        "rbac-missing",
        "metrics-server's ClusterRoleBinding is gone",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.no_binding),
    ),
    Scenario(
        "drift",
        "the ConfigMap says serverTLSBootstrap, a node's file does not",
        State.HEALTHY,
        (deeds.somebody_approves, deeds.drifted),
        single=True,
    ),
)
SCENARIOS = {each.name: each for each in _ALL}


def scenario_of(name: str) -> Scenario:
    """The one of that name. Raises LabError."""
    found = SCENARIOS.get(name)
    if found is None:
        raise LabError(name, "there is no such scenario", ", ".join(SCENARIOS))
    return found
