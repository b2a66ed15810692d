"""Pages as frozen values. One template (page.html.j2) writes them and escapes every text."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

from kubevouch import __version__


class Cell(NamedTuple):
    """A cell. kind: "whole" is never broken, "wide" is for long texts. tone: "bad", "warn", "good", or ""."""

    text: str = ""
    kind: str = ""
    tone: str = ""


class PageTable(NamedTuple):
    """A table that scrolls by itself if it is too wide."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Line(NamedTuple):
    """A paragraph: a coloured word, directly followed by a text, then a command."""

    text: str = ""
    word: str = ""
    tone: str = ""
    code: str = ""
    soft: bool = False


class Tick(NamedTuple):
    """A date on the time-line. at: percent of its width. kind: "grid" or "now"."""

    at: float
    kind: str
    word: str


class Dot(NamedTuple):
    """Ends at one place of a lane."""

    at: float
    tone: str
    radius: float
    title: str


class Lane(NamedTuple):
    """The ends of one use. top: pixels."""

    use: str
    size: str
    top: int
    dots: Sequence[Dot]


class Timeline(NamedTuple):
    """The time-line of all ends. height: pixels."""

    label: str
    height: int
    ticks: Sequence[Tick]
    lanes: Sequence[Lane]


class Box(NamedTuple):
    """A CA, or certificates that it signed. short: its title, truncated to fit."""

    title: str
    short: str
    about: str
    kind: str
    top: int
    left: int
    width: str


class Chain(NamedTuple):
    """A CA, and below it what it signed."""

    label: str
    height: int
    boxes: Sequence[Box]


class PageSection(NamedTuple):
    """A part of the page, with its contents in this order. kind: a class of the style sheet."""

    heading: str
    kind: str = ""
    lines: Sequence[Line] = ()
    items: Sequence[str] = ()
    timeline: Timeline | None = None
    chains: Sequence[Chain] = ()
    tables: Sequence[PageTable] = ()


class Tile(NamedTuple):
    """A number, what it counts, and its tone if it is not 0."""

    number: int
    what: str
    tone: str


class WebPage(NamedTuple):
    """A whole page. about: lines under its title.

    The tiles are between the first section and the others.
    """

    title: str
    about: Sequence[str]
    first: PageSection
    tiles: Sequence[Tile]
    sections: Sequence[PageSection]


def html_of(page: WebPage, words: Callable[[str], str]) -> str:
    """The page as HTML. words: makes a foreign text safe for one line."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: words(value) if type(value) is str else value,
    )
    source = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=page, version=__version__).lstrip()
