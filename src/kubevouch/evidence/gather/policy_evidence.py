"""Reads the evidence that a decision about a CSR needs."""

from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES


async def gather_policy_evidence(api: ApiClient, inquiry: Inquiry) -> PolicyEvidence:
    """The evidence, with all objects read at the same time."""
    nodes, csrs, names = await together(
        inquiry.ask(api.list_all(NODES)),
        inquiry.ask(list_csrs(api)),
        gather_names(api, inquiry),
    )
    return PolicyEvidence(nodes, csrs, names)
