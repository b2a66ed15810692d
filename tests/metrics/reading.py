"""The two ways to read a page: every line by the full reader, or as the scraper does it, the quick one first."""

from kubevouch.metrics.columns import ABSENT, LAST_NS, Owner, PodKey, Point
from kubevouch.metrics.pages import Page, reading
from kubevouch.metrics.quick_pages import PageForm, page_form, quick_page
from kubevouch.metrics.store import MetricsStore, PodUsage


def read_page(body: bytes | str, requested_ms: int = 0) -> Page:
    """All steps of `reading` at once."""
    steps = reading(body.encode() if isinstance(body, str) else body, "node n1", requested_ms)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            page: Page = end.value
            return page


def said(page: Page) -> tuple[Point | None, dict[Owner, Point], set[PodKey]]:
    """What a page comes to: the node, each container that has a measurement, the pods that lack one."""
    found = page.containers
    points = {
        (pod, found.layout.names[row]): Point(
            found.at_ns[row], int(found.cpu[row] * 1e9), int(found.memory[row]), found.start_ns[row]
        )
        for pod, rows in found.layout.pods.items()
        for row in rows
        if found.at_ns[row] != ABSENT
    }
    assert found.present == len(points)
    assert found.oldest_ns == min((point.at_ns for point in points.values()), default=LAST_NS)
    return page.node, points, set(page.incomplete)


class Exact:
    """Reads every page by the full reader. Raises AnswerError. pods: those of all pages so far."""

    def __init__(self) -> None:
        self.pods: set[PodKey] = set()

    def read(self, body: bytes) -> Page:
        page = self._page(body)
        self.pods.update(page.containers.layout.pods)
        return page

    def _page(self, body: bytes) -> Page:
        return read_page(body)

    def served(self, store: MetricsStore) -> dict[PodKey, PodUsage]:
        """The usage of every pod that has one, by namespace and name."""
        found = {key: store.pod(*key) for key in sorted(self.pods)}
        return {key: usage for key, usage in found.items() if usage is not None}


class Quick(Exact):
    """Reads a page by the full reader only if the quick one cannot. quick: how many it gave; full: how many needed the other."""

    def __init__(self) -> None:
        super().__init__()
        self._form: PageForm | None = None
        self.quick = self.full = 0

    def _page(self, body: bytes) -> Page:
        page = quick_page(body, self._form)
        if page is None:
            self.full += 1
            exact = super()._page(body)
            self._form = page_form(body, exact)
            # What the quick reader says of that very page has to be right, too.
            page = quick_page(body, self._form)
            if page is None:
                return exact
        self.quick += 1
        return page
