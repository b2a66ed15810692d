"""The cluster's Lease after somebody has written nonsense into it: no run waits for ever, is kept away for good, or takes over from one that goes on."""

from datetime import timedelta

import pytest

from kubevouch.evidence.run_holder import RunHolder
from kubevouch.kube.io.client import ApiClient
from tests.support.scripted.apiserver import ScriptedApiServer

from .test_one_run_at_a_time import ALICE, BOB, LEASE, NAME, SPACE, waiting


def edited(server: ScriptedApiServer, **fields: object) -> None:
    spec = {
        "holderIdentity": ALICE,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-24T12:00:00.000000Z",
        "renewTime": "2026-11-24T12:00:00.000000Z",
        "leaseTransitions": 1,
        **fields,
    }
    server.store.create(LEASE, {"metadata": {"name": NAME}, "spec": spec}, SPACE)


@pytest.mark.parametrize("seconds", [2**31 - 1, 3600, 1, 0, -5])
async def test_a_silent_holder_is_believed_for_some_seconds_whatever_it_says(
    server: ScriptedApiServer, api: ApiClient, seconds: int
) -> None:
    """Neither for 68 years, nor for so short a time that one that goes on seems to be silent."""
    edited(server, leaseDurationSeconds=seconds)
    bob = waiting(BOB)
    await bob.lease().wait_until_free(api)
    assert 15 <= bob.clock.monotonic() <= 65
    assert f"waiting up to {60 if seconds > 60 else 15} s" in bob.said[0]


@pytest.mark.parametrize("number", [2**31 - 1, 2**31 - 2, 10**9, -1, 0])
async def test_a_number_that_no_hold_can_have_keeps_nobody_away(
    server: ScriptedApiServer, api: ApiClient, number: int
) -> None:
    """The API server takes 32 bits; and a node that had seen such a number would refuse every run after it."""
    edited(server, leaseTransitions=number, holderIdentity="")
    async with waiting(BOB).lease().held(api) as hold:
        now = api.server_clock.now().timestamp() / 4
        assert abs(hold.number - now) < 10
    async with waiting(BOB).lease().held(api) as second:
        assert second.number > hold.number


async def test_a_clock_that_was_a_year_ahead_takes_nothing_from_the_order(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    ahead = int(api.server_clock.now().timestamp() / 4) + 365 * 86400 // 4
    edited(server, leaseTransitions=ahead, holderIdentity="")
    async with waiting(BOB).lease().held(api) as hold:
        assert hold.number == ahead + 1


@pytest.mark.parametrize(
    "identity",
    [
        "x" * 100_000,
        f"abcd on {'y' * 100_000} (1)",
        f"{'z' * 100_000} on a@b (undo 1)",
        "abcd on \x1b[31m`rm -rf /`\r\n\u202e$(id) (1)",
        "abcd on a@b (undo \x1b[31m`id`,$(id)\r\n 1)",
    ],
)
def test_what_is_said_of_a_holder_is_short_and_no_command(identity: str) -> None:
    holder = RunHolder(identity, None, timedelta(seconds=60))
    assert len(str(holder)) < 300
    assert not set("`$\x1b\r\n\u202e") & set(f"{holder.where}{holder.undone_nodes}")
