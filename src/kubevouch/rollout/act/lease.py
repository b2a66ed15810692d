"""The Lease that lets one run at a time write to a cluster, and its fencing number: nodes refuse calls from earlier holders.

As in client-go's leader election (`kube.io.lease`), a Lease expires if it does not change for its
duration, by our monotonic clock; a write fails if the Lease has changed since it was read. Unlike a
client-go candidate, a run that has lost the Lease never acquires it again, since its knowledge of
the nodes may be outdated.

The Lease lists the nodes that may be armed, and until when. An entry is written before the node is
armed. It stays until the node answers that it is no longer armed, or until its dead-man's switch
must have fired. Only `status`, `doctor` and messages use the list.

A run whose Lease was deleted has lost it, and a new Lease has a higher number. So anybody who may
delete the Lease can stop an unreachable run.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from kubevouch.clock import Clock
from kubevouch.evidence.run_holder import (
    ARMED,
    LEASE,
    NAME,
    NAMESPACE,
    ArmedNode,
    SeenLease,
    armed_text,
    seen_in,
)
from kubevouch.kube.decode import RawObject
from kubevouch.kube.errors import (
    ApiUnreachable,
    Conflict,
    KubeError,
    NotFound,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.lease import LEASE_DURATION, RETRY_PERIOD, lease_spec
from kubevouch.kube.resources import LEASES, Lease, LeaseSpec
from kubevouch.rollout.errors import NotTheHolder

_LONGEST_CALL = 5.0
"""The time limit of a renewal, in seconds."""
_SECONDS_OF_A_HOLD = 4
"""The fencing number is in leaseTransitions. It is at least the Unix time divided by this many
seconds, so it exceeds all earlier numbers, even after the Lease was deleted or the cluster was
restored from a backup. It fits into 32 bits until the year 2242."""
_FURTHEST = 10 * 365 * 24 * 3600 // _SECONDS_OF_A_HOLD
"""A Lease whose number exceeds the minimum by more than this was edited: its number is ignored."""
_LONGEST_BELIEVED = 60
"""The longest lease duration that counts, in seconds: a longer one counts as this. Ours is 15."""
_WAIT = "wait until that run ends"


class LeaseHold:
    """The Lease while we hold it; see `RunLease.held`."""

    def __init__(
        self, api: ApiClient, clock: Clock, raw: RawObject[Lease], say: Callable[[str], None]
    ) -> None:
        self._api = api
        self._clock = clock
        self._raw = raw
        self._ours = raw.read().spec
        self._say = say
        self.lost: NotTheHolder | None = None
        """Set once we know that the Lease is lost. Names the run that holds it now, if known."""
        self._writing = asyncio.Lock()
        found, run = _seen(raw, api).armed, self._ours.holder_identity.split(" ")[0]
        self.armed = {each.node: each for each in found if each.run == run}
        """Nodes whose dead-man's switch this run may have set, by name. Each renewal writes them.
        Times are by the API server's clock."""
        self._of_others = {each.node: each for each in found if each.run != run}
        """Nodes that other runs have left armed. An entry stays until its dead-man's switch must have fired."""

    @property
    def number(self) -> int:
        """The fencing number: higher than that of every earlier holder."""
        return self._ours.lease_transitions

    def may_be_armed(self, arms: ArmedNode) -> None:
        """Records a node whose dead-man's switch may be set, for the Lease's next renewal.

        `arms.due` is by this machine's clock.
        """
        due = arms.due - self._api.server_clock.own_is_ahead
        self.armed[arms.node] = replace(arms, due=due)

    async def confirm(self, arms: ArmedNode | None = None) -> None:
        """Renews the Lease now. Call this right before a write to the cluster or a node.

        arms: a node whose dead-man's switch the write may set, with `due` by this machine's clock.
        The renewal adds it to the Lease's list. If the renewal fails, it is not recorded.

        Raises:
            NotTheHolder: the Lease is lost for good.
            KubeError: the API server does not answer.
        """
        async with self._writing:
            self.check()
            before = dict(self.armed)
            if arms:
                self.may_be_armed(arms)
            try:
                async with asyncio.timeout(_LONGEST_CALL):
                    self.lost = await self._renewed()
            except (KubeError, TimeoutError) as error:
                self.armed = before
                if isinstance(error, KubeError):
                    raise
                seen = f"did not answer a request for {LEASE} within {_LONGEST_CALL:g} s"
                where = self._api.access.server
                raise ApiUnreachable(where, seen) from None
            self.check()

    def check(self) -> None:
        """Raises NotTheHolder if the Lease is known to be lost. Sends no request."""
        if self.lost:
            raise self.lost

    async def keep(self) -> None:
        """Renews the Lease every 2 s until it is lost."""
        while not self.lost:
            await self._clock.sleep(RETRY_PERIOD)
            try:
                await self.confirm()
            except NotTheHolder as lost:
                self._say(str(lost))
            except KubeError:
                continue  # `confirm` before the next write reports the error

    async def give_back(self) -> None:
        """Releases the Lease. If that fails, the next run waits until it expires."""
        if self.lost:
            return
        with contextlib.suppress(TimeoutError, KubeError):
            async with asyncio.timeout(_LONGEST_CALL):
                raw = await _read(self._api)  # a renewal may have been cut off
                if raw is not None and self._is_ours(raw):
                    number, now = self._ours.lease_transitions, self._api.server_clock.now()
                    await _write(
                        self._api, raw, lease_spec("", number, now, seconds=1), self._listed
                    )

    async def _renewed(self) -> NotTheHolder | None:
        """Writes the Lease with the current time. Returns why the Lease is lost; None if it is ours.

        Raises KubeError.
        """
        ours, now = self._ours, self._api.server_clock.now()
        record = lease_spec(ours.holder_identity, ours.lease_transitions, now, ours.acquire_time)
        try:
            self._raw = await _write(self._api, self._raw, record, self._listed)
        except (Conflict, NotFound):
            raw = await _read(self._api)
        else:
            return None
        if raw is None:
            return NotTheHolder(LEASE, "somebody has deleted the Lease: this run stops")
        if not self._is_ours(raw):
            seen = f"this run has lost the Lease and stops here: {_holder(raw, self._api)}"
            return NotTheHolder(LEASE, seen, run=_run_in(raw, self._api))
        self._raw = await _write(self._api, raw, record, self._listed)
        return None

    @property
    def _listed(self) -> Iterable[ArmedNode]:
        """The nodes to list in the Lease.

        Our own come first, since `armed_text` truncates a long list.
        """
        return {**self.armed, **self._of_others, **self.armed}.values()

    def _is_ours(self, raw: RawObject[Lease]) -> bool:
        found = raw.read().spec
        ours = self._ours.holder_identity, self._ours.lease_transitions
        return (found.holder_identity, found.lease_transitions) == ours


class RunLease:
    """Acquires the Lease for one process.

    identity: as in `RunHolder`; unique to each process. say: called with messages for the operator.
    The object remembers since when a holder has been silent, so `wait_until_free` and `held` may
    use different API clients.
    """

    def __init__(self, clock: Clock, identity: str, say: Callable[[str], None]) -> None:
        self._clock = clock
        self.identity = identity
        self._say = say
        self._seen, self._seen_at = LeaseSpec(), 0.0
        """Another holder's record, and when it was first seen, by the monotonic clock."""

    async def wait_until_free(self, api: ApiClient) -> RawObject[Lease] | None:
        """Waits until the Lease is free or has expired. Returns the Lease, or None if it does not exist.

        Raises:
            NotTheHolder: another run is in progress.
            KubeError: the API server does not answer, or we may not read the Lease.
        """
        while True:
            raw = await _read(api)
            spec = raw.read().spec if raw else LeaseSpec()
            if not spec.holder_identity:
                return raw
            now = self._clock.monotonic()
            if not self._seen.holder_identity:
                self._seen, self._seen_at = spec, now
                self._say(
                    f"{LEASE}: {_holder(raw, api)}; waiting up to {_believed_for(spec)} s for its renewal"
                )
            elif spec != self._seen:
                seen = f"another run is in progress: {_holder(raw, api)}"
                raise NotTheHolder(LEASE, seen, _WAIT, run=_run_in(raw, api))
            if now - self._seen_at >= _believed_for(spec):
                return raw
            await self._clock.sleep(RETRY_PERIOD)

    @contextlib.asynccontextmanager
    async def held(self, api: ApiClient) -> AsyncIterator[LeaseHold]:
        """Acquires the Lease once it is free, renews it within the block, and releases it.

        Raises:
            NotTheHolder: another run is in progress, or was faster.
            KubeError: the API server does not answer, or we may not write the Lease.
        """
        try:
            hold = self._hold(api, await self._taken(api))
        except asyncio.CancelledError:
            await self._let_go(api)
            raise
        renewing = asyncio.create_task(hold.keep())
        try:
            yield hold
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            await hold.give_back()

    def _hold(self, api: ApiClient, raw: RawObject[Lease]) -> LeaseHold:
        return LeaseHold(api, self._clock, raw, self._say)

    async def _let_go(self, api: ApiClient) -> None:
        """Releases the Lease after a cancellation, since an abandoned write may have acquired it."""
        with contextlib.suppress(TimeoutError, KubeError):
            async with asyncio.timeout(_LONGEST_CALL):
                raw = await _read(api)
            if raw is not None and raw.read().spec.holder_identity == self.identity:
                await self._hold(api, raw).give_back()

    async def _taken(self, api: ApiClient) -> RawObject[Lease]:
        free = await self.wait_until_free(api)
        now = api.server_clock.now()
        try:
            if free is not None:
                if self._seen.holder_identity:
                    self._say(f"{LEASE} was not renewed and is taken over")
                number = _next_number(free.read().spec.lease_transitions, now)
                return await _write(
                    api, free, lease_spec(self.identity, number, now), _seen(free, api).armed
                )
            body = {
                "metadata": {"name": NAME},
                "spec": lease_spec(self.identity, _next_number(0, now), now),
            }
            await api.create(LEASES, body, NAMESPACE)
            made = await api.get_raw(LEASES, NAME, NAMESPACE)
        except Conflict:
            made = None
        if made is None or made.read().spec.holder_identity != self.identity:
            seen = "another run started at the same moment"
            raise NotTheHolder(LEASE, seen, _WAIT, run=_run_in(made, api))
        return made


def _believed_for(spec: LeaseSpec) -> int:
    """How many seconds a holder may be silent before its Lease counts as expired: 15 to 60."""
    return min(max(spec.lease_duration_seconds, LEASE_DURATION), _LONGEST_BELIEVED)


def _next_number(before: int, now: datetime) -> int:
    least = int(now.timestamp() / _SECONDS_OF_A_HOLD)
    return max(before + 1, least) if before <= least + _FURTHEST else least


async def _read(api: ApiClient) -> RawObject[Lease] | None:
    try:
        return await api.get_raw(LEASES, NAME, NAMESPACE)
    except NotFound:
        return None


async def _write(
    api: ApiClient,
    raw: RawObject[Lease],
    record: dict[str, Any],
    armed: Iterable[ArmedNode],
) -> RawObject[Lease]:
    whole = raw.whole()
    now = api.server_clock.now()
    last = [each for each in armed if each.may_last(now)]
    annotations = {**(whole["metadata"].get("annotations") or {}), ARMED: armed_text(last)}
    metadata = {**whole["metadata"], "annotations": annotations}
    spec = {**(whole.get("spec") or {}), **record}
    return await api.replace(raw, {**whole, "metadata": metadata, "spec": spec})


def _seen(raw: RawObject[Lease] | None, api: ApiClient) -> SeenLease:
    return seen_in(raw.read(), api.server_clock.now()) if raw else SeenLease()


def _holder(raw: RawObject[Lease] | None, api: ApiClient) -> str:
    found = _seen(raw, api).holder
    return f"held by {found}" if found else "nobody holds it"


def _run_in(raw: RawObject[Lease] | None, api: ApiClient) -> str:
    found = _seen(raw, api).holder
    return found.run if found else ""
