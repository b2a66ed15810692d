"""Facts about the nodes of a plan: what each serves, its lease, the names that the plan allows it; and what all of a run look at."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from msgspec.structs import replace

from kubevouch.clock import Clock
from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.approvers import BY_US
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.errors import Forbidden, NotFound
from kubevouch.kube.resources import CSRS, LEASES, NODES, CertificateSigningRequest, Node
from kubevouch.kubelet.dial_result import Target
from kubevouch.policy.csr import KUBELET_CLIENT
from kubevouch.policy.written import WrittenClaims
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.by_pod import asked_for_again
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.timeouts import HANDSHAKE_AT_A_GATE
from kubevouch.x509 import X509Error, misnamed, read_certificates

T = TypeVar("T")

_LISTED = 1.0
"""Seconds for which a list of CSRs is taken for true."""


class SharedRead(Generic[T]):
    """One read for all who ask while another one is under way. What it returns was read after they asked.

    age: seconds by which it may have been read before that.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock, age: float = 0.0) -> None:
        self._read = read
        self._clock = clock
        self._age = age
        self._lock = asyncio.Lock()
        self._last: tuple[float, T] | None = None

    async def value(self) -> T:
        """Raises what the read raises."""
        asked = self._clock.monotonic()
        async with self._lock:
            if self._last is None or self._last[0] < asked - self._age:
                began = self._clock.monotonic()
                self._last = began, await self._read()
            return self._last[1]


class LiveCluster:
    """What all nodes of a run look at, read once for all who ask. nodes: all Nodes. csrs: serving CSRs, oldest first. Both raise KubeError."""

    def __init__(self, context: RolloutContext) -> None:
        api = context.api

        async def listed() -> tuple[CertificateSigningRequest, ...]:
            return tuple(_kept(each) for each in await list_csrs(api))

        self.nodes = SharedRead(lambda: api.list_all(NODES), context.clock).value
        self.csrs = SharedRead(listed, context.clock, age=_LISTED).value


def _kept(csr: CertificateSigningRequest) -> CertificateSigningRequest:
    """Without what its requestor may make large. Whoever judges it reads it again."""
    metadata = replace(csr.metadata, labels={}, annotations={}, managed_fields=())
    return replace(csr, metadata=metadata, spec=replace(csr.spec, request=b""))


async def served_by(
    context: RolloutContext, node: NodePlan, trust: TrustedRoots | None
) -> tuple[Served, ...]:
    """What its kubelet serves at the addresses of the plan."""
    return await gather_served(
        targets_of(node), trust, clock=context.clock, timeout=HANDSHAKE_AT_A_GATE
    )


async def leaves_of(context: RolloutContext, node: NodePlan) -> frozenset[str]:
    """Fingerprints of what its kubelet serves at the addresses of the plan."""
    served = await served_by(context, node, None)
    return frozenset(each.dialled.leaf.fingerprint for each in served if each.dialled.leaf)


async def serves_well(context: RolloutContext, node: NodePlan, trust: TrustedRoots) -> bool:
    """Whether every address serves a trusted certificate of this node."""
    served = await served_by(context, node, trust)
    return bool(served) and all(
        not code_of(each)
        and each.dialled.leaf is not None
        and not misnamed(each.dialled.leaf, node.node)
        for each in served
    )


async def lease_time(context: RolloutContext, node: str) -> datetime | None:
    """When the kubelet last renewed its lease; None where that cannot be read."""
    try:
        return (await context.api.get(LEASES, node, "kube-node-lease")).spec.renew_time
    except (NotFound, Forbidden):
        return None


async def asked_for_again_by_pod(context: RolloutContext, nodes: Iterable[Node]) -> dict[str, str]:
    """Why by pod it cannot be told which machine answers for a node, by node. Nothing for another transport."""
    if context.transport.name != "pod":
        return {}
    csrs = await context.api.list_all(CSRS, field_selector=f"spec.signerName={KUBELET_CLIENT}")
    return asked_for_again(csrs, nodes)


def client_certificates_of(survey: NodeSurvey) -> frozenset[str]:
    """The fingerprint of the kubelet's client certificate; empty if it cannot be read."""
    try:
        found = read_certificates(survey.identity.pem, "the kubelet's client certificate")
    except X509Error:
        return frozenset()
    return frozenset({found[0].fingerprint})


def approved_by_run(csr: CertificateSigningRequest, run: str) -> bool:
    """Whether this run approved the CSR, even if the API server's response was lost."""
    approved = csr.condition("Approved")
    return approved is not None and approved.reason == BY_US and f"run {run}:" in approved.message


def targets_of(node: NodePlan) -> Iterable[Target]:
    """The addresses at which its certificate must be served."""
    return [Target(address, node=node.node, port=node.port) for address in node.dial]


def targets_now(node: NodePlan, live: Node) -> Iterable[Target]:
    """Those of them that its Node has now, on its port; where it has none of them, the address that a metrics server would dial.

    A plan may be old by then, and is a file that anybody may have written: another machine that answers says nothing of this node.
    """
    known = {each.address for each in live.status.addresses}
    found = [Target(each, node.node, live.kubelet_port) for each in node.dial if each in known]
    return found or targets([live], preferred_types(()))


def pins_of(nodes: Iterable[NodePlan]) -> WrittenClaims:
    """What is proven of all planned nodes: what is one node's is no other's."""
    pins = WrittenClaims()
    for each in nodes:
        entries = (*each.names, *each.addresses)
        pins.put(each.node, tuple(entry for entry in entries if entry.source.is_proof))
    return pins
