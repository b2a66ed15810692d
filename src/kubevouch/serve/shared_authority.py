"""A serving certificate that each replica issues and renews itself, signed by a CA that all replicas share.

The CA is in a Secret. The replica that finds the Secret empty creates the CA. Each APIService for
this server gets the CA before the server uses a certificate signed by it, and gets it again if it
is removed. Other CAs in the caBundle stay trusted until they expire.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import Conflict, Forbidden, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Upserted, Watch
from kubevouch.kube.resources import API_SERVICES, AUTHORITY_SECRETS, APIService
from kubevouch.serve.logs import Log
from kubevouch.tls.io.context import KeyPair
from kubevouch.x509 import (
    Certificate,
    X509Error,
    life_used,
    new_authority,
    read_certificates,
    signed_serving_pair,
    verify,
    write_certificates,
)

_LIFETIME: Final = timedelta(days=3650)
_LEAF_LIFETIME: Final = timedelta(days=30)
_USED: Final = 0.8
"""The fraction of a CA's lifetime after which a new CA replaces it."""
_KEPT: Final = 3
"""The maximum number of older CAs in a caBundle."""
_ATTEMPTS: Final = 5


class SharedAuthorityError(KubevouchError):
    """The CA's Secret changes too often, or is missing: create an empty one, as the chart does."""


@dataclass(frozen=True, slots=True)
class AuthorityPlace:
    """The Secret with the CA, the APIServices for this server (the required one first), and the SANs of its certificates."""

    namespace: str
    secret: str
    api_services: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def where(self) -> str:
        """The Secret, for error messages."""
        return f"Secret {self.namespace}/{self.secret}"


@dataclass(frozen=True, slots=True)
class _Signed:
    """A pair, the CA that signed it, and when to renew the pair."""

    pair: KeyPair
    authority: KeyPair
    due: datetime


class SharedAuthority:
    """A source of serving pairs: `refresh` reads the CA, `read` signs a pair, `run` watches the APIServices.

    A pair is renewed after half of its lifetime, or when the CA changes. A refresh that finds
    another CA only writes it into the APIServices. Pairs are signed with it after the next refresh,
    when every API server knows the CA.
    """

    def __init__(
        self,
        place: AuthorityPlace,
        api: ApiClient,
        log: Log,
        *,
        random_serial: Callable[[int], int],
        rng: Callable[[], float],
    ) -> None:
        self.place = place
        self._api = api
        self._clock = api.server_clock
        self._log = log
        self._random_serial = random_serial
        self._rng = rng
        self._written: KeyPair | None = None
        """The newest CA that the APIServices have, from us or from another replica."""
        self._signing: KeyPair | None = None
        self._signed: _Signed | None = None
        self._forbidden: set[str] = set()
        """APIServices that RBAC has not let us change since the start. Signing does not wait for
        them."""

    @property
    def where(self) -> str:
        """The Secret, for error messages."""
        return self.place.where

    def read(self) -> KeyPair:
        """The current serving pair. Call `refresh` once before. Raises X509Error."""
        authority, now, found = self._signing, self._clock.now(), self._signed
        assert authority is not None
        if found is None or found.authority != authority or now >= found.due:
            found = self._signed = self._sign(authority, now)
        return found.pair

    def _sign(self, authority: KeyPair, now: datetime) -> _Signed:
        made = signed_serving_pair(
            read_certificates(authority.chain, self.where)[0],
            authority.key,
            self.place.names,
            now=now,
            lifetime=_LEAF_LIFETIME,
            serial=self._random_serial(62) or 1,
            where=self.where,
        )
        pair = KeyPair(made.chain_pem, made.key_pem)
        return _Signed(pair, authority, now + (made.not_after - now) / 2)

    async def refresh(self) -> None:
        """Reads the Secret, or creates the CA, and updates every APIService.

        Raises KubevouchError, and then keeps the previous CA. If APIServices cannot be updated, raises
        the first error after the others have been updated.
        """
        found = await self._shared_ca()
        if found != self._written:
            self._check(found)
        errors = []
        for name in self.place.api_services:
            try:
                await self._write_ca(await self._api_service(name), found)
                self._forbidden.discard(name)
            except KubevouchError as error:
                if not self._may_skip(name, error):
                    errors.append(error)
        if errors:
            raise errors[0]
        if self._signing is None or found == self._written:
            self._signing = found
        self._written = found

    def _may_skip(self, name: str, error: KubevouchError) -> bool:
        """Whether to continue although the CA could not be written into this APIService.

        True for all but the first APIService if RBAC has forbidden the change since the start, as
        in older installations.
        """
        if name == self.place.api_services[0] or not isinstance(error, Forbidden):
            return False
        if self._signing is None and name not in self._forbidden:
            self._forbidden.add(name)
            text = "Not allowed to write the CA into this APIService; skipping it"
            self._log.warning(text, name=name, err=error)
        return name in self._forbidden

    def _check(self, authority: KeyPair) -> None:
        """Raises X509Error unless certificates signed by this CA verify for every name."""
        now, where = self._clock.now(), self.where
        [own, *_] = read_certificates(authority.chain, where)
        [leaf] = read_certificates(self._sign(authority, now).pair.chain, where)
        for name in self.place.names:
            verdict = verify(leaf, intermediates=(), roots=(own,), name=name, at=now)
            if not verdict.trusted:
                raise X509Error(where, f"certificates from its CA do not verify: {verdict.go_text}")

    async def run(self) -> None:
        """Writes the CA into an APIService again as soon as somebody removes it.

        Runs forever; errors are logged.
        """
        async with asyncio.TaskGroup() as group:
            for name in self.place.api_services:
                group.create_task(self._watch(name))

    async def _watch(self, name: str) -> None:
        def report(error: KubevouchError) -> None:
            self._log.error(error, "Failed to watch the APIService", name=name)

        watch = Watch(
            self._api,
            API_SERVICES,
            clock=self._clock,
            rng=self._rng,
            report=report,
            field_selector=f"metadata.name={name}",
        )
        async for event in watch.events():
            if isinstance(event, Upserted) and self._written is not None:
                try:
                    await self._write_ca(event.object, self._written)
                except KubevouchError as error:
                    report(error)

    async def _shared_ca(self) -> KeyPair:
        """The CA in the Secret.

        If the CA is missing or nearly expired, one replica creates a new one, and the others read
        it.
        """
        place = self.place
        for _ in range(_ATTEMPTS):
            try:
                found = await self._api.get(AUTHORITY_SECRETS, place.secret, place.namespace)
            except NotFound:
                expected = "expected an empty Secret, which this server fills"
                raise SharedAuthorityError(place.where, "does not exist", expected) from None
            data, now = found.data, self._clock.now()
            if data.certificate or data.key:
                authority = read_certificates(data.certificate, place.where)[0]
                if life_used(authority, now) < _USED:
                    return KeyPair(data.certificate, data.key)
            try:
                return await self._fill(found.metadata.resource_version, now)
            except Conflict:
                continue
        raise SharedAuthorityError(place.where, "changes too often", "expected one CA")

    async def _fill(self, version: str, now: datetime) -> KeyPair:
        place = self.place
        made = new_authority(
            f"{place.secret}@{int(now.timestamp())}",
            now=now,
            lifetime=_LIFETIME,
            serial=self._random_serial(62) or 1,
        )
        data = {"ca.crt": _base64(made.chain_pem), "ca.key": _base64(made.key_pem)}
        await self._api.patch(
            AUTHORITY_SECRETS,
            place.secret,
            {"data": data},
            place.namespace,
            resource_version=version,
        )
        self._log.info("Created a CA", secret=f"{place.namespace}/{place.secret}")
        return KeyPair(made.chain_pem, made.key_pem)

    async def _api_service(self, name: str) -> APIService | None:
        try:
            return await self._api.get(API_SERVICES, name)
        except NotFound:
            return None

    async def _write_ca(self, found: APIService | None, pair: KeyPair) -> None:
        """Writes the CA into the APIService, so that the API server verifies this server.

        Does nothing if the APIService is for another server, or has insecureSkipTLSVerify, which
        excludes a caBundle.
        """
        [own, *_] = read_certificates(pair.chain, self.place.where)
        for _ in range(_ATTEMPTS):
            if found is None or found.spec.service is None or found.spec.insecure_skip_tls_verify:
                return
            service = f"{found.spec.service.name}.{found.spec.service.namespace}.svc"
            if service not in self.place.names:
                return
            bundle = _bundle_with(found.spec.ca_bundle, own, self._clock.now())
            if bundle is None:
                return
            try:
                await self._api.patch(
                    API_SERVICES,
                    found.name,
                    {"spec": {"caBundle": _base64(bundle)}},
                    resource_version=found.metadata.resource_version,
                )
            except Conflict:
                found = await self._api_service(found.name)
                continue
            self._log.info("Wrote the CA into the APIService", name=found.name)
            return


def _bundle_with(bundle: bytes, own: Certificate, now: datetime) -> bytes | None:
    """The caBundle with this CA in front; None if it already contains this CA.

    Keeps at most _KEPT other CAs, and no expired ones. An unreadable bundle counts as empty.
    """
    try:
        there = read_certificates(bundle, "caBundle")
    except X509Error:
        there = ()
    if own.der in (each.der for each in there):
        return None
    return write_certificates((own, *[each for each in there if now < each.not_after][:_KEPT]))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
