"""The API server as the kubelets of light nodes reach it: in this process, without connections.

Thousands of kubelets would else hold thousands of TLS connections, with both ends here. Who asks shows the same
certificate or token, and has the same rights; only the audit log has no lines of it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding

from kubevouch_lab.apiserver.metadata import clone
from kubevouch_lab.apiserver.patches import merge_patched
from kubevouch_lab.apiserver.request import (
    ANONYMOUS,
    Presented,
    RequestInfo,
    asked,
)
from kubevouch_lab.apiserver.server import ApiServer, forbidden
from kubevouch_lab.apiserver.status import StatusError, unauthorized
from kubevouch_lab.identity.reviews import RESOURCES, Reviews
from kubevouch_lab.kubelets.api import Api, ApiEndpoint, ApiError
from kubevouch_lab.objects import Object
from kubevouch_lab.pki import KeyPair


class LightApi(Api):
    """One identity of a light node's kubelet. It answers nothing while the API server has an outage."""

    def __init__(
        self,
        server: ApiServer,
        reviews: Reviews,
        endpoint: ApiEndpoint,
        pair: KeyPair | None,
        token: str,
    ) -> None:
        super().__init__(endpoint, pair, token)
        self._server = server
        self._reviews = reviews
        self._shown = _presented(pair, token)

    async def present(self, pair: KeyPair) -> None:
        """From now on with this certificate."""
        self._shown = _presented(pair, "")

    async def ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        form: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """One request, one object. form: a patch is a merge patch. Raises ApiError."""
        del form
        with _told():
            info = self._let_in(method, path, query or {})
            return clone(self._answer(info, query or {}, body or {}))

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Object]]:
        """Events of a watch until the store ends it. Raises ApiError."""
        words = {"watch": "true", **query}
        with _told():
            info = self._let_in("GET", path, words)
            with self._server.resources.watch(info, words) as events:
                async for event in events:
                    yield event.type, clone(event.object)

    def _let_in(self, method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
        if self._server.outage is not None:
            raise ApiError(0, f'{method.title()} "{self.endpoint.url}{path}": EOF')
        user = self._server.authenticate(self._shown)
        if user is None:
            raise unauthorized()
        info = replace(asked(method, path, query, ANONYMOUS), user=user, manager="kubelet")
        allowed, reason = self._server.authorize(info)
        if not allowed:
            raise forbidden(info, reason)
        return info

    def _answer(self, info: RequestInfo, query: Mapping[str, str], body: Object) -> Object:
        resources = self._server.resources
        if not info.is_resource:
            return {}
        if info.resource in RESOURCES:
            return self._reviews(info, body)
        match info.verb:
            case "get":
                return resources.get(info)
            case "list":
                page = resources.list(info, query)
                return {"metadata": page.metadata(), "items": page.items}
            case "create":
                return resources.create(info, clone(body))
            case "patch":
                return resources.patch(info, lambda thing: merge_patched(thing, body))
        raise ApiError(405, f"a kubelet does not {info.verb}")


def _presented(pair: KeyPair | None, token: str) -> Presented:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    leaf = pair.leaf.public_bytes(Encoding.DER) if pair else None
    return Presented(headers, leaf, "127.0.0.1")


@contextmanager
def _told() -> Iterator[None]:
    """Refusals, as client-go would decode them."""
    try:
        yield
    except StatusError as error:
        text = "Unauthorized" if error.code == 401 else error.message
        raise ApiError(error.code, text) from None
