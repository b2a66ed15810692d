"""What KV411 foretells: with the policy deciding, years pass without a dark port; with nobody, the fuse burns to its end."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec
import pytest

from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.rules import approving
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.names import gather_policy_evidence
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.access import LoopbackKubelets, cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, Claim, NameSource
from kubevouch.policy.csr import csr_of
from kubevouch.policy.decide import Decision, approval, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.policy.reasons import HoldReason
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, ENDPOINT_SLICES
from lab.tests.kubelets.conftest import Node
from lab.tests.plane import Plane, until

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
ADDRESS = "127.0.0.1"
NETWORKING = "networking:\n  dnsDomain: cluster.local\n  serviceSubnet: 10.96.0.0/12\n"


@pytest.fixture
async def api(cluster: Plane) -> AsyncIterator[ApiClient]:
    """As `csr approve` has it where all share one address, the API server too, and the operator says so."""
    for name, data in (
        ("kubeadm-config", {"ClusterConfiguration": NETWORKING}),
        ("kube-root-ca.crt", {"ca.crt": cluster.authority.pem.decode()}),
    ):
        metadata = {"name": name, "namespace": "kube-system"}
        cluster.admin.create(CONFIG_MAPS, {"metadata": metadata, "data": data})
    endpoints = {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ADDRESS]}],
    }
    cluster.store.create(ENDPOINT_SLICES, endpoints)
    access = cluster_access({}, kubeconfig=str(cluster.folder / "admin"))
    shared = frozenset({ip_address(ADDRESS)})
    here = LoopbackKubelets(shared, shared)
    access = msgspec.structs.replace(access, loopback=here)
    async with ApiClient(access, clock=SystemClock(), environ={}, interactive=False) as client:
        yield client


async def decided(api: ApiClient, cluster: Plane, node: Node, name: str) -> Decision:
    """The policy is asked as `csr approve` asks it, and what passes is approved."""
    found = await api.get(CSRS, name)
    evidence = IndexedEvidence(await gather_policy_evidence(api, Inquiry(cluster.clock)))
    host = node.kubelet.name
    allowance = AllowedNames(
        node=host,
        names=(Claim(host, NameSource.NODE_NAME),),
        addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY),),
    )
    facts = csr_facts(csr_of(found), evidence, at=cluster.clock.now(), allowed=allowance)
    decision = decide(facts)
    if decision.outcome is Outcome.PASS:
        await api.patch_approval(found, approval(found.spec.username))
    return decision


async def first_certificate(api: ApiClient, cluster: Plane, node: Node) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    decision = await decided(api, cluster, node, await node.asks())
    assert decision.held_by == ()
    await until(lambda: not node.kubelet.waits_for)


async def renewed(api: ApiClient, cluster: Plane, node: Node) -> None:
    """What waits passes. If it was made in the middle of days that were over at once, the kubelet gives it up and asks again."""
    waiting = node.kubelet.waits_for
    decision = await decided(api, cluster, node, waiting)
    while decision.outcome is not Outcome.PASS:
        assert [each.reason for each in decision.held_by] == [HoldReason.TOO_OLD]
        too_old = waiting
        while waiting in ("", too_old):
            await node.passes(MINUTE, MINUTE)
            waiting = node.kubelet.waits_for
        decision = await decided(api, cluster, node, waiting)
    await until(lambda: node.kubelet.waits_for != waiting)


async def test_with_the_policy_deciding_no_handshake_is_dark_for_two_years(
    cluster: Plane, node: Node, api: ApiClient
) -> None:
    await first_certificate(api, cluster, node)
    begun, leaves = cluster.clock.now(), {await node.leaf()}
    while cluster.clock.now() - begun < 690 * DAY:
        await node.passes(6 * DAY, 6 * DAY)
        if node.kubelet.waits_for:
            await renewed(api, cluster, node)
        leaf = await node.leaf()
        assert leaf is not None
        assert leaf.not_valid_after_utc > cluster.clock.now()
        leaves.add(leaf)
    assert len(leaves) == 3


async def test_with_nobody_deciding_the_fuse_burns_on_the_days_that_were_foretold(
    cluster: Plane, node: Node, api: ApiClient
) -> None:
    await first_certificate(api, cluster, node)
    [found] = diagnose(
        await gather(api, clock=cluster.clock), (approving.rotation_will_stall,)
    ).findings
    stalls, dark = map(_day, re.findall(r"\d{4}-\d\d-\d\d", found.title))
    asked: datetime | None = None
    while await node.leaf() is not None:
        step = 5 * DAY if cluster.clock.now() < dark - 8 * DAY else DAY / 2
        await node.passes(step, step)
        if asked is None and node.kubelet.waits_for:
            asked = cluster.clock.now()
    assert asked is not None
    assert stalls <= asked <= stalls + 0.2 * (dark - stalls) / 0.3 + DAY * 6
    assert dark <= cluster.clock.now() < dark + DAY * 2  # the title tells the day


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
