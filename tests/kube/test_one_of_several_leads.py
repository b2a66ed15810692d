"""Leader election by a Lease: one leads, the next one takes over in time, and whoever was stopped too long writes nothing."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.lease import LEASE_DURATION, RENEW_DEADLINE, Election
from kubevouch_lab.apiserver import status
from tests.support.apiservers import access_to, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS
from tests.support.tasks import meanwhile
from tests.support.unhurried import until

LEASE = KINDS["coordination.k8s.io", "v1", "leases"]
NAME, SPACE = "kubevouch-approver", "kubevouch-system"
PATH = f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases"


@dataclass
class Candidate:
    """One process, with a clock of its own; time passes for all alike unless a test says otherwise."""

    election: Election
    clock: WoundClock
    turns: list[bool]
    failures: list[KubevouchError]

    async def attempt(self) -> bool:
        await self.election.attempt()
        return self.election.is_leading()


def candidate(api: ApiClient, identity: str, fit: Callable[[], bool] = lambda: True) -> Candidate:
    clock, turns, failures = WoundClock(), list[bool](), list[KubevouchError]()
    election = Election(
        api,
        name=NAME,
        namespace=SPACE,
        identity=identity,
        clock=clock,
        rng=lambda: 1.0,
        report=failures.append,
        changed=turns.append,
        fit=fit,
    )
    return Candidate(election, clock, turns, failures)


Two = tuple[Candidate, Candidate]


@pytest.fixture
def two(api: ApiClient) -> Two:
    return candidate(api, "one"), candidate(api, "two")


def spec(server: ScriptedApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.store.get(LEASE, NAME, SPACE)["spec"]
    return found


def rewrite(server: ScriptedApiServer, **said: str) -> None:
    """Somebody else writes into the Lease."""
    server.store.change(LEASE, (SPACE, NAME), lambda it: {**it, "spec": {**it["spec"], **said}})


def pass_(seconds: float, *candidates: Candidate) -> None:
    for each in candidates:
        each.clock.wind(timedelta(seconds=seconds))


async def test_the_first_one_leads_and_the_record_is_as_client_go_writes_it(
    server: ScriptedApiServer, two: Two
) -> None:
    one, other = two
    assert await one.attempt()
    assert not await other.attempt()
    assert spec(server) == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-24T12:00:00.000000Z",
        "renewTime": "2026-11-24T12:00:00.000000Z",
        "leaseTransitions": 0,
    }
    assert other.election.leader == "one"
    assert (one.turns, other.turns) == ([True], [])


async def test_a_renewal_moves_the_time_and_nothing_else_also_of_what_others_wrote(
    server: ScriptedApiServer, two: Two
) -> None:
    one, _ = two
    for _ in range(3):
        assert await one.election.attempt() == 2.0
        rewrite(server, strategy="OldestFirst")
        pass_(2, one)
    assert await one.attempt()
    found = spec(server)
    assert found["acquireTime"] == "2026-11-24T12:00:00.000000Z"
    assert found["renewTime"] == "2026-11-24T12:00:06.000000Z"
    assert (found["leaseTransitions"], found["strategy"]) == (0, "OldestFirst")


async def test_the_next_one_takes_over_when_it_has_seen_no_change_for_the_whole_lease(
    server: ScriptedApiServer, two: Two
) -> None:
    """By its own clock since it last saw a change; what the record says of time is not looked at."""
    one, other = two
    await one.attempt()
    pass_(-3600, other)  # its wall clock is an hour behind
    assert not await other.attempt()
    pass_(LEASE_DURATION - 0.1, one, other)
    assert not await other.attempt()
    pass_(0.1, one, other)
    assert await other.attempt()
    assert spec(server)["holderIdentity"] == "two"
    assert spec(server)["leaseTransitions"] == 1
    assert not await one.attempt()


async def test_a_renewal_begins_the_wait_anew(two: Two) -> None:
    one, other = two
    for _ in range(20):
        await one.attempt()
        assert not await other.attempt()
        pass_(4, one, other)


async def test_who_was_stopped_past_the_deadline_does_not_lead_before_it_has_asked(
    two: Two,
) -> None:
    """SIGSTOP: the next instruction is the question before a write."""
    one, _ = two
    await one.attempt()
    pass_(RENEW_DEADLINE - 0.1, one)
    assert one.election.is_leading()
    pass_(0.1, one)
    assert not one.election.is_leading()


async def test_the_time_that_a_renewal_took_counts(server: ScriptedApiServer, two: Two) -> None:
    one, _ = two
    await one.attempt()
    await one.attempt()
    truth = server.answer

    def slow(request: Any) -> Any:
        pass_(4, one)
        return truth(request)

    server.answer = slow  # type: ignore[method-assign]
    assert await one.attempt()
    pass_(RENEW_DEADLINE - 4.1, one)
    assert one.election.is_leading()
    pass_(0.1, one)
    assert not one.election.is_leading()


async def test_of_two_that_try_at_once_one_is_refused(
    server: ScriptedApiServer, authority: Authority
) -> None:
    server.store.create(LEASE, {"metadata": {"name": NAME}, "spec": {"holderIdentity": ""}}, SPACE)
    async with contextlib.AsyncExitStack() as stack:
        found = [
            candidate(
                await stack.enter_async_context(client_of(access_to(server, authority))), name
            )
            for name in ("one", "two", "three")
        ]
        leading = await asyncio.gather(*(each.attempt() for each in found))
    assert sum(leading) == 1
    writes = [each for each in server.requests if each.method == "PUT"]
    assert all(b'"resourceVersion"' in each.body for each in writes)


async def test_a_write_of_somebody_else_is_looked_at_before_the_next_renewal(
    server: ScriptedApiServer, two: Two
) -> None:
    """Somebody took the Lease by force: it is not written over."""
    one, _ = two
    await one.attempt()
    await one.attempt()
    rewrite(server, holderIdentity="another")
    pass_(2, one)
    await one.election.attempt()
    assert spec(server)["holderIdentity"] == "another"
    pass_(RENEW_DEADLINE, one)
    assert not one.election.is_leading()


async def test_a_server_that_fails_costs_the_lead_after_the_deadline_and_not_before(
    server: ScriptedApiServer, two: Two
) -> None:
    one, _ = two
    await one.attempt()
    server.faults.on(f"{PATH}*", faults.refuse(status.StatusError(500, "InternalError", "no")))
    for _ in range(4):
        pass_(2, one)
        assert await one.attempt()
    pass_(2, one)
    assert not await one.attempt()
    assert one.turns == [True, False]
    assert len(one.failures) == 5
    server.faults.clear()
    assert await one.attempt()
    assert spec(server)["leaseTransitions"] == 0  # nobody else had it


async def test_released_it_is_free_at_once(server: ScriptedApiServer, two: Two) -> None:
    one, other = two
    await one.attempt()
    assert not await other.attempt()
    await one.election.release()
    assert not one.election.is_leading()
    assert spec(server)["holderIdentity"] == ""
    assert spec(server)["leaseDurationSeconds"] == 1
    assert await other.attempt()
    assert spec(server)["leaseDurationSeconds"] == 15
    assert spec(server)["leaseTransitions"] == 1


async def test_who_does_not_lead_releases_nothing(server: ScriptedApiServer, two: Two) -> None:
    one, other = two
    await one.attempt()
    await other.attempt()
    await other.election.release()
    pass_(RENEW_DEADLINE + 1, one)
    held = spec(server)
    assert held["holderIdentity"] == "one"
    # It led, and another one has taken over since.
    pass_(LEASE_DURATION, other)
    assert await other.attempt()
    await one.election.release()
    assert spec(server)["holderIdentity"] == "two"


async def test_who_waits_comes_back_at_a_moment_of_its_own(two: Two) -> None:
    one, other = two
    assert await one.election.attempt() == 2.0
    assert await other.election.attempt() == pytest.approx(2.0 * 2.2)


async def test_it_goes_on_by_itself(two: Two) -> None:
    one, _ = two
    async with meanwhile(one.election.run()):
        await until(lambda: one.clock.monotonic() >= 20)
    assert one.turns == [True]


async def test_who_is_not_fit_to_lead_lets_the_lease_run_out_and_another_one_takes_it(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    fit = True
    one, two = candidate(api, "one", fit=lambda: fit), candidate(api, "two")
    assert await one.attempt()
    assert not await two.attempt()
    fit = False
    pass_(5, one, two)
    assert await one.attempt()
    assert not await two.attempt()
    pass_(10, one, two)
    assert not await one.attempt()
    assert one.turns == [True, False]
    assert await two.attempt()
    assert spec(server)["holderIdentity"] == "two"
    assert one.failures == []
