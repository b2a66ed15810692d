"""The cluster's own authorities, as the API server tells them."""

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
)
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.snapshot import TrustedRoots

_WHERE = "ConfigMap kube-system/kube-root-ca.crt"


def cluster_authorities(trust: Measured[TrustedRoots]) -> FoundPart:
    """The CA that pods trust: every certificate of the bundle, since a rotation has two."""
    if trust.value is None:
        assert trust.doubt is not None
        return FoundPart(not_read=(NotRead(f"the cluster CA, {_WHERE}", trust.doubt),))
    return FoundPart(
        tuple(
            FoundCertificate(
                CertificateUse.CLUSTER_CA, _WHERE, trust.vantage, trust.at, chain=(each,)
            )
            for each in trust.value.certificates
        )
    )
