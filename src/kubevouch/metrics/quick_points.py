"""The points of a page as kubelets write it, in a fraction of the time that reading every line takes.

Five of a page's families count, and their lines hardly differ from one scrape to the next but for their numbers. So
those families are cut out and split, numbers are converted in bulk, and labels are looked up among those of the
scrape before. Whatever is not exactly as kubelets write it (labels in another order, escapes, a family in two places,
NaN) is left to the full reader: `quick_points` says None. Otherwise both say the same, with one difference: lines of
families that do not count are not looked at here.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kubevouch.metrics.points import NodePoints, PodKey, Point, whole_point

Layout = dict[bytes, tuple[PodKey, str]]
"""Labels as they stand in a page, and whose they are. Begin with an empty one, and hand on what came out."""

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


class _Unusual(ValueError):
    """Not as kubelets write it."""


class _Family(NamedTuple):
    """One family's lines, column by column. Without times `at` is empty."""

    labels: Sequence[bytes]
    values: Sequence[float]
    at: Sequence[int]


def quick_points(body: bytes, layout: Layout) -> tuple[NodePoints, Layout] | None:
    """The page's points and its layout, or None: ask the full reader. Never raises."""
    try:
        cpu = _family(body, _CPU, columns=3)
        memory = _family(body, _MEMORY, columns=3)
        start = _family(body, _START, columns=2)
        node = _node(body)
        columns: _Columns
        if cpu.labels == memory.labels == start.labels:
            columns = (cpu.labels, cpu.values, memory.values, memory.at, start.values)
        else:
            columns = _joined(cpu, memory, start)
        return _points(node, layout, columns)
    except (ValueError, OverflowError):
        return None


def _family(body: bytes, name: bytes, *, columns: int) -> _Family:
    begin = body.find(b"\n" + name + b"{")
    if begin < 0:
        if name in body:
            raise _Unusual
        return _Family((), (), ())
    end = body.find(b"\n#", begin)
    region = body[begin : end if end >= 0 else len(body)].rstrip(b"\n")
    lines = region.split(b"\n" + name)[1:]
    before = b"\n" + body[max(0, begin - _COMMENTS) : begin]
    commented = before.count(b"\n# HELP " + name + b" ") + before.count(b"\n# TYPE " + name + b" ")
    # No line of another family within, and no line of this one anywhere else.
    if region.count(b"\n") != len(lines) or body.count(name) != commented + len(lines):
        raise _Unusual
    cut = [line.rsplit(b" ", columns - 1) for line in lines]
    if columns == 2:
        labels, values = zip(*cut, strict=True)
        return _Family(labels, _numbers(values), ())
    labels, values, at = zip(*cut, strict=True)
    return _Family(labels, _numbers(values), _times(at))


def _numbers(texts: Sequence[bytes]) -> list[float]:
    # float() itself would take underscores, blanks and NaN, too.
    if b"".join(texts).translate(None, _IN_NUMBERS) or max(map(len, texts)) > _LONGEST_NUMBER:
        raise _Unusual
    return list(map(float, texts))


def _times(texts: Sequence[bytes]) -> list[int]:
    if not b"".join(texts).isdigit() or max(map(len, texts)) > _LONGEST_TIME:
        raise _Unusual
    return list(map(int, texts))


def _node(body: bytes) -> Point | None:
    (cpu, _), (memory, at) = _node_line(body, _NODE_CPU), _node_line(body, _NODE_MEMORY)
    return whole_point(cpu, memory, at, None)


def _node_line(body: bytes, name: bytes) -> tuple[float, int]:
    begin = body.find(b"\n" + name + b" ")
    if begin < 0:
        # Perhaps no kubelet's page at all.
        raise _Unusual
    end = body.find(b"\n", begin + 1)
    if end < 0 or body.find(name, end) >= 0:
        raise _Unusual
    value, at = body[begin + len(name) + 2 : end].split(b" ")
    return _numbers((value,))[0], _times((at,))[0]


# Labels, CPU, memory, the memory's time, start.
_Columns = tuple[
    Iterable[bytes],
    Iterable[float | None],
    Iterable[float | None],
    Iterable[int],
    Iterable[float | None],
]


def _joined(cpu: _Family, memory: _Family, start: _Family) -> _Columns:
    """The columns of all labels that there are, None where a family has none of them."""
    labels = list(dict.fromkeys((*cpu.labels, *memory.labels, *start.labels)))
    used = dict(zip(cpu.labels, cpu.values, strict=True))
    held = dict(zip(memory.labels, memory.values, strict=True))
    at = dict(zip(memory.labels, memory.at, strict=True))
    began = dict(zip(start.labels, start.values, strict=True))
    if (len(used), len(held), len(began)) != (
        len(cpu.labels),
        len(memory.labels),
        len(start.labels),
    ):
        # Of a series that is there twice the later counts: the full reader knows.
        raise _Unusual
    return (
        labels,
        [used.get(each) for each in labels],
        [held.get(each) for each in labels],
        [at.get(each, 0) for each in labels],
        [began.get(each) for each in labels],
    )


def _points(node: Point | None, layout: Layout, columns: _Columns) -> tuple[NodePoints, Layout]:
    pods: dict[PodKey, dict[str, Point]] = {}
    incomplete: dict[PodKey, None] = {}
    found: Layout = {}
    lines = 0
    for each, cpu, memory, moment, start in zip(*columns, strict=True):
        lines += 1
        owner = found[each] = layout.get(each) or _parsed(each)
        pod, container = owner
        point = None
        if cpu is not None and memory is not None:
            point = whole_point(cpu, memory, moment, start)
        if point is None:
            incomplete[pod] = None
        elif pod in pods:
            pods[pod][container] = point
        else:
            pods[pod] = {container: point}
    if len(found) != lines:
        raise _Unusual
    for pod in incomplete:
        pods.pop(pod, None)
    return NodePoints(node, pods, tuple(incomplete)), found


def _parsed(labels: bytes) -> tuple[PodKey, str]:
    matched = _LABELS.fullmatch(labels)
    if matched is None:
        raise _Unusual
    container, namespace, pod = (
        text.decode(errors="backslashreplace") for text in matched.groups()
    )
    return (namespace, pod), container
