"""The whole approver: it runs until it is asked to stop, then gives the Lease back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from kubevouch.approve.act.instruments import ApproverInstruments
from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.lease import Election
from kubevouch.serve.access_gate import version
from kubevouch.serve.exposition import Exposition, new_registry
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler
from kubevouch.serve.probes import NamedCheck, Probes
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions, serve_routes

LEASE: Final = "kubevouch-approver"


@dataclass(frozen=True, slots=True)
class ApproverSettings:
    """namespace: of the Lease and the ConfigMaps. identity: of this process in the election."""

    namespace: str
    identity: str


class ApproverController:
    """One process of the approver. rng: returns a random number in [0, 1)."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        settings: ApproverSettings,
        rng: Callable[[], float],
    ) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._registry: CollectorRegistry = new_registry()
        self._instruments = ApproverInstruments(self._registry)
        self._election = Election(
            api,
            name=LEASE,
            namespace=settings.namespace,
            identity=settings.identity,
            clock=clock,
            rng=rng,
            report=lambda error: log.error(error, "Failed to renew or to get the Lease"),
            changed=self._turned,
        )

    def _turned(self, leading: bool) -> None:  # noqa: FBT001 - called by Election
        self._instruments.leader.set(leading)
        self._log.info(
            "Began to lead" if leading else "Ceased to lead", leader=self._election.leader
        )

    async def serve(
        self,
        options: ServingOptions,
        stop: StopEvent,
        ready: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Until stop is requested. ready: called with the port once it listens. Raises KubevouchError, OSError."""
        try:
            await serve_routes(
                self._api,
                self._clock,
                self._log,
                options,
                routes=self._routes(stop),
                work=self._election.run,
                stop=stop,
                ready=ready,
            )
        finally:
            await self._election.release()

    def _routes(self, stop: StopEvent) -> dict[str, Handler]:
        def running() -> str | None:
            return "process is shutting down" if stop.requested else None

        probes = Probes(
            {"readyz": (NamedCheck("shutdown", running),), "livez": (), "healthz": ()}, self._log
        )
        return {
            "/metrics": Exposition(self._registry).answer,
            "/version": version,
            **dict.fromkeys(probes.paths, probes.answer),
        }
