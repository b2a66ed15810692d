"""What the end of a CA means for what it has signed, and the other way round: kube-controller-manager issues nothing that lives longer."""

from datetime import datetime
from typing import Final

from kubevouch.evidence.authority import signature_failure
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate, FoundCertificates
from kubevouch.x509 import Certificate

_AUTHORITIES: Final = frozenset(
    {CertificateUse.CLUSTER_CA, CertificateUse.ETCD_CA, CertificateUse.FRONT_PROXY_CA}
)


class CaRemarks:
    """The remarks on each certificate of an inventory."""

    def __init__(self, found: FoundCertificates) -> None:
        self._authorities: dict[bytes, list[Certificate]] = {}
        """By subject: a rotation has two."""
        self._signed: dict[tuple[bytes, bytes], list[datetime]] = {}
        """By the issuer's name and key, when what it has signed ends."""
        for each in found.found:
            certificate = each.certificate
            if certificate is None:
                continue
            if each.use in _AUTHORITIES:
                self._authorities.setdefault(certificate.raw.subject, []).append(certificate)
            else:
                key = certificate.raw.issuer, certificate.authority_key_id
                self._signed.setdefault(key, []).append(certificate.not_after)

    def of(self, found: FoundCertificate) -> tuple[str, ...]:
        """The remarks on one; mostly none."""
        certificate = found.certificate
        if certificate is None:
            return ()
        if found.use in _AUTHORITIES:
            return self._of_authority(certificate)
        return self._of_leaf(certificate, found.chain[1:])

    def _of_leaf(self, leaf: Certificate, others: tuple[Certificate, ...]) -> tuple[str, ...]:
        """All CAs of kubeadm's bear the same name, whichever cluster they are of: the one that has signed it counts."""
        named = self._authorities.get(leaf.raw.issuer, ())
        # Of a fleet hardly any needs a look at its signature.
        if not any(each.not_after <= leaf.not_after for each in named):
            return ()
        ends = [each.not_after for each in named if not signature_failure(leaf, others, (each,))]
        if not ends or leaf.not_after < max(ends):
            return ()
        if leaf.not_after == max(ends):
            return ("its CA ends at the same moment, so no other can be issued for longer",)
        return (f"its CA ends before it, on {max(ends):%b %d, %Y %H:%M} UTC",)

    def _of_authority(self, certificate: Certificate) -> tuple[str, ...]:
        """How many of those that it has signed end with it. Where one of the two names no key, the name alone tells."""
        ends = [
            end
            for (issuer, key), listed in self._signed.items()
            if issuer == certificate.raw.subject
            and (not key or key == (certificate.subject_key_id or key))
            for end in listed
        ]
        bound = sum(each >= certificate.not_after for each in ends)
        if not bound:
            return ()
        return (
            f"ends no later than {bound} of the {len(ends)} certificates here that it has signed",
        )
