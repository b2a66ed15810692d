"""Certificates for the wire, made by trustme: never by the code under test."""

from dataclasses import dataclass
from datetime import datetime

import trustme


@dataclass(frozen=True)
class Pair:
    """A certificate chain and its key, PEM."""

    chain: bytes
    key: bytes


class Authority:
    """A certificate authority of a test: a cluster's CA, or somebody else's."""

    def __init__(self, name: str = "kubernetes", unit: str | None = None) -> None:
        """Two authorities of the same name and unit bear the same subject, and differ in their keys."""
        self._ca = trustme.CA(organization_name=name, organization_unit_name=unit)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._ca.cert_pem.bytes()

    @property
    def key(self) -> bytes:
        """The authority's private key, PEM."""
        return self._ca.private_key_pem.bytes()

    def serving(
        self,
        *identities: str,
        node: str | None = None,
        common_name: str | None = None,
        group: str | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Pair:
        """A serving certificate for names and addresses; for a kubelet's (O and CN as its signer sets), name the node.

        common_name: another CN. group: its O.
        """
        return self._pair(
            self._ca.issue_cert(
                *identities,
                common_name=f"system:node:{node}" if node else common_name,
                organization_name="system:nodes" if node else group,
                not_before=not_before,
                not_after=not_after,
            )
        )

    def client(self, user: str, group: str | None = None) -> Pair:
        """A client certificate: CN is the user, O the group."""
        return self._pair(
            self._ca.issue_cert("client.invalid", common_name=user, organization_name=group)
        )

    @staticmethod
    def _pair(leaf: trustme.LeafCert) -> Pair:
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return Pair(chain=chain, key=leaf.private_key_pem.bytes())
