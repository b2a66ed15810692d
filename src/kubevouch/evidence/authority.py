"""Who has signed a certificate: an authority is named by its signature, never by the name alone that somebody wrote."""

from collections.abc import Iterable, Sequence

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.x509 import Certificate, ExtKeyUsage, VerifyReason, verify
from kubevouch.x509.chains import ChainBuilder, signers_of

# By an authority of the roots that fails for one of these, the chain is signed all the same.
_OF_A_ROOT = frozenset({VerifyReason.EXPIRED, VerifyReason.NOT_YET_VALID})
# A chain that is complete was refused for one of these.
_OF_A_CHAIN = frozenset({VerifyReason.TRUSTED, VerifyReason.WRONG_USAGE})
# These are about all chains, and no word about a signature.
_OF_ALL_CHAINS = frozenset({VerifyReason.NAME_CONSTRAINT, VerifyReason.NO_VALID_CHAINS})


def signing_roots(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """Those of the roots that have signed it, else those that have signed what was presented, or written, with it and leads to it.

    Several, if they have one key: a CA may have been renewed with it.
    """
    known, between = tuple(roots), tuple(others)
    if (direct := signers_of(leaf, known)) or not between:
        return direct
    chains = ChainBuilder(known, between, leaf.not_before).chains(leaf)
    return tuple(dict.fromkeys(each[-1] for each in chains)) if isinstance(chains, list) else ()


def signature_failure(
    leaf: Certificate, others: Iterable[Certificate], roots: Iterable[Certificate]
) -> str:
    """Why none of the roots has signed it, in Go's words; "" if one has. When they end, and what they are for, does not count.

    others: what was presented, or written, with it. One of them that has ended ends Go's search before its own signature is
    looked at (`considerCandidate` in crypto/x509/verify.go): it proves nothing.
    """
    known = tuple(roots)
    verdict = verify(
        leaf,
        intermediates=others,
        roots=known,
        name="",
        at=leaf.not_before,
        usage=ExtKeyUsage.CLIENT,
    )
    is_root = verdict.reason in _OF_A_ROOT and verdict.at_fault in known
    if is_root or verdict.reason in _OF_A_CHAIN:
        return ""
    # Go tells what it met last, which may be about a certificate beside the root that has signed.
    if verdict.reason not in _OF_ALL_CHAINS and signers_of(leaf, known):
        return ""
    return verdict.go_text


def authority_of(
    chain: Sequence[Certificate],
    roots: Iterable[Certificate],
    word: str = CertificateUse.CLUSTER_CA,
) -> str:
    """The word for the roots if one of them has signed the first certificate; "" if none has, or nothing can be told."""
    known = tuple(roots)
    if not chain or not known or signature_failure(chain[0], chain[1:], known):
        return ""
    return str(word)
