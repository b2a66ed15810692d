"""What --redact replaces besides the nodes: how the operator calls the cluster, and where it is."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from kubevouch.cli.common.invocation import SSH_CONFIG
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.certificates import CertificateUse
from kubevouch.evidence.snapshot import Evidence
from kubevouch.inventory.redaction import Redaction, Replaced, hosts_of
from kubevouch.kube.access import ClusterAccess

_NAMING = {
    "--context": Replaced.CLUSTER,
    "--kubeconfig": Replaced.FILE,
    "--ssh-config": Replaced.FILE,
}
"""Flags whose values are names, and what of. That of --via is a word of ours."""


def cluster_name(access: ClusterAccess) -> str:
    """The cluster for the head of a page."""
    return f"{access.server}, context {access.context}" if access.context else access.server


def names_of_access(terminal: Terminal, access: ClusterAccess) -> Iterable[tuple[Replaced, str]]:
    """Names of the cluster: its context, its server, and the files and contexts in the flags that NEXT repeats."""
    yield Replaced.CLUSTER, access.context
    yield Replaced.HOST, urlsplit(access.server).hostname or ""
    given = terminal.invocation.given if terminal.invocation else ()
    for flag, value in given:
        if flag in _NAMING:
            yield _NAMING[flag], value
    # A path has the name of a person, or of the cluster.
    for path in terminal.environment.get("KUBECONFIG", "").split(":"):
        yield Replaced.FILE, path
    yield Replaced.FILE, terminal.environment.get(SSH_CONFIG, "")


def redaction_of(evidence: Evidence, more: Iterable[tuple[Replaced, str]]) -> Redaction:
    """What doctor's findings may name. more: what else is known of the cluster."""
    nodes = {node.name for node in evidence.nodes.or_else(())} | {
        each.node for each in evidence.served
    }
    chains = (one for each in evidence.served for one in each.dialled.chain)
    return Redaction(
        [
            *((Replaced.NODE, name) for name in sorted(nodes)),
            *hosts_of(chains),
            *_called(evidence),
            *more,
        ]
    )


def _called(evidence: Evidence) -> Iterable[tuple[Replaced, str]]:
    """Aggregated APIs, webhooks and conversions, whose place is written as `apiservice v1.example.com`."""
    for each in evidence.certificates.found if evidence.certificates else ():
        if each.use is CertificateUse.CA_BUNDLE:
            yield Replaced.OBJECT, each.where.split()[1]
