"""Everything that identity, signing, kubelets and aggregated APIs plug into the API server, in two values."""

from dataclasses import replace

from kubevouch_lab.apiserver.backends import Backends, Call
from kubevouch_lab.apiserver.registry.table import SERVICES
from kubevouch_lab.apiserver.request import Admission, Authorizer, RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.escalation import Escalation
from kubevouch_lab.identity.node_restriction import NodeRestriction
from kubevouch_lab.identity.pod_admission import PodAdmission
from kubevouch_lab.identity.reviews import RESOURCES, Reviews
from kubevouch_lab.identity.tokens import Tokens
from kubevouch_lab.objects import Object
from kubevouch_lab.proxies.aggregation import Aggregation
from kubevouch_lab.proxies.node_proxy import NodeProxy
from kubevouch_lab.rng import Entropy
from kubevouch_lab.signer.csr_admission import CsrAdmission
from kubevouch_lab.signer.csr_strategy import CsrStrategy


def admission(store: Store, authorize: Authorizer, entropy: Entropy) -> Admission:
    """For `ApiServer(admit=…)`: what is on by default in a kubeadm cluster, as far as the lab has it."""
    plugins: tuple[Admission, ...] = (
        NodeRestriction(store),
        CsrAdmission(authorize),
        PodAdmission(store, entropy),
        Escalation(store, authorize),
    )

    def admit(info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """Each plugin is handed what the one before it made of the object."""
        for plugin in plugins:
            new = plugin(info, old, new)
        return new

    return admit


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

    async def review(call: Call) -> Object:
        return reviews(call.info, call.body)

    async def token(call: Call) -> Object:
        admit(call.info, None, call.body)
        return tokens.requested(call.info, call.body)

    return Backends(
        specials={
            **{(group, resource, ""): review for resource, group in RESOURCES.items()},
            ("", "serviceaccounts", "token"): token,
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
