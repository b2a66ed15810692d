"""The engine that keeps a certificate: when it asks, how long it waits, how often it tries again.

client-go util/certificate/certificate_manager.go and csr/csr.go. What there looks once a second whether the template has
changed is told here when it does: a year of a test's clock is no thirty million looks.
"""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.ending import ended
from kubevouch_lab.kubelets.api import Api, ApiError
from kubevouch_lab.kubelets.csr import PATH, Template, request_object, signed
from kubevouch_lab.kubelets.key_pairs import BadPair, CertificateStore, NoPair
from kubevouch_lab.kubelets.log import Log
from kubevouch_lab.objects import Object, name_of, status_of, uid_of
from kubevouch_lab.pki import KeyPair
from kubevouch_lab.rng import Entropy

WAIT: Final = 15 * 60.0
"""Seconds for which one request is waited for."""
BACK_OFF: Final = (2.0, 4.0, 8.0, 16.0)
POLL: Final = 32.0
_SOURCE: Final = "certificate_manager.go"


class NotSigned(Exception):
    """An attempt has ended without a certificate."""


class Rotation:
    """Keeps the pair of one store. `current` is what is to be presented; `run` never ends by itself."""

    def __init__(
        self,
        store: CertificateStore,
        signer: str,
        *,
        template: Callable[[], Template | None],
        clock: Clock,
        entropy: Entropy,
        log: Log,
        renewed: Callable[[KeyPair], Awaitable[None]] | None = None,
    ) -> None:
        self.asked_for: str = ""
        """The request that is waited for; "" while none is."""
        self._store = store
        self._signer = signer
        self._template = template
        self._clock = clock
        self._entropy = entropy
        self._log = log
        self._renewed = renewed
        self._changed = asyncio.Event()
        self._last: Template | None = None
        self._pair: KeyPair | None = None
        self._life: tuple[datetime, datetime] | None = None

    def load(self) -> None:
        """Reads the store, at the start. Raises BadPair."""
        try:
            self._keep(self._store.current())
        except NoPair:
            return

    @property
    def current(self) -> KeyPair | None:
        """The pair; None before there is one, and once it has expired: an expired one is not served."""
        if self._life is None or self._clock.now() > self._life[1]:
            return None
        return self._pair

    @property
    def not_after(self) -> datetime | None:
        """When the certificate that is held ends; None without one."""
        return self._life[1] if self._life else None

    def look_again(self) -> None:
        """The template may have changed: an attempt for another one is given up, and a new one begun."""
        self._changed.set()

    def deadline(self) -> datetime:
        """When to ask next: drawn anew at each call, between 70 and 90 % of the life."""
        template, now = self._template(), self._clock.now()
        if self._pair is None or self._life is None:
            return now
        if template is not None and template.fault(self._pair.leaf):
            return now
        begins, ends = self._life
        return begins + (ends - begins) * (0.7 + 0.2 * share(self._entropy))

    async def run(self, api: Callable[[], Api]) -> None:
        """Asks and waits, for ever. api: whom to ask as; called for each attempt."""
        while True:
            left = (self.deadline() - self._clock.now()).total_seconds()
            if left > 0 and await self._changed_within(left):
                continue
            if self._template() is None:
                await self._wait_for_template()
                continue
            await self._with_back_off(api)

    async def _with_back_off(self, api: Callable[[], Api]) -> None:
        for pause in (*BACK_OFF, None):
            if await self._attempt(api()):
                return
            if pause is not None:
                await self._clock.sleep(pause * (1 + 0.1 * share(self._entropy)))
        why = "timed out waiting for the condition"
        self._log.err(
            f"{_SOURCE}:356", "Reached backoff limit, still unable to rotate certs", err=why
        )
        while True:
            await self._clock.sleep(POLL)
            if await self._attempt(api()):
                return

    async def _attempt(self, api: Api) -> bool:
        template = self._template()
        if template is None:
            return False
        request, key = signed(template)
        self._last = template
        self._changed.clear()
        try:
            made = await api.ask("POST", PATH, request_object(request, self._signer))
        except ApiError as error:
            what = "Failed while requesting a signed certificate from the control plane"
            return self._failed(f"{_SOURCE}:457", what, error.text)
        name, uid = name_of(made), uid_of(made)
        self.asked_for = name
        try:
            chain = await self._signed(api, name, uid)
        except NotSigned as error:
            return self._failed(f"{_SOURCE}:473", "Certificate request was not signed", str(error))
        finally:
            self.asked_for = ""
        try:
            pair = self._store.update(chain, key, self._clock.now())
        except (BadPair, OSError) as error:
            return self._failed(
                f"{_SOURCE}:480", "Unable to store the new cert/key pair", str(error)
            )
        self._keep(pair)
        if self._renewed is not None:
            await self._renewed(pair)
        return True

    def _failed(self, source: str, what: str, why: str) -> bool:
        self._log.err(source, what, logger=self._signer, err=why)
        return False

    def _keep(self, pair: KeyPair) -> None:
        leaf = pair.leaf
        self._pair = pair
        self._life = (leaf.not_valid_before_utc, leaf.not_valid_after_utc)

    def _fits(self) -> bool:
        template = self._template()
        return template is None or self._pair is None or not template.fault(self._pair.leaf)

    async def _signed(self, api: Api, name: str, uid: str) -> bytes:
        """The certificate, once it is approved and issued.

        Raises:
            NotSigned: it was denied, it failed, it is gone, the time is over, or another one is wanted.
        """
        follow = asyncio.ensure_future(self._follow(api, name, uid))
        over = asyncio.ensure_future(self._clock.sleep(WAIT))
        changed = asyncio.ensure_future(self._another_wanted())
        try:
            await asyncio.wait((follow, over, changed), return_when=asyncio.FIRST_COMPLETED)
            if follow.done():
                return follow.result()
            raise NotSigned(
                "context canceled" if changed.done() else "timed out waiting for the condition"
            )
        finally:
            await ended((follow, over, changed))

    async def _follow(self, api: Api, name: str, uid: str) -> bytes:
        """List, then watch, then again: as long as it takes."""
        selected = {"fieldSelector": f"metadata.name={name}"}
        while True:
            try:
                listed = await api.ask("GET", PATH, query=selected)
                items = listed.get("items") or []
                if not items:
                    raise NotSigned(f'csr "{name}" was deleted')
                if chain := _issued(items[0], name, uid):
                    return chain
                since = {"resourceVersion": str(listed["metadata"].get("resourceVersion", ""))}
                async for kind, seen in api.watch(PATH, selected | since):
                    if kind == "DELETED":
                        raise NotSigned(f'csr "{name}" was deleted')
                    if kind in {"ADDED", "MODIFIED"} and (chain := _issued(seen, name, uid)):
                        return chain
                    if kind == "ERROR":
                        break
            except ApiError:
                pass
            await self._clock.sleep(1.0)

    async def _another_wanted(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            template = self._template()
            if template is not None and template != self._last and not self._fits():
                return

    async def _wait_for_template(self) -> None:
        while self._template() is None:
            await self._changed.wait()
            self._changed.clear()

    async def _changed_within(self, seconds: float) -> bool:
        """Sleeps so long, or until another certificate is wanted: then True."""
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        changed = asyncio.ensure_future(self._another_wanted())
        try:
            await asyncio.wait((slept, changed), return_when=asyncio.FIRST_COMPLETED)
            return changed.done()
        finally:
            await ended((slept, changed))


def _issued(request: Object, name: str, uid: str) -> bytes:
    """The certificate of an approved request, b"" until it is issued. Raises NotSigned for a decision against it."""
    if uid_of(request) != uid:
        raise NotSigned(f'csr "{name}" changed UIDs')
    status = status_of(request)
    approved = False
    for condition in status.get("conditions") or ():
        said = f"reason: {condition.get('reason', '')}, message: {condition.get('message', '')}"
        if condition["type"] == "Denied":
            raise NotSigned(f"certificate signing request is denied, {said}")
        if condition["type"] == "Failed":
            raise NotSigned(f"certificate signing request failed, {said}")
        approved = approved or condition["type"] == "Approved"
    return b64decode(status["certificate"]) if approved and status.get("certificate") else b""


def share(entropy: Entropy) -> float:
    """A random number in [0, 1)."""
    return int.from_bytes(entropy(6)) / 2**48
