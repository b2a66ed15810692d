"""The two ways to read a page: every line by the full reader, or as the scraper does it, the quick one first."""

from kubevouch.kubelet.resource_metrics import read_resource_metrics
from kubevouch.metrics.pages import Page, page_of
from kubevouch.metrics.quick_pages import Form, quick_page


class Exact:
    """Reads every page by the full reader. Raises AnswerError."""

    def read(self, body: bytes) -> Page:
        return page_of(read_resource_metrics(body, "n1"), 0)


class Quick(Exact):
    """Reads a page by the full reader only if the quick one does not know its form. quick: how many it did know."""

    def __init__(self) -> None:
        self._form = Form()
        self.quick = 0

    def read(self, body: bytes) -> Page:
        found = quick_page(body, self._form)
        if found is None:
            return super().read(body)
        self.quick += 1
        page, self._form = found
        return page
