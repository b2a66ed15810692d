"""Everything that identity, signing, kubelets and aggregated APIs plug into the API server, in two values."""

from kubevouch.lab.aggregation import Aggregation
from kubevouch.lab.apiserver.backends import Backends
from kubevouch.lab.apiserver.metadata import Entropy
from kubevouch.lab.apiserver.request import Admission, Authorizer
from kubevouch.lab.apiserver.store import Store
from kubevouch.lab.identity.admission import Admissions
from kubevouch.lab.identity.escalation import Escalation
from kubevouch.lab.identity.node_restriction import NodeRestriction
from kubevouch.lab.identity.pod_admission import PodAdmission
from kubevouch.lab.identity.reviews import Reviews
from kubevouch.lab.identity.specials import specials
from kubevouch.lab.identity.tokens import Tokens
from kubevouch.lab.node_proxy import NodeProxy
from kubevouch.lab.signer.admission import RequestAdmission
from kubevouch.lab.signer.requests import RequestStrategy


def admission(store: Store, authorize: Authorizer, entropy: Entropy) -> Admissions:
    """For `ApiServer(admit=…)`: what is on by default in a kubeadm cluster, as far as the lab has it."""
    return Admissions(
        NodeRestriction(store),
        RequestAdmission(authorize),
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
) -> Backends:
    """For `ApiServer(backends=…)`. admit: NodeRestriction, which has a word in token requests."""
    return Backends(
        specials={
            **specials(reviews, tokens, admit),
            ("", "nodes", "proxy"): node_proxy.proxy,
            ("", "pods", "log"): node_proxy.log,
        },
        strategies={("certificates.k8s.io", "certificatesigningrequests"): RequestStrategy()},
        aggregated=aggregation,
        others=aggregation.others,
    )
