"""Parses a /metrics/resource page of a kubelet ten times as fast as `pages.reading`.

Between two scrapes usually only the numbers in the families that we use change. So all lines of a
family are split together. If the labels equal those of the node's last page (compared by hash),
only the numbers are converted, in bulk. `quick_page` returns None if a page has other containers than the last one,
or is not in a kubelet's usual format (labels in another order, a family in two places, NaN). Then
`pages.reading` parses the page, and `page_form` records the labels for the next one. If neither
parser fails, both return the same measurements. Only `pages.reading` rejects faults in lines
that we do not use, or a tab or other white space in place of a space between words.
"""

from array import array
from typing import Annotated, Final, NamedTuple

import msgspec

from kubevouch.metrics.columns import LAST_NS, Layout, Point, columns, is_sample, node_point
from kubevouch.metrics.pages import CPU, MEMORY, NODE_CPU, NODE_MEMORY, START, Page

_LONGEST: Final = 2 << 20
"""The maximum size of a page in bytes, enough for some 2,500 containers. A larger page is parsed in
steps by `pages.reading`, since a few bytes of gzip may expand to it."""

# Comma-joined numbers are a JSON array, which has no NaN, no underscore, and no blank or comma in
# a number.
_FLOATS: Final = msgspec.json.Decoder(list[float])
_INTEGERS: Final = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-LAST_NS, le=LAST_NS)]])
_LONGEST_NUMBER: Final = 32
_NEXT: Final = b"\n# HELP "
_WORDS: Final = 3
"""The number of words in a line: the series, its value and its time."""


class _UnusualPage(ValueError):
    """The page is not exactly in the form that kubelets write."""


class PageForm(NamedTuple):
    """The parts of a node's last page that are expected to be the same in its next one.

    labels: hashes of the CPU series and of the memory series. length: the size in bytes of the
    shorter of the two, without values and timestamps. starts: length and hash of the lines with
    start times. These lines have no timestamps, so they stay the same until a container starts. (A
    kubelet that forges a hash collision can only misreport its own containers.)
    """

    layout: Layout
    labels: tuple[int, int]
    length: int
    starts: tuple[int, int]
    start_ns: "array[int]"
    latest_start_ns: int


def page_form(body: bytes, page: Page) -> PageForm | None:
    """The form of a page, for parsing the node's next page with `quick_page`.

    page: the measurements in `body`, from `pages.reading`. Returns None if some containers lack CPU
    or memory, or if `quick_page` cannot parse `body`.
    """
    layout, begin = page.containers.layout, body.find(b"\n" + START + b"{")
    end = body.find(_NEXT, begin) if begin >= 0 else begin
    lines = [b""] * len(layout.names)
    for (namespace, pod), rows in layout.pods.items():
        for row in rows:
            text = f'{{container="{layout.names[row]}",namespace="{namespace}",pod="{pod}"}}'
            lines[row] = text.encode("ascii")
    series = [b"\n".join([family + each for each in lines]) for family in (CPU, MEMORY)]
    form = PageForm(
        layout,
        (hash(series[0]), hash(series[1])),
        min(map(len, series)),
        (end - begin, hash(body[begin:end])),
        page.containers.start_ns,
        page.containers.latest_start_ns,
    )
    # Missing values must be reported at each scrape.
    return form if not page.incomplete and quick_page(body, form) is not None else None


def quick_page(body: bytes, form: PageForm | None) -> Page | None:
    """Parses a page quickly. Returns None if the page must be parsed by `pages.reading`.

    Never raises. form: that of the node's last page, if any.
    """
    if form is None or len(body) > _LONGEST:
        return None
    try:
        return _page(body, form)
    # msgspec's errors are ValueErrors, too.
    except (ValueError, OverflowError):
        return None


def _page(body: bytes, form: PageForm) -> Page:
    cpu = _family(body, CPU, 0, form, form.labels[0])
    memory = _family(body, MEMORY, cpu.end, form, form.labels[1])
    length, digest = form.starts
    begin = body.find(b"\n" + START + b"{", memory.end) if length else memory.end
    end = begin + length
    if hash(body[begin:end]) != digest or not body.startswith(_NEXT, end):
        raise _UnusualPage
    for family in (CPU, MEMORY, START):
        line = b"\n" + family
        # A search from the end finds a missing text in a quarter of the time.
        if (
            body.startswith(family)
            or body.rfind(line, end) >= 0
            or any(
                body.rfind(line, *gap) >= 0
                for gap in ((0, cpu.begin), (cpu.end, memory.begin), (memory.end, begin))
            )
        ):
            raise _UnusualPage
    rows = len(form.layout.names)
    used, held = _numbers(cpu.values, rows), _numbers(memory.values, rows)
    at_ns = _times_ns(memory.times, rows)
    if cpu.times != memory.times:
        # The times of CPU must be valid, but are not used.
        _times_ns(cpu.times, rows)
    # If all are positive, none exceeds their sum. The sum may be too large for a sample, or NaN.
    if used and not (
        is_sample(min(used), min(held), min(at_ns)) and is_sample(sum(used), sum(held), 0)
    ):
        raise _UnusualPage
    found = columns(
        form.layout,
        array("d", used),
        array("d", held),
        array("q", at_ns),
        form.start_ns,
        latest_start_ns=form.latest_start_ns,
    )
    return Page(_node(body, end), found)


class _Family(NamedTuple):
    """The parsed lines of one family. begin, end: its offsets in the page. values, times: comma-joined numbers."""

    begin: int
    end: int
    values: bytes = b""
    times: bytes = b""


def _family(body: bytes, name: bytes, start: int, form: PageForm, labels: int) -> _Family:
    """Parses a family's lines, which must be contiguous, with a single space between words.

    A tab or other white space counts as a space. start: the offset from which to search. labels:
    the expected hash of the family's series.
    """
    rows = len(form.layout.names)
    if not rows:
        return _Family(start, start)
    begin = body.find(b"\n" + name + b"{", start)
    end = body.find(_NEXT, begin + form.length)
    if begin < 0 or end < 0:
        raise _UnusualPage
    # No more than expected: millions would cost 100 MB and delay the other nodes.
    words = body[begin:end].split(None, _WORDS * rows)
    # Joined with a separator that no label contains: otherwise two labels could look like one.
    joined = b"\n".join(words[0::_WORDS])
    if len(words) != _WORDS * rows or hash(joined) != labels:
        raise _UnusualPage
    values, times = b",".join(words[1::_WORDS]), b",".join(words[2::_WORDS])
    separators = _WORDS * (rows - 1)
    if end - begin != len(words) + len(joined) + len(values) + len(times) - separators:
        raise _UnusualPage
    return _Family(begin, end, values, times)


def _node(body: bytes, begin: int) -> Point | None:
    cpu, memory = _node_line(body, NODE_CPU, begin), _node_line(body, NODE_MEMORY, begin)
    used, held = _numbers(b"%b,%b" % (cpu[0], memory[0]), 2)
    _, at_ns = _times_ns(b"%b,%b" % (cpu[1], memory[1]), 2)
    return node_point(used, held, at_ns)


def _node_line(body: bytes, name: bytes, begin: int) -> list[bytes]:
    """The value and timestamp in this family's only line after the offset `begin`."""
    line = b"\n" + name
    place = body.rfind(line, begin)
    end = body.find(b"\n", place + 1)
    # Without this line, the page may not be a kubelet's.
    if place < 0 or end < 0 or body.rfind(line, begin, place) >= 0:
        raise _UnusualPage
    words = body[place + len(line) : end].split(b" ")
    if len(words) != _WORDS or words[0]:
        raise _UnusualPage
    return words[1:]


def _numbers(texts: bytes, count: int) -> list[float]:
    """Parses `count` comma-joined numbers."""
    numbers = _FLOATS.decode(b"[%b]" % texts)
    if len(numbers) != count or len(texts) > count * (_LONGEST_NUMBER + 1):
        raise _UnusualPage
    return numbers


def _times_ns(texts: bytes, count: int) -> list[int]:
    """Parses `count` comma-joined times in milliseconds. Returns them in nanoseconds."""
    if not count:
        return []
    times = _INTEGERS.decode(b"[%b000000]" % texts.replace(b",", b"000000,"))
    if len(times) != count:
        raise _UnusualPage
    return times
