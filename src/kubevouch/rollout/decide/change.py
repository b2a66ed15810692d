"""Builds a node's change for the transaction script, and the node's seed. Pure.

The seed is a certificate that the kubelet serves until the signer issues one. Its key is already on
the node.

The private key never leaves the node. The survey reads only the key's certificate, which has the
public key. A throw-away CA issues a new certificate for that key, in the form of a kubelet's
self-signed certificate, and we send only the new certificate. If the kubelet's self-signed
certificate is valid for long enough, it is the seed, and we send nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

import msgspec

from kubevouch.evidence.survey import NodeSurvey, SurveyedFile
from kubevouch.kubelet.flags import ROOT_DIR
from kubevouch.kubelet.splice import changed_line
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import asks_anyhow
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.transaction import NodeChange, Seed
from kubevouch.x509 import (
    Certificate,
    CertificateKind,
    X509Error,
    classify,
    kubelet_self_signed,
    read_certificates,
)

_OWN = ("kubelet.crt", "kubelet.key")
_STORED = (
    ("kubelet-server-current.pem", "kubelet-server-current.pem"),
    ("kubelet-server.crt", "kubelet-server.key"),
)
"""Where a starting kubelet looks for its serving certificate and key.

The first file holds the certificate that the signer issued. The second pair exists only if an
administrator has installed it.
"""


def seed_of(
    node: NodePlan,
    survey: NodeSurvey,
    *,
    now: datetime,
    life: timedelta,
    serials: tuple[int, int],
) -> Seed | None:
    """The node's seed, valid for at least `life`. Returns None if the node has no key pair for it.

    serials: the serial numbers of the certificate and of its CA.
    """
    found = seed_pair(survey)
    if found is None:
        return None
    certificate, key, leaf = found
    start, end, chain = leaf.not_before, leaf.not_after, b""
    if not _good_by_itself(certificate.name, leaf, now, life):
        chain = kubelet_self_signed(
            survey.hostname.decode(errors="replace").strip().lower() or node.node,
            spki=leaf.raw.spki,
            addresses=[ip_address(claim.value) for claim in node.addresses],
            now=now,
            lifetime=life,
            serials=serials,
        ).chain_pem
        made = read_certificates(chain, "the seed")[0]
        start, end = made.not_before, made.not_after
    return Seed(
        certificate=certificate.text_path,
        certificate_sha256=certificate.sha256,
        key=key.text_path,
        not_before=int(start.timestamp()),
        not_after=int(end.timestamp()),
        chain_pem=chain,
    )


def former_until(survey: NodeSurvey) -> int:
    """The expiry, in Unix seconds, of the certificate that a kubelet starting with serverTLSBootstrap would load; 0 if none is stored."""
    names = {each.name for each in survey.certificates}
    there = [pair for pair in _STORED if pair[0] in names]
    # The kubelet checks only the first pair, and exits if that is unreadable.
    found = seed_pair(survey, there[:1])
    return int(found[2].not_after.timestamp()) if found else 0


def seed_pair(
    survey: NodeSurvey, pairs: Sequence[tuple[str, str]] = (_OWN, *_STORED)
) -> tuple[SurveyedFile, SurveyedFile, Certificate] | None:
    """The first of `pairs` that the node has: certificate file, key file, parsed certificate."""
    files = {each.path: each for each in survey.certificates}
    by_name = {each.name: each for each in survey.certificates}
    for names in pairs:
        certificate, key = (_file(by_name.get(name), files) for name in names)
        if certificate is None or key is None:
            continue
        try:
            return (
                certificate,
                key,
                read_certificates(certificate.content, certificate.text_path)[0],
            )
        except X509Error:
            continue
    return None


def _file(found: SurveyedFile | None, files: dict[bytes, SurveyedFile]) -> SurveyedFile | None:
    """The file, or the surveyed file that it links to. None if that file is missing or empty."""
    if found is not None and found.kind == "link":
        folder = found.path.rpartition(b"/")[0]
        found = files.get(found.target) or files.get(folder + b"/" + found.target)
    return found if found is not None and found.kind == "file" and found.size else None


def _good_by_itself(name: str, leaf: Certificate, now: datetime, life: timedelta) -> bool:
    if name != _OWN[0] or classify(leaf) is not CertificateKind.KUBELET_SELF_SIGNED:
        return False
    return leaf.not_before <= now and now + life < leaf.not_after


_SWITCH_OF_AN_UNDO = 120
"""The delay of an undo's dead-man's switch, in seconds. An undo takes about ten seconds."""


def change_of(
    node: NodePlan, survey: NodeSurvey, run: str, *, content: bytes, switch_seconds: int
) -> NodeChange:
    """The node's change, as input of the transaction script.

    content: the whole new config.yaml, whose digest is in the plan.
    """
    present = survey.config[0].content if survey.config else b""
    return NodeChange(
        **msgspec.structs.asdict(node.disk),
        run=run,
        node=node.node,
        machine_id=node.machine_id,
        identity_path=survey.identity.path.decode(errors="replace"),
        content=content,
        switch_seconds=switch_seconds,
        boot_unit=not (node.disk.no_boot_unit and survey.no_boot_unit),
        line=changed_line(present, content),
        asks_anyhow=asks_anyhow(survey),
        former_until=former_until(survey),
    )


def change_to_undo(node: NodePlan, survey: NodeSurvey, run: str) -> NodeChange:
    """The node's change for an undo.

    It has no new config.yaml, since an undo restores the files in the run's record.
    """
    return change_of(node, survey, run, content=b"", switch_seconds=_SWITCH_OF_AN_UNDO)


def untrusted_root(node: NodePlan, survey: NodeSurvey) -> str:
    """Why an undo must not write into the plan's kubelet folder as root; empty if it may.

    The folder must be the running kubelet's, or the default one if no kubelet runs: a plan can be
    edited, and a container may have written to any other folder. The run's record in that folder
    contains the paths of the pki folder and of config.yaml (`recorded` in transaction.sh).
    """
    if survey.unsafe:
        return f"{node_text(survey.unsafe)}: only root may have write access there"
    if survey.no_kubelet:
        if node.disk.root == ROOT_DIR:
            return ""
        return (
            f"cannot tell whether the plan's {node.disk.root} is the kubelet's folder: "
            f"{node_text(survey.no_kubelet)}, and without a kubelet only {ROOT_DIR} is trusted; "
            "start kubelet.service, then undo again"
        )
    found = survey.root[0].text_path if survey.root else "unknown"
    if found == node.disk.root:
        return ""
    return f"the kubelet's root directory is {found}, in the plan {node.disk.root}: this run's files cannot be found"
