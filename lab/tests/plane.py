"""A control plane of the lab, whole but for its kubelets: real TLS, real kubectl, client certificates of a real CA."""

import asyncio
import contextlib
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import NAMESPACES, SERVICE_ACCOUNTS, kind_of
from kubevouch_lab.apiserver.request import LOOPBACK, UserInfo
from kubevouch_lab.apiserver.server import ApiServer, ServerPki
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.cluster import seed_rbac
from kubevouch_lab.cluster.dependencies import admission, backends
from kubevouch_lab.identity.authentication import Authentication
from kubevouch_lab.identity.authorization import Authorization
from kubevouch_lab.identity.node_restriction import NodeRestriction
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.proxies.aggregation import Aggregation
from kubevouch_lab.proxies.node_proxy import NodeProxy
from kubevouch_lab.signer.issuing import signing_ca
from kubevouch_lab.signer.signers import CONTROLLER, Signers
from lab.tests.kubectl import Served
from tests.support.authority import Authority, Pair
from tests.support.clocks import SteppedClock
from tests.support.unhurried import GENEROUS

# The dates of certificates that trustme makes are around the real now.
NOW = datetime.now(UTC).replace(microsecond=0)


@cache
def _key() -> rsa.RSAPrivateKey:
    """That of service accounts."""
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Plane(Served):
    clock: SteppedClock
    authentication: Authentication
    authorize: Authorization
    aggregation: Aggregation

    def client(self, user: UserInfo = LOOPBACK) -> LocalClient:
        return LocalClient(self.server.resources, user)

    @property
    def admin(self) -> LocalClient:
        return self.client()

    def signers(self) -> Signers:
        ca = self.authority._ca
        return Signers(
            self.store,
            self.client(CONTROLLER),
            signing_ca(ca.cert_pem.bytes(), ca.private_key_pem.bytes()),
            self.clock,
            authorize=self.authorize,
            entropy=random.Random(5).randbytes,
        )

    def knows(self, name: str, pair: Pair) -> str:
        """A kubeconfig by that name, with a client certificate."""
        files = {"client-certificate-data": pair.chain, "client-key-data": pair.key}
        return self.config(name, {key: b64encode(pem).decode() for key, pem in files.items()})


@contextlib.asynccontextmanager
async def plane(folder: Path, authority: Authority) -> AsyncIterator[Plane]:
    """Runs one with the roles and namespaces of a kubeadm cluster. `admin` is a kubeconfig of system:masters."""
    store, clock = Store(), SteppedClock(NOW)
    authorize = Authorization(store)
    entropy = random.Random(4).randbytes
    authentication = Authentication(
        store, authority.pem, clock, _key(), entropy=entropy, authorize=authorize
    )
    restriction = NodeRestriction(store)
    pair = authority.client("kube-apiserver-kubelet-client", "kubeadm:cluster-admins")
    (folder / "client.crt").write_bytes(pair.chain)
    (folder / "client.key").write_bytes(pair.key)
    files = folder / "client.crt", folder / "client.key"
    node_proxy = NodeProxy(store, *files, clock=clock)
    aggregation = Aggregation(store, *files, clock=clock)
    served = authority.serving("127.0.0.1")
    server = ApiServer(
        store,
        clock=clock,
        tls=ServerPki(served.chain, served.key, authority.pem),
        entropy=entropy,
        authenticate=authentication,
        authorize=authorize,
        admit=admission(store, authorize, entropy),
        backends=backends(
            reviews=Reviews(store, authentication, authorize, clock),
            tokens=authentication.tokens,
            admit=restriction,
            node_proxy=node_proxy,
            service_network="10.96.0.0/12",
            aggregation=aggregation,
        ),
    )
    running = Plane(server, store, authority, folder, clock, authentication, authorize, aggregation)
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        running.admin.create(NAMESPACES, {"metadata": {"name": name}})
        account = {"metadata": {"name": "default", "namespace": name}}
        running.admin.create(SERVICE_ACCOUNTS, account)
    for thing in seed_rbac.objects():
        kind = kind_of(thing["apiVersion"], thing["kind"])
        assert kind
        running.admin.create(kind, thing)
    await server.start()
    running.knows("admin", authority.client("kubernetes-admin", "system:masters"))
    try:
        yield running
    finally:
        await node_proxy.close()
        await aggregation.close()
        await server.stop()
        store.close()


async def until(look: Callable[[], Any], seconds: float = GENEROUS) -> Any:
    """Gives the loop turns until something is there."""
    async with asyncio.timeout(seconds):
        while not (found := look()):
            await asyncio.sleep(0.005)
    return found
