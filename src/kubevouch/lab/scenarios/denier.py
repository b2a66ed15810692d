"""Somebody who denies the serving requests of certain nodes: an approver with a rule that these do not meet."""

from collections.abc import Callable, Collection

from kubevouch.clock import Clock
from kubevouch.lab.apiserver.client import LocalClient
from kubevouch.lab.apiserver.kinds import CSRS
from kubevouch.lab.apiserver.metadata import moment
from kubevouch.lab.apiserver.status import StatusError
from kubevouch.lab.apiserver.store import Store
from kubevouch.lab.controllers.loop import reconcile
from kubevouch.lab.scenarios.switching import SERVING

_NODE = "system:node:"


class Denier:
    """nodes: those whose requests are denied, asked anew each time."""

    def __init__(
        self, store: Store, client: LocalClient, clock: Clock, nodes: Callable[[], Collection[str]]
    ) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._nodes = nodes

    async def run(self) -> None:
        """Until it is cancelled."""
        await reconcile(self._store, (CSRS,), self.look, clock=self._clock)

    def look(self) -> None:
        """Denies what waits."""
        nodes = self._nodes()
        for request in (
            self._client.list(CSRS, fields=f"spec.signerName={SERVING}") if nodes else ()
        ):
            status = request.get("status") or {}
            if status.get("conditions") or not _is_of(request["spec"].get("username", ""), nodes):
                continue
            denied = {
                "type": "Denied",
                "status": "True",
                "reason": "NameNotInInventory",
                "message": "the name does not match",
                "lastUpdateTime": moment(self._clock.now()),
            }
            try:
                changed = {**request, "status": {**status, "conditions": [denied]}}
                self._client.update(CSRS, changed, "approval")
            except StatusError as error:
                if error.code not in {404, 409}:
                    raise


def _is_of(username: str, nodes: Collection[str]) -> bool:
    return username.startswith(_NODE) and username.removeprefix(_NODE) in nodes
