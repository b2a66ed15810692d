"""What every namespace gets: the account `default`, and the ConfigMap with the cluster's CA.

Sources: pkg/controller/serviceaccount/serviceaccounts_controller.go, pkg/controller/certificates/rootcacertpublisher.
"""

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
)
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import attempt_each, reconcile
from kubevouch_lab.objects import Object, name_of

ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class NamespaceController:
    """ca: PEM. What is deleted or changed comes back."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock, ca: bytes) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._ca = ca.decode()

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS)
        await reconcile(self._store, kinds, self.sync, clock=self._clock)

    def sync(self) -> float | None:
        """Every namespace, once."""
        return attempt_each(self._store.list(NAMESPACES), self._one)

    def _one(self, namespace: Object) -> None:
        space = name_of(namespace)
        if self._store.find(SERVICE_ACCOUNTS, "default", space) is None:
            made: Object = {"metadata": {"name": "default", "namespace": space}}
            self._client.create(SERVICE_ACCOUNTS, made)
        kept = self._store.find(CONFIG_MAPS, ROOT_CA, space)
        wanted = {"ca.crt": self._ca}
        if kept is None:
            noted = {"kubernetes.io/description": _DESCRIPTION}
            metadata = {"name": ROOT_CA, "namespace": space, "annotations": noted}
            self._client.create(CONFIG_MAPS, {"metadata": metadata, "data": wanted})
        elif kept.get("data") != wanted:
            self._client.update(CONFIG_MAPS, {**kept, "data": wanted})
