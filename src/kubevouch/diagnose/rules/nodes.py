"""Rules about nodes: missing kubelet reports, wrong clocks, cloned machines, bootstrap tokens."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.make import Finding, api_proof, counted, finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import Condition, Lease, Node
from kubevouch.x509 import duration_text

_SKEW_WARNING = timedelta(seconds=30)
_SKEW_ERROR = timedelta(minutes=5)
"""The signer backdates certificates by five minutes, so a smaller skew breaks nothing."""


@rule(Code.NO_KUBELET_REPORTS)
def no_kubelet_reports(evidence: Evidence) -> Iterator[Finding]:
    """Every node's condition Ready is Unknown.

    The node lifecycle controller has not heard from any kubelet for a while.
    """
    nodes = evidence.nodes.or_else(())
    silent = {name: each for name, each in _not_ready(evidence).items() if each.status == "Unknown"}
    if not silent or len(silent) < len(nodes):
        return
    since = [each.last_transition_time for each in silent.values() if each.last_transition_time]
    last = f"has reported for {duration_text(evidence.at - max(since))}" if since else "reports"
    title = f"none of {counted(len(nodes), 'kubelet')} {last}"
    yield _by_condition(Code.NO_KUBELET_REPORTS, title, silent, evidence)


@rule(Code.NODE_NOT_READY)
def not_ready(evidence: Evidence) -> Iterator[Finding]:
    """Some nodes are NotReady: their kubelets do not report, or report a fault."""
    found = _not_ready(evidence)
    if found:
        title = f"{counted(len(found), 'node')} NotReady"
        yield _by_condition(Code.NODE_NOT_READY, title, found, evidence)


def _by_condition(
    code: Code, title: str, found: dict[str, Condition], evidence: Evidence
) -> Finding:
    proofs = [api_proof(name, _said(each), evidence.nodes) for name, each in sorted(found.items())]
    return finding(code, title, subjects=sorted(found), proofs=proofs)


def _not_ready(evidence: Evidence) -> dict[str, Condition]:
    """The Ready condition of each node that is not Ready."""
    return {
        node.name: condition
        for node in evidence.nodes.or_else(())
        for condition in node.status.conditions
        if condition.type == "Ready" and not condition.true
    }


def _said(condition: Condition) -> str:
    return f"{condition.reason}: {condition.message}".strip(": ") or f"Ready is {condition.status}"


@rule(Code.CLOCK_SKEW)
def clock_skew(evidence: Evidence) -> Iterator[Finding]:
    """A node's clock is wrong.

    The renewTime that its kubelet writes into its Lease differs from the API server's time of the
    same write.
    """
    known = {node.name for node in evidence.nodes.or_else(())}
    skews = {
        lease.name: skew
        for lease in evidence.leases.or_else(())
        if lease.name in known and (skew := _skew(lease)) and abs(skew) > _SKEW_WARNING
    }
    if not skews:
        return
    said = {name: _in_words(skew) for name, skew in skews.items()}
    who = counted(len(skews), "node has a clock", "nodes have clocks")
    worst = max(abs(skew) for skew in skews.values())
    yield finding(
        Code.CLOCK_SKEW,
        f"{who} that differ{'s' if len(skews) == 1 else ''} from the API server's: "
        + named([f"{name} is {said[name]}" for name in sorted(skews)]),
        subjects=sorted(skews),
        proofs=[
            api_proof(name, f"its Lease's renewTime is {said[name]}", evidence.leases)
            for name in sorted(skews)
        ],
        severity=Severity.WARNING if worst <= _SKEW_ERROR else None,
    )


def _skew(lease: Lease) -> timedelta | None:
    written = [each.time for each in lease.metadata.managed_fields if each.time is not None]
    if lease.spec.renew_time is None or not written:
        return None
    return lease.spec.renew_time - max(written)


def _in_words(skew: timedelta) -> str:
    return f"{duration_text(abs(skew))} {'ahead' if skew > timedelta() else 'behind'}"


@rule(Code.SHARED_MACHINE_IDENTITY)
def shared_identity(evidence: Evidence) -> Iterator[Finding]:
    """Nodes share a machine-id or system UUID: they were cloned from one image."""
    nodes = evidence.nodes.or_else(())
    for what, read in _IDENTITIES.items():
        by_id: dict[str, list[str]] = defaultdict(list)
        for node in nodes:
            if value := read(node):
                by_id[value].append(node.name)
        shared = {value: sorted(names) for value, names in by_id.items() if len(names) > 1}
        if shared:
            yield finding(
                Code.SHARED_MACHINE_IDENTITY,
                f"{counted(sum(map(len, shared.values())), 'node')} share {what} with another node: they were cloned from one image",
                subjects=sorted(name for names in shared.values() for name in names),
                proofs=[
                    api_proof(", ".join(names), f"{what} {value}", evidence.nodes)
                    for value, names in sorted(shared.items())
                ],
            )


_IDENTITIES: dict[str, Callable[[Node], str]] = {
    "their machine-id": lambda node: node.status.node_info.machine_id,
    "their system UUID": lambda node: node.status.node_info.system_uuid.lower(),
}


@rule(Code.LIVE_BOOTSTRAP_TOKENS)
def live_bootstrap_tokens(evidence: Evidence) -> Iterator[Finding]:
    """Live bootstrap tokens exist, according to the signatures in kube-public/cluster-info."""
    tokens = evidence.bootstrap_tokens.or_else(())
    if tokens:
        yield finding(
            Code.LIVE_BOOTSTRAP_TOKENS,
            f"at least {counted(len(tokens), 'live bootstrap token')} ({named(tokens)}): any holder gets "
            "a client certificate for any node name",
            subjects=tokens,
        )
