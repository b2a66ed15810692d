"""A small cluster for the acting half: a scripted API server and ports with real TLS, machines that answer by script.

A machine answers a survey with a recording of a lab's node that bears this node's name; its ssh host key answers at the
addresses that it is said to have. A signer signs what was approved, and the port then serves it.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.destination import Destination
from kubevouch.node.errors import NodeUnreachable, NoRoot, ScriptFailed
from kubevouch.node.script import (
    ANSWER_MARK,
    DialAddress,
    Script,
    ScriptResult,
    T,
    answer_in,
)
from kubevouch.policy.claims import as_address
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.make_plan import PlanOptions, gather_plan
from kubevouch.rollout.decide.entitled import NO_WORD
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet
from kubevouch.rollout.decide.plan import NodeOptions, Plan, by_answer
from kubevouch.rollout.decide.run_status import RunFound, RunsFound
from kubevouch.rollout.decide.transaction import TransactionAnswer, TransactionState
from kubevouch.system_clock import SystemClock
from kubevouch.x509 import read_certificates
from tests.support.authority import Pair
from tests.support.contexts import server_context
from tests.support.scenario import Expected, Kubelet, Request, Scenario
from tests.support.scripted import faults, kubelet
from tests.support.stage import DOMAIN, Stage, cluster_ca, kind_of, staged
from tests.support.tasks import meanwhile

from .recorded import recorded

WORKER, SECOND, THIRD, MASTER = (
    f"{each}{DOMAIN}" for each in ("k8s-worker-1", "k8s-worker-2", "k8s-worker-3", "k8s-master")
)
_SPEC: dict[str, Any] = {
    "expected": Expected(finds=(), exit=0),
    "objects": {"APIService/v1beta1.metrics.k8s.io": None},
}
SELF_SIGNED = Scenario(
    title="kubelets sign their own",
    state="expired",
    kubelets={"all": Kubelet(by="itself", ends="-1d")},
    **_SPEC,
)
DARK = Scenario(
    title="bootstrap is on, and nobody approves",
    state="pending",
    kubelets={"all": Kubelet(port="dark")},
    requests=tuple(
        Request(node=each, age="1s")
        for each in ("k8s-worker-1", "k8s-worker-2", "k8s-worker-3", "k8s-master")
    ),
    **_SPEC,
)
HEALTHY = Scenario(title="all is well", state="fixed", **_SPEC)


Answer = TypeVar("Answer")
STAYS_UP = WatchedKubelet("steady", 5, 0, b"active")


@dataclass
class Machine:
    """What one node answers. Changed by a test while it runs."""

    survey: NodeSurvey
    client: Pair
    addresses: set[str]
    host_key: str
    away: bool = False
    rootless: bool = False
    """Whoever logs in is somebody whom sudo does not make root."""

    mute: bool = False
    """Its shell runs our scripts, and gives no answer."""

    prints: dict[str, bytes] = field(default_factory=dict)
    """The JSON that it prints in place of an honest answer, by the name of the script."""

    transaction: list[TransactionAnswer] = field(default_factory=list)
    """What its transaction script answers, one call after the other; the last one for ever."""

    watched: list[WatchedKubelet] = field(default_factory=lambda: [STAYS_UP])
    """What whoever watches its kubelet sees, one call after the other; the last one for ever."""

    def says(self, **seen: Any) -> None:
        """From now on, when it is surveyed."""
        self.survey = msgspec.structs.replace(self.survey, **seen)


@dataclass
class Machines:
    """A transport to all of them, which remembers what was run."""

    name: str = "ssh"
    by_name: dict[str, Machine] = field(default_factory=dict)
    ran: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called with the name of a script before that is sent."""

    async def destination(self, host: str) -> Destination:
        return Destination(host, lookup=host, is_known=host in self.by_name)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        machine = self.by_name[host]
        self.before(script.name)
        _check_answers(machine, host, script.name)
        if at is not None and at.address not in machine.addresses:
            other = next(m for m in self.by_name.values() if at.address in m.addresses)
            return self._answer(script, {"machine_id": _b64(other.survey.machine_id)}, other, host)
        self.ran.append((host, script.name))
        if printed := machine.prints.get(script.name):
            line = ANSWER_MARK.encode() + printed
            forged = answer_in(line, script, where=f"{host} (ssh)", complaint="")
            return ScriptResult(forged, host_key=machine.host_key, known_as=host)
        if script.name == "survey":
            return self._answer(script, msgspec.to_builtins(machine.survey), machine, host)
        if script.name == "status":
            return self._answer(script, msgspec.to_builtins(_runs_on(machine)), machine, host)
        if script.name == "machine-id":
            found = {"machine_id": _b64(machine.survey.machine_id)}
            return self._answer(script, found, machine, host)
        if script.name == "watch":
            seen = _next_of(machine.watched)
            if seen is STAYS_UP and "steady=0" in script.text:
                await asyncio.Event().wait()  # until nobody waits for the gates any more
            return self._answer(script, msgspec.to_builtins(seen), machine, host)
        last = _next_of(machine.transaction)
        return self._answer(script, msgspec.to_builtins(last), machine, host)

    def _answer(
        self, script: Script[T], found: object, machine: Machine, host: str
    ) -> ScriptResult[T]:
        answer = msgspec.convert(found, script.answer)
        if self.name == "pod":
            return ScriptResult(answer)
        return ScriptResult(answer, host_key=machine.host_key, known_as=host)


def _check_answers(machine: Machine, host: str, script: str) -> None:
    if machine.away:
        raise NodeUnreachable(host, "connection timed out")
    if machine.rootless:
        raise NoRoot(host, "a password is required")
    if machine.mute:
        raise ScriptFailed(host, f"the {script} script printed no answer")


def _runs_on(machine: Machine) -> RunsFound:
    """What status.sh would say of the runs that its survey has, also while its kubelet is down."""
    seen = machine.survey
    runs = tuple(
        RunFound(
            each.run, each.state, each.fires, b"active", boot=True, config=b"", whose=b"", strays=()
        )
        for each in seen.runs
    )
    return RunsFound(seen.machine_id, seen.clock, b"/var/lib/kubelet", b"", seen.unit.active, runs)


def _next_of(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


@dataclass
class Progress:
    """Everything that somebody who watches was told."""

    lines: list[str] = field(default_factory=list)

    def step(self, node: str, text: str) -> None:
        self.lines.append(f"{node}: {text}")

    def waiting(self, node: str, text: str) -> None:
        self.lines.append(f"{node}: waits for {text}")

    def ended(self, node: str, text: str) -> None:
        self.step(node, text)

    def whole(self, text: str) -> None:
        if not self.lines or self.lines[-1] != text:
            self.lines.append(text)


@dataclass
class Acting:
    """The cluster, its machines, and what a run is carried out with."""

    stage: Stage
    machines: Machines
    context: RolloutContext
    progress: Progress

    async def plan(self, *nodes: str, **options: Any) -> Plan:
        """Made as `plan` makes it, if nobody answers its question."""
        return by_answer(await self.gathered(*nodes, **options), yes=False)

    async def gathered(self, *nodes: str, **options: Any) -> Plan:
        """The same before the question."""
        accepted, word = options.pop("accepted", {}), options.pop("word", NO_WORD)
        way = NodeOptions(
            **{"via": "ssh", "ssh_config": "", "ssh_user": "", "only": nodes, **options}
        )
        return await gather_plan(PlanOptions("abcd", "0", way, accepted, word), self.context)

    def change(self, kind: str, name: str, change: Callable[[Any], Any], space: str = "") -> None:
        """Changes one object of the API server."""
        self.stage.server.store.change(kind_of(kind), (space, name), change)


@asynccontextmanager
async def acting(scenario: Scenario, recording: str) -> AsyncIterator[Acting]:
    """recording: which survey every machine answers with, under its own name."""
    clock = SystemClock()
    async with staged(scenario, clock) as stage:
        nodes = _nodes(stage)
        machines = Machines()
        for node in nodes:
            name = node["metadata"]["name"]
            found = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
            machines.by_name[name] = _machine(name, node, recording, found)
            path = f"/api/v1/nodes/{name}/proxy/healthz"
            stage.server.faults.on(path, faults.answer(200, "ok", Content_Type="text/plain"))
        addresses = {a for m in machines.by_name.values() for a in map(as_address, m.addresses)}
        loopback = LoopbackKubelets(frozenset(a for a in addresses if a is not None))
        access = msgspec.structs.replace(stage.access, loopback=loopback)
        progress = Progress()
        async with ApiClient(access, clock=clock, environ={}) as api:
            context = RolloutContext(
                api=api,
                transport=machines,
                clock=clock,
                progress=progress,
                stop=lambda: False,
                random_serial=lambda _: 7,
            )
            _with_credentials(stage, machines)
            yield Acting(stage, machines, context, progress)


def _nodes(stage: Stage) -> list[Any]:
    return [each.copy() for each in stage.server.store.list(kind_of("Node"))]


_BEFORE = 300
"""Seconds by which a kubelet's start lies before what is recorded: however long a test takes, its CSRs are younger."""


def _machine(name: str, node: Any, recording: str, addresses: list[str]) -> Machine:
    seen = recorded(recording).survey
    client = cluster_ca().client(f"system:node:{name}", "system:nodes")
    now = int(SystemClock().now().timestamp())
    moved, unit = now - seen.clock - _BEFORE, seen.unit
    survey = msgspec.structs.replace(
        seen,
        clock=now,
        unit=msgspec.structs.replace(unit, age=unit.age + _BEFORE if unit.age else 0),
        machine_id=node["status"]["nodeInfo"]["machineID"].encode() + b"\n",
        hostname=name.encode(),
        identity=msgspec.structs.replace(seen.identity, pem=client.chain),
        config=tuple(
            msgspec.structs.replace(each, modified=each.modified + moved) for each in seen.config
        ),
    )
    return Machine(survey, client, set(addresses), f"ssh-ed25519 SHA256:{name}")


def _with_credentials(stage: Stage, machines: Machines) -> None:
    """Every CSR of a node was made with that node's own client certificate, a moment ago."""
    for csr in stage.server.store.list(kind_of("CertificateSigningRequest")):
        node = csr["spec"]["username"].removeprefix("system:node:")
        if node in machines.by_name:
            leaf = read_certificates(machines.by_name[node].client.chain, "client")[0]
            made_with(stage, csr["metadata"]["name"], leaf.fingerprint)


def made_with(stage: Stage, csr: str, fingerprint: str) -> None:
    """Says with which client certificate a CSR was made; empty: the API server does not say."""
    stamp = f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ}"

    def change(found: Any) -> Any:
        ids = [f"X509SHA256={fingerprint}"]
        extra = {"authentication.kubernetes.io/credential-id": ids} if fingerprint else {}
        spec = {**found["spec"], "extra": extra}
        return {
            **found,
            "spec": spec,
            "metadata": {**found["metadata"], "creationTimestamp": stamp},
        }

    stage.server.store.change(kind_of("CertificateSigningRequest"), ("", csr), change)


def _with_status(status: Any) -> Callable[[Any], Any]:
    return lambda found: {**found, "status": status}


def a_signer(acting: Acting) -> AbstractAsyncContextManager[object]:
    """Signs what is approved; the node's port then serves it."""

    async def sign() -> None:
        store, kind = acting.stage.server.store, kind_of("CertificateSigningRequest")
        while True:
            for csr in store.list(kind):
                status = csr.get("status", {})
                approved = any(c["type"] == "Approved" for c in status.get("conditions", []))
                if not approved or status.get("certificate"):
                    continue
                name = csr["spec"]["username"].removeprefix("system:node:")
                machine = acting.machines.by_name[name]
                pair = cluster_ca().serving(name, *sorted(machine.addresses), node=name)
                signed = {**status, "certificate": b64encode(pair.chain).decode()}
                store.change(kind, ("", csr["metadata"]["name"]), _with_status(signed))
                serve(acting.stage, name, pair)
            await asyncio.sleep(0.05)

    return meanwhile(sign())


def an_approver(acting: Acting) -> AbstractAsyncContextManager[object]:
    """Approves every CSR a moment after it has come, in our approver's words."""

    async def approve() -> None:
        store, kind = acting.stage.server.store, kind_of("CertificateSigningRequest")
        said = "kubevouch approver: every rule passed; names and addresses: pinned"
        condition = {"type": "Approved", "status": "True", "message": said}
        approved = {"conditions": [{**condition, "reason": "KubevouchApprove"}]}
        while True:
            await asyncio.sleep(0.5)
            for csr in store.list(kind):
                if not csr.get("status", {}).get("conditions"):
                    store.change(kind, ("", csr["metadata"]["name"]), _with_status(approved))

    return meanwhile(approve())


def serve(stage: Stage, node: str, pair: Pair) -> None:
    """From now on the node's port serves this pair."""
    stage.kubelets[node.removesuffix(DOMAIN)].behaviour = kubelet.Serve(server_context(pair))


def answered(state: TransactionState, pid: int = 4242, why: str = "") -> TransactionAnswer:
    """What a transaction script answers."""
    return TransactionAnswer(state, why.encode(), pid)
