"""The approver in the cluster: pods of our image with exactly the manifests that `approver install` applies."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from real.audit import Entry
from tests.cli.program import Ran
from tests.e2e.cluster import Cluster, Node
from tests.e2e.told import (
    ended,
    eventually,
)
from tests.support.manifests import REVIEWS, in_short, objects, rights

NAMESPACE, NAME = "kubevouch-system", "kubevouch-approver"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"
GRANTED = in_short(rights(objects("10-rbac.yaml")) | REVIEWS)
"""(verb, resource[/subresource]) of the manifests, and of the built-in roles that they bind."""

NETWORK = "192.168.96.0/20"
"""Where simulated nodes of the rule for new nodes are. Nobody answers there, and that is said at once."""


@dataclass(frozen=True)
class ApproverPod:
    """One pod. What is done to its process is done where its node sees it, so that Kubernetes learns of it as of any failure."""

    name: str
    cluster: Cluster
    node: str

    @property
    def process(self) -> str:
        """Its process id, as its node counts them."""
        return self.cluster.process_of(self.name, self.node)

    def sh(self, script: str) -> str:
        """What a script prints where its process is seen."""
        return self.cluster.where_pods_run(self.node).sh(script).stdout

    def address(self, cluster: Cluster) -> str:
        """Where it is reached from the operator's place."""
        words = ("get", "pod", self.name, "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}")
        return cluster.kubectl(*words).stdout

    def signal(self, process: str, signal: str) -> None:
        self.sh(f"kill -{signal} {process}")

    def log(self) -> list[dict[str, Any]]:
        """The log of the container that runs now."""
        text = self.cluster.printed_by(NAMESPACE, self.name, self.node)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


_CANCELLED = 504
"""What the API server writes down of a request whose client has gone ("context canceled"), whatever became of the write."""


@dataclass(frozen=True)
class InstalledApprover:
    """The Deployment, and what is asked about it."""

    cluster: Cluster

    def _listed(self) -> list[dict[str, Any]]:
        """Also those that are ending."""
        words = ("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={NAME}")
        return list(self.cluster.get(*words)["items"])

    def pods(self) -> list[ApproverPod]:
        return [
            ApproverPod(each["metadata"]["name"], self.cluster, each["spec"]["nodeName"])
            for each in self._listed()
            if each["spec"].get("nodeName") and not each["metadata"].get("deletionTimestamp")
        ]

    def scale(self, replicas: int) -> None:
        """As many pods, all of them ready, and none of those before that is still ending."""
        words = ("scale", "deployment", NAME, "-n", NAMESPACE, f"--replicas={replicas}")
        self.cluster.kubectl(*words)
        try:
            self.cluster.rolled_out(NAME, NAMESPACE)
        except AssertionError as error:
            error.add_note(self._told())
            raise
        eventually(lambda: len(self._listed()) == replicas, f"{replicas} pods")

    def _told(self) -> str:
        """What its pods say of themselves."""
        space = ("-n", NAMESPACE)
        asked: list[tuple[str, ...]] = [("get", "pods", "-o", "wide"), ("describe", "pods")]
        asked += [("logs", pod.name, "--tail=20") for pod in self.pods()]
        return "\n".join(self.cluster.kubectl(*each, *space, check=False).stdout for each in asked)

    def holder(self) -> str:
        """Who holds the Lease."""
        words = ("get", "lease", NAME, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")
        return self.cluster.kubectl(*words).stdout

    def leader(self) -> ApproverPod:
        """The pod that holds the Lease."""

        def look() -> ApproverPod | None:
            holder = self.holder().rpartition("_")[0]
            return next((pod for pod in self.pods() if pod.name == holder), None)

        found = eventually(look, "a leader")
        assert found is not None
        return found

    def requests(self, since: datetime, pod: str = "") -> list[Entry]:
        """What it asked of the API server since then; of one pod, if one is named."""
        return [
            each
            for each in self.cluster.audit(since)
            if each.user_name == USER and pod in ("", each.pod)
        ]

    def approvals(self, since: datetime) -> dict[str, int]:
        """How often each CSR's approval was written, with success."""
        return Counter(each.name for each in self._asked_approval(since) if each.code < 300)

    def cut_off(self, since: datetime) -> set[str]:
        """CSRs whose approval was asked for by a process that was gone before the answer: it may have been written all the same."""
        return {each.name for each in self._asked_approval(since) if each.code == _CANCELLED}

    def _asked_approval(self, since: datetime) -> Iterator[Entry]:
        for each in self.requests(since):
            if each.what == "certificatesigningrequests/approval":
                yield each


def assert_approved_once(
    approver: InstalledApprover,
    csrs: Iterable[str],
    since: datetime,
    *,
    unlogged: Collection[str] = (),
) -> None:
    """Each of them, and no other. A request is in the audit log a moment after its answer.

    unlogged: those that were approved when an API server was killed, which may have written it down nowhere.
    """
    expected = dict.fromkeys(csrs, 1)

    def all_logged() -> bool:
        found = approver.approvals(since).keys() | approver.cut_off(since) | {*unlogged}
        return found >= expected.keys()

    eventually(all_logged, "each approval in the audit log")
    found, unknown = approver.approvals(since), approver.cut_off(since) | {*unlogged}
    assert found == {name: 1 for name in expected if name in found or name not in unknown}


def takes_its_next_certificate(node: Node) -> None:
    """The kubelet lacks the one that it has, asks for another, and serves it."""
    before = node.handshake().leaf
    node.sh("rm -f /var/lib/kubelet/pki/kubelet-server-current.pem; systemctl restart kubelet")

    def serves() -> bool:
        seen = node.handshake()
        return seen.outcome == "ok" and seen.leaf != before

    eventually(serves, "another certificate")


@contextmanager
def installed(cluster: Cluster, image: str, *words: str) -> Iterator[InstalledApprover]:
    """Installed as an operator does it, with a rule for new nodes; removed afterwards, with all that it has written."""
    clean(cluster)
    chosen = (
        "--new-nodes",
        "rule",
        "--new-node-names",
        "sim-*.example.com",
        "--new-node-cidr",
        NETWORK,
    )
    more = ("--new-nodes-per-hour", "1000", *words)
    ended(cluster, 0, "approver", "install", "--image", image, "--yes", *chosen, *more)
    try:
        yield InstalledApprover(cluster)
    finally:
        clean(cluster)


def clean(cluster: Cluster) -> Ran:
    """Nothing of an approver is there any more, nor its namespace, which can go only while the metrics API answers."""
    ran = ended(cluster, 0, "approver", "remove", "--pins", "--yes")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", seconds=180)
    return ran


def clean_up(cluster: Cluster) -> None:
    """The same from whatever state a test has left. The approver goes first: the bed approves by itself what makes it healthy."""
    words = ("delete", "deployment", NAME, "-n", NAMESPACE, "--ignore-not-found")
    cluster.kubectl(*words, "--cascade=foreground", seconds=100)
    cluster.state("healthy")
    clean(cluster)
