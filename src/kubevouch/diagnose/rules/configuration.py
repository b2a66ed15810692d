"""KV5xx and KV6xx: how kubelets and the control plane are configured, as far as it shows from outside."""

from collections.abc import Iterator
from datetime import timedelta

from kubevouch.diagnose.finding import Finding, Severity
from kubevouch.diagnose.make import api_proof, counted, days, finding, wire_proof
from kubevouch.diagnose.rules.wire import is_dark, is_self_signed
from kubevouch.evidence.snapshot import Evidence, flag_value
from kubevouch.x509 import CertificateKind, classify

_CA_WARNING = timedelta(days=365)
_CA_CRITICAL = timedelta(days=30)


def signing_themselves(evidence: Evidence) -> list[str]:
    """Nodes whose kubelet serves a pair of its own making: serverTLSBootstrap is off there, or a seed is served."""
    return sorted(
        s.node for s in evidence.served if s.dialled.leaf and is_self_signed(s.dialled.leaf)
    )


def bootstrapping(evidence: Evidence) -> list[str]:
    """Nodes on which serverTLSBootstrap is on: what they serve was signed for them, or they have nothing to serve."""
    return sorted(
        s.node
        for s in evidence.served
        if is_dark(s)
        or (s.dialled.leaf and classify(s.dialled.leaf) is CertificateKind.KUBELET_SERVING)
    )


def bootstrap_off(evidence: Evidence) -> Iterator[Finding]:
    """KV501."""
    found = [
        (served, leaf)
        for served in evidence.served
        if (leaf := served.dialled.leaf) and is_self_signed(leaf)
    ]
    if not found:
        return
    known, said = evidence.kubelet_config.value, ""
    if known is not None:
        said = f"; ConfigMap {known.object.name}: {'on' if known.bootstrap else 'off'}"
    yield finding(
        "KV501",
        f"serverTLSBootstrap is off on {len(found)} of {counted(len(evidence.served), 'node')}{said}",
        subjects=[served.node for served, _ in found],
        proofs=[
            wire_proof(served, f"its own CA's certificate, made {leaf.not_before:%Y-%m-%d}")
            for served, leaf in found
        ],
    )


def drift(evidence: Evidence) -> Iterator[Finding]:
    """KV502: the ConfigMap says one thing, nodes do another. Where all nodes are to change, KV501 says it already."""
    known = evidence.kubelet_config.value
    if known is None:
        return
    off, on = signing_themselves(evidence), bootstrapping(evidence)
    if known.bootstrap and off:
        yield finding(
            "KV502",
            f"ConfigMap {known.object.name} has serverTLSBootstrap on, {counted(len(off), 'node')} off",
            subjects=off,
        )
    elif not known.bootstrap and on:
        yield finding(
            "KV502",
            f"ConfigMap {known.object.name} has serverTLSBootstrap off, {counted(len(on), 'node')} on: "
            "a joiner, or an upgrade, would bring the old setting",
            subjects=on,
        )


def ignored_key(evidence: Evidence) -> Iterator[Finding]:
    """KV505: in the ConfigMap; on a node's disk the plan of `fix` tells."""
    known = evidence.kubelet_config
    if known.value is not None and known.value.ignored:
        proofs = [api_proof(known.value.object.name, str(p), known) for p in known.value.ignored]
        title = f"ConfigMap {known.value.object.name}: {known.value.ignored[0]}"
        yield finding("KV505", title, proofs=proofs)


def ca_expiring(evidence: Evidence) -> Iterator[Finding]:
    """KV602."""
    trust = evidence.trust.value
    if trust is None or not trust.certificates:
        return
    last = max(trust.certificates, key=lambda each: each.not_after)
    left = last.not_after - evidence.at
    if left < _CA_WARNING:
        ends = f"{days(evidence.at, last.not_after)}{' ago' if left < timedelta() else ''}"
        yield finding(
            "KV602",
            f"the cluster's CA ends {'in ' if left > timedelta() else ''}{ends} ({last.not_after:%Y-%m-%d})",
            severity=Severity.CRITICAL if left < _CA_CRITICAL else None,
        )


def api_server_refuses(evidence: Evidence) -> Iterator[Finding]:
    """KV605."""
    authority = flag_value(evidence.api_server_flags.or_else(()), "kubelet-certificate-authority")
    if not authority:
        return
    refused = [s for s in evidence.served if s.verdict is not None and not s.verdict.trusted]
    if refused:
        yield finding(
            "KV605",
            f"kube-apiserver verifies kubelets ({authority}) and refuses {counted(len(refused), 'node')}: "
            "logs and exec fail there",
            subjects=[s.node for s in refused],
            proofs=[wire_proof(s) for s in refused],
        )
