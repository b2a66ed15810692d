"""What can be wrong with a lab: each scenario is a state of the kubelets, and what somebody has done besides.

`lab up --scenario` begins with one, `lab break` applies one to a lab that runs. What `kubevouch doctor` is to find in
each is in lab/tests/scenarios.
"""

from kubevouch.errors import UsageError, nearest
from kubevouch_lab.cluster.scenario import Scenario
from kubevouch_lab.cluster.states import State
from kubevouch_lab.scenarios import faults, repairs
from kubevouch_lab.scenarios.settling import no_server_ready, nobody_reports

_ALL = (
    Scenario("expired", "kubelets sign their own; those certificates have expired", State.EXPIRED),
    Scenario("no-ip-sans", "kubelets sign their own: good for a name only", State.NO_IP_SANS),
    Scenario("pending", "serverTLSBootstrap is on and nobody approves: dark ports", State.PENDING),
    Scenario(
        "rotated-expired",
        "approved once by hand, long ago, and expired since",
        State.ROTATED_EXPIRED,
    ),
    Scenario("healthy", "nothing is wrong", State.HEALTHY, (faults.somebody_approves,)),
    Scenario(
        "denied-loop",
        "some approver's rule refuses a node, which asks again for ever",
        State.HEALTHY,
        (faults.somebody_approves, faults.somebody_denies, faults.ask_anew),
        repair=repairs.rule_mended,
        single=True,
    ),
    Scenario(
        "approver-gone",
        "certificates are nearly used up, and nobody approves the next ones",
        State.HEALTHY,
        (faults.nearly_used_up,),
    ),
    Scenario(
        "renewal-due",
        "kubelets have asked for their next certificate in time, and nobody approves it",
        State.HEALTHY,
        (faults.rotation_due,),
    ),
    Scenario(
        "kubelets-dead",
        "kubelets' client certificates have expired: they do not start, and their nodes are NotReady",
        State.HEALTHY,
        (faults.somebody_approves, faults.client_certificates_expired),
        shows=nobody_reports,
        repair=repairs.bootstrapped_again,
    ),
    Scenario(
        "wrong-ca",
        "a node serves a certificate of a former CA of the same name",
        State.HEALTHY,
        (faults.somebody_approves, faults.signed_by_another_ca),
        single=True,
    ),
    Scenario(
        "clock-skew",
        "a node's clock goes a day ahead: it was certified tomorrow",
        State.HEALTHY,
        (faults.somebody_approves, faults.clock_ahead),
        repair=repairs.clock_set,
        repair_suffices=False,
        single=True,
    ),
    Scenario(
        "unreachable",
        "a node's port swallows what comes",
        State.HEALTHY,
        (faults.somebody_approves, faults.swallow),
        repair=repairs.port_opened,
        single=True,
    ),
    Scenario(
        "insecure-flag",
        "metrics-server runs with --kubelet-insecure-tls; the lab's is ours: it is 0/3",
        State.EXPIRED,
        (faults.insecure_flag,),
        shows=no_server_ready,
    ),
    Scenario(
        "rbac-missing",
        "metrics-server's ClusterRoleBinding is gone",
        State.HEALTHY,
        (faults.somebody_approves, faults.no_binding),
        shows=no_server_ready,
    ),
    Scenario(
        "drift",
        "the ConfigMap says serverTLSBootstrap, a node's file does not",
        State.HEALTHY,
        (faults.somebody_approves, faults.drifted),
        single=True,
    ),
)
SCENARIOS = {each.name: each for each in _ALL}


def scenario_of(name: str) -> Scenario:
    """The scenario of this name. Raises UsageError for the name of no scenario."""
    found = SCENARIOS.get(name)
    if found is None:
        right = nearest(name, SCENARIOS, otherwise=f"there are {', '.join(SCENARIOS)}")
        raise UsageError(name, "there is no such scenario", right)
    return found
