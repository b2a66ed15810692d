"""Builds the chains from a certificate to a trusted root.

Source: buildChains, isValid and alreadyInChain in Go's crypto/x509/verify.go; findPotentialParents
in cert_pool.go; CheckSignatureFrom in x509.go. The order of all steps is Go's, since it decides
which failure is reported if no chain exists.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Final

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.extensions import CERT_SIGN
from kubevouch.x509.gotext import quote, utc_text
from kubevouch.x509.keys import KeyAlgorithm
from kubevouch.x509.reasons import Verdict, VerifyReason
from kubevouch.x509.sans import SUBJECT_ALT_NAME
from kubevouch.x509.signatures import signature_error

MOST_SIGNATURE_CHECKS = 100
"""The maximum number of signature checks per verification. A peer may send very many certificates."""

Chain = tuple[Certificate, ...]

_PARENT_CANNOT_SIGN = (
    "x509: invalid signature: parent certificate cannot sign this kind of certificate"
)


def validity_failure(certificate: Certificate, at: datetime) -> Verdict | None:
    """Why a certificate is invalid at this time by its dates or critical extensions; else None."""
    if certificate.unhandled_critical:
        return Verdict(
            VerifyReason.UNHANDLED_EXTENSION, "x509: unhandled critical extension", certificate
        )
    expired = "x509: certificate has expired or is not yet valid: current time"
    not_before, not_after = certificate.validity_texts
    if at < certificate.not_before:
        text = f"{expired} {utc_text(at)} is before {not_before}"
        return Verdict(VerifyReason.NOT_YET_VALID, text, certificate)
    if at > certificate.not_after:
        text = f"{expired} {utc_text(at)} is after {not_after}"
        return Verdict(VerifyReason.EXPIRED, text, certificate)
    return None


class ChainBuilder:
    """Searches for chains to a root, with one limit on the signature checks of the whole search."""

    def __init__(
        self, roots: Iterable[Certificate], intermediates: Iterable[Certificate], at: datetime
    ) -> None:
        self._roots = tuple(dict.fromkeys(roots))
        self._intermediates = tuple(dict.fromkeys(intermediates))
        self._at = at
        self._checks = 0

    def chains(self, leaf: Certificate) -> list[Chain] | Verdict:
        """Every chain from the leaf to a root, or a Verdict if no chain reaches a root."""
        return [(leaf,)] if leaf in self._roots else self._from((leaf,))

    def _from(self, chain: Chain) -> list[Chain] | Verdict:
        found: list[Chain] = []
        failure: Verdict | None = None
        hint: tuple[str, Certificate] | None = None
        for candidate, is_root in self._parents(chain[-1]):
            self._checks += 1
            if self._checks > MOST_SIGNATURE_CHECKS:
                failure = _signature_limit(chain[-1])
                break
            if candidate.key.algorithm is KeyAlgorithm.UNKNOWN or _in_chain(candidate, chain):
                continue
            fault = _issuing_error(chain[-1], candidate)
            if fault:
                hint = hint or (fault, candidate)
                continue
            failure = self._authority_failure(candidate, chain, is_root=is_root)
            if failure:
                continue
            longer = [(*chain, candidate)] if is_root else self._from((*chain, candidate))
            if isinstance(longer, Verdict):
                failure = longer
                if failure.reason is VerifyReason.SIGNATURE_LIMIT:
                    break
            else:
                found += longer
        return found or failure or _unknown_authority(chain[-1], hint)

    def _parents(self, child: Certificate) -> list[tuple[Certificate, bool]]:
        """Certificates whose subject is the child's issuer: first roots, then intermediates.

        In each group, certificates with a matching key id come first.
        """
        roots = sorted(_named(self._roots, child), key=lambda parent: _key_id_rank(parent, child))
        others = sorted(
            _named(self._intermediates, child), key=lambda parent: _key_id_rank(parent, child)
        )
        return [(parent, True) for parent in roots] + [(parent, False) for parent in others]

    def _authority_failure(
        self, authority: Certificate, chain: Chain, *, is_root: bool
    ) -> Verdict | None:
        failure = validity_failure(authority, self._at)
        if failure:
            return failure
        if not is_root and not (authority.has_basic_constraints and authority.is_ca):
            text = "x509: certificate is not authorized to sign other certificates"
            return Verdict(VerifyReason.NOT_A_CA, text, authority)
        limit = authority.path_length if authority.has_basic_constraints else None
        if limit is not None and len(chain) - 1 > limit:
            text = "x509: too many intermediates for path length constraint"
            return Verdict(VerifyReason.PATH_TOO_LONG, text, authority)
        return None


def signers_of(child: Certificate, candidates: Iterable[Certificate]) -> Chain:
    """The candidates that signed `child` and are allowed to sign it, regardless of their dates.

    All returned certificates have the same key. At most `MOST_SIGNATURE_CHECKS` keys are tried,
    each once. Keys of candidates with the child's authority key id are tried first.
    """
    named = [each for each in _named(tuple(candidates), child) if _may_sign(each)]
    keys = dict.fromkeys(
        each.raw.spki for each in sorted(named, key=lambda parent: _key_id_rank(parent, child))
    )
    for key in islice(keys, MOST_SIGNATURE_CHECKS):
        found = tuple(each for each in named if each.raw.spki == key)
        if not _signature_error(child, found[0]):
            return found
    return ()


def _issuing_error(child: Certificate, parent: Certificate) -> str:
    """Why the parent is not the child's issuer, in Go's words; "" if it is."""
    return _signature_error(child, parent) if _may_sign(parent) else _PARENT_CANNOT_SIGN


def _may_sign(parent: Certificate) -> bool:
    if parent.has_basic_constraints and not parent.is_ca:
        return False
    if parent.version == 3 and not parent.has_basic_constraints:
        return False
    return not parent.key_usage or CERT_SIGN in parent.key_usage


_MOST_REMEMBERED: Final = 4096
_remembered: dict[bytes, str] = {}
"""Cached results of signature checks (Go's error text, or ""), by a hash of certificate and key.

A kubelet's chain is verified for each address of its node, and a client's chain with each request.
A hostile chain can cost up to a hundred checks of half a millisecond each.
"""


def _signature_error(child: Certificate, parent: Certificate) -> str:
    about = hashlib.sha256(hashlib.sha256(child.der).digest() + parent.raw.spki).digest()
    found = _remembered.get(about)
    if found is None:
        found = signature_error(
            child.signature_algorithm, child.raw.tbs, child.raw.signature, parent.key
        )
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[about] = found
    return found


def _named(pool: Chain, child: Certificate) -> list[Certificate]:
    return [parent for parent in pool if parent.raw.subject == child.raw.issuer]


def _key_id_rank(parent: Certificate, child: Certificate) -> int:
    """0 if the key ids are equal (or both missing), 1 if only one is missing, 2 if they differ."""
    if parent.subject_key_id == child.authority_key_id:
        return 0
    return 2 if parent.subject_key_id and child.authority_key_id else 1


def _in_chain(candidate: Certificate, chain: Chain) -> bool:
    """Whether the chain already has a certificate with the candidate's subject, key and SAN.

    Cross-signed CAs may form cycles.
    """
    names = candidate.value_of(SUBJECT_ALT_NAME)
    for certificate in chain:
        if certificate.raw.subject != candidate.raw.subject:
            continue
        if certificate.raw.spki != candidate.raw.spki:
            continue
        others = certificate.value_of(SUBJECT_ALT_NAME)
        if names == others:
            return True
        if names is None or others is None:
            return False
    return False


def _signature_limit(certificate: Certificate) -> Verdict:
    text = "x509: signature check attempts limit reached while verifying certificate chain"
    return Verdict(VerifyReason.SIGNATURE_LIMIT, text, certificate)


def _unknown_authority(certificate: Certificate, hint: tuple[str, Certificate] | None) -> Verdict:
    text = "x509: certificate signed by unknown authority"
    if hint is None:
        return Verdict(VerifyReason.UNKNOWN_AUTHORITY, text, certificate)
    fault, candidate = hint
    subject = candidate.subject
    name = subject.common_name or next(iter(subject.organizations), "")
    text += (
        f" (possibly because of {quote(fault)} while trying to verify candidate authority "
        f"certificate {quote(name or f'serial:{candidate.serial}')})"
    )
    return Verdict(VerifyReason.WRONG_AUTHORITY, text, certificate)
