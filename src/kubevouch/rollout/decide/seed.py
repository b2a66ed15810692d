"""Chooses and certifies the seed of a node: a certificate for a key that the node has already. Pure.

The key stays where it is. Its public half is known from the certificate beside it, which the survey shows; a throw-away authority
certifies it anew, in the form of the pairs that kubelets make for themselves, and only the certificate travels. Where the kubelet's
own pair is good for long enough, nothing travels at all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey, SurveyedFile
from kubevouch.rollout.decide.plan import NodePlan, SeedKind
from kubevouch.rollout.decide.transaction import Seed
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
"""Where a kubelet has a serving key: its own pair; one that was issued to it, one that somebody gave to it."""


def seed_kind(survey: NodeSurvey, now: datetime, life: timedelta) -> SeedKind | None:
    """Whether the kubelet's own self-signed pair is good for so long; None where the node has no key for a seed."""
    found = _key_of(survey)
    if found is None:
        return None
    certificate, _, leaf = found
    copied = _good_by_itself(certificate.name, leaf, now, life)
    return SeedKind.COPY if copied else SeedKind.CERTIFIED


def seed_of(
    node: NodePlan,
    survey: NodeSurvey,
    *,
    now: datetime,
    life: timedelta,
    serials: tuple[int, int],
) -> Seed | None:
    """The seed, good for so long; None where the node has no key for one.

    serials: of the certificate and of its authority.
    """
    found = _key_of(survey)
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
    """When the certificate ends with which a kubelet that asks for certificates would start, in seconds since 1970; 0: it has none."""
    names = {each.name for each in survey.certificates}
    there = [pair for pair in _STORED if pair[0] in names]
    # It looks no further than the first, and ends if it cannot read that.
    found = _key_of(survey, there[:1])
    return int(found[2].not_after.timestamp()) if found else 0


def _key_of(
    survey: NodeSurvey, pairs: Sequence[tuple[str, str]] = (_OWN, *_STORED)
) -> tuple[SurveyedFile, SurveyedFile, Certificate] | None:
    """The first pair of the node: the file of its certificate, that of its key, and the certificate."""
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
    """The file, or the one in the same folder to which this link leads. None if that is missing or empty."""
    if found is not None and found.kind == "link":
        folder = found.path.rpartition(b"/")[0]
        found = files.get(found.target) or files.get(folder + b"/" + found.target)
    return found if found is not None and found.kind == "file" and found.size else None


def _good_by_itself(name: str, leaf: Certificate, now: datetime, life: timedelta) -> bool:
    if name != _OWN[0] or classify(leaf) is not CertificateKind.KUBELET_SELF_SIGNED:
        return False
    return leaf.not_before <= now and now + life < leaf.not_after
