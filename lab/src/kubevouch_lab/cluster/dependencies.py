"""Everything that identity, signing, kubelets and aggregated APIs plug into the API server, in two values."""

from dataclasses import replace

from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.metadata import Entropy
from kubevouch_lab.apiserver.registry.table import SERVICES
from kubevouch_lab.apiserver.request import Admission, Authorizer
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.admission import Admissions
from kubevouch_lab.identity.escalation import Escalation
from kubevouch_lab.identity.node_restriction import NodeRestriction
from kubevouch_lab.identity.pod_admission import PodAdmission
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.identity.specials import specials
from kubevouch_lab.identity.tokens import Tokens
from kubevouch_lab.proxies.aggregation import Aggregation
from kubevouch_lab.proxies.node_proxy import NodeProxy
from kubevouch_lab.signer.csr_admission import CsrAdmission
from kubevouch_lab.signer.csr_strategy import CsrStrategy


def admission(store: Store, authorize: Authorizer, entropy: Entropy) -> Admissions:
    """For `ApiServer(admit=…)`: what is on by default in a kubeadm cluster, as far as the lab has it."""
    return Admissions(
        NodeRestriction(store),
        CsrAdmission(authorize),
        PodAdmission(store, entropy),
        Escalation(store, authorize),
    )


def backends(
    *,
    reviews: Reviews,
    tokens: Tokens,
    admit: Admission,
    node_proxy: NodeProxy,
    aggregation: Aggregation,
    service_network: str,
) -> Backends:
    """For `ApiServer(backends=…)`. admit: NodeRestriction, which has a word in token requests."""
    return Backends(
        specials={
            **specials(reviews, tokens, admit),
            ("", "nodes", "proxy"): node_proxy.proxy,
            ("", "pods", "log"): node_proxy.log,
        },
        strategies={
            "certificatesigningrequests": CsrStrategy(),
            "services": replace(SERVICES, network=service_network),
        },
        aggregated=aggregation,
        others=aggregation.others,
    )
