"""A year goes by: what happens on each of its days, and what the alerts say meanwhile."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kubevouch.kube.backoff import LONGEST
from kubevouch_lab.cluster.site import Host
from tests.support.api_connection import RefusedRequest, path_of
from year.causes import Cause
from year.clock import YearClock
from year.cluster import CSRS, YearCluster, csr
from year.hostile import Attempt, attempts
from year.prometheus import Prometheus

DAY, STEP = 86400, 15
_STRIDE = 30
"""Seconds of a step while something is wrong: what a metrics server has read is good for 55."""
_ENDS = "KubevouchCertificateEnds"
_PAUSE = 0.35
"""Seconds of real time after each leap: more than a scrape and an evaluation."""
_SOON, _WELL_WITHIN = 30, 140
"""Looks until all is well again, and after how many they come with larger steps. In all it is longer than the `for` of most alerts."""


@dataclass
class Counts:
    """What the table tells besides alerts."""

    hostile: int = 0
    refused: int = 0
    """Hostile CSRs that the API server itself did not take."""
    approved: list[str] = field(default_factory=list)
    """Hostile CSRs that were."""
    expired: list[str] = field(default_factory=list)
    unwell: list[str] = field(default_factory=list)
    """Moments at which something was wrong for minutes that was over."""
    rotations: int = 0
    joined: int = 0
    left: int = 0


@dataclass
class Year:
    """say: takes a line of what happens."""

    cluster: YearCluster
    clock: YearClock
    prometheus: Prometheus
    nodes: list[Host]
    say: Callable[[str], None]
    causes: list[Cause] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.api = self.cluster.api()
        self._hostile: Iterator[Attempt] = itertools.cycle(attempts())
        self._leaves: dict[str, str] = {}

    @property
    def _today(self) -> str:
        return f"{datetime.fromtimestamp(self.clock.now(), UTC):%F}"

    # Time

    def leap(self, seconds: float) -> None:
        """So much is left out; then everybody has a moment."""
        self.clock.leap(round(seconds))
        self.cluster.wake()
        time.sleep(_PAUSE)

    def until_well(self) -> None:
        """In small steps until no alert is pending or fires, and no kubelet waits."""
        wrong, waits = set[str](), list[str]()
        for number in range(_WELL_WITHIN):
            alerts = self.prometheus.alerts()
            wrong = alerts["pending"] | alerts["firing"]
            if _ENDS in wrong:
                self._renew()
                continue
            waits = self.cluster.do("waits")["nodes"]
            if not wrong and not waits and self._leads():
                return
            if number > _SOON:
                self.leap(_STRIDE)
            else:
                self._go_on(number)
        self.counts.unwell.append(f"{self._today} not well: {wrong} {waits}")
        self.say(self.counts.unwell[-1])

    def _leads(self) -> bool:
        return self.prometheus.value("sum(kubevouch_approver_leader)") == 1

    def fires(self, name: str, seconds: float, looks: int = 4) -> bool:
        """In small steps until that alert does; False if it does not within so many seconds.

        looks: before each step.
        """
        until = self.clock.now() + seconds
        for number in itertools.count():
            if name in self.prometheus.alerts()["firing"]:
                return True
            if self.clock.now() > until:
                return False
            self._go_on(number, looks)
        raise AssertionError

    def _go_on(self, number: int, looks: int = 4) -> None:
        """One step after so many looks."""
        if number % looks == looks - 1:
            self.leap(STEP)
        else:
            time.sleep(_PAUSE / 2)

    @contextmanager
    def cause(self, name: str, *may: str, after: float = 10.0, **must: float) -> Iterator[Cause]:
        """Something is wrong while the block lasts. must and after: minutes."""
        seconds = {alert: 60 * minutes for alert, minutes in must.items()}
        cause = Cause(name, self.clock.now(), seconds, frozenset(may), after=60 * after)
        self.causes.append(cause)
        try:
            yield cause
        finally:
            cause.end = self.clock.now()

    # Days

    def day(self, seconds: float) -> None:
        """An ordinary one: most of it is left out; then a hostile CSR comes, and the operator takes it away."""
        self.leap(max(STEP, seconds - 120))
        # What kubelets have asked for by now is theirs before the next leap.
        for _ in range(30):
            if not self.cluster.do("waits")["nodes"]:
                break
            time.sleep(_PAUSE / 2)
        self._attempt(next(self._hostile))
        self.until_well()
        self.look()

    def _attempt(self, attempt: Attempt) -> None:
        name = f"hostile-{self.counts.hostile}"
        self.counts.hostile += 1
        node, other = self.nodes[-1], self.nodes[-2]
        pem = attempt.pem(node, other, self.nodes[0])
        who = self.cluster.as_node(node)
        with self.cause("a hostile CSR", KubevouchCsrHeld=2) as cause:
            try:
                who.post(CSRS, csr(name, pem, attempt.usages))
            except RefusedRequest as refused:
                self.say(f"{attempt.name}: {refused}")
                self.counts.refused += 1
                cause.must = {}
                return
            finally:
                who.close()
            self.leap(50)
            self.leap(STEP)
            if not self.fires("KubevouchCsrHeld", 300):
                self.say(f"{attempt.name}: no alert")
            found = self.api.get(path_of(CSRS, name))
            if found["status"]:
                self.counts.approved.append(f"{name} {attempt.name} {found['status']}")
            self.api.delete(path_of(CSRS, name))

    def look(self) -> None:
        """At what lies on the disks of nodes."""
        found = self.cluster.expired(self.nodes)
        self.counts.expired += [f"{self._today} {each}" for each in found]
        now = {host.name: self.cluster.fingerprint(host) for host in self.nodes}
        before, self._leaves = self._leaves, now
        self.counts.rotations += sum(
            name in before and leaf != before[name] for name, leaf in now.items()
        )

    # What happens

    def api_away(self, kind: str, minutes: float) -> None:
        """The API server is away for so long, and comes back."""
        must: Mapping[str, float] = {"KubevouchNoLeader": 4} if minutes > 5 else {}
        with self.cause(f"API server {_length(minutes)} away", *_WITHOUT_API, **must):
            end = self.clock.now() + 60 * minutes
            self.cluster.do("begin-outage", outage=kind)
            # A Lease is as long as ever.
            time.sleep(min(20, 10 * minutes))
            stride = _STRIDE if minutes < 30 else 2 * _STRIDE
            while (left := end - self.clock.now()) > 0:
                self.leap(min(left, stride))
            self.cluster.do("end-outage")
            time.sleep(
                LONGEST
            )  # a watch that has failed for long begins anew after so many real seconds
        self.until_well()

    def leave(self, host: Host) -> None:
        """A node is taken out of the cluster."""
        self.cluster.do("leave", node=host.name)
        self.nodes.remove(host)
        self.counts.left += 1
        self.until_well()

    def join(self, host: Host, *, pinned: bool = False) -> None:
        """A machine becomes a node. pinned: by the operator, when the alert has come."""
        self.cluster.do("join", node=host.name)
        self.nodes.append(host)
        self.counts.joined += 1
        if pinned:
            with self.cause("a new node that nobody vouches for", *_NEW, KubevouchCsrHeld=2):
                waits = lambda: host.name in self.cluster.do("waits")["nodes"]  # noqa: E731
                self.cluster.wait_for(waits, f"a CSR of {host.short}")
                self.leap(50)
                self.fires("KubevouchCsrHeld", 300)
                self.cluster.kubevouch("approver", "pin", host.name, "--yes")
        self.cluster.wait_for(lambda: self.cluster.serves(host), f"a certificate of {host.short}")
        self.until_well()

    def firewall(self, host: Host) -> None:
        """A port does not answer for 40 minutes: the exporter dials each kubelet every 15."""
        must = {"KubevouchKubeletUnreachable": 30.0, "KubevouchScrapesFail": 20.0}
        with self.cause(
            "a kubelet's port does not answer", "KubevouchNodesWithoutMetrics", after=16, **must
        ):
            self.cluster.do("firewall", node=host.name, closed=True)
            time.sleep(10)  # a scrape gives up after real seconds
            end = self.clock.now() + 2400
            while self.clock.now() < end:
                self.leap(_STRIDE)
            self.cluster.do("firewall", node=host.name, closed=False)
        self.until_well()

    def approver_away(self) -> None:
        """For a day nobody runs it."""
        path = "/apis/apps/v1/namespaces/kubevouch-system/deployments/kubevouch-approver"
        with self.cause("no approver for a day", KubevouchNoLeader=5):
            self._scale(path, 0)
            self.fires("KubevouchNoLeader", 600, 2)
            self.leap(DAY - 600)
            self._scale(path, 1)
        with self.cause("nobody watched who got certificates", KubevouchGap=5):
            self.refresh()
            self.fires("KubevouchGap", 600)
            self.leap(3600)
        self.until_well()

    def _scale(self, path: str, replicas: int) -> None:
        self.api.patch(path, {"spec": {"replicas": replicas}})
        time.sleep(3)

    def _renew(self) -> None:
        """The control plane's certificates are nearly over, and an operator sees the alert."""
        with self.cause("the control plane's certificates end within a week", **{_ENDS: 30.0}):
            self.fires(_ENDS, 1800, 1)
            self.cluster.do("renew")
            time.sleep(5)
            self.api = self.cluster.api()
        for _ in range(60):  # the exporter reads what is no kubelet's every five minutes
            if _ENDS in self.prometheus.alerts()["firing"]:
                self.leap(STEP)

    def refresh(self) -> None:
        """Our servers may be elsewhere now."""
        self.api = self.cluster.api()
        self.cluster.watch(self.cluster.root / "targets")


_WITHOUT_API = (
    "KubevouchClockWrong",  # the approver hears no time, and takes what is left out for an error of its machine's
    "KubevouchNoLeader",
    "KubevouchWatchesBreakOff",
    "KubevouchExporterStale",
    "KubevouchExporterAbsent",
    "KubevouchMetricsServerAbsent",
    "KubevouchScrapesFail",
    "KubevouchNodesWithoutMetrics",
)
"""What an API server that is away brings with it: nobody leads, nothing is heard, and no server can tell who reads its metrics."""
_NEW = (
    "KubevouchKubeletPortDark",
    "KubevouchNodesWithoutMetrics",
)


def _length(minutes: float) -> str:
    return f"{minutes:g} min"
