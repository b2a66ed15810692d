"""Events about nodes: that a ready node is not read (and why), is read again, or is read in another way than it should be.

Who may not create Events, as metrics-server's own account, is refused once; then no more are sent.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.events import EventSender, EventWord
from kubevouch.kube.resources import NODES, Node, Object
from kubevouch.kube.resources.meta import Metadata
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.results import ScrapeResult

NOT_READ: Final = EventWord("KubeletNotRead", "Scrape")
READ_AGAIN: Final = EventWord("KubeletReadAgain", "Scrape", warning=False)
NOT_VERIFIED: Final = EventWord("KubeletNotVerified", "Scrape")
OTHER_ADDRESS: Final = EventWord("KubeletReadElsewhere", "Scrape", warning=False)
SPACING: Final = timedelta(minutes=10)
"""Between two Events about a node."""


class EventsFailed(Protocol):
    """Called when an Event could not be created."""

    def __call__(self, error: KubevouchError, *, forbidden: bool) -> None:
        """forbidden: it never can, so that no more are sent."""
        ...


class NodeEvents:
    """Sends Events about nodes while `run` runs. instance: the reporting process. report: called with why Events are not sent."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        *,
        instance: str,
        report: EventsFailed,
    ) -> None:
        self._clock = clock
        self._report = report
        self._forbidden = False
        self._told: dict[str, _Told] = {}
        self._sender = EventSender(
            api,
            clock,
            instance=instance,
            busy=lambda: False,
            may_write=lambda: not self._forbidden,
            dropped=self._not_sent,
            report=self._failed,
        )

    async def run(self) -> None:
        """Sends Events until cancelled, or until they are forbidden."""
        await self._sender.run()

    def look(self, node: FleetNode, result: ScrapeResult) -> None:
        """Looks at the result of a scrape: sends an Event if it differs from what was told last, and that is a while ago.

        Nodes that are not ready are left out: the cluster says so itself.
        """
        if self._forbidden or not node.ready:
            return
        state = _state(result)
        before = self._told.get(node.name)
        told = before.state if before else _WELL
        if state == told:
            return
        now = self._clock.now()
        if before is not None and now - before.at < SPACING:
            return
        if self._sender.is_full:
            # A later scrape finds room: thousands of nodes may fail at once.
            return
        about = Node(metadata=Metadata(name=node.name, uid=node.uid))
        self._told[node.name] = _Told(state, now, told, about)
        word, note = _words(result)
        self._sender.tell(about, NODES, word, note)

    def forget(self, name: str) -> None:
        """A node is gone."""
        self._told.pop(name, None)

    def _not_sent(self, about: Object) -> None:
        """What was told before holds again, so that a scrape after SPACING tells the node's state once more."""
        told = self._told.get(about.name)
        if told is not None and told.about is about:
            self._told[about.name] = told._replace(state=told.before)

    def _failed(self, error: KubevouchError) -> None:
        if self._forbidden:
            return
        self._forbidden = error.lacks_rights
        self._report(error, forbidden=self._forbidden)


class _Told(NamedTuple):
    """The last Event about a node: the state that it tells, when it was queued, the state that was told before, and the Node."""

    state: tuple[str, ...]
    at: datetime
    before: tuple[str, ...]
    about: Object


_WELL: Final = ("", "", "", "")


def _state(result: ScrapeResult) -> tuple[str, ...]:
    reached = result.reached
    if result.reason:
        return (result.reason, "", "", "")
    doubtful = "not verified" if reached.doubt else ""
    return ("", doubtful, reached.credential, reached.address if reached.instead else "")


def _words(result: ScrapeResult) -> tuple[EventWord, str]:
    reached = result.reached
    if result.reason:
        return NOT_READ, f"{result.reason}: {result.text}"
    if reached.doubt:
        given = (
            f"the {reached.credential} was given to it"
            if reached.credential
            else "it was given no credential"
        )
        return (
            NOT_VERIFIED,
            f"read although it cannot be verified ({given}): {reached.doubt}; `kubevouch fix` gets it a certificate",
        )
    if reached.instead:
        return OTHER_ADDRESS, f"read at {reached.address}: {reached.instead}"
    return READ_AGAIN, f"read at {reached.address}"
