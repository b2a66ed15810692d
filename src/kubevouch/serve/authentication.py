"""Who asks: front proxy, client certificate, bearer token, nobody, in this order.

Source: apiserver's pkg/authentication/authenticatorfactory/delegating.go and request/{headerrequest,x509,union}.
A certificate that one way refuses may be good for the next; if none takes a credential that was shown, that is a 401
and not a nobody.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.cache import AnswerCache
from kubevouch.serve.headers import user_in_headers
from kubevouch.serve.messages import ANONYMOUS, Request, User
from kubevouch.serve.reviews import review_token
from kubevouch.serve.trust import Trust, pool
from kubevouch.x509 import Certificate, Usage, X509Error, read_certificate_der, verify

AUTHENTICATED = "system:authenticated"


class NotAuthenticated(KubevouchError):
    """A credential was shown, and nobody takes it."""


@dataclass(frozen=True, slots=True)
class _Pools:
    trust: Trust
    client: tuple[Certificate, ...]
    proxy: tuple[Certificate, ...]


class Authentication:
    """`await user_of(request)`. Trust may be replaced while it runs; connections that are open are judged by the new.

    seconds, most: how long and how many answers about tokens are kept; of a token only its hash is.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        trust: Trust,
        *,
        seconds: float = 10.0,
        most: int = 4096,
    ) -> None:
        self._api = api
        self._clock = clock
        self._tokens: AnswerCache[bytes, User | None] = AnswerCache(
            clock, seconds=seconds, most=most
        )
        self.trust = trust

    @property
    def trust(self) -> Trust:
        """Whom it believes."""
        return self._pools.trust

    @trust.setter
    def trust(self, trust: Trust) -> None:
        self._pools = _Pools(
            trust,
            pool(trust.client_ca, "client CA"),
            pool(trust.proxy_ca, "request header CA"),
        )

    async def user_of(self, request: Request) -> User:
        """Who asks; ANONYMOUS if no credential was shown. Raises NotAuthenticated."""
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

    def _by_certificate(self, request: Request, refused: list[str]) -> User | None:
        pools = self._pools
        try:
            chain = [
                read_certificate_der(each, "client certificate") for each in request.certificates
            ]
        except X509Error as error:
            refused.append(str(error))
            return None
        if pools.proxy and self._is_proxy(chain, pools, refused):
            found = user_in_headers(request, pools.trust.headers)
            if found is not None:
                return found
        if pools.client and self._is_good(chain, pools.client, refused):
            subject = chain[0].subject
            if subject.common_name:
                return User(subject.common_name, tuple(subject.organizations))
        return None

    def _is_proxy(self, chain: Sequence[Certificate], pools: _Pools, refused: list[str]) -> bool:
        if not self._is_good(chain, pools.proxy, refused):
            return False
        name, allowed = chain[0].subject.common_name, pools.trust.allowed_names
        if allowed and name not in allowed:
            refused.append(f"x509: subject with cn={name} is not in the allowed list")
            return False
        return True

    def _is_good(
        self,
        chain: Sequence[Certificate],
        roots: Sequence[Certificate],
        refused: list[str],
    ) -> bool:
        verdict = verify(
            chain[0],
            intermediates=chain[1:],
            roots=roots,
            name="",
            at=self._clock.now(),
            usage=Usage.CLIENT,
        )
        if not verdict.trusted:
            who = f"verifying certificate SN={chain[0].serial} failed"
            refused.append(f"{who}: {verdict.go_text}")
        return verdict.trusted

    async def _by_token(self, request: Request, refused: list[str]) -> User | None:
        scheme, _, token = request.header("authorization").strip().partition(" ")
        token = token.split(" ")[0]
        if scheme.lower() != "bearer" or not token:
            return None
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        try:
            found = await self._tokens.get(key, lambda: review_token(self._api, token))
        except KubeError as error:
            refused.append(str(error))
            return None
        if found is None:
            refused.append("invalid bearer token")
        return found


def _authenticated(user: User) -> User:
    """With the group that everybody who is somebody has (pkg/authentication/group)."""
    if AUTHENTICATED in user.groups or "system:unauthenticated" in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))
