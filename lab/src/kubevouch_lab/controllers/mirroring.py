"""EndpointSlices of Services without a selector: what somebody wrote into their Endpoints.

Source: pkg/controller/endpointslicemirroring.
"""

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.endpoints import MANAGED, SERVICE
from kubevouch_lab.controllers.loop import attempt, reconcile
from kubevouch_lab.controllers.owners import owned, owner_reference
from kubevouch_lab.objects import Object, ip_family, name_of

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
_SKIP = "endpointslice.kubernetes.io/skip-mirror"


class Mirroring:
    """Looks after changes of Services and Endpoints."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (SERVICES, ENDPOINTS)
        await reconcile(self._store, kinds, self.sync, clock=self._clock)

    def sync(self) -> None:
        """All Endpoints, once."""
        for each in self._store.list(ENDPOINTS):
            attempt(lambda found=each: self._one(found))  # type: ignore[misc]

    def _one(self, endpoints: Object) -> None:
        metadata = endpoints["metadata"]
        space = metadata["namespace"]
        service = self._store.find(SERVICES, metadata["name"], space)
        kept = owned(self._store.list(ENDPOINT_SLICES, space), endpoints)
        wanted = [] if service is None else mirrors(endpoints, service)
        for each in kept:
            like = next((made for made in wanted if _same(made, each)), None)
            if like is None:
                self._client.delete(ENDPOINT_SLICES, name_of(each), space)
            else:
                wanted.remove(like)
        for made in wanted:
            self._client.create(ENDPOINT_SLICES, made)


def mirrors(endpoints: Object, service: Object) -> list[Object]:
    """One slice a subset; none where the Service has a selector, or the Endpoints want none."""
    metadata = endpoints["metadata"]
    labels = metadata.get("labels") or {}
    if (service.get("spec") or {}).get("selector") or labels.get(_SKIP) == "true":
        return []
    return [
        {
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": {**labels, MANAGED: CONTROLLER, SERVICE: metadata["name"]},
                "ownerReferences": [owner_reference(endpoints)],
            },
            "addressType": _family(subset),
            "endpoints": [
                {"addresses": [each["ip"]], "conditions": {"ready": ready}}
                for key, ready in (("addresses", True), ("notReadyAddresses", False))
                for each in subset.get(key) or []
            ],
            "ports": [
                {"name": "", "protocol": "TCP", **port} for port in subset.get("ports") or []
            ],
        }
        for subset in endpoints.get("subsets") or []
    ]


def _family(subset: Object) -> str:
    """Of its first address."""
    listed = [*(subset.get("addresses") or []), *(subset.get("notReadyAddresses") or [])]
    return ip_family(listed[0]["ip"]) if listed else "IPv4"


def _same(made: Object, kept: Object) -> bool:
    return all((made.get(key) or []) == (kept.get(key) or []) for key in ("endpoints", "ports"))
