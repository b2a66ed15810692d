"""A bootstrap token can ask for a client certificate of any node's name: such CSRs are found."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.kube.resources.certificates import CsrSpec
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.policy.csr import bootstrap_csrs_of
from tests.support.requests import request

from .conftest import NODE, NOW

PLANNED = NOW - timedelta(minutes=30)
"""To the second, as the API server writes times; the plan itself is made some milliseconds later."""


@dataclass(frozen=True)
class ClientCsr:
    """The thief's, as it stands."""

    node: str = NODE
    pem: bytes | None = None
    username: str = "system:bootstrap:abcdef"
    signer: str = "kubernetes.io/kube-apiserver-client-kubelet"
    created: datetime | None = NOW

    @property
    def object(self) -> CertificateSigningRequest:
        return CertificateSigningRequest(
            metadata=ManagedMetadata(name="csr-thief", creation_timestamp=self.created),
            spec=CsrSpec(
                request=self.pem or request(self.node, [], []),
                signer_name=self.signer,
                username=self.username,
            ),
        )


@pytest.mark.parametrize(
    ("csr", "counts"),
    [
        (ClientCsr(), True),
        (ClientCsr(created=PLANNED), True),
        (ClientCsr(created=None), True),
        (ClientCsr(pem=b"hello"), True),
        (ClientCsr(node="worker-9"), False),
        (ClientCsr(username=f"system:node:{NODE}"), False),
        (ClientCsr(signer="kubernetes.io/kube-apiserver-client"), False),
        (ClientCsr(created=PLANNED - timedelta(seconds=1)), False),
    ],
    ids=[
        "of this node, since the plan",
        "made in the plan's second",
        "made at an unknown time",
        "not readable",
        "of another node",
        "the kubelet's own renewal",
        "another signer",
        "before the plan",
    ],
)
def test_a_csr_of_a_bootstrap_token_counts_if_it_may_name_the_node(
    csr: ClientCsr, counts: bool
) -> None:
    found = bootstrap_csrs_of([csr.object], NODE, PLANNED + timedelta(milliseconds=400))
    assert found == (("csr-thief",) if counts else ())
