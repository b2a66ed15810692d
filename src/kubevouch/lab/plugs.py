"""Everything that identity, signing, kubelets and aggregated APIs plug into the API server, in one value."""

from kubevouch.lab.aggregation import Aggregation
from kubevouch.lab.apiserver.backends import Backends
from kubevouch.lab.apiserver.request import Admission
from kubevouch.lab.identity.reviews import Reviews
from kubevouch.lab.identity.specials import specials
from kubevouch.lab.identity.tokens import Tokens
from kubevouch.lab.node_proxy import NodeProxy
from kubevouch.lab.signer.requests import RequestStrategy


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
