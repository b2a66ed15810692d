"""What a kubelet reports: its Node, its Lease, its pods; and what it is told: which pods are its own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.kubelets.api import MERGE, Api, ApiError
from kubevouch_lab.kubelets.node_object import (
    LEASES,
    NODES,
    MachineInfo,
    addresses_of,
    lease,
    new_node,
    node_status,
    same_but_for_the_time,
)
from kubevouch_lab.kubelets.pods import Runtime, pod_status
from kubevouch_lab.kubelets.rotation import share
from kubevouch_lab.objects import Object, name_of, namespace_of, status_of, uid_of
from kubevouch_lab.rng import Entropy

_PODS: Final = "/api/v1/pods"
Observed = Callable[[tuple[tuple[str, str], ...]], None]


@dataclass(frozen=True)
class ReportIntervals:
    """Seconds between reports: the Lease (a quarter of 40 s), a look at the Node, a report though nothing has changed.

    A test that passes a year takes longer ones.
    """

    lease: float = 10.0
    status: float = 10.0
    report: float = 300.0


class Reporter:
    """Each method that is a coroutine is a loop of its own, which ends only with an error."""

    def __init__(
        self,
        name: str,
        *,
        api: Callable[[], Api],
        clock: Clock,
        entropy: Entropy,
        rhythm: ReportIntervals,
        runtime: Runtime,
        addresses: Sequence[str],
    ) -> None:
        self.pods: list[Object] = []
        self._name = name
        self._api = api
        self._clock = clock
        self._entropy = entropy
        self._rhythm = rhythm
        self._runtime = runtime
        self._addresses = tuple(addresses)
        self._uid = ""
        self._reported: tuple[Object, float] | None = None
        self._look = asyncio.Event()
        self._registered = asyncio.Event()
        """The Node is there: until then all else would only open more connections."""

    async def report(self, machine: MachineInfo, observed: Observed) -> None:
        """Registers the Node and keeps its status. observed: told the addresses that the API server answers with."""
        while True:
            node = await self._node(machine)
            self._uid = uid_of(node)
            held = status_of(node)
            status = node_status(machine, held, self._clock.now())
            due = self._reported is None or (
                self._clock.monotonic() - self._reported[1] >= self._rhythm.report
            )
            if due or not same_but_for_the_time({**held, **status}, held):
                path = f"{NODES}/{self._name}/status"
                node = await self._api().ask("PATCH", path, {"status": status}, form=MERGE)
                self._reported = (status, self._clock.monotonic())
            observed(addresses_of(node))
            self._registered.set()
            await self._clock.sleep(self._rhythm.status * (1 + 0.04 * share(self._entropy)))

    async def _node(self, machine: MachineInfo) -> Object:
        try:
            return await self._api().ask("GET", f"{NODES}/{self._name}")
        except ApiError as error:
            # A kubelet registers at its start only (kubelet_node_status.go, registrationCompleted).
            if error.code != 404 or self._registered.is_set():
                raise
        made = new_node(machine)
        made["status"] = node_status(machine, {}, self._clock.now())
        return await self._api().ask("POST", NODES, made)

    async def renew_lease(self) -> None:
        """Says that it lives."""
        await self._registered.wait()
        while True:
            wanted = lease(self._name, self._uid, self._clock.now(), 40)
            path = f"{LEASES}/{self._name}"
            try:
                await self._api().ask("PATCH", path, wanted, form=MERGE)
            except ApiError as error:
                if error.code != 404:
                    raise
                await self._api().ask("POST", LEASES, wanted)
            await self._clock.sleep(self._rhythm.lease)

    async def follow_pods(self) -> None:
        """Keeps the list of its pods, by list and watch."""
        await self._registered.wait()
        selected = {"fieldSelector": f"spec.nodeName={self._name}"}
        while True:
            listed = await self._api().ask("GET", _PODS, query=selected)
            found = {_key(pod): pod for pod in listed.get("items") or ()}
            self._keep(found)
            since = {"resourceVersion": str(listed["metadata"].get("resourceVersion", ""))}
            async for kind, pod in self._api().watch(_PODS, selected | since):
                if kind == "ERROR":
                    break
                if kind == "DELETED":
                    found.pop(_key(pod), None)
                elif kind in {"ADDED", "MODIFIED"}:
                    found[_key(pod)] = pod
                self._keep(found)
            await self._clock.sleep(1.0)

    def look_at_pods(self) -> None:
        """What containers do has changed."""
        self._look.set()

    async def sync_pods(self) -> None:
        """Reports the status of each pod whenever it differs from what stands there."""
        while True:
            await self._look.wait()
            self._look.clear()
            for pod in self.pods:
                status = pod_status(pod, self._runtime, self._clock.now(), self._addresses)
                if status is None:
                    continue
                space, name = namespace_of(pod), name_of(pod)
                path = f"/api/v1/namespaces/{space}/pods/{name}/status"
                try:
                    await self._api().ask("PATCH", path, {"status": status}, form=MERGE)
                except ApiError as error:
                    if error.code not in (404, 409):
                        self._look.set()
                        raise

    def _keep(self, found: dict[str, Object]) -> None:
        self.pods = list(found.values())
        self._look.set()


def _key(pod: Object) -> str:
    return f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
