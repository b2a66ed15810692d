"""What the end of a CA means for what it has signed: kube-controller-manager issues nothing that lives longer."""

from typing import Final

from kubevouch.evidence.authority import signing_roots
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate, FoundCertificates
from kubevouch.x509 import Certificate

_AUTHORITIES: Final = frozenset(
    {CertificateUse.CLUSTER_CA, CertificateUse.ETCD_CA, CertificateUse.FRONT_PROXY_CA}
)
_Chain = tuple[Certificate, ...]


class CaRemarks:
    """The remarks on each certificate of an inventory.

    All CAs of kubeadm's bear the same name, whichever cluster they are of: the one that has signed it counts. Of a fleet hardly any
    needs a look at its signature, so that is looked up where an end makes it matter.
    """

    def __init__(self, found: FoundCertificates) -> None:
        self._authorities: dict[bytes, list[Certificate]] = {}
        """By subject: a rotation has two."""
        self._roots: dict[_Chain, _Chain] = {}
        for each in found.found:
            certificate = each.certificate
            if certificate is not None and each.use in _AUTHORITIES:
                self._authorities.setdefault(certificate.raw.subject, []).append(certificate)

    def of(self, found: FoundCertificate) -> tuple[str, ...]:
        """The remarks on one; mostly none."""
        certificate = found.certificate
        if certificate is None or found.use in _AUTHORITIES:
            return ()
        return self._of_leaf(certificate, found.chain)

    def _of_leaf(self, leaf: Certificate, chain: _Chain) -> tuple[str, ...]:
        named = self._authorities.get(leaf.raw.issuer, ())
        if not any(each.not_after <= leaf.not_after for each in named):
            return ()
        ends = [each.not_after for each in self._signers(chain)]
        if not ends or leaf.not_after < max(ends):
            return ()
        if leaf.not_after == max(ends):
            return ("its CA ends at the same moment, so no other can be issued for longer",)
        return (f"its CA ends before it, on {max(ends):%b %d, %Y %H:%M} UTC",)

    def _signers(self, chain: _Chain) -> _Chain:
        """Those of the authorities here that have signed the first of the chain."""
        if chain not in self._roots:
            named = self._authorities.get(chain[0].raw.issuer, ())
            self._roots[chain] = signing_roots(chain[0], chain[1:], named)
        return self._roots[chain]
