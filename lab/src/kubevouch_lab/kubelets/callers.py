"""Who calls a kubelet, and whether they may.

cmd/kubelet/app/auth.go, pkg/kubelet/server/auth.go and server.go (InstallAuthFilter): a client certificate, else a token
by TokenReview, else nobody; then a SubjectAccessReview for each subresource that a path may stand for.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.request import ANONYMOUS, AUTHENTICATED, UserInfo, read_user
from kubevouch_lab.kubelets.api import Api, ApiError
from kubevouch_lab.kubelets.log import Log
from kubevouch_lab.kubelets.settings import Settings
from kubevouch_lab.objects import status_of

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_MOST_REMEMBERED: Final = 4096


class Refused(Exception):
    """Not further than this: an HTTP status and its text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def subresources(path: str) -> tuple[str, ...]:
    """What a path stands for; any of them will do (KubeletFineGrainedAuthz is on since 1.33)."""
    for beginning, named in (
        ("/stats", "stats"),
        ("/metrics", "metrics"),
        ("/logs", "log"),
        ("/checkpoint", "checkpoint"),
    ):
        if path == beginning or path.startswith(f"{beginning}/"):
            return (named,)
    for beginning, named in (
        ("/pods", "pods"),
        ("/runningpods", "pods"),
        ("/healthz", "healthz"),
        ("/configz", "configz"),
    ):
        if path == beginning or path.startswith(f"{beginning}/"):
            return named, "proxy"
    return ("proxy",)


class Callers:
    """Knows callers for a while, by the settings' times and the node's clock."""

    def __init__(
        self, settings: Settings, api: Callable[[], Api], node: str, clock: Clock, log: Log
    ) -> None:
        self._settings = settings
        self._api = api
        self._node = node
        self._clock = clock
        self._log = log
        self._known: dict[Any, tuple[float, Any]] = {}

    async def admit(self, request: web.BaseRequest) -> UserInfo:
        """The caller. Raises Refused: 401, 403, or 500 where the API server could not be asked."""
        user = await self._who(request)
        if self._settings.always_allow:
            return user
        verb = _VERBS.get(request.method, "get")
        wanted = subresources(request.path)
        for subresource in wanted:
            try:
                if await self._may(user, verb, subresource):
                    return user
            except ApiError as error:
                self._log.err(
                    "server.go:333",
                    "Authorization error",
                    user=user.name,
                    verb=verb,
                    err=error.text,
                )
                where = f"user={user.name}, verb={verb}, resource=nodes, subresource={subresource}"
                raise Refused(500, f"Authorization error ({where})") from None
        shown = " ".join(wanted)
        where = f"user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{shown}]"
        raise Refused(403, f"Forbidden ({where})\n")

    async def _who(self, request: web.BaseRequest) -> UserInfo:
        shaken = request.transport.get_extra_info("ssl_object") if request.transport else None
        presented = shaken.getpeercert(binary_form=True) if shaken else None
        if presented and self._settings.client_ca:
            user = self._of_certificate(x509.load_der_x509_certificate(presented))
            if user is not None:
                return user
            raise Refused(401, "Unauthorized")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip() and self._settings.token_webhook:
            user = await self._of_token(token.strip())
            if user is not None:
                return user
            raise Refused(401, "Unauthorized")
        if self._settings.anonymous:
            return ANONYMOUS
        raise Refused(401, "Unauthorized")

    def _of_certificate(self, leaf: x509.Certificate) -> UserInfo | None:
        now = self._clock.now()
        if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            self._log.err(
                "authentication.go:75",
                "Unable to authenticate the request",
                err="x509: certificate has expired or is not yet valid",
            )
            return None
        try:
            usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return None
        if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
            return None
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if not names:
            return None
        return UserInfo(
            str(names[0].value), groups=(*(str(each.value) for each in groups), AUTHENTICATED)
        )

    async def _of_token(self, token: str) -> UserInfo | None:
        for_known, _, _ = self._settings.cached
        known = self._remembered(("token", token))
        if known is not None:
            user: UserInfo | None = known[0]
            return user
        try:
            body = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": token},
            }
            status = (await self._api().ask("POST", _TOKEN_REVIEWS, body)).get("status") or {}
        except ApiError as error:
            self._log.err(
                "authentication.go:75", "Unable to authenticate the request", err=error.text
            )
            return None
        user = read_user(status.get("user") or {}) if status.get("authenticated") else None
        if user is not None:
            self._remember(("token", token), user, for_known)
        return user

    async def _may(self, user: UserInfo, verb: str, subresource: str) -> bool:
        _, for_yes, for_no = self._settings.cached
        key = (user, verb, subresource)
        known = self._remembered(key)
        if known is not None:
            return bool(known[0])
        spec = {
            **user.shown("user"),
            "resourceAttributes": {
                "verb": verb,
                "version": "v1",
                "resource": "nodes",
                "subresource": subresource,
                "name": self._node,
            },
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": spec,
        }
        made = await self._api().ask("POST", _ACCESS_REVIEWS, body)
        allowed = bool(status_of(made).get("allowed"))
        self._remember(key, allowed, for_yes if allowed else for_no)
        return allowed

    def _remembered(self, key: Any) -> tuple[Any] | None:  # noqa: ANN401 - a key
        until, value = self._known.get(key, (0.0, None))
        return (value,) if key in self._known and self._clock.monotonic() < until else None

    def _remember(self, key: Any, value: Any, seconds: float) -> None:  # noqa: ANN401 - as above
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = (self._clock.monotonic() + seconds, value)
