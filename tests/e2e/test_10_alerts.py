"""A real Prometheus beside the exporter: in each state the right alerts fire, and in a healthy cluster none."""

import time
from collections.abc import Iterator
from typing import Final

import pytest

from real.charts import EXPORTER

from .cluster import Cluster
from .installed_exporter import exporter_address, exporter_installed
from .prometheus import LONGEST_FOR, Prometheus, prometheus, scraping_account
from .told import names

pytestmark = pytest.mark.long

_SECONDS: Final = 240.0
_A_CSRS_TEN_MINUTES: Final = 900.0

ENDS, UNPROVEN = "KubevouchCertificateEnds", "KubevouchKubeletNotVerified"
DARK = "KubevouchKubeletPortDark"
STALLED, WAITING = "KubevouchRotationStalled", "KubevouchCsrPending"
UNREACHABLE, BLIND = "KubevouchKubeletUnreachable", "KubevouchExporterBlind"
OLDER = "KubevouchIssuedNotServed"
EVERY, ONE, CLUSTER = "every node", "one node", "no node"

Expected = dict[str, str]
STATES: dict[str, Expected] = {
    "healthy": {},
    "expired": {ENDS: EVERY, UNPROVEN: EVERY},
    "no-ip-sans": {UNPROVEN: EVERY},
    "rotated-expired": {DARK: EVERY, BLIND: CLUSTER},
    "denied-loop": {DARK: ONE, BLIND: CLUSTER},
    "approver-gone": {STALLED: EVERY},
    "kubelets-dead": {BLIND: CLUSTER},
    "wrong-ca": {UNPROVEN: ONE},
    "clock-skew": {UNPROVEN: ONE},
    "unreachable": {UNREACHABLE: ONE, BLIND: CLUSTER},
    "insecure-flag": {ENDS: EVERY, UNPROVEN: EVERY},
    "rbac-missing": {},
    "drift": {UNPROVEN: ONE},
}
GOES_BACK = frozenset({"expired", "no-ip-sans", "rotated-expired", "insecure-flag"})
"""Kubelets serve older certificates there than a healthy cluster's, which were issued to them: where the exporter has seen
that a moment before, as on the bed, it tells so, too."""
AFTER_TEN_MINUTES: dict[str, Expected] = {
    "pending": {DARK: EVERY, BLIND: CLUSTER, WAITING: CLUSTER},
    "renewal-due": {WAITING: CLUSTER},
}


@pytest.fixture(scope="module")
def watching(
    cluster: Cluster, image_reference: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus, with the account and the role of the manifests."""
    cluster.state("healthy")
    # A kubelet is dialled every 10 s, not every 15 minutes: states follow one another faster than in a year.
    with (
        scraping_account(cluster) as token,
        exporter_installed(cluster, image_reference, interval="10s"),
    ):
        targets = {EXPORTER: [f"{exporter_address(cluster)}:8443"]}
        with prometheus(tmp_path_factory.mktemp("prometheus"), token, targets) as found:
            yield found


@pytest.mark.parametrize("state", [*STATES, *AFTER_TEN_MINUTES])
def test_the_right_alerts_fire_in_each_state_and_no_other(
    cluster: Cluster, watching: Prometheus, state: str
) -> None:
    if not cluster.scenario(state):
        pytest.skip("the bed has not this scenario of labs")
    late = AFTER_TEN_MINUTES.get(state)
    also = {OLDER: EVERY} if state in GOES_BACK else {}
    seconds = _A_CSRS_TEN_MINUTES if late else _SECONDS
    _fires(cluster, watching, late or STATES[state], seconds, also)


def _fires(
    cluster: Cluster,
    watching: Prometheus,
    expected: Expected,
    seconds: float,
    also: Expected,
) -> None:
    """These and no others come to fire, and stay: in the meantime each that is pending would have come to fire, too.

    also: what may fire besides.
    """
    every = set(names(cluster.nodes))
    began, since, seen = time.monotonic(), 0.0, {}
    while time.monotonic() - began < seconds:
        seen = watching.alerts()
        shown = {name: _whose(nodes, every) for name, nodes in seen.items()}
        right = shown in (expected, {**expected, **also})
        since = (since or time.monotonic()) if right else 0.0
        if since and time.monotonic() - since > LONGEST_FOR:
            assert watching.values("up") == [1]
            return
        time.sleep(0.5)
    raise AssertionError((expected, seen))


def _whose(nodes: set[str], every: set[str]) -> str:
    if nodes == every:
        return EVERY
    if nodes == {""}:
        return CLUSTER
    return ONE if len(nodes) == 1 else str(sorted(nodes))
