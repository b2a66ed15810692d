"""What the operator states for one run on the command line. It is never kept in a plan, which may be forged."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubevouch.evidence.names import ClusterNames, Network, with_more


@dataclass(frozen=True)
class OperatorWord:
    """Facts that the cluster does not state, by the operator's word.

    domains, service_networks: the cluster's DNS domain and the network of Services. without_credential_id: it is
    accepted that this API server (older than Kubernetes 1.32) does not tell with which credential a CSR was made.
    """

    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()
    without_credential_id: bool = False


NO_WORD = OperatorWord()


def names_with_word(
    names: ClusterNames, word: OperatorWord, domains: Iterable[str]
) -> ClusterNames:
    """The cluster's own names, and what the operator tells besides.

    domains: the clusterDomain of the surveyed kubelets. They count only where neither the cluster nor the operator tells one: no name
    that ends so is a node's, and root on one node could take away the names of all others by it.
    """
    known = (*names.domains, *word.domains)
    told = word.domains if known else domains
    return with_more(names, domains=told, service_networks=word.service_networks)
