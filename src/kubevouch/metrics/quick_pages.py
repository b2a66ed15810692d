"""A page's measurements in a tenth of the time that reading every line takes.

Five families of a page count, and from one scrape to the next their lines differ in their numbers only. So each family
is split into words at once: if the labels are those of the last page (by their hash), only the numbers are converted,
in bulk. New labels are read by one pattern. If a page is not exactly as kubelets write it (labels in another order,
escapes, a family in two places, NaN), or a container lacks a sample, `quick_page` returns None and the full reader is used. Otherwise both give the
same measurements. Only errors that the full reader finds in families that do not count, or in the kind of blank between
two words, go unnoticed here.
"""

import re
from array import array
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from kubevouch.metrics.columns import (
    LAST_NS,
    NEVER,
    Layout,
    Owner,
    PodKey,
    Point,
    columns,
    is_sample,
    layout_of,
    node_point,
    start_of,
)
from kubevouch.metrics.pages import Page

MOST_ROWS: Final = 5_000
"""Containers. With more of them the page is read in steps."""

_LONGEST: Final = 2 << 20
"""Bytes, which some 2,500 containers have; a longer page is read in steps, too. It may come of a few bytes of gzip."""

_CPU: Final = b"container_cpu_usage_seconds_total"
_MEMORY: Final = b"container_memory_working_set_bytes"
_START: Final = b"container_start_time_seconds"
_NODE_CPU: Final = b"node_cpu_usage_seconds_total"
_NODE_MEMORY: Final = b"node_memory_working_set_bytes"
_FAMILIES: Final = (_CPU, _MEMORY, _START)
_LABELS: Final = re.compile(
    rb'^\{container="([!#-\[\]-~]{1,253})",namespace="([!#-\[\]-~]{1,253})",pod="([!#-\[\]-~]{1,253})"\}$',
    re.MULTILINE,
)
# Numbers joined by commas are an array of JSON, which has no NaN, no underscore, and no blank or comma in a number.
_FLOATS: Final = msgspec.json.Decoder(list[float])
_INTEGERS: Final = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-LAST_NS, le=LAST_NS)]])
_LONGEST_NUMBER: Final = 32
_NEXT: Final = b"\n# HELP "
"""How the next family begins."""
_COMMENT: Final = (b"\n# HELP ", b"\n# TYPE ")
"""What may stand before the name of a family, besides a line end."""


class _UnusualPage(ValueError):
    """The page is not in the exact form that kubelets write."""


class PageForm(NamedTuple):
    """The form of a node's last page: everything but its numbers.

    labels: hashes of the labels of each family; None before the first page. length: bytes of the shorter
    family's labels, which its lines have at least. starts: the lines of start times, by their length and hash. They carry
    no timestamps, so they stay the same byte by byte until a container starts. (A kubelet that forges a collision
    deceives about its own containers only.)
    """

    layout: Layout = layout_of(())
    labels: tuple[int, int, int] | None = None
    length: int = 0
    starts: tuple[int, int] = (0, 0)
    start_ns: "array[int]" = array("q")
    latest_start_ns: int = NEVER
    comments: int = 0


def quick_page(body: bytes, form: PageForm) -> tuple[Page, PageForm] | None:
    """The page's measurements and its form; None if the full reader is needed. Never raises.

    form: the one that the node's last page returned; an empty one to begin with.
    """
    if len(body) > _LONGEST:
        return None
    for read in (_of_the_same_form, _of_a_new_form):
        try:
            found = read(body, form)
        # msgspec's errors are ValueErrors, too.
        except (ValueError, OverflowError):
            continue
        if found is not None:
            return found
    return None


class _Family(NamedTuple):
    """The lines of one family, from the line end before the first to that after the last: its words, numbers joined by commas."""

    begin: int
    end: int
    rows: int = 0
    labels: Sequence[bytes] = ()
    values: bytes = b""
    times: bytes = b""
    labels_hash: int = 0
    labels_length: int = 0


def _of_the_same_form(body: bytes, form: PageForm) -> tuple[Page, PageForm] | None:
    """None if the page has another form."""
    if form.labels is None:
        return None
    cpu = _family(body, _CPU, 0, form.length)
    if cpu.labels_hash != form.labels[0]:
        return None
    memory = _family(body, _MEMORY, cpu.end, form.length)
    if memory.labels_hash != form.labels[1]:
        return None
    length, digest = form.starts
    begin = _begin(body, _START, memory.end) if length else memory.end
    starts = _Family(begin, begin + length)
    if hash(body[begin : starts.end]) != digest or not body.startswith(_NEXT, starts.end):
        return None
    _check_nowhere_else(body, (cpu, memory, starts), form.comments)
    return _page(_node(body, starts.end), cpu, memory, form), form


def _of_a_new_form(body: bytes, form: PageForm) -> tuple[Page, PageForm]:
    cpu = _family(body, _CPU, 0, 0)
    memory = _family(body, _MEMORY, cpu.end, 0)
    starts = _family(body, _START, memory.end, 0, columns=2)
    comments = _check_nowhere_else(body, (cpu, memory, starts))
    node = _node(body, starts.end)
    labels = (cpu.labels_hash, memory.labels_hash, starts.labels_hash)
    if labels == form.labels:
        layout = form.layout
    else:
        texts = [_after(_CPU, cpu), _after(_MEMORY, memory), _after(_START, starts)]
        if texts[0] != texts[1] or (starts.labels and texts[2] != texts[0]):
            raise _UnusualPage
        layout = layout_of(_owners(texts[0]))
    began = list(map(start_of, _numbers(starts.values, starts.rows))) or [NEVER] * cpu.rows
    new = PageForm(
        layout,
        labels,
        min(cpu.labels_length, memory.labels_length),
        (starts.end - starts.begin, hash(body[starts.begin : starts.end])),
        array("q", began),
        max(began, default=NEVER),
        comments,
    )
    return _page(node, cpu, memory, new), new


# ---- the lines


def _family(body: bytes, name: bytes, start: int, least: int, *, columns: int = 3) -> _Family:
    """A family's lines: nothing else stands among them, and one blank or line end between two words.

    start: where to look for it. least: bytes that it has at least, if its labels are those of the last page.
    """
    begin = _begin(body, name, start)
    if begin < 0:
        return _Family(start, start)
    end = body.find(_NEXT, begin + least)
    if end < 0:
        end = len(body) - body.endswith(b"\n")
    # No more of them than may be there: millions would cost 100 MB and hold up the other nodes.
    words = body[begin:end].split(None, columns * MOST_ROWS)
    rows, over = divmod(len(words), columns)
    if over or rows > MOST_ROWS:
        raise _UnusualPage
    labels, numbers = words[0::columns], words[1::columns]
    if max(map(len, numbers)) > _LONGEST_NUMBER:
        raise _UnusualPage
    values = b",".join(numbers)
    times = b",".join(words[2::3]) if columns == 3 else b""
    # Apart from each other, as no label can be: joined as they are, two labels could pass for one.
    joined = b"\n".join(labels)
    separators = columns * (rows - 1)
    if end - begin != len(words) + len(joined) + len(values) + len(times) - separators:
        raise _UnusualPage
    return _Family(begin, end, rows, labels, values, times, hash(joined), len(joined))


def _begin(body: bytes, name: bytes, start: int) -> int:
    """Where a family's lines begin: at the line end before the first. Negative if the page does not have it."""
    begin = body.find(b"\n" + name + b"{", start)
    if begin < 0 and name in body:
        raise _UnusualPage
    return begin


def _check_nowhere_else(body: bytes, families: Sequence[_Family], known: int = 0) -> int:
    """No line of a family stands outside of it; only its comments may name it.

    known: the hash of the text before and between them on the last page. Returns this page's.
    """
    cpu, memory, starts = families
    between = b"\n%b%b%b" % (
        body[: cpu.begin],
        body[cpu.end : memory.begin],
        body[memory.end : starts.begin],
    )
    digest = hash(between)
    for name in _FAMILIES:
        if digest != known and not _only_comments(between, name, 0):
            raise _UnusualPage
        if not _only_comments(body, name, starts.end):
            raise _UnusualPage
    return digest


def _only_comments(body: bytes, name: bytes, begin: int, end: int | None = None) -> bool:
    """Whether the name of a family stands there in its HELP and TYPE at most."""
    for _ in range(3):
        # From behind, a text that is not there is found missing in a quarter of the time.
        place = body.rfind(name, begin, end)
        if place < 0:
            return True
        if body[max(place - 8, 0) : place] not in _COMMENT:
            return False
        end = place
    return False


def _node(body: bytes, begin: int) -> Point | None:
    cpu, memory = _node_line(body, _NODE_CPU, begin), _node_line(body, _NODE_MEMORY, begin)
    used, held = _numbers(b"%b,%b" % (cpu[0], memory[0]), 2)
    _, at_ns = _times_ns(b"%b,%b" % (cpu[1], memory[1]), 2)
    return node_point(used, held, at_ns)


def _node_line(body: bytes, name: bytes, begin: int) -> list[bytes]:
    """The value and the time of a node's line, which stands behind `begin` and is the only one."""
    place = body.rfind(name, begin)
    end = body.find(b"\n", place)
    # Without such a line this may not be a kubelet's page.
    if place < 1 or end < 0 or not body.startswith(b"\n" + name + b" ", place - 1):
        raise _UnusualPage
    words = body[place + len(name) + 1 : end].split(b" ")
    if (
        len(words) != 2
        or len(words[0]) > _LONGEST_NUMBER
        or not _only_comments(body, name, begin, place)
    ):
        raise _UnusualPage
    return words


# ---- the numbers


def _numbers(texts: bytes, count: int) -> list[float]:
    """So many numbers, joined by commas."""
    numbers = _FLOATS.decode(b"[%b]" % texts)
    if len(numbers) != count:
        raise _UnusualPage
    return numbers


def _times_ns(texts: bytes, count: int) -> list[int]:
    """Milliseconds as nanoseconds."""
    if not count:
        return []
    times = _INTEGERS.decode(b"[%b000000]" % texts.replace(b",", b"000000,"))
    if len(times) != count:
        raise _UnusualPage
    return times


def _page(node: Point | None, cpu: _Family, memory: _Family, form: PageForm) -> Page:
    """The page of families with the same labels in the same order, those of the form."""
    if not cpu.rows == memory.rows == len(form.layout.names):
        raise _UnusualPage
    used, held = _numbers(cpu.values, cpu.rows), _numbers(memory.values, memory.rows)
    at_ns = _times_ns(memory.times, memory.rows)
    if cpu.times != memory.times:
        # They have to be valid, but do not count.
        _times_ns(cpu.times, cpu.rows)
    # None of them is more than their sum, where all are positive. The sum may be too large for a sample, or no number.
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
    return Page(node, found)


# ---- new labels


def _after(name: bytes, family: _Family) -> bytes:
    """The labels of a family's lines, each on a line of its own."""
    lines = b"\n".join((b"", *family.labels))
    before = b"\n" + name
    if lines.count(before) != len(family.labels):
        raise _UnusualPage
    return lines.replace(before, b"\n")[1:]


def _owners(labels: bytes) -> list[Owner]:
    """The containers that these labels name.

    The pods of a page have the same few namespaces and containers. Interned texts would never go again on some
    versions of Python, and a hostile kubelet could fill the memory.
    """
    named: list[tuple[bytes, bytes, bytes]] = _LABELS.findall(labels)
    # If a series occurs twice the later one counts: the full reader handles that.
    if len(named) != len(labels.splitlines()) or len(set(named)) != len(named):
        raise _UnusualPage
    texts: dict[bytes, str] = {}

    def text(name: bytes) -> str:
        return texts.get(name) or texts.setdefault(name, name.decode("ascii"))

    pods: dict[tuple[bytes, bytes], PodKey] = {}
    owners = []
    for container, namespace, pod in named:
        key = pods.get((namespace, pod))
        if key is None:
            key = pods[namespace, pod] = (text(namespace), pod.decode("ascii"))
        owners.append((key, text(container)))
    return owners
