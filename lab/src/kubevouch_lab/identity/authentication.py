"""Who asks: client certificates, bearer tokens, and whom they act as.

A credential that is shown and is not good is a 401, never anonymous. The order is kube-apiserver's: certificate,
then token (pkg/kubeapiserver/authenticator/config.go).

Sources: apiserver's pkg/authentication/request/x509/x509.go, pkg/endpoints/filters/impersonation.go;
plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go in Kubernetes.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa

from kubevouch.clock import Clock
from kubevouch.x509 import X509Error, read_certificate_der, read_certificates
from kubevouch.x509.certificate import Certificate
from kubevouch.x509.chains import ChainBuilder
from kubevouch.x509.extensions import ANY_USAGE, CLIENT_AUTH
from kubevouch_lab.apiserver.kinds import SECRETS
from kubevouch_lab.apiserver.request import (
    ANONYMOUS,
    AUTHENTICATED,
    Authorizer,
    Presented,
    RequestInfo,
    UserInfo,
)
from kubevouch_lab.apiserver.server import forbidden
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.tokens import InvalidToken, Tokens
from kubevouch_lab.objects import read_moment
from kubevouch_lab.rng import Entropy

_BOOTSTRAP_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_BOOTSTRAPPERS = "system:bootstrappers"
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")


_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class Authentication:
    """The authenticator of the lab's API server.

    ca: PEM of the client CA (one certificate or several). signing_key: the cluster's sa.key. authorize: asked before
    somebody acts as somebody else; without one nobody does.
    """

    def __init__(
        self,
        store: Store,
        ca: bytes,
        clock: Clock,
        signing_key: rsa.RSAPrivateKey,
        *,
        entropy: Entropy,
        authorize: Authorizer | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._authorize = authorize
        self._roots = read_certificates(ca, "client CA")
        self.tokens = Tokens(store, key=signing_key, clock=clock, entropy=entropy)
        self._known: dict[bytes, Certificate] = {}
        self.tells_credentials = True
        """Whether a user's extra says which credential was shown, as it does since Kubernetes 1.32."""

    def __call__(self, presented: Presented) -> UserInfo | None:
        """Who it is; None for a credential that is not good."""
        user = self._user(presented)
        if user is not None and not self.tells_credentials:
            left = {key: value for key, value in user.extra.items() if key != _CREDENTIAL_ID}
            user = replace(user, extra=left)
        return user and self._acting(user, presented.headers)

    def of_token(self, token: str, audiences: tuple[str, ...] = ()) -> UserInfo | None:
        """Whose bearer token it is. Raises InvalidToken."""
        bootstrap = _BOOTSTRAP_TOKEN.fullmatch(token)
        if bootstrap:
            return self._bootstrapper(*bootstrap.groups())
        return self.tokens.user(token, audiences)

    def _user(self, presented: Presented) -> UserInfo | None:
        token = _bearer(_header(presented.headers, "authorization"))
        if presented.certificate is None and token is None:
            return ANONYMOUS
        if presented.certificate is not None:
            user = self._of_certificate(presented.certificate)
            if user is not None:
                return user
        try:
            return None if token is None else self.of_token(token)
        except InvalidToken:
            return None

    def _of_certificate(self, der: bytes) -> UserInfo | None:
        certificate = self._known.get(der)
        if certificate is None:
            try:
                certificate = read_certificate_der(der, "client certificate")
            except X509Error:
                return None
            if not self._chains(certificate):
                return None
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[der] = certificate
        return certificate_user(certificate, self._clock.now())

    def _chains(self, certificate: Certificate) -> bool:
        """Go's rules for a client: it chains to the client CA, and may be used by a client."""
        usages = certificate.extended_key_usage
        if usages and not {CLIENT_AUTH, ANY_USAGE} & set(usages):
            return False
        return isinstance(
            ChainBuilder(self._roots, (), self._clock.now()).chains(certificate), list
        )

    def _bootstrapper(self, identity: str, secret: str) -> UserInfo | None:
        kept = self._store.find(SECRETS, f"bootstrap-token-{identity}", "kube-system")
        if kept is None or kept.get("type") != "bootstrap.kubernetes.io/token":
            return None
        data = {key: _plain(value) for key, value in (kept.get("data") or {}).items()}
        extra = [each for each in data.get("auth-extra-groups", "").split(",") if each]
        good = (
            hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode())
            and data.get("token-id") == identity
            and data.get("usage-bootstrap-authentication") == "true"
            and self._lives(data.get("expiration"))
            and all(_EXTRA_GROUP.fullmatch(each) for each in extra)
        )
        groups = (_BOOTSTRAPPERS, *sorted(extra), AUTHENTICATED)
        return UserInfo(f"system:bootstrap:{identity}", groups=groups) if good else None

    def _lives(self, expiration: str | None) -> bool:
        moment = read_moment(expiration or "")
        return expiration is None or (moment is not None and self._clock.now() < moment)

    def _acting(self, user: UserInfo, headers: Mapping[str, str]) -> UserInfo:
        """Who the user acts as, if the user may (`kubectl --as`)."""
        name = _header(headers, "impersonate-user")
        if not name or self._authorize is None:
            return user
        groups = _all_of(headers, "impersonate-group")
        account = _ACCOUNT.fullmatch(name)
        if account:
            self._may_act(user, "serviceaccounts", account[2], account[1])
            spaces = (f"system:serviceaccounts:{account[1]}",)
            implied: tuple[str, ...] = ("system:serviceaccounts", *spaces) if not groups else ()
        else:
            self._may_act(user, "users", name)
            implied = ()
        for group in groups:
            self._may_act(user, "groups", group)
        wanted = (*groups, *implied)
        if name != ANONYMOUS.name and AUTHENTICATED not in wanted:
            wanted = (*wanted, AUTHENTICATED)
        return UserInfo(name, groups=wanted or ANONYMOUS.groups)

    def _may_act(self, user: UserInfo, resource: str, name: str, namespace: str = "") -> None:
        assert self._authorize is not None
        asked = RequestInfo(
            "impersonate", "", user, "", "v1", resource, namespace=namespace, name=name
        )
        allowed, reason = self._authorize(asked)
        if not allowed:
            raise forbidden(asked, reason)


def certificate_user(certificate: Certificate, now: datetime) -> UserInfo | None:
    """CN is the user, each O a group; None outside of its dates, or without a CN."""
    name = certificate.subject.common_name
    if not name or not certificate.not_before <= now <= certificate.not_after:
        return None
    extra = {_CREDENTIAL_ID: (f"X509SHA256={certificate.fingerprint}",)}
    return UserInfo(name, groups=(*certificate.subject.organizations, AUTHENTICATED), extra=extra)


def _bearer(value: str) -> str | None:
    """The token in an Authorization header; None if it holds none."""
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _all_of(headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Every value of a header that may come several times; a multidict has them all among its items."""
    return tuple(value for key, value in headers.items() if key.lower() == name)


def _plain(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (ValueError, binascii.Error):
        return ""
