"""The data types of a page. One template (page.html.j2) renders a page, and escapes every text."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

from kubevouch import __version__


class Cell(NamedTuple):
    """A table cell. kind: "whole" is never wrapped, "wide" is for long texts. tone: "bad", "warn", "good", or ""."""

    text: str = ""
    kind: str = ""
    tone: str = ""


class PageTable(NamedTuple):
    """A table, which scrolls if it is too wide."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Line(NamedTuple):
    """A paragraph of a coloured word, a text and a command. No space is added between word and text."""

    text: str = ""
    word: str = ""
    tone: str = ""
    code: str = ""
    soft: bool = False


class Tick(NamedTuple):
    """A date on the timeline. at: its position in percent of the width. kind: "grid" or "now"."""

    at: float
    kind: str
    word: str


class Dot(NamedTuple):
    """A dot in a lane, for certificates that expire at about the same time."""

    at: float
    tone: str
    radius: float
    title: str


class Lane(NamedTuple):
    """A lane of the timeline, for one use. top: its distance from the top, in pixels."""

    use: str
    size: str
    top: int
    dots: Sequence[Dot]


class Timeline(NamedTuple):
    """The timeline of expiry dates. height: in pixels."""

    label: str
    height: int
    ticks: Sequence[Tick]
    lanes: Sequence[Lane]


class Box(NamedTuple):
    """A box for a CA, or for certificates that it signed. short: the title, truncated to fit."""

    title: str
    short: str
    about: str
    kind: str
    top: int
    left: int
    width: str


class Chain(NamedTuple):
    """A CA, and the certificates that it signed."""

    label: str
    height: int
    boxes: Sequence[Box]


class PageSection(NamedTuple):
    """A section of the page, with its parts in the order of the fields. kind: a CSS class."""

    heading: str
    kind: str = ""
    lines: Sequence[Line] = ()
    items: Sequence[str] = ()
    timeline: Timeline | None = None
    chains: Sequence[Chain] = ()
    tables: Sequence[PageTable] = ()


class Tile(NamedTuple):
    """A number and what it counts. tone: the colour, used if the number is not 0."""

    number: int
    what: str
    tone: str


class WebPage(NamedTuple):
    """A whole page. about: lines below the title.

    The tiles are placed after the first section.
    """

    title: str
    about: Sequence[str]
    first: PageSection
    tiles: Sequence[Tile]
    sections: Sequence[PageSection]


def html_of(page: WebPage, words: Callable[[str], str]) -> str:
    """Renders the page as HTML. words: makes an untrusted text safe for one line."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: words(value) if type(value) is str else value,
    )
    source = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=page, version=__version__).lstrip()
