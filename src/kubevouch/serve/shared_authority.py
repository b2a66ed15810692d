"""A serving certificate that this process makes itself, and makes anew in time, signed by an authority that replicas share.

The authority lies in a Secret, and is made once, by the replica that finds the Secret empty. Each APIService that leads to the server
has its certificate before anything that it has signed is served, and gets it again if somebody takes it out. What other authorities
of the caBundle have signed is not cut off: only what has expired is removed.
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
"""Of an authority's life; then another one takes its place."""
_KEPT: Final = 3
"""Authorities in a bundle, at most, beside the newest."""
_ATTEMPTS: Final = 5


class SharedAuthorityError(KubevouchError):
    """The Secret is not there: make an empty one, as the chart does."""


@dataclass(frozen=True, slots=True)
class AuthorityPlace:
    """The Secret, the APIServices that may lead to the server, the indispensable one first, and the names that certificates are for."""

    namespace: str
    secret: str
    api_services: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def where(self) -> str:
        """The Secret, for texts."""
        return f"Secret {self.namespace}/{self.secret}"


@dataclass(frozen=True, slots=True)
class _Signed:
    """A pair, the authority that signed it, and when the next one is due."""

    pair: KeyPair
    authority: KeyPair
    due: datetime


class SharedAuthority:
    """Where a serving pair comes from: `refresh` looks at the authority, `read` signs by it, `run` watches the APIServices.

    The next pair follows at half of the life of one, or when the authority changes. A new authority signs from the look after
    the one that has written it into the APIServices: by then every API server knows it.
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
        """The newest that the APIServices were looked at for."""
        self._signing: KeyPair | None = None
        self._signed: _Signed | None = None
        self._barred: set[str] = set()
        """The APIServices that were forbidden at the start, and still are. What signs does not wait for them."""

    @property
    def where(self) -> str:
        """The Secret."""
        return self.place.where

    def read(self) -> KeyPair:
        """The current serving pair, after the first `refresh`. Raises X509Error."""
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
        """Reads the Secret, or fills it, and has the API server verify by it: every APIService is told before an error is raised.

        Raises KubevouchError; what was there stays in use.
        """
        found = await self._shared()
        if found != self._written:
            self._check(found)
        errors = []
        for name in self.place.api_services:
            try:
                await self._tell(await self._api_service(name), found)
                self._barred.discard(name)
            except KubevouchError as error:
                if not self._may_do_without(name, error):
                    errors.append(error)
        if errors:
            raise errors[0]
        if self._signing is None or found == self._written:
            self._signing = found
        self._written = found

    def _may_do_without(self, name: str, error: KubevouchError) -> bool:
        """Whether rights that never reached so far, as of an older installation, are no reason to serve nobody at all."""
        if name == self.place.api_services[0] or not isinstance(error, Forbidden):
            return False
        if self._signing is None and name not in self._barred:
            self._barred.add(name)
            text = "Continuing without this APIService, which has to verify by the authority"
            self._log.warning(text, name=name, err=error)
        return name in self._barred

    def _check(self, authority: KeyPair) -> None:
        """Raises X509Error unless what it signs now verifies by it, for every name."""
        now, where = self._clock.now(), self.where
        [own, *_] = read_certificates(authority.chain, where)
        [leaf] = read_certificates(self._sign(authority, now).pair.chain, where)
        for name in self.place.names:
            verdict = verify(leaf, intermediates=(), roots=(own,), name=name, at=now)
            if not verdict.trusted:
                raise X509Error(where, f"what its authority signs is refused: {verdict.go_text}")

    async def run(self) -> None:
        """Writes the authority into an APIService again as soon as somebody takes it out. Without end; an error is logged."""
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
                    await self._tell(event.object, self._written)
                except KubevouchError as error:
                    report(error)

    async def _shared(self) -> KeyPair:
        """The authority in the Secret. One that is missing, or near its end, is made by whoever writes first; the others read it."""
        place = self.place
        for _ in range(_ATTEMPTS):
            try:
                found = await self._api.get(AUTHORITY_SECRETS, place.secret, place.namespace)
            except NotFound:
                expected = "an empty one was expected, which this server fills"
                raise SharedAuthorityError(place.where, "is not there", expected) from None
            data, now = found.data, self._clock.now()
            if data.certificate or data.key:
                authority = read_certificates(data.certificate, place.where)[0]
                if life_used(authority, now) < _USED:
                    return KeyPair(data.certificate, data.key)
            try:
                return await self._fill(found.metadata.resource_version, now)
            except Conflict:
                continue
        raise SharedAuthorityError(
            place.where, "changes all the time", "one authority was expected"
        )

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
        self._log.info("Made an authority", secret=f"{place.namespace}/{place.secret}")
        return KeyPair(made.chain_pem, made.key_pem)

    async def _api_service(self, name: str) -> APIService | None:
        try:
            return await self._api.get(API_SERVICES, name)
        except NotFound:
            return None

    async def _tell(self, found: APIService | None, pair: KeyPair) -> None:
        """Has the API server verify this server by the authority, if it asks this one and verifies at all.

        insecureSkipTLSVerify is an operator's own word, and the two exclude each other.
        """
        [own, *_] = read_certificates(pair.chain, self.place.where)
        for _ in range(_ATTEMPTS):
            if found is None or found.spec.service is None or found.spec.insecure_skip_tls_verify:
                return
            service = f"{found.spec.service.name}.{found.spec.service.namespace}.svc"
            if service not in self.place.names:
                return
            bundle = _with(found.spec.ca_bundle, own, self._clock.now())
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
            self._log.info("Wrote the authority into the APIService", name=found.name)
            return


def _with(bundle: bytes, own: Certificate, now: datetime) -> bytes | None:
    """The bundle with this authority in front of those that have not expired; None if it is there. What cannot be read counts as nothing."""
    try:
        there = read_certificates(bundle, "caBundle")
    except X509Error:
        there = ()
    if own.der in (each.der for each in there):
        return None
    return write_certificates((own, *[each for each in there if now < each.not_after][:_KEPT]))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
