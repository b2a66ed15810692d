"""Finds a CSR by its name in the cluster, or in a file: PEM, or the object in YAML or JSON.

Only CSRs for kubernetes.io/kubelet-serving are judged. One for another signer is found, too: nobody should be
told that it does not exist.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from kubevouch import goyaml
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.measured import DoubtKind
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.errors import Forbidden, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest
from kubevouch.named_files import bytes_in
from kubevouch.policy.csr import KUBELET_SERVING, Csr, bare_csr, csr_of

_LARGEST = 1024 * 1024
_RIGHT = "the name of a CSR, or a file with one in PEM, YAML or JSON, was expected"


class CsrUnknown(KubevouchError):
    """It is not known whether there is such a CSR."""


@dataclass(frozen=True)
class NamedCsr:
    """A CSR, and the object that it was read from; None of a PEM file."""

    csr: Csr
    found: CertificateSigningRequest | None


async def csr_named(word: str, api: ApiClient, policy_evidence: PolicyEvidence) -> NamedCsr:
    """The CSR of this name. A file comes before an object in the cluster. Raises UsageError, CsrUnknown, KubeError."""
    path = Path(word)
    if path.is_file():
        return _in_file(path)
    for found in policy_evidence.csrs.or_else(()):
        if found.name == word:
            return NamedCsr(csr_of(found), found)
    doubt = policy_evidence.csrs.doubt
    if doubt is not None:
        unknown = CsrUnknown(word, doubt.text)
        unknown.lacks_rights = doubt.kind is DoubtKind.NOT_ALLOWED
        raise unknown
    try:
        object_ = await serving_csr(api, word, expected=_RIGHT)
    except Forbidden:
        seen = f"the list has no such CSR for {KUBELET_SERVING}"
        raise UsageError(word, seen, _RIGHT) from None
    return NamedCsr(csr_of(object_), object_)


def _not_sent_yet(csr: Csr) -> Csr:
    """As it was read from a manifest: who made it and when nobody has written down, as the API server does for each."""
    if csr.username:
        return csr
    return msgspec.structs.replace(csr, username=None, groups=None, credential_ids=None)


async def serving_csr(api: ApiClient, name: str, *, expected: str) -> CertificateSigningRequest:
    """The CSR of this name in the cluster. expected: what would be right if there is no such CSR.

    Raises:
        UsageError: there is no such CSR, or it is for another signer than kubernetes.io/kubelet-serving.
        KubeError: the API server does not tell.
    """
    absent = UsageError(name or "''", "there is no such CSR", expected)
    if not name or "/" in name:
        raise absent  # the path would be that of the list, or of a subresource
    try:
        found = await api.get(CSRS, name)
    except NotFound:
        raise absent from None
    if found.name != name:
        raise UsageError(name, f"the API server answered with {found.name!r}")
    if found.spec.signer_name != KUBELET_SERVING:
        seen = f"this CSR is for the signer {found.spec.signer_name}"
        raise UsageError(name, seen, f"only CSRs for {KUBELET_SERVING} are judged")
    return found


def _in_file(path: Path) -> NamedCsr:
    data = bytes_in(path, most=_LARGEST, what="any CSR", expected=_RIGHT)
    if b"-----BEGIN" in data and b"kind:" not in data and b'kind"' not in data:
        return NamedCsr(bare_csr(path.name, data), None)
    try:
        found = goyaml.read(data)
        if not isinstance(found, dict) or found.get("kind") != "CertificateSigningRequest":
            raise UsageError(str(path), "is not a CertificateSigningRequest", _RIGHT)
        object_ = msgspec.convert(found, CertificateSigningRequest)
    except goyaml.UnreadableYaml as error:
        where = f"{path}, line {error.line}" if error.line else str(path)
        raise UsageError(where, error.text, _RIGHT) from None
    except msgspec.ValidationError as error:
        raise UsageError(
            str(path), f"is not a CertificateSigningRequest: {error}", _RIGHT
        ) from None
    return NamedCsr(_not_sent_yet(csr_of(object_)), object_)
