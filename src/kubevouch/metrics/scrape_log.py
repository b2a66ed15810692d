"""Log lines and metrics of scrapes, in metrics-server's words (pkg/scraper/scraper.go, 0.9)."""

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.scraping import ScrapeFailure, ScrapeResult, first_of
from kubevouch.metrics.serving.instruments import Instruments
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.serve.logs import Log


class ScrapeLog:
    """Called for what happens while scraping: writes log lines and counts scrapes. What it raises is dropped: it cannot end a scrape.

    timeout: seconds for one scrape, which a line about a timeout names.
    """

    def __init__(self, log: Log, clock: Clock, timeout: float) -> None:
        self._log = log
        self._clock = clock
        self._timeout = go_duration(int(timeout * 1e9))
        self.instruments: Instruments | None = None
        """Set after construction, since the instruments read the store that the scraper fills."""

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """Logs and counts a scrape."""
        if self.instruments is not None:
            ended = self._clock.now().timestamp()
            reason = failure.reason if failure else ""
            self.instruments.scraped(node.name, ended=ended, seconds=seconds, reason=reason)
        if failure is None:
            if self._log.shows(2):
                self._log.verbose(2, "Scraped node", node=node.name, duration=_shown(seconds))
        elif not node.ready:
            text = "Failed to scrape node, node is not ready"
            self._log.verbose(4, text, node=node.name, err=failure.text)
        elif failure.reason == "deadline":
            text = "Failed to scrape node, timeout to access kubelet"
            self._log.error(failure.text, text, node=node.name, timeout=self._timeout)
        else:
            self._log.error(failure.text, "Failed to scrape node", node=node.name)

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """Logs that a node reported pods of another node."""
        text = "the pod belongs to another node"
        self._log.error(text, "Got duplicate pod point", node=node.name, pods=_named(pods))

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """Logs that a page lacks CPU or memory."""
        if node_itself:
            self._log.verbose(1, "Failed getting complete node metric", node=node.name)
        if pods:
            text = "Failed getting complete Pod metric"
            self._log.verbose(1, text, node=node.name, pods=_named(pods))

    def changed(self, node: FleetNode, before: ScrapeResult | None, now: ScrapeResult) -> None:
        """Logs that a node could not be verified."""
        if now.doubt and not (before and before.doubt):
            text = "A kubelet is not verified, so it gets no credential; `kubevouch apply` gets it a certificate"
            self._log.error(now.doubt, text, node=node.name)

    def restarted(self, node: FleetNode, error: BaseException | None) -> None:
        """Logs and counts that the task of a node died and was started again."""
        if self.instruments is not None:
            self.instruments.restarts.inc()
        seen = "cancelled" if error is None else f"{type(error).__name__}: {error}"
        self._log.error(seen, "The task of a node died and was started again", node=node.name)

    def selects_nothing(self, node_selector: str) -> None:
        """Logs that there is nothing to scrape."""
        text = "No node matches --node-selector: there is nothing to scrape, and the server is not ready before one does"
        self._log.warning(text, selector=node_selector)

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """Logs that a watch failed; it will be tried again."""
        self._log.error(error, "Failed to watch", resource=resource)


def _shown(seconds: float) -> str:
    return go_duration(int(seconds * 1e9))


def _named(pods: tuple[PodKey, ...]) -> str:
    return first_of(pods, "/".join)
