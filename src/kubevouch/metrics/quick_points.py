"""The points of a page in a fraction of the time that reading every line takes.

Five families of a page count, and from one scrape to the next their lines differ in their numbers only. So those
families are cut out and split, numbers are converted in bulk, and labels are looked up among those of the previous
scrape. If a page is not exactly as kubelets write it (labels in another order, escapes, a family in two places, NaN),
`quick_points` returns None and the full reader is used. Otherwise both give the same points. Only errors that the full
reader finds in families that do not count, or in the kind of blank between two words, go unnoticed here.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kubevouch.metrics.points import NodePoints, PodKey, Point, whole_point

Owner = tuple[PodKey, str]
"""A container, as its pod and its name."""


class _Family(NamedTuple):
    """The lines of one family, column by column. `at` is empty if the family has no times."""

    labels: Sequence[bytes]
    values: Sequence[float]
    at: Sequence[bytes]


class Layout(NamedTuple):
    """The labels of a page in its order, the containers they name, and the start times of those containers.

    The lines of start times carry no timestamps, so they stay the same byte by byte until a container starts:
    `starts_hash` is their hash. (A kubelet that forges a collision deceives about its own containers only.)
    """

    labels: Sequence[bytes] = ()
    owners: Sequence[Owner] = ()
    starts_hash: int = 0
    starts: _Family | None = None


_CPU: Final = b"container_cpu_usage_seconds_total"
_MEMORY: Final = b"container_memory_working_set_bytes"
_START: Final = b"container_start_time_seconds"
_NODE_CPU: Final = b"node_cpu_usage_seconds_total"
_NODE_MEMORY: Final = b"node_memory_working_set_bytes"
_LABELS: Final = re.compile(
    rb'\{container="([^"\\\n]+)",namespace="([^"\\\n]+)",pod="([^"\\\n]+)"\}'
)
_IN_NUMBERS: Final = b"0123456789.eE+-"
_LONGEST_NUMBER: Final = 32
_LONGEST_TIME: Final = 19
# Before a family's first line stand its HELP and TYPE.
_COMMENTS: Final = 600
MOST_ROWS: Final = 5_000
"""Containers. With more of them the page is read in steps."""


class _UnusualPage(ValueError):
    """The page is not in the exact form that kubelets write."""


def quick_points(body: bytes, layout: Layout) -> tuple[NodePoints, Layout] | None:
    """The page's points and its layout; None if the full reader is needed. Never raises.

    layout: the one that the node's last page returned; an empty one to begin with.
    """
    try:
        cpu, _ = _family(body, _CPU, columns=3)
        memory, _ = _family(body, _MEMORY, columns=3)
        start, end, starts_hash = _starts(body, layout)
        node = _node(body, end)
        columns: _Columns
        if cpu.labels == memory.labels == start.labels:
            labels = cpu.labels
            columns = (cpu.values, memory.values, map(int, memory.at), start.values)
        else:
            labels, columns = _joined(cpu, memory, start)
        if starts_hash != layout.starts_hash or labels != layout.labels:
            layout = Layout(labels, _owners(labels, layout), starts_hash, start)
        return _points(node, layout.owners, columns), layout
    except (ValueError, OverflowError):
        return None


def _region(body: bytes, name: bytes) -> tuple[int, int]:
    """Where the lines of a family begin and end: from the line end before the first to that after the last."""
    begin = body.find(b"\n" + name + b"{")
    if begin < 0:
        if name in body:
            raise _UnusualPage
        return 0, 0
    end = body.find(b"\n# HELP ", begin)
    if end < 0:
        end = len(body) - body.endswith(b"\n")
    return begin, end


def _starts(body: bytes, layout: Layout) -> tuple[_Family, int, int]:
    """The start times, where their lines end, and the hash of those lines."""
    begin, end = _region(body, _START)
    digest = hash(body[begin:end])
    if layout.starts is not None and digest == layout.starts_hash and body.find(_START, end) < 0:
        return layout.starts, end, digest
    family, end = _family(body, _START, columns=2)
    return family, end, digest


def _family(body: bytes, name: bytes, *, columns: int) -> tuple[_Family, int]:
    """The lines of a family, and where they end."""
    begin, end = _region(body, name)
    if not end:
        return _Family((), (), ()), 0
    if body.count(b"\n", begin, end) > MOST_ROWS:
        raise _UnusualPage
    lines = body[begin:end].replace(name, b"")
    words = lines.split()
    rows = len(words) // columns
    # Nothing but such lines, each with its words a blank apart.
    if (
        rows * columns != len(words)
        or len(lines) != len(words) + sum(map(len, words))
        or lines.count(b"\n") != rows
    ):
        raise _UnusualPage
    before = b"\n" + body[max(0, begin - _COMMENTS) : begin]
    commented = before.count(b"\n# HELP " + name + b" ") + before.count(b"\n# TYPE " + name + b" ")
    # No line of the family stands anywhere else.
    if body.count(name) != commented + rows:
        raise _UnusualPage
    at = _times(words[2::3]) if columns == 3 else ()
    return _Family(words[0::columns], _numbers(words[1::columns]), at), end


def _numbers(texts: Sequence[bytes]) -> list[float]:
    # float() itself would take underscores, blanks and NaN, too.
    if b"".join(texts).translate(None, _IN_NUMBERS) or max(map(len, texts)) > _LONGEST_NUMBER:
        raise _UnusualPage
    return list(map(float, texts))


def _times(texts: Sequence[bytes]) -> Sequence[bytes]:
    if not b"".join(texts).isdigit() or max(map(len, texts)) > _LONGEST_TIME:
        raise _UnusualPage
    return texts


def _node(body: bytes, begin: int) -> Point | None:
    cpu, _ = _node_line(body, _NODE_CPU, begin)
    memory, at = _node_line(body, _NODE_MEMORY, begin)
    return whole_point(cpu, memory, at, None)


def _node_line(body: bytes, name: bytes, begin: int) -> tuple[float, int]:
    begin = body.find(b"\n" + name + b" ", begin)
    end = body.find(b"\n", begin + 1)
    # Without such a line this may not be a kubelet's page. A second line would be the one that counts.
    if begin < 0 or end < 0 or body.find(name, end) >= 0:
        raise _UnusualPage
    value, at = body[begin + len(name) + 2 : end].split(b" ")
    return _numbers((value,))[0], int(_times((at,))[0])


# CPU, memory, the memory's time, start.
_Columns = tuple[
    Iterable[float | None], Iterable[float | None], Iterable[int], Iterable[float | None]
]


def _joined(cpu: _Family, memory: _Family, start: _Family) -> tuple[list[bytes], _Columns]:
    """The labels of all families, and their columns; None where a family lacks a label."""
    labels = list(dict.fromkeys((*cpu.labels, *memory.labels, *start.labels)))
    used = dict(zip(cpu.labels, cpu.values, strict=True))
    held = dict(zip(memory.labels, memory.values, strict=True))
    at = dict(zip(memory.labels, memory.at, strict=True))
    began = dict(zip(start.labels, start.values, strict=True))
    seen = (len(used), len(held), len(began))
    if seen != (len(cpu.labels), len(memory.labels), len(start.labels)):
        # If a series occurs twice the later one counts: the full reader handles that.
        raise _UnusualPage
    return labels, (
        [used.get(each) for each in labels],
        [held.get(each) for each in labels],
        [int(at.get(each, b"0")) for each in labels],
        [began.get(each) for each in labels],
    )


def _owners(labels: Sequence[bytes], layout: Layout) -> Sequence[Owner]:
    known = dict(zip(layout.labels, layout.owners, strict=True))
    texts: dict[str, str] = {}
    found = {each: known.get(each) or _parsed(each, texts) for each in labels}
    if len(found) != len(labels):
        raise _UnusualPage
    return list(found.values())


def _points(node: Point | None, owners: Sequence[Owner], columns: _Columns) -> NodePoints:
    pods: dict[PodKey, dict[str, Point]] = {}
    incomplete: dict[PodKey, None] = {}
    for (pod, container), cpu, memory, at, start in zip(owners, *columns, strict=True):
        point = None
        if cpu is not None and memory is not None:
            point = whole_point(cpu, memory, at, start)
        if point is None:
            incomplete[pod] = None
        elif pod in pods:
            pods[pod][container] = point
        else:
            pods[pod] = {container: point}
    for pod in incomplete:
        pods.pop(pod, None)
    return NodePoints(node, pods, tuple(incomplete))


def _parsed(labels: bytes, texts: dict[str, str]) -> Owner:
    """texts: those of this page, since its pods have the same few namespaces and containers.

    Interned texts would never go again on some versions of Python, and a hostile kubelet could fill the memory.
    """
    matched = _LABELS.fullmatch(labels)
    if matched is None:
        raise _UnusualPage
    container, namespace, pod = (
        text.decode(errors="backslashreplace") for text in matched.groups()
    )
    return (texts.setdefault(namespace, namespace), pod), texts.setdefault(container, container)
