"""Turns a planned node and its survey into a change for the transaction script, and chooses its seed. Pure."""

from datetime import datetime, timedelta
from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kubelet.flags import ROOT_DIR
from kubevouch.rollout.decide.plan import NodePlan, SeedKind
from kubevouch.rollout.decide.transaction import NodeChange, Seed
from kubevouch.x509 import (
    CertificateKind,
    X509Error,
    classify,
    kubelet_self_signed,
    read_certificates,
)


def change_of(
    node: NodePlan, survey: NodeSurvey, run: str, *, content: bytes, switch_seconds: int
) -> NodeChange:
    """The change for the script. content: the whole new config.yaml, whose digest is in the plan."""
    return NodeChange(
        run=run,
        machine_id=node.machine_id,
        identity_path=survey.identity.path.decode(errors="replace"),
        identity_sha256=survey.identity.sha256,
        root=node.root,
        pki=node.pki,
        config=node.config,
        config_sha256=node.config_sha256,
        content=content,
        content_sha256=node.content_sha256,
        switch_seconds=switch_seconds,
    )


def change_to_undo(node: NodePlan, survey: NodeSurvey, run: str) -> NodeChange:
    """The change for an undo, which needs only the hash of the new content."""
    return change_of(node, survey, run, content=b"", switch_seconds=0)


def untrusted_root(node: NodePlan, survey: NodeSurvey) -> str:
    """Why an undo does not write into the plan's folder as root; empty if it may.

    The folder is the one that the running kubelet uses. Without a kubelet that can be believed it is the kubelet's default,
    since a plan can be edited, and a container may have filled any other folder. Which pki folder and which config.yaml
    are meant stands in the run's own record there (transaction.sh, recorded).
    """
    if survey.unsafe:
        return f"{survey.unsafe.decode(errors='replace')}: what root runs and writes there must be root's alone"
    if survey.no_kubelet:
        if node.root == ROOT_DIR:
            return ""
        return (
            f"it cannot be told whether {node.root}, as the plan says, is the kubelet's folder: "
            f"{survey.no_kubelet.decode(errors='replace')}, and without a kubelet only {ROOT_DIR} is believed; "
            "start kubelet.service, then undo again"
        )
    found = survey.root[0].text_path if survey.root else "not known"
    if found == node.root:
        return ""
    return f"the kubelet's folder is {found}, and was {node.root} in the plan: what this run left there cannot be seen"


def seed_kind(survey: NodeSurvey, now: datetime, life: timedelta) -> SeedKind:
    """The kubelet's own self-signed pair if that is good for so long, else a fresh one."""
    files = {each.name: each for each in survey.certificates}
    own = files.get("kubelet.crt")
    if own is None or "kubelet.key" not in files:
        return SeedKind.FRESH
    try:
        leaf = read_certificates(own.content, own.text_path)[0]
    except X509Error:
        return SeedKind.FRESH
    good = leaf.not_before <= now and now + life < leaf.not_after
    self_made = classify(leaf) is CertificateKind.KUBELET_SELF_SIGNED
    return SeedKind.COPY if good and self_made else SeedKind.FRESH


def seed_of(
    node: NodePlan,
    survey: NodeSurvey,
    *,
    now: datetime,
    life: timedelta,
    serials: tuple[int, int],
) -> Seed | None:
    """A fresh self-signed pair in the kubelet's own form; None where the node's own pair is good for so long.

    serials: of the pair's authority and of its leaf.
    """
    if seed_kind(survey, now, life) is SeedKind.COPY:
        return None
    made = kubelet_self_signed(
        survey.hostname.decode(errors="replace").strip().lower() or node.node,
        addresses=[ip_address(claim.value) for claim in node.addresses],
        now=now,
        lifetime=life,
        serials=serials,
    )
    return Seed(chain_pem=made.chain_pem, key_pem=made.key_pem)
