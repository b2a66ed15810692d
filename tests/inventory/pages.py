"""What `certs` shows of certificates that were found; and a page as an HTML parser reads it."""

import io
from html.parser import HTMLParser

from kubevouch.cli.certs.render import print_rows
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.inventory.rows import LifeLimit, Limits

_WITHOUT_END = {"meta", "br"}


def shows(
    found: FoundCertificates,
    form: str = "table",
    columns: int = 0,
    cluster: str = "",
    within: LifeLimit | None = None,
) -> tuple[str, int]:
    """And the exit code."""
    out = io.StringIO()
    terminal = Terminal(None, out, None, {"COLUMNS": str(columns)} if columns else {})
    code = print_rows(terminal, found, form, Limits(within=within), cluster=cluster)
    return out.getvalue(), code


class ReadPage(HTMLParser):
    """Elements with their attributes, and the text between; every element that was begun is ended, in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        self.elements.append((tag, dict(attrs)))
        if tag not in _WITHOUT_END:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def text(self) -> str:
        return " ".join(self.texts)
