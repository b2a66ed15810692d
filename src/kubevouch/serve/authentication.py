"""Finds the user of a request: by front proxy, client certificate or bearer token, in this order, else anonymous.

Source: apiserver's pkg/authentication/authenticatorfactory/delegating.go and
request/{headerrequest,x509,union}. If one method rejects a credential, the next method is tried. If
all methods reject the presented credentials, the answer is 401: the user does not become anonymous.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from msgspec import field

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources.meta import Narrow, Object, Resource
from kubevouch.serve.cache import AnswerCache
from kubevouch.serve.client_trust import ClientTrust, ca_pool, user_from_headers
from kubevouch.serve.messages import ANONYMOUS, HttpRequest, UserInfo
from kubevouch.x509 import Certificate, ExtKeyUsage, X509Error, read_certificate_der, verify
from kubevouch.x509.bundle import leaf_too_long, looked_at
from kubevouch.x509.chains import signers_of

AUTHENTICATED = "system:authenticated"
_WHERE: Final = "client certificate"


class _User(Narrow, frozen=True, kw_only=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)


class _TokenStatus(Narrow, frozen=True, kw_only=True):
    authenticated: bool = False
    user: _User = _User()
    error: str = ""


class _TokenReview(Object, frozen=True, kw_only=True):
    status: _TokenStatus = _TokenStatus()


_TOKEN_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", _TokenReview
)


async def _review_token(api: ApiClient, token: str) -> UserInfo | None:
    """The user of a token; None if the token is invalid.

    Raises KubeError if the API server does not answer.
    """
    found = (await api.create(_TOKEN_REVIEWS, {"spec": {"token": token}})).status
    if not found.authenticated or not found.user.username:
        return None
    return UserInfo(found.user.username, found.user.groups, found.user.uid, found.user.extra)


class NotAuthenticated(KubevouchError):
    """No method accepts the presented credentials: 401."""


class Authenticator:
    """Authenticates requests.

    `trust` must hold readable PEM. It may be replaced at any time, even for open connections.
    ttl: seconds to cache answers about tokens. The cache stores only hashes of tokens.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        trust: ClientTrust,
        *,
        ttl: float = 10.0,
    ) -> None:
        self._api = api
        self._clock = clock
        self._tokens: AnswerCache[bytes, UserInfo | None] = AnswerCache(
            clock, ttl=ttl, max_entries=4096
        )
        self.trust = trust

    @property
    def _proxy_pool(self) -> tuple[Certificate, ...]:
        return ca_pool(self.trust.proxy_ca, "request header CA")

    def is_front_proxy(self, certificates: tuple[bytes, ...]) -> bool:
        """Whether the client is the front proxy, such as the API server's aggregator. certificates: as in HttpRequest.

        Called before a request is queued, so the cheap check of allowed names comes first.
        """
        if not certificates or not self._proxy_pool:
            return False
        allowed = self.trust.allowed_names
        try:
            if allowed and _leaf(certificates).subject.common_name not in allowed:
                return False
            return self._is_proxy(certificates, [])
        except X509Error:
            return False

    async def authenticate(self, request: HttpRequest) -> UserInfo:
        """The user of a request; ANONYMOUS if no credential was presented. Raises NotAuthenticated."""
        refused: list[str] = []
        if request.certificates:
            found = self._by_certificate(request, refused)
            if found is not None:
                return _authenticated(found)
        found = await self._by_token(request, refused)
        if found is not None:
            return _authenticated(found)
        if refused:
            raise NotAuthenticated("request", f"[{', '.join(refused)}]")
        return ANONYMOUS

    def _by_certificate(self, request: HttpRequest, refused: list[str]) -> UserInfo | None:
        if self._proxy_pool:
            with _refusing(refused):
                if self._is_proxy(request.certificates, refused):
                    found = user_from_headers(request, self.trust.headers)
                    if found is not None:
                        return found
        if clients := ca_pool(self.trust.client_ca, "client CA"):
            with _refusing(refused):
                if self._is_verified(request.certificates, clients, refused):
                    subject = _leaf(request.certificates).subject
                    if subject.common_name:
                        return UserInfo(subject.common_name, tuple(subject.organizations))
        return None

    def _is_proxy(self, certificates: tuple[bytes, ...], refused: list[str]) -> bool:
        if not self._is_verified(certificates, self._proxy_pool, refused):
            return False
        name, allowed = _leaf(certificates).subject.common_name, self.trust.allowed_names
        if allowed and name not in allowed:
            refused.append(f"x509: subject with cn={name} is not in the allowed list")
            return False
        return True

    def _is_verified(
        self,
        certificates: tuple[bytes, ...],
        roots: tuple[Certificate, ...],
        refused: list[str],
    ) -> bool:
        """Whether the client's certificate verifies against these roots. Raises X509Error."""
        at = self._clock.now()
        good = tuple(each for each in roots if each.not_before <= at <= each.not_after)
        chain = _chain(looked_at(certificates) or certificates[:1], good)
        verdict = verify(
            chain[0],
            intermediates=chain[1:],
            roots=roots,
            name="",
            at=at,
            usage=ExtKeyUsage.CLIENT,
        )
        if not verdict.trusted:
            who = f"verifying certificate SN={chain[0].serial} failed"
            refused.append(f"{who}: {verdict.go_text}")
        return verdict.trusted

    async def _by_token(self, request: HttpRequest, refused: list[str]) -> UserInfo | None:
        token = bearer_token(request)
        if not token:
            return None
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        try:
            found = await self._tokens.get(key, lambda: _review_token(self._api, token))
        except KubeError as error:
            refused.append(str(error))
            return None
        if found is None:
            refused.append("invalid bearer token")
        return found


@contextlib.contextmanager
def _refusing(refused: list[str]) -> Iterator[None]:
    """Adds the error for an unreadable certificate to `refused` instead of raising it.

    So the next authentication method is tried.
    """
    try:
        yield
    except X509Error as error:
        refused.append(str(error))


@lru_cache(maxsize=128)
def _chain(
    certificates: tuple[bytes, ...], roots: tuple[Certificate, ...]
) -> tuple[Certificate, ...]:
    """Parses a client's certificates; only the leaf if one of these roots signed it.

    The rest of the chain is then not needed, and could be long. Cached for the next requests of the
    connection.

    Raises X509Error.
    """
    leaf = _leaf(certificates)
    if signers_of(leaf, roots):
        return (leaf,)
    return (leaf, *(read_certificate_der(each, _WHERE) for each in certificates[1:]))


def _leaf(certificates: tuple[bytes, ...]) -> Certificate:
    if length := leaf_too_long(certificates):
        raise X509Error(_WHERE, length)
    return _read(certificates[0])


@lru_cache(maxsize=256)
def _read(der: bytes) -> Certificate:
    return read_certificate_der(der, _WHERE)


def bearer_token(request: HttpRequest) -> str:
    """The bearer token of a request; "" if it has none."""
    scheme, _, token = request.header("authorization").strip().partition(" ")
    return token.split(" ")[0] if scheme.lower() == "bearer" else ""


def _authenticated(user: UserInfo) -> UserInfo:
    """Adds the group system:authenticated (pkg/authentication/group)."""
    if AUTHENTICATED in user.groups or "system:unauthenticated" in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))
