"""Leader election with a Lease, as in client-go (tools/leaderelection/leaderelection.go).

- Another holder's Lease is valid until this process has seen it unchanged for the Lease's duration,
  by its own monotonic clock. Clocks of two machines are never compared.
- Each write carries the resourceVersion that was read, so the server rejects one of two concurrent
  writers.
- A leader leads for RENEW_DEADLINE after the *start* of its last renewal. A process that was paused
  (SIGSTOP, a paused VM) checks its clock before it writes, and sees that it no longer leads.

Unlike client-go, a process that lost the Lease continues as a candidate.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.decode import RawObject
from kubevouch.kube.errors import ApiUnreachable, Conflict, KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import LEASES, Lease, LeaseSpec, micro_time

LEASE_DURATION: Final = 15
"""Seconds without a renewal, after which a candidate may take the Lease."""
RENEW_DEADLINE: Final = 10.0
RETRY_PERIOD: Final = 2.0
UNFIT_PERIOD: Final = 0.5
"""Seconds between two calls of `fit` while it returns False. Calling `fit` sends no request."""

_JITTER: Final = 1.2
_LONGEST_CALL: Final = 5.0
"""The time-out in seconds of an attempt, which may send several requests. It leaves time for a
second attempt before the Lease expires."""


def lease_spec(
    holder: str,
    transitions: int,
    now: datetime,
    acquired: datetime | None = None,
    seconds: int = LEASE_DURATION,
) -> dict[str, Any]:
    """The spec of a Lease. holder: "" releases the Lease. acquired: the acquireTime; None for `now`."""
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": micro_time(acquired or now),
        "renewTime": micro_time(now),
        "leaseTransitions": transitions,
    }


class Election:
    """A candidate in a leader election. To stop, cancel `run`, then call `release`.

    name: the Lease's name. identity: unique to this process. report: called with each failure.
    changed: called when this process starts or stops leading. fit: whether this process may lead;
    if not, it neither takes nor renews the Lease. rng: returns a random number in [0, 1).
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        name: str,
        namespace: str,
        identity: str,
        clock: Clock,
        rng: Callable[[], float],
        report: Callable[[KubevouchError], None] = lambda _: None,
        changed: Callable[[bool], None] = lambda _: None,
        fit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = api
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._report = report
        self._changed = changed
        self._fit = fit
        self._raw: RawObject[Lease] | None = None
        self._seen = LeaseSpec()
        self._seen_at = 0.0
        """When the Lease's current state was first seen, by the monotonic clock."""
        self._led_until: float | None = None
        self._was_leading = False

    def is_leading(self) -> bool:
        """Whether this process leads right now. Call this immediately before every write."""
        return self._led_until is not None and self._clock.monotonic() < self._led_until

    @property
    def leader(self) -> str:
        """The last seen holder of the Lease, or ""."""
        return self._seen.holder_identity

    async def run(self) -> None:
        """Tries to acquire and renew the Lease, until cancelled."""
        while True:
            await self._clock.sleep(await self.attempt())

    async def attempt(self) -> float:
        """Tries once to acquire or renew the Lease. Returns the seconds until the next try."""
        self._tell()
        if not self._fit():
            return UNFIT_PERIOD
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(_LONGEST_CALL):
                won = await self._try()
        except TimeoutError:
            seen = f"did not answer a request for the Lease within {_LONGEST_CALL:g} seconds"
            where, won = self._api.access.server, False
            self._report(ApiUnreachable(where, seen))
        except KubevouchError as error:
            won = False
            self._raw = None
            self._report(error)
        if won:
            self._led_until = began + RENEW_DEADLINE
        self._tell()
        # A leader returns in time; candidates return at random times (client-go's JitterFactor).
        return RETRY_PERIOD if self.is_leading() else RETRY_PERIOD * (1 + _JITTER * self._rng())

    async def release(self) -> None:
        """Releases the Lease, so that another process can lead at once.

        Stop everything that writes as the leader first.
        """
        led, self._led_until = self._led_until, None
        self._tell()
        if led is None:
            return
        try:
            async with asyncio.timeout(_LONGEST_CALL):
                raw = await self._api.get_raw(LEASES, self._name, self._namespace)
                self._observe(raw)
                if self._seen.holder_identity == self._identity:
                    number = self._seen.lease_transitions
                    given_back = lease_spec("", number, self._clock.now(), seconds=1)
                    await self._write(raw, given_back)
        except TimeoutError:
            return  # the others wait for the Lease's duration
        except KubeError as error:
            self._report(error)

    def _tell(self) -> None:
        leading = self.is_leading()
        if leading is not self._was_leading:
            self._was_leading = leading
            self._changed(leading)

    async def _try(self) -> bool:
        """Acquires or renews the Lease. Returns whether we hold it. Raises KubevouchError."""
        if self._raw is not None and self.is_leading():
            try:
                await self._write(self._raw, self._our_spec(self._seen))
            except Conflict:
                pass  # another process has written it: read it
            else:
                return True
        try:
            raw = await self._api.get_raw(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._create()
        self._observe(raw)
        holder = self._seen.holder_identity
        if holder not in {"", self._identity} and not self._has_run_out():
            return False
        try:
            await self._write(raw, self._our_spec(self._seen))
        except Conflict:
            return False
        return True

    def _observe(self, raw: RawObject[Lease]) -> None:
        spec = raw.read().spec
        self._raw = raw
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock.monotonic()

    def _has_run_out(self) -> bool:
        return self._clock.monotonic() - self._seen_at >= self._seen.lease_duration_seconds

    async def _create(self) -> bool:
        spec = lease_spec(self._identity, 0, self._clock.now())
        body = {"metadata": {"name": self._name}, "spec": spec}
        try:
            await self._api.create(LEASES, body, self._namespace)
        except Conflict:
            return False  # another process was faster
        self._raw = None  # it is read before its renewal
        return True

    async def _write(self, raw: RawObject[Lease], spec: dict[str, Any]) -> None:
        whole = raw.whole()
        # Unknown fields stay as they are (strategy, preferredHolder).
        body = {**whole, "spec": {**(whole.get("spec") or {}), **spec}}
        self._observe(await self._api.replace(raw, body))

    def _our_spec(self, found: LeaseSpec) -> dict[str, Any]:
        """The new spec for a Lease that this process takes or renews. found: its current spec."""
        number, acquired = found.lease_transitions + 1, None
        if found.holder_identity == self._identity:
            number, acquired = found.lease_transitions, found.acquire_time
        return lease_spec(self._identity, number, self._clock.now(), acquired)
