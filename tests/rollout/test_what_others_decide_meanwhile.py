"""What somebody else decides about a node's CSR while a run waits for it is told, however soon the kubelet asks again."""

import asyncio
from typing import Any

from kubevouch.kube.resources import CSRS
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.result import NodeOutcome
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch_lab.apiserver import status
from tests.support.scripted import faults
from tests.support.stage import kind_of

from .acting import DARK, WORKER, Acting, a_signer, acting

KIND = kind_of("CertificateSigningRequest")
MAY_NOT = faults.refuse(status.StatusError(403, "Forbidden", "may not"))
TIMES = RolloutTimeouts(60, soak=0)


def csr_of(here: Acting) -> Any:
    [found] = [
        each
        for each in here.stage.server.store.list(KIND)
        if each["spec"]["username"].endswith(WORKER)
    ]
    return found


def denied(here: Acting, name: str) -> None:
    """As `kubectl certificate deny` does it (kubectl pkg/cmd/certificates/certificates.go)."""
    condition = {
        "type": "Denied",
        "status": "True",
        "reason": "KubectlDeny",
        "message": "This CSR was denied by kubectl certificate deny.",
    }
    here.change(KIND.kind, name, lambda csr: {**csr, "status": {"conditions": [condition]}})


def asks_again(here: Acting, csr: Any) -> None:
    """The CSR once more, of a name that comes later: both may be of the same second."""
    metadata = {"name": f"{csr['metadata']['name']}-again"}
    here.stage.server.store.create(KIND, {**csr, "metadata": metadata})


async def test_a_csr_that_was_denied_is_told_where_the_kubelet_has_asked_again_before_the_next_look() -> (
    None
):
    """A kubelet asks again after two seconds, and on a busy machine a look may take longer."""
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER), here.context)
        csr = csr_of(here)
        name = csr["metadata"]["name"]
        here.stage.server.faults.on(f"{CSRS.path(name=name)}/approval", MAY_NOT)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(apply(checked, here.context, TIMES))
            while not any("may not" in each for each in here.progress.lines):
                await asyncio.sleep(0.01)
            denied(here, name)
            asks_again(here, csr)
        assert [each.outcome for each in run.result().nodes] == [NodeOutcome.DONE]
        told = f"{WORKER}: {name} is Denied: KubectlDeny This CSR was denied by kubectl certificate deny."
        assert here.progress.lines.count(told) == 1, here.progress.lines


async def test_what_was_denied_before_the_run_is_not_told() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        csr = csr_of(here)
        checked = await check(await here.plan(WORKER), here.context)
        denied(here, csr["metadata"]["name"])
        asks_again(here, csr)
        result = await apply(checked, here.context, TIMES)
        assert [each.outcome for each in result.nodes] == [NodeOutcome.DONE]
        assert not any("Denied" in each for each in here.progress.lines)
