"""The two ways to read a page: every line by the full reader, or as the scraper does it, the quick one first."""

from kubevouch.kubelet.resource_metrics import ResourceMetrics, reading
from kubevouch.metrics.pages import Page, page_of
from kubevouch.metrics.points import PodKey
from kubevouch.metrics.quick_pages import PageForm, quick_page
from kubevouch.metrics.store import MetricsStore, PodUsage


def read_resource_metrics(body: bytes, where: str) -> ResourceMetrics:
    """All steps of `reading` at once."""
    steps = reading(body, where)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            page: ResourceMetrics = end.value
            return page


class Exact:
    """Reads every page by the full reader. Raises AnswerError. pods: those of all pages so far."""

    def __init__(self) -> None:
        self.pods: set[PodKey] = set()

    def read(self, body: bytes) -> Page:
        page = self._page(body)
        self.pods.update(page.containers.layout.pods)
        return page

    def _page(self, body: bytes) -> Page:
        return page_of(read_resource_metrics(body, "n1"), 0)

    def served(self, store: MetricsStore) -> dict[PodKey, PodUsage]:
        """The usage of every pod that has one, by namespace and name."""
        found = {key: store.pod(*key) for key in sorted(self.pods)}
        return {key: usage for key, usage in found.items() if usage is not None}


class Quick(Exact):
    """Reads a page by the full reader only if the quick one does not know its form. quick: how many it did know."""

    def __init__(self) -> None:
        super().__init__()
        self._form = PageForm()
        self.quick = 0

    def _page(self, body: bytes) -> Page:
        found = quick_page(body, self._form)
        if found is None:
            return super()._page(body)
        self.quick += 1
        page, self._form = found
        return page
