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
    Scenario("expired", "kubelets serve self-signed certificates that have expired", State.EXPIRED),
    Scenario(
        "no-ip-sans", "kubelets serve self-signed certificates without IP SANs", State.NO_IP_SANS
    ),
    Scenario("pending", "serverTLSBootstrap is on, but nobody approves CSRs", State.PENDING),
    Scenario(
        "rotated-expired",
        "CSRs were approved by hand once, and the certificates have expired since",
        State.ROTATED_EXPIRED,
    ),
    Scenario("healthy", "nothing is wrong", State.HEALTHY, (faults.somebody_approves,)),
    Scenario(
        "denied-loop",
        "an approver denies a node's CSRs, and its kubelet keeps making new ones",
        State.HEALTHY,
        (faults.somebody_approves, faults.somebody_denies, faults.ask_anew),
        repair=repairs.rule_mended,
        single=True,
    ),
    Scenario(
        "approver-gone",
        "certificates expire soon, and nobody approves the next ones",
        State.HEALTHY,
        (faults.nearly_used_up,),
    ),
    Scenario(
        "renewal-due",
        "kubelets have requested their next certificates in time, but nobody approves them",
        State.HEALTHY,
        (faults.rotation_due,),
    ),
    Scenario(
        "kubelets-dead",
        "kubelets' client certificates have expired, so kubelets do not start and nodes are NotReady",
        State.HEALTHY,
        (faults.somebody_approves, faults.client_certificates_expired),
        shows=nobody_reports,
        repair=repairs.bootstrapped_again,
    ),
    Scenario(
        "wrong-ca",
        "a node serves a certificate signed by a former CA of the same name",
        State.HEALTHY,
        (faults.somebody_approves, faults.signed_by_another_ca),
        single=True,
    ),
    Scenario(
        "clock-skew",
        "a node's clock is a day ahead, so its certificate is valid only from tomorrow",
        State.HEALTHY,
        (faults.somebody_approves, faults.clock_ahead),
        repair=repairs.clock_set,
        repair_suffices=False,
        single=True,
    ),
    Scenario(
        "unreachable",
        "a node's kubelet port accepts connections and never answers",
        State.HEALTHY,
        (faults.somebody_approves, faults.swallow),
        repair=repairs.port_opened,
        single=True,
    ),
    Scenario(
        "insecure-flag",
        "metrics-server runs with --kubelet-insecure-tls; kubevouch's own is still 0/3",
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
        "the ConfigMap sets serverTLSBootstrap, but a node's file does not",
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
        raise UsageError(name, "no such scenario", right)
    return found
