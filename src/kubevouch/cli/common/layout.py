"""Wraps text and tables with textwrap. rich would break long words, which people want to copy."""

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from textwrap import TextWrapper, fill, wrap

_GAP = 3
_NARROWEST_COLUMN = 6
# A cell breaks at blanks and between the labels of a name, never inside a label, an address or a date.
_JOINT = re.compile(r"(\s+|(?<=\w[-.,/])(?=[^\W\d]))")


def folded(text: str, width: int) -> list[str]:
    """The text as lines of whole words. A word longer than the width stays whole."""
    if len(text) <= width:
        return [text.rstrip()]
    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def hung(line: str, columns: int, hang: int) -> str:
    """The line wrapped to the width, with a hanging indent."""
    if len(line) <= columns:
        return line.rstrip()
    behind = " " * hang
    return fill(
        line, columns, subsequent_indent=behind, break_long_words=False, break_on_hyphens=False
    )


def table_lines(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The lines of a table, whose first row has the headings. width: the maximum width; None means no limit."""
    widths = _longest(rows, lambda cell: [cell])
    if width is None or sum(widths) + _GAP * (len(widths) - 1) <= width:
        return [_line(row, widths) for row in rows]
    widths = _column_widths(rows, widths, width)
    lines: list[str] = []
    for row in rows:
        cells = [_folded_cell(*pair) for pair in zip(row, widths, strict=True)]
        lines += [_line(parts, widths) for parts in zip_longest(*cells, fillvalue="")]
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (wide - _cells(cell)) for cell, wide in zip(cells, widths, strict=True)]
    return (" " * _GAP).join(padded).rstrip()


def _folded_cell(cell: str, width: int) -> list[str]:
    wrapper = TextWrapper(width)
    wrapper.wordsep_re = _JOINT
    return wrapper.wrap(cell) or [""]


def _column_widths(rows: Sequence[Sequence[str]], widths: list[int], width: int) -> list[int]:
    """Narrows columns until the table fits: first wraps between words, then inside long names, then anywhere."""
    sentences = [max(each, width // 4) for each in _longest(rows, str.split)]
    for floors in (sentences, _longest(rows, _JOINT.split), [0] * len(widths)):
        widths = _narrowed(widths, [max(each, _NARROWEST_COLUMN) for each in floors], width)
    return widths


def _narrowed(widths: Sequence[int], floors: Sequence[int], width: int) -> list[int]:
    """Narrows the widest column, one character at a time, until the table fits or each column is at its floor."""
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
    """For each column, the width of its widest part. parts: splits a cell into its parts."""
    return [
        max((_cells(part) for cell in column for part in parts(cell)), default=0)
        for column in zip(*rows, strict=True)
    ]


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
