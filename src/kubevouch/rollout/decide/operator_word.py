"""What the operator states for one run on the command line. It is never kept in a plan, which may be forged."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubevouch.evidence.names import ClusterNames, Network, with_more
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.rollout.decide.machine import next_start


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
    names: ClusterNames, word: OperatorWord, surveys: Iterable[NodeSurvey]
) -> ClusterNames:
    """The cluster's own names, and what the operator and the surveyed kubelets (clusterDomain) tell besides."""
    domains = (*word.domains, *(domain for each in surveys if (domain := _domain_of(each))))
    return with_more(names, domains=domains, service_networks=word.service_networks)


def _domain_of(survey: NodeSurvey) -> str:
    if not survey.config:
        return ""
    try:
        return next_start(survey).configuration.cluster_domain
    except ConfigurationError:
        return ""
