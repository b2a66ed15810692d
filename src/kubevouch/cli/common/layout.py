"""Text and tables laid out for a width. Tables by rich, which counts cells and not characters: some signs are two wide."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 3
_NARROWEST_COLUMN = 6


def folded(text: str, width: int, *, later: int | None = None) -> list[str]:
    """Lines of whole words, none wider than that unless it is one word. later: the width from the second line on.

    By textwrap: rich breaks or cuts a word that is longer than the line, and such a word is there to be copied.
    """
    if len(text) <= width:
        return [text.rstrip()]
    lines = _wrapped(text, width)
    if later is None or later == width or len(lines) < 2:
        return lines
    return [lines[0], *_wrapped(text[len(lines[0]) :].lstrip(), later)]


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def fits(rows: Sequence[Sequence[str]], width: int | None) -> bool:
    """Whether a table of these rows needs no folding. width: None for as wide as need be."""
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return width is None or sum(widths) + _GAP * (len(widths) - 1) <= width


def table_lines(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Rows of equally many cells, the first row being the headings. width: None for as wide as need be.

    Where it fits, padding is all there is to do (100 times faster than a table of rich); else the widest cells are folded.
    """
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    if width is None or sum(widths) + _GAP * (len(widths) - 1) <= width:
        return [
            (" " * _GAP).join(_padded(*pair) for pair in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    return _folded_table(rows, widths, width)


def _folded_table(rows: Sequence[Sequence[str]], widths: list[int], width: int) -> list[str]:
    from rich.table import Table
    from rich.text import Text

    shared = _shared(widths, width)
    # With very many columns it may be wider than the terminal all the same: rich must not cut it.
    console = _console(max(width, sum(shared) + _GAP * len(shared)))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="", expand=False)
    for heading, wide in zip(rows[0], shared, strict=True):
        table.add_column(heading, width=wide, overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(table, soft_wrap=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def _shared(widths: list[int], width: int) -> list[int]:
    """The widest columns give way, one sign after the other, until all fit or none is wider than a short word."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _NARROWEST_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _cells(cell))


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


@cache
def _console(width: int) -> "Console":
    """A console that writes nowhere: it lays out."""
    from io import StringIO

    from rich.console import Console

    return Console(
        file=StringIO(),
        width=width,
        color_system=None,
        force_terminal=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
