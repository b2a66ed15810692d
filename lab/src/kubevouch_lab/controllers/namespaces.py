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
from kubevouch_lab.controllers.loop import Controller
from kubevouch_lab.objects import Object, name_of

ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class NamespaceController(Controller):
    """ca: PEM. What is deleted or changed comes back."""

    kinds = (NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS)

    def __init__(self, store: Store, client: LocalClient, clock: Clock, ca: bytes) -> None:
        super().__init__(store, client, clock)
        self._ca = ca.decode()

    def _one(self, thing: Object) -> None:
        space = name_of(thing)
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
