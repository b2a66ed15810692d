"""When `approver install` and `upgrade` call the approver ready: its pods are, and one leads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch_lab.apiserver.kinds import DEPLOYMENTS, LEASES
from lab.tests.apiserver.bench import Bench
from tests.approver_install.conftest import HELD
from tests.approver_install.installation import SPACE, everything, installed
from tests.cli.program import Program
from tests.support.unhurried import GENEROUS


def make_ready(lab: Bench) -> None:
    """As the Deployment's controller and a kubelet would."""
    found = lab.local.get(DEPLOYMENTS, "kubevouch-approver", SPACE)
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    lab.local.update(DEPLOYMENTS, {**found, "status": counts}, "status")


def renew_the_lease(lab: Bench, holder: str, *, ago: float = 0.0) -> None:
    """As an approver that leads does, so many seconds ago. holder: "" gives it back."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    lab.clock.wind(at - lab.clock.now())  # the API server notes when it was written
    lease = {"metadata": {"name": "kubevouch-approver"}, "spec": {"holderIdentity": holder}}
    if f"Lease {SPACE}/kubevouch-approver" in everything(lab):
        lab.local.delete(LEASES, "kubevouch-approver", SPACE)
    lab.local.create(LEASES, lease, SPACE)


@contextlib.asynccontextmanager
async def one_leads(lab: Bench) -> AsyncIterator[None]:
    """It renews the Lease meanwhile, however long the command takes."""

    async def lead() -> None:
        while True:
            renew_the_lease(lab, "kubevouch-approver-6d4cf-x2x7k_0a")
            await asyncio.sleep(1)

    leading = asyncio.ensure_future(lead())
    yield
    leading.cancel()


@installed
@pytest.mark.parametrize(
    ("holder", "ago", "told"),
    [
        (None, 0.0, "no pod leads yet."),
        ("", 0.0, "no pod leads yet."),
        ("kubevouch-approver-of-before_0a", 10.0, "no pod leads yet; the Lease was"),
    ],
    ids=["there is no Lease", "it was given back", "a former approver has it"],
)
async def test_pods_that_are_ready_are_no_approver_before_one_leads(
    lab: Bench, kubevouch: Program, holder: str | None, ago: float, told: str
) -> None:
    make_ready(lab)
    if holder is not None:
        renew_the_lease(lab, holder, ago=ago)
    ran = await kubevouch(*HELD, code=4)
    assert f"The approver is applied, but not ready after 0 s: {told}" in " ".join(ran.out.split())
    assert "The approver is ready" not in ran.out


@installed
async def test_it_waits_until_one_leads(lab: Bench, kubevouch: Program) -> None:
    make_ready(lab)
    renew_the_lease(lab, "kubevouch-approver-of-before_0a", ago=10)
    running = asyncio.ensure_future(kubevouch(*HELD[:-1], "1m", code=0))
    done, _ = await asyncio.wait({running}, timeout=3)
    assert not done
    async with one_leads(lab):
        ran = await asyncio.wait_for(running, GENEROUS)
    ready = "The approver is ready: all pods are ready, and one leads.\nNEXT  kubevouch csr list\n"
    assert ready in ran.out
