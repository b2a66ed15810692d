"""Which client certificate is a node's own, for `approver pin`: the one that made a CSR, or the one on the node's disk."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from kubevouch.cli.csr.find import serving_csr
from kubevouch.errors import UsageError
from kubevouch.evidence.gather.inquiry import of_each
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, Node
from kubevouch.node.errors import NodeError
from kubevouch.node.transport import NodeTransport
from kubevouch.policy.client_csr import certificate_id, client_csr_of
from kubevouch.policy.csr import csr_of, requestor_node
from kubevouch.policy.node_index import NodeIndex
from kubevouch.rollout.act.node_facts import client_certificates_of
from kubevouch.rollout.act.survey_node import survey_by_ssh
from kubevouch.rollout.decide.machine import not_bound_by_operator, not_the_machine

_AT_ONCE = 16


@dataclass(frozen=True)
class NamedCertificates:
    """SHA-256 of client certificates by node, and of other nodes why none is named."""

    of: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


async def certificates_on_disks(
    wanted: Sequence[Node],
    nodes: Sequence[Node],
    said: Mapping[str, Collection[str]],
    transport: NodeTransport,
    progress: Callable[[str], None],
) -> NamedCertificates:
    """The client certificate on each node's disk, from the machine that a plan would take for it.

    nodes: all of the cluster. said: names and addresses that the operator gives to nodes, as for a plan.
    """
    index = NodeIndex(nodes)
    of: dict[str, str] = {}
    problems: dict[str, str] = {}

    async def look(node: Node) -> None:
        name, machine_id = node.name, node.status.node_info.machine_id
        try:
            host, result = await survey_by_ssh(node, transport)
        except NodeError as error:
            problems[name] = str(error).removeprefix(f"{name}: ")
        else:
            found, known_as = result.answer, result.known_as or ""
            why = not_the_machine(found, name, machine_id)
            why = why or not_bound_by_operator(name, host, known_as, said.get(name, ()), index)
            if not result.host_key:
                why = "ssh does not show which host key answered"
            if why:
                problems[name] = why
            else:
                (of[name],) = client_certificates_of(found)
        progress(f"read the disks of {len(of) + len(problems)} of {len(wanted)} nodes")

    await of_each(wanted, look, at_once=_AT_ONCE)
    return NamedCertificates(of, problems)


async def credential_of(api: ApiClient, name: str, node: str) -> str:
    """The hash of the client certificate that made a CSR of this node. Raises UsageError."""
    csr = csr_of(
        await serving_csr(api, name, expected="the name of a CSR of the node was expected")
    )
    if requestor_node(csr) != node:
        raise UsageError(
            f"--csr {name}", f"{csr.username} made it", f"a CSR of {node} was expected"
        )
    found = certificate_id(csr.credential_ids or ())
    if not found:
        seen = (
            "the API server does not tell which client certificate made it (before Kubernetes 1.32)"
        )
        raise UsageError(f"--csr {name}", seen, "--via ssh was expected")
    return found


async def issued_to(api: ApiClient, certificate: str) -> str:
    """Who got this client certificate and when, by the CSRs that there are."""
    try:
        listed = await api.list_all(CSRS)
    except KubeError as error:
        return f"who got it, and when, is not known: {error}"
    for found in listed:
        if (issued := client_csr_of(found)) and issued.certificate == certificate:
            when = f"{issued.created:%Y-%m-%d %H:%M:%S} UTC"
            return f"issued for {found.name}, made at {when} by {found.spec.username}"
    return "no CSR that it was issued for is there any more: who got it, and when, is not known"
