"""`status`: reads the state of runs on every node.

Needs no API server if a plan lists the nodes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.inquiry import of_each
from kubevouch.kube.resources import Node
from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.transport import NodeTransport, run_on_first_known
from kubevouch.rollout.act.look import hosts_of
from kubevouch.rollout.decide.machine import another_host_key, not_its_machine_id
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.run_status import (
    NodeState,
    RunOnNode,
    RunsFound,
    status_script,
    statuses_of,
)
from kubevouch.rollout.errors import AnotherHostKey, way_on

_AT_ONCE = 16
_TIMEOUT = 30.0


@dataclass(frozen=True)
class StatusTarget:
    """A node to connect to. host_key: the expected key; if empty, any key that ssh accepts will do. root: the plan's kubelet folder."""

    node: str
    hosts: tuple[str, ...]
    machine_id: str
    host_key: str = ""
    root: str = ""


def planned_target(node: NodePlan) -> StatusTarget:
    """The target for a node of a plan."""
    return StatusTarget(node.node, (node.host,), node.machine_id, node.host_key, node.disk.root)


def live_target(node: Node, via: str) -> StatusTarget:
    """The target for a Node of the cluster, with the same hosts that `plan` tries."""
    return StatusTarget(node.name, hosts_of(node, via), node.status.node_info.machine_id)


async def gather_statuses(
    targets: Iterable[StatusTarget], run: str, transport: NodeTransport, *, others: bool = False
) -> tuple[RunOnNode, ...]:
    """The run's state on each node, UNKNOWN for unreachable nodes. run, others: as in `statuses_of`."""

    async def asked(target: StatusTarget) -> tuple[RunOnNode, ...]:
        try:
            found = await _found(target, transport)
        except KubevouchError as error:
            return (_not_asked(target, run, error),)
        return statuses_of(target.node, found, run, others=others)

    rows = await of_each(targets, asked, at_once=_AT_ONCE)
    return tuple(each for found in rows for each in found)


def _not_asked(target: StatusTarget, run: str, error: KubevouchError) -> RunOnNode:
    return RunOnNode(
        target.node,
        run,
        NodeState.UNKNOWN,
        notes=(str(error),),
        leads_on=way_on(error),
        host=target.hosts[0],
    )


async def _found(target: StatusTarget, transport: NodeTransport) -> RunsFound:
    script = status_script(target.root)
    _, result = await run_on_first_known(
        target.node, target.hosts, script, transport, timeout=_TIMEOUT
    )
    if other := another_host_key(target.host_key, result.host_key):
        raise AnotherHostKey(target.node, *other)
    why = not_its_machine_id(result.answer.machine_id, target.machine_id)
    if target.machine_id and why:
        raise NodeUnreachable(target.node, why)
    return result.answer
