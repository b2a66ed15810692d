"""API server, identity, signers and controllers of a lab, put together."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.kinds import kind_of
from kubevouch_lab.apiserver.outage import Outage
from kubevouch_lab.apiserver.request import LOOPBACK, RequestInfo
from kubevouch_lab.apiserver.server import ApiServer, ServerPki
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.cluster import dependencies, seed
from kubevouch_lab.cluster.active_faults import ActiveFaults
from kubevouch_lab.cluster.authorities import PKI, Authorities
from kubevouch_lab.cluster.folder import Folder, LabError
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.light_api import LightApi
from kubevouch_lab.cluster.site import API_PORT, Site
from kubevouch_lab.cluster.site_approver import ACCOUNT, SiteApprover
from kubevouch_lab.controllers.run_all import controllers
from kubevouch_lab.identity.authentication import Authentication
from kubevouch_lab.identity.authorization import Authorization
from kubevouch_lab.identity.node_restriction import NodeRestriction
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.kubelets.api import ApiEndpoint
from kubevouch_lab.objects import Object, bracketed, name_of, namespace_of, uid_of
from kubevouch_lab.pki import KeyPair
from kubevouch_lab.proxies.aggregation import Aggregation
from kubevouch_lab.proxies.node_proxy import NodeProxy
from kubevouch_lab.rng import Entropy, uids
from kubevouch_lab.signer.issuing import signing_ca
from kubevouch_lab.signer.signers import CONTROLLER, Signers

_LOG = logging.getLogger(__name__)
_AGAIN = 1.0
AUDIT_LOG = "/var/log/kubernetes/audit/audit.log"


class ControlPlane:
    """What kubeadm's static pods are on a real control plane. `client` acts as the API server itself."""

    def __init__(
        self, folder: Folder, site: Site, pki: Authorities, *, clock: Clock, entropy: Entropy
    ) -> None:
        folder.store.mkdir(parents=True, exist_ok=True)
        # Secrets are in it.
        folder.store.chmod(0o700)
        self._site = site
        self._pki = pki
        self._clock = clock
        self._entropy = entropy
        self._sown = folder.store / "sown"
        self.store = Store(StoreJournal(folder.store / "store.sqlite"))
        key = load_pem_private_key(pki.service_accounts, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.authorize = Authorization(self.store)
        self.authentication = Authentication(
            self.store, pki.ca.chain, clock, key, entropy=entropy, authorize=self.authorize
        )
        master = folder.node(site.hosts[0].name)
        files = master / PKI.lstrip("/")
        client, front = files / "apiserver-kubelet-client", files / "front-proxy-client"
        self._node_proxy = NodeProxy(
            self.store, client.with_suffix(".crt"), client.with_suffix(".key"), clock=clock
        )
        self._aggregation = Aggregation(
            self.store, front.with_suffix(".crt"), front.with_suffix(".key"), clock=clock
        )
        audit = master / AUDIT_LOG.lstrip("/")
        audit.parent.mkdir(parents=True, exist_ok=True)
        self._reviews = Reviews(self.store, self.authentication, self.authorize, clock)
        self.server = ApiServer(
            self.store,
            clock=clock,
            tls=ServerPki(pki.apiserver.chain, pki.apiserver.key, pki.ca.chain),
            entropy=entropy,
            authenticate=self.authentication,
            authorize=self.authorize,
            admit=dependencies.admission(self.store, self.authorize, entropy),
            backends=dependencies.backends(
                reviews=self._reviews,
                tokens=self.authentication.tokens,
                admit=NodeRestriction(self.store),
                node_proxy=self._node_proxy,
                aggregation=self._aggregation,
                service_network=site.service_subnets[0],
            ),
            audit=audit,
        )
        self.client = LocalClient(self.server.resources)
        self.active_faults = ActiveFaults()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._site_approver: asyncio.Task[None] | None = None
        approver = LocalClient(self.server.resources, ACCOUNT)
        self._approver = SiteApprover(self.store, approver, clock, lambda: self.active_faults)

    def create_seed_objects(self, history: ClusterHistory, *, bootstraps: bool) -> None:
        """Puts the objects of a year-old cluster into a store that is new; what was deleted since stays away."""
        if self._sown.exists():
            return
        for thing in seed.objects(
            self._site, history, self._pki, uids(self._entropy), bootstraps=bootstraps
        ):
            kind = kind_of(thing["apiVersion"], thing["kind"])
            assert kind is not None, thing
            metadata = thing["metadata"]
            if self.store.find(kind, metadata["name"], metadata.get("namespace", "")) is None:
                self.store.create(kind, thing)
        self._sown.touch()

    async def start(self) -> None:
        """Listens, then lets controllers and signers run.

        Raises:
            LabError: something else listens there.
        """
        try:
            await self.server.start(self._site.api_address, API_PORT)
        except OSError as error:
            where = f"{bracketed(self._site.api_address)}:{API_PORT}"
            raise LabError(where, error.strerror or str(error), "stop what listens there") from None
        self._site_approver = asyncio.create_task(self._kept_alive("approver", self._approver.run))
        self.start_controllers()

    def token(self, pod: Object) -> str:
        """The token of a pod's service account, bound to the pod as its kubelet asks for it. Raises StatusError."""
        account = pod["spec"].get("serviceAccountName") or "default"
        info = RequestInfo(
            "create",
            "",
            LOOPBACK,
            version="v1",
            resource="serviceaccounts",
            subresource="token",
            namespace=namespace_of(pod),
            name=account,
        )
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name_of(pod), "uid": uid_of(pod)}
        wanted = {"spec": {"expirationSeconds": 365 * 24 * 3600, "boundObjectRef": bound}}
        made = self.authentication.tokens.requested(info, wanted)
        return str(made["status"]["token"])

    def light_api(self, endpoint: ApiEndpoint, pair: KeyPair | None, token: str) -> LightApi:
        """For the kubelet of a light node."""
        return LightApi(self.server, self._reviews, endpoint, pair, token)

    def review_csrs(self) -> None:
        """The site's approver has changed its mind."""
        self._approver.look()

    async def stop(self) -> None:
        """Ends all of it; what is kept is kept."""
        await self.stop_controllers()
        if self._site_approver is not None:
            self._site_approver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._site_approver
        await self.server.stop()
        await self._node_proxy.close()
        await self._aggregation.close()
        self.store.close()

    def start_controllers(self) -> None:
        """The controller manager: signing goes on."""
        for name, run in self._controllers().items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._kept_alive(name, run))

    async def stop_controllers(self, *names: str) -> None:
        """Nobody signs from now on; with names only those stand still."""
        chosen = [self._tasks.pop(name) for name in names or tuple(self._tasks)]
        for task in chosen:
            task.cancel()
        for task in chosen:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def begin_outage(self, outage: Outage) -> None:
        """The API server cannot be asked. Where it answers nobody, the controller manager cannot work either."""
        await self.end_outage()
        if outage in (Outage.DOWN, Outage.SILENT):
            await self.stop_controllers()
        await self.server.begin_outage(outage)

    async def end_outage(self) -> None:
        """As it was before; nothing, where there is no outage."""
        outage = self.server.outage
        if outage is None:
            return
        await self.server.end_outage()
        if outage in (Outage.DOWN, Outage.SILENT):
            self.start_controllers()

    async def _kept_alive(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A controller that has ended by itself begins anew, as a pod would; the log says why it ended."""
        while True:
            try:
                await run()
            except Exception:  # noqa: BLE001 - whatever it was, the cluster goes on
                _LOG.exception("%s has ended", name)
            await self._clock.sleep(_AGAIN)

    def _controllers(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        certificates = LocalClient(self.server.resources, CONTROLLER)
        signers = Signers(
            self.store,
            certificates,
            signing_ca(self._pki.ca.chain, self._pki.ca.key),
            self._clock,
            authorize=self.authorize,
            entropy=self._entropy,
        )
        others = controllers(
            self.store,
            self.client,
            self._clock,
            aggregation=self._aggregation,
            ca=self._pki.ca.chain,
        )
        return {"signers": signers.run, **others}
