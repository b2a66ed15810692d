"""Plans, nodes and records of runs as tests of the acting half want them."""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Coroutine
from typing import Any

import msgspec

from kubevouch.evidence.survey import SurveyedRun
from kubevouch.rollout.decide.plan import NodePlan, Plan
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from tests.support.scripted.faults import silence
from tests.support.stage import cluster_ca, kind_of
from tests.support.unhurried import until

from .acting import WORKER, Acting, answered, serve
from .recorded import bent

QUICK = RolloutTimeouts(6, soak=0.5)
GOES_ON = (
    answered(TransactionState.BEGUN, why="already begun in this run"),
    answered(TransactionState.COMMITTED),
)
"""What a node answers on which this run was begun and cut off."""


def changed(plan: Plan, node: str, **other: object) -> Plan:
    """The plan with something else in it for one node."""
    nodes = tuple(bent(each, **other) if each.node == node else each for each in plan.nodes)
    return msgspec.structs.replace(plan, nodes=nodes)


def of(plan: Plan, node: str) -> NodePlan:
    return next(each for each in plan.nodes if each.node == node)


async def an_undo(here: Acting, *nodes: str) -> Plan:
    """A plan that every node is ready to be put back of; nothing was run yet."""
    plan = await here.plan(*nodes)
    for machine in here.machines.by_name.values():
        machine.transaction = [answered(TransactionState.UNDONE)]
    here.machines.ran.clear()
    return plan


def upgraded(node: Any) -> Any:
    info = {**node["status"]["nodeInfo"], "kubeletVersion": "v9.9.9"}
    return {**node, "status": {**node["status"], "nodeInfo": info}}


def not_ready(node: Any) -> Any:
    conditions = [{"type": "Ready", "status": "False"}]
    return {**node, "status": {**node["status"], "conditions": conditions}}


def a_run(name: str, state: str, fires: int = 0) -> Any:
    return SurveyedRun(name.encode(), state.encode(), fires)


def csrs_of(here: Acting, node: str) -> list[str]:
    found = here.stage.server.store.list(kind_of("CertificateSigningRequest"))
    return [c["metadata"]["name"] for c in found if c["spec"]["username"].endswith(node)][-1:]


def as_the_run_left_it(here: Acting, plan: Plan, state: str = "restarted", left: int = 100) -> None:
    """Its file is written, its kubelet restarted, its CSR approved by the run and signed, and served; and it is armed.

    left: seconds until its switch goes off.
    """
    machine = here.machines.by_name[WORKER]
    [file] = machine.survey.config
    content = file.content + b"serverTLSBootstrap: true\n"
    assert hashlib.sha256(content).hexdigest() == of(plan, WORKER).disk.content_sha256
    written = msgspec.structs.replace(
        file, content=content, sha256=of(plan, WORKER).disk.content_sha256
    )
    machine.survey = msgspec.structs.replace(
        machine.survey,
        config=(written,),
        runs=(a_run("abcd", state, machine.survey.clock + left),),
    )
    pair = cluster_ca().serving(WORKER, *machine.addresses, node=WORKER)
    leaf = pair.chain
    serve(here.stage, WORKER, pair)
    approved = {
        "type": "Approved",
        "status": "True",
        "reason": "KubevouchApprove",
        "message": "kubevouch: run abcd: every rule passed",
    }
    here.stage.server.store.put(
        kind_of("CertificateSigningRequest"),
        {
            "kind": "CertificateSigningRequest",
            "metadata": {
                "name": "csr-9",
                "uid": "u9",
                "creationTimestamp": f"{here.context.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            },
            "spec": {
                "signerName": "kubernetes.io/kubelet-serving",
                "username": f"system:node:{WORKER}",
            },
            "status": {
                "conditions": [approved],
                "certificate": b64encode(leaf).decode(),
            },
        },
    )


async def cut_off_at(
    path: str, run: Coroutine[Any, Any, RunResult], here: Acting, method: str = "GET"
) -> RunResult:
    """The result of a run that is stopped at once while it waits for the answer to that request."""
    here.stage.server.faults.on(path, silence(), method=method)
    requests = here.stage.server.requests
    requests.clear()
    task = asyncio.create_task(run)
    await until(lambda: (method, path) in [(each.method, each.path) for each in requests])
    task.cancel()
    return await task
