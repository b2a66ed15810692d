"""Text and tables laid out for a width. Tables by rich, which counts cells and not characters: some signs are two wide."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 3
_NARROWEST_COLUMN = 6
# Where a word may be broken: between the labels of a name, never inside of one, of an address or of a date.
_JOINT = re.compile(r"(?<=\w[-.,/])(?=[^\W\d])")


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

    shared = _shared(rows, widths, width)
    # With very many columns it may be wider than the terminal all the same: rich must not cut it.
    console = _console(max(width, sum(shared) + _GAP * len(shared)))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="", expand=False)
    for heading, wide in zip(rows[0], shared, strict=True):
        table.add_column(heading, width=wide, overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(_jointed(*pair)) for pair in zip(row, shared, strict=True)))
    with console.capture() as captured:
        console.print(table, soft_wrap=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def _shared(rows: Sequence[Sequence[str]], widths: list[int], width: int) -> list[int]:
    """Columns give way until all fit: first sentences, down to a quarter of the width, then words between their pieces.

    What then is still too wide gives way until no column is wider than a short word.
    """
    sentences = [max(each, width // 4) for each in _longest(rows, str.split)]
    for floors in (sentences, _longest(rows, _pieces), [0] * len(widths)):
        widths = _given_way(widths, [max(each, _NARROWEST_COLUMN) for each in floors], width)
    return widths


def _given_way(widths: Sequence[int], floors: Sequence[int], width: int) -> list[int]:
    """The widest column gives way, one sign after the other, down to its floor."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > width:
        wide = [
            each for each, pair in enumerate(zip(widths, floors, strict=True)) if pair[0] > pair[1]
        ]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _longest(rows: Sequence[Sequence[str]], parts: Callable[[str], Sequence[str]]) -> list[int]:
    """Of each column the width of the widest part of a cell."""
    return [
        max((_cells(part) for cell in column for part in parts(cell)), default=0)
        for column in zip(*rows, strict=True)
    ]


def _pieces(cell: str) -> list[str]:
    """The words of a cell, each broken wherever it may be."""
    return [piece for word in cell.split() for piece in _JOINT.split(word)]


def _jointed(cell: str, width: int) -> str:
    """A cell with its lines ended in those words that are wider than the column, each at a joint."""
    return " ".join(
        word if _cells(word) <= width else "\n".join(_filled(_JOINT.split(word), width))
        for word in cell.split(" ")
    )


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    """Lines of as many pieces as fit."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and _cells(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return lines


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
