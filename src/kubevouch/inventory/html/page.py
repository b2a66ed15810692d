"""The frame that every page shares: its head, its looks, and how a text of somebody else is put into it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from kubevouch import __version__

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--ink:#1d2530;--soft:#5c6776;--line:#dde2e8;
--bad:#b3261e;--bad-back:#fcebea;--warn:#8a5a00;--warn-back:#fdf3dd;--good:#1c6b45;--good-back:#e6f4ec;--dot:#3a6ea5}
@media (prefers-color-scheme:dark){:root{--back:#14181d;--card:#1c2229;--ink:#e4e8ed;--soft:#98a4b3;--line:#313a45;
--bad:#ff8a80;--bad-back:#3a1f1f;--warn:#f0c060;--warn-back:#362b15;--good:#7fd0a3;--good-back:#19302450;--dot:#7fb0e6}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:22px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 12px}
p{margin:0 0 8px}
.soft{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
section{min-width:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;margin-top:16px}
.first{border-left:4px solid var(--dot)}
.first.bad{border-left-color:var(--bad)}.first.warn{border-left-color:var(--warn)}.first.good{border-left-color:var(--good)}
.first p{overflow-wrap:anywhere}.first .word{font-weight:600}
.word.bad,td .bad{color:var(--bad)}.word.warn,td .warn{color:var(--warn)}.word.good,td .good{color:var(--good)}
.tiles{display:flex;flex-wrap:wrap;gap:8px;margin-top:16px}
.tile{flex:1 1 120px;border-radius:10px;padding:8px 14px;background:var(--card);border:1px solid var(--line)}
.tile b{display:block;font-size:22px;line-height:1.3}
.tile.bad{background:var(--bad-back);color:var(--bad)}.tile.warn{background:var(--warn-back);color:var(--warn)}
.tile.good{background:var(--good-back);color:var(--good)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:12px}
th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
td{overflow-wrap:anywhere;min-width:76px}td.whole{white-space:nowrap}td.wide{min-width:240px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--back);padding:1px 5px;border-radius:4px;
overflow-wrap:anywhere}
svg{display:block;width:100%;overflow:visible}
svg text{fill:var(--ink);font-size:13px}svg .soft{fill:var(--soft);font-size:12px}
svg .lane{paint-order:stroke;stroke:var(--card);stroke-width:4px}
svg .grid{stroke:var(--line)}svg .now{stroke:var(--soft);stroke-dasharray:3 3}
svg circle{fill:var(--dot);fill-opacity:.85;stroke:var(--card)}
svg .bad{fill:var(--bad)}svg .warn{fill:var(--warn)}
svg rect{fill:var(--card);stroke:var(--line)}svg rect.ca{stroke:var(--dot)}
svg rect.bad{fill:var(--bad-back);stroke:var(--bad)}svg rect.warn{fill:var(--warn-back);stroke:var(--warn)}
svg path{fill:none;stroke:var(--soft)}
.chains{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:16px}
@media screen and (max-width:640px){thead{display:none}td,td.whole{display:block;border:0;padding:1px 0;white-space:normal}
td:empty{display:none}td::before{content:attr(data-of) "  ";color:var(--soft);font-size:11px;letter-spacing:.02em}
tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}tr:last-child{border-bottom:0}}
ul{margin:0;padding-left:20px}li{margin:0 0 6px;overflow-wrap:anywhere}
@media print{:root{color-scheme:light;--back:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--bad:#9c1c14;
--bad-back:#fff;--warn:#7a5000;--warn-back:#fff;--good:#14593a;--good-back:#fff;--dot:#2c5a8a}
*{print-color-adjust:exact}body{font-size:11px}.soft{font-size:10px}h1{font-size:17px}h2{font-size:13px}main{max-width:none;padding:0}section{break-inside:avoid-page}.scroll{overflow:visible}
section.long{break-inside:auto}tr{break-inside:avoid}table{font-size:10px}}
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """How texts come into a page. words: what is shown of a text of somebody else, on one line."""

    words: Callable[[str], str] = str

    def text(self, text: str) -> str:
        """A text as HTML: whatever is in it stays text."""
        return escape(self.words(text), quote=True)

    def page(self, title: str, about: Iterable[str], parts: Iterable[str]) -> str:
        """A whole page. about: lines under its title. parts: HTML."""
        lines = "".join(f'<p class="soft">{self.text(each)}</p>' for each in about)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n'
            f"<title>{self.text(title)}</title>\n<style>{_STYLE}</style></head>\n"
            f"<body><main>\n<header><h1>{self.text(title)}</h1>{lines}</header>\n"
            + "\n".join(parts)
            + f'\n<p class="soft" style="margin-top:16px">kubevouch {__version__}, reading only.</p>\n</main></body></html>\n'
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        """A table that scrolls by itself where it is too wide. rows: cells as HTML, by `cell`."""
        names = [f'<td data-of="{self.text(each)}"' for each in columns]
        head = "".join(f'<th scope="col">{self.text(each)}</th>' for each in columns)
        body = "".join(f"<tr>{''.join(map(_named, row, names))}</tr>\n" for row in rows)
        return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'

    def cell(self, text: str, *, kind: str = "", tone: str = "") -> str:
        """A cell. kind: "whole" for what is never broken, "wide" for long texts. tone: "bad", "warn", "good", or ""."""
        shown = self.text(text)
        if tone:
            shown = f'<span class="{tone}">{shown}</span>'
        return f'<td class="{kind}">{shown}</td>' if kind else f"<td>{shown}</td>"


def _named(cell: str, name: str) -> str:
    """The cell with the name of its column, which a narrow screen shows in front of it."""
    return cell.replace("<td", name, 1)


def section(heading: str, content: str, kind: str = "") -> str:
    """A part of the page. heading: a text of ours. content: HTML."""
    return f'<section class="{kind}"><h2>{escape(heading)}</h2>\n{content}</section>'


def tiles(counted: Iterable[tuple[int, str, str]]) -> str:
    """Numbers in a row: how many, of what, in which tone. A tone is only shown where there is one to count."""
    shown = "".join(
        f'<div class="tile {tone if count else ""}"><b>{count}</b>{escape(what)}</div>'
        for count, what, tone in counted
    )
    return f'<div class="tiles">{shown}</div>'
