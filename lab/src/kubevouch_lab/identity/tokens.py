"""Service accounts' tokens: issued by TokenRequest, and judged when they come back.

Sources: pkg/serviceaccount/{claims,jwt,util}.go and pkg/registry/core/serviceaccount/storage/token.go in Kubernetes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import NODES, PODS, SERVICE_ACCOUNTS, Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import AUTHENTICATED, RequestInfo, UserInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity import jwt
from kubevouch_lab.objects import Object, name_of, uid_of
from kubevouch_lab.rng import Entropy, uids

ISSUER = "https://kubernetes.default.svc.cluster.local"
_EXTRA = "authentication.kubernetes.io/"
_SHORTEST, _DEFAULT, _LONGEST = 600, 3600, 1 << 32
_POD_TOKEN, _POD_TOKEN_LIFE = 3607, 365 * 24 * 3600
"""Kubelets of old may not refresh what they asked 3607 s for: it lives a year, and is warned of after that."""


@dataclass(frozen=True)
class InvalidToken(Exception):
    """Why a token is not good, in Kubernetes' words. TokenReview tells them, a 401 does not."""

    why: str


class Tokens:
    """The issuer and the judge. key: the cluster's sa.key."""

    def __init__(
        self,
        store: Store,
        *,
        key: rsa.RSAPrivateKey,
        clock: Clock,
        entropy: Entropy,
        issuer: str = ISSUER,
    ) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._entropy = entropy
        self.issuer = issuer
        self.ends: Callable[[str], bool] = lambda _: False
        """Whether a pod of this UID is gone though what ran in it has not ended yet: a real one is there until then."""

    def requested(self, info: RequestInfo, body: Object) -> Object:
        """Answers POST .../serviceaccounts/<name>/token: the TokenRequest with its status. 404, 409, 422."""
        account = self._store.get(SERVICE_ACCOUNTS, info.name, info.namespace)
        spec = dict(body.get("spec") or {})
        seconds = spec.get("expirationSeconds") or _DEFAULT
        if not isinstance(seconds, int) or not _SHORTEST <= seconds <= _LONGEST:
            text = "Invalid value: {}: may not specify a duration {} than {}"
            limit = ("less", "10 minutes") if seconds < _SHORTEST else ("larger", "2^32 seconds")
            cause = ("FieldValueInvalid", "spec.expirationSeconds", text.format(seconds, *limit))
            raise status.invalid("authentication.k8s.io", "TokenRequest", info.name, [cause])
        bound = self._bound(info, spec.get("boundObjectRef"))
        now = int(self._clock.now().timestamp())
        life = _POD_TOKEN_LIFE if seconds == _POD_TOKEN and "pod" in bound else seconds
        audiences = spec.get("audiences") or [self.issuer]
        claims = {
            "aud": audiences,
            "exp": now + life,
            "iat": now,
            "iss": self.issuer,
            "jti": uids(self._entropy)(),
            "kubernetes.io": {
                "namespace": info.namespace,
                **bound,
                "serviceaccount": _named(account),
                **({"warnafter": now + seconds} if life != seconds else {}),
            },
            "nbf": now,
            "sub": f"system:serviceaccount:{info.namespace}:{info.name}",
        }
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {
                "name": info.name,
                "namespace": info.namespace,
                "creationTimestamp": moment(self._clock.now()),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {
                "token": jwt.signed(claims, self._key),
                "expirationTimestamp": moment(self._clock.now() + timedelta(seconds=seconds)),
            },
        }

    def user(self, token: str, audiences: tuple[str, ...] = ()) -> UserInfo | None:
        """Whose token it is; None if it is none of ours. Raises InvalidToken for one that is no longer good."""
        claims = jwt.verified(token, self._key.public_key())
        if claims is None or claims.get("iss") != self.issuer:
            return None
        try:
            return self._judged(claims, audiences or (self.issuer,))
        except (KeyError, TypeError, AttributeError):
            raise InvalidToken("invalid bearer token, Token could not be validated.") from None

    def _judged(self, claims: Object, audiences: tuple[str, ...]) -> UserInfo:
        now = self._clock.now().timestamp()
        if now > claims["exp"]:
            raise InvalidToken("service account token has expired")
        if now < claims["nbf"]:
            raise InvalidToken("service account token is not valid yet")
        if not set(audiences) & set(claims["aud"]):
            text = f"token audiences {_listed(claims['aud'])} is invalid for the target audiences"
            raise InvalidToken(f"{text} {_listed(audiences)}")
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        self._check(SERVICE_ACCOUNTS, account, namespace, "service account token")
        extra = {f"{_EXTRA}credential-id": (f"JTI={claims['jti']}",)}
        if "pod" in about:
            self._check(PODS, about["pod"], namespace, "service account token")
        for word in ("node", "pod"):
            if word in about:
                extra[f"{_EXTRA}{word}-name"] = (about[word]["name"],)
                extra[f"{_EXTRA}{word}-uid"] = (about[word].get("uid", ""),)
        name = account["name"]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        full = f"system:serviceaccount:{namespace}:{name}"
        return UserInfo(full, account.get("uid", ""), groups, extra)

    def _check(self, kind: Kind, named: Object, namespace: str, what: str) -> None:
        found = self._store.find(kind, named["name"], namespace)
        if kind is PODS and self.ends(str(named.get("uid"))):
            return
        if found is None or found["metadata"].get("uid") != named.get("uid"):
            raise InvalidToken(f"{what} has been invalidated")

    def _bound(self, info: RequestInfo, reference: Object | None) -> Object:
        if not reference:
            return {}
        if (reference.get("apiVersion"), reference.get("kind")) != ("v1", "Pod"):
            raise status.bad_request(
                f'cannot bind token for serviceaccount "{info.name}" to object type {reference.get("kind")}: '
                "a kubevouch lab binds tokens only to pods"
            )
        name = reference.get("name", "")
        found = self._store.get(PODS, name, info.namespace)
        uid = reference.get("uid")
        if uid and uid != uid_of(found):
            why = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise status.conflict("", "pods", name, why)
        account = found["spec"].get("serviceAccountName") or "default"
        if account != info.name:
            raise status.bad_request(
                f'cannot bind token for serviceaccount "{info.name}" to pod running with '
                f'different serviceaccount name "{account}"'
            )
        bound = {"pod": _named(found)}
        node = self._store.find(NODES, found["spec"].get("nodeName", ""))
        return bound | ({"node": _named(node)} if node else {})


def _named(thing: Object) -> Object:
    return {"name": name_of(thing), "uid": uid_of(thing)}


def _listed(words: object) -> str:
    """A list of strings as Go's %q prints it."""
    assert isinstance(words, list | tuple)
    return "[" + " ".join(f'"{word}"' for word in words) + "]"
