"""Finds a CSR by its name in the cluster, or in a file: PEM, or the object in YAML or JSON."""

from pathlib import Path

import msgspec

from kubevouch import goyaml
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import Csr, bare_csr, csr_of

_LARGEST = 1024 * 1024
_RIGHT = "the name of a CSR, or a file with one in PEM, YAML or JSON, was expected"


class CsrUnknown(KubevouchError):
    """It is not known whether there is such a CSR."""


def csr_named(word: str, policy_evidence: PolicyEvidence) -> Csr:
    """The CSR of this name. A file comes before an object in the cluster. Raises UsageError, CsrUnknown."""
    path = Path(word)
    if path.is_file():
        return _in_file(path)
    for found in policy_evidence.csrs.or_else(()):
        if found.name == word:
            return csr_of(found)
    doubt = policy_evidence.csrs.doubt
    if doubt is not None:
        raise CsrUnknown(word, doubt.text)
    raise UsageError(word, "there is no such CSR", _RIGHT)


def _in_file(path: Path) -> Csr:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", _RIGHT) from None
    if len(data) > _LARGEST:
        raise UsageError(str(path), "is larger than any CSR", _RIGHT)
    if b"-----BEGIN" in data and b"kind:" not in data and b'kind"' not in data:
        return bare_csr(path.name, data)
    try:
        found = goyaml.read(data)
        if not isinstance(found, dict) or found.get("kind") != "CertificateSigningRequest":
            raise UsageError(str(path), "is not a CertificateSigningRequest", _RIGHT)
        return csr_of(msgspec.convert(found, CertificateSigningRequest))
    except goyaml.UnreadableYaml as error:
        where = f"{path}, line {error.line}" if error.line else str(path)
        raise UsageError(where, error.text, _RIGHT) from None
    except msgspec.ValidationError as error:
        raise UsageError(
            str(path), f"is not a CertificateSigningRequest: {error}", _RIGHT
        ) from None
