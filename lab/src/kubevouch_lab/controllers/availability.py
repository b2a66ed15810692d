"""The condition Available of every APIService.

Sources: kube-aggregator's pkg/controllers/status/remote/remote_available_controller.go (1.36: EndpointSlices, and the
check verifies TLS as the proxy does) and pkg/controllers/status/local.
"""

import asyncio

import aiohttp
from yarl import URL

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import API_SERVICES, ENDPOINT_SLICES, SERVICES
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import UserInfo
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import BAD_OBJECT, reconcile
from kubevouch_lab.objects import Object, condition, name_of, status_of
from kubevouch_lab.proxies.aggregation import Aggregation, Backend, NoBackend, identity
from kubevouch_lab.proxies.go_errors import go_error_text
from kubevouch_lab.proxies.node_proxy import FAILURES

Answer = tuple[str, str, str]  # status, reason, message
_EVERY = 30.0
_TIMEOUT = 5.0
_AS = UserInfo("system:kube-aggregator", groups=("system:masters",))


class Availability:
    """Looks after changes of APIServices, Services and endpoints, and every 30 s."""

    def __init__(
        self,
        store: Store,
        client: LocalClient,
        aggregation: Aggregation,
        clock: Clock,
    ) -> None:
        self._store = store
        self._client = client
        self._aggregation = aggregation
        self._clock = clock
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (API_SERVICES, SERVICES, ENDPOINT_SLICES)
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look())
            await reconcile(self._store, kinds, self._wake, clock=self._clock)
            looking.cancel()

    async def look(self) -> None:
        """Judges every APIService once, and writes what has changed."""
        found = self._store.list(API_SERVICES)
        answers = await asyncio.gather(*(self._judged(each) for each in found))
        for each, answer in zip(found, answers, strict=True):
            self._write(name_of(each), answer)

    def _wake(self) -> float | None:
        self._again.set()
        aggregated = any(
            (each.get("spec") or {}).get("service") for each in self._store.list(API_SERVICES)
        )
        return _EVERY if aggregated else None

    async def _look(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            await self.look()

    async def _judged(self, api_service: Object) -> Answer:
        try:
            if not api_service["spec"].get("service"):
                return "True", "Local", "Local APIServices are always available"
            return await self._asked(api_service, self._aggregation.backend(api_service))
        except NoBackend as error:
            return "False", error.reason, error.message
        except BAD_OBJECT as error:
            return "False", "FailedDiscoveryCheck", f"cannot be read: {error!r}"

    async def _asked(self, api_service: Object, backend: Backend) -> Answer:
        """Once, where a real one asks five times at once and takes one good answer."""
        spec = api_service["spec"]
        path = f"/apis/{spec['group']}/{spec['version']}"
        url = f"https://{backend.shown}{path}"
        try:
            async with self._aggregation.client().get(
                URL(f"https://{backend.address}{path}"),
                headers=identity(_AS),
                ssl=backend.context,
                server_hostname=backend.name,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            ) as response:
                if 200 <= response.status < 300:
                    return "True", "Passed", "all checks passed"
                why = f"bad status from {url}: {response.status}"
        except FAILURES as error:
            why = f'Get "{url}": {go_error_text(error, backend.shown)}'
        wrong = f"failing or missing response from {url}: {why}"
        return "False", "FailedDiscoveryCheck", wrong

    def _write(self, name: str, answer: Answer) -> None:
        """Only what has changed; the time is that of the last change of the status."""
        current = self._client.find(API_SERVICES, name)
        if current is None:
            return
        old = condition(current, "Available") or {}
        value, reason, message = answer
        if (old.get("status"), old.get("reason"), old.get("message")) == answer:
            return
        since = old.get("lastTransitionTime")
        made = {
            "type": "Available",
            "status": value,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since
            if since and old.get("status") == value
            else moment(self._clock.now()),
        }
        status = status_of(current)
        others = [each for each in status.get("conditions") or [] if each["type"] != "Available"]
        changed = {**current, "status": {**status, "conditions": [*others, made]}}
        try:
            self._client.update(API_SERVICES, changed, "status")
        except StatusError as error:
            if error.code not in {404, 409}:
                raise
