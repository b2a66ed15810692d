"""KV5xx: kubelets' configuration, without reading nodes' disks."""

from collections.abc import Collection, Iterator

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Finding, api_proof, counted, finding, wire_proof
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.approving import has_no_approver, signing_themselves
from kubevouch.diagnose.rules.metrics_api import insecure_flags
from kubevouch.diagnose.rules.wire import is_dark, port_states, signed_for
from kubevouch.evidence.snapshot import Evidence


def bootstrapping(evidence: Evidence) -> list[str]:
    """Nodes with serverTLSBootstrap on: they serve a certificate from the signer, or none."""
    dark = {served.node for served in evidence.served if is_dark(served)}
    return sorted(dark | signed_for(evidence).keys())


@rule(Code.BOOTSTRAP_OFF)
def bootstrap_off(evidence: Evidence) -> Iterator[Finding]:
    """Kubelets serve self-signed certificates."""
    found = signing_themselves(evidence)
    if not found:
        return
    known, said = evidence.kubelet_config.value, ""
    if known is not None:
        said = f"; ConfigMap {known.object.name}: {'on' if known.bootstrap else 'off'}"
    yield finding(
        Code.BOOTSTRAP_OFF,
        f"serverTLSBootstrap is off on {len(found)} of {counted(len(evidence.served), 'node')}{said}",
        subjects=found,
        proofs=[
            wire_proof(served, f"self-signed on {leaf.not_before:%Y-%m-%d}")
            for served in found.values()
            if (leaf := served.dialled.leaf)
        ],
        details={
            "kubelets": counted(
                len(found),
                "kubelet signs its own certificate",
                "kubelets sign their own certificates",
            ),
            "worst": _worst(evidence, found.keys()),
            "refused": _refused(evidence, len(found)),
            "nobody": _nobody(evidence, len(found)),
        },
    )


# For one certificate and for several; the worst first.
_WORST = {
    Code.EXPIRED: ("it has expired", "they have expired"),
    Code.SELF_SIGNED: ("no trusted CA signed it", "no trusted CA signed them"),
    Code.NO_IP_SANS: ("it contains no IP address", "they contain no IP address"),
}


def _worst(evidence: Evidence, nodes: Collection[str]) -> str:
    """A clause about the worst fault of these nodes' certificates."""
    codes = {port.code for port in port_states(evidence) if port.node in nodes}
    for code, (of_one, of_several) in _WORST.items():
        if code in codes:
            return f", and {of_one if len(nodes) == 1 else of_several}"
    return ""


def _refused(evidence: Evidence, count: int) -> str:
    them = "it" if count == 1 else "them"
    if insecure_flags(evidence):
        return f"metrics-server accepts {them} only because it does not verify kubelets."
    return f"metrics-server rightly refuses {them}."


def _nobody(evidence: Evidence, count: int) -> str:
    if not has_no_approver(evidence):
        return ""
    return (
        f" Nothing on this cluster would approve {'a better one' if count == 1 else 'better ones'}."
    )


@rule(Code.CONFIG_MAP_DRIFT)
def drift(evidence: Evidence) -> Iterator[Finding]:
    """The ConfigMap kubelet-config and some nodes have different values of serverTLSBootstrap."""
    known = evidence.kubelet_config.value
    if known is None:
        return
    off, on = sorted(signing_themselves(evidence)), bootstrapping(evidence)
    if known.bootstrap and off:
        yield finding(
            Code.CONFIG_MAP_DRIFT,
            f"serverTLSBootstrap is on in ConfigMap {known.object.name}, but {counted(len(off), 'node has', 'nodes have')} it off",
            subjects=off,
        )
    elif not known.bootstrap and on:
        yield finding(
            Code.CONFIG_MAP_DRIFT,
            f"serverTLSBootstrap is off in ConfigMap {known.object.name}, but {counted(len(on), 'node has', 'nodes have')} it on: "
            "it would be off on a node that joins or is upgraded",
            subjects=on,
        )


@rule(Code.IGNORED_KEY)
def ignored_key(evidence: Evidence) -> Iterator[Finding]:
    """The ConfigMap kubelet-config has a key that kubelets ignore.

    `plan` reports such keys on nodes' disks.
    """
    known = evidence.kubelet_config
    if known.value is not None and known.value.ignored:
        proofs = [api_proof(known.value.object.name, str(p), known) for p in known.value.ignored]
        title = f"ConfigMap {known.value.object.name}: {known.value.ignored[0]}"
        yield finding(Code.IGNORED_KEY, title, proofs=proofs)
