"""A kubelet's /metrics/resource page: CPU and memory of the node and its pods' containers, and their start times.

The page is in Prometheus' text format (version 0.0.4), as Go's client writes it: one space between
series, value and time, and no space between labels. The page may be hostile: its size is limited,
and a malformed line is an error with the line's number. A server can parse a page in steps, and do
other work in between.

metrics-server decides which samples count (pkg/scraper/client/resource/decode.go):

- A measurement has the timestamp of the memory line, which comes after the CPU line since families
are sorted. A line without a timestamp gets the time of the request.
- A node without CPU or memory, or with zero of either, has no measurement.
- If any container of a pod lacks CPU or memory, or has zero of either, the whole pod has no
measurement.

Sources: pkg/kubelet/metrics/collectors/resource_metrics.go; the exposition format as in
prometheus/common's expfmt.
"""

import re
from array import array
from collections.abc import Generator, Mapping
from typing import Final

import msgspec

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.columns import (
    Columns,
    Owner,
    PodKey,
    Point,
    columns,
    is_sample,
    layout_of,
    node_point,
    start_of,
)
from kubevouch.x509 import printable

LARGEST: Final = 8 << 20
"""The maximum size of a page in bytes. A node with 110 pods sends 150 KB; one with 1,000 pods of five
containers each, 4 MB."""
MOST_LINES: Final = 200_000
MOST_CONTAINERS: Final = 10_000
"""The maximum number of containers in a page. Kubernetes recommends 110 pods a node, and the largest known nodes
have about 1,000."""

CPU: Final = b"container_cpu_usage_seconds_total"
MEMORY: Final = b"container_memory_working_set_bytes"
START: Final = b"container_start_time_seconds"
NODE_CPU: Final = b"node_cpu_usage_seconds_total"
NODE_MEMORY: Final = b"node_memory_working_set_bytes"

_Sample = tuple[float, int | None]
"""A value, and its timestamp in milliseconds since 1970 (None if the line has none). Neither is
validated yet."""

_Samples = dict[bytes, _Sample]
"""The samples of a container or a node, by metric family."""

Measurement = tuple[float, float, int, int]
"""A container's CPU in core-seconds, memory in bytes, and the times of measurement and start in nanoseconds since 1970."""


class Page(msgspec.Struct, frozen=True, eq=False):
    """The measurements in one page. `node` is None if the page lacks the node's CPU or memory.

    incomplete: pods omitted because a container lacks CPU or memory.
    """

    node: Point | None
    containers: Columns
    incomplete: tuple[PodKey, ...] = ()


def reading(body: bytes, where: str, requested_ms: int) -> Generator[None, None, Page]:
    """Parses a page in steps of a few milliseconds, yielding in between. Returns its measurements.

    where: the kubelet, for errors. requested_ms: when the page was requested, in milliseconds
    since 1970. If a series is repeated, the last one counts.

    Raises:
        AnswerError: the page is too long, or a line is invalid; the error has the line's number.
    """
    page = f"{where}, /metrics/resource"
    _check_size(body, page)
    series: dict[Owner | None, _Samples] = {}
    node: _Samples = {}
    # Keyed by labels. Each label set is parsed once, in the step in which it arrives, since
    # there may be many, and long ones.
    found: dict[bytes | None, _Samples] = {None: node, b"": node}
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + _STEP_BYTES) + 1 or len(body)
        if end - begin > 2 * _STEP_BYTES:
            raise _broken(page, body, begin + _STEP_BYTES, f"longer than {_STEP_BYTES} bytes")
        for line in _LINE.finditer(body, begin, end):
            family, labels, value, at, other = line.groups()
            if family in _FAMILIES:
                try:
                    sample = float(value), int(at) if at else None
                except ValueError as error:
                    raise _broken(page, body, line.start(), str(error)) from None
                samples = found.get(labels)
                if samples is None:
                    samples = found[labels] = series.setdefault(_owner(labels, page), {})
                samples[family] = sample
            elif other is not None:
                raise _broken(page, body, line.start(), "not a sample")
        if len(found) > MOST_CONTAINERS:
            what = f"more than {MOST_CONTAINERS} containers"
            raise AnswerError(page, what, "no node runs that many: is this a kubelet?")
        begin = end
        yield
    return _whole(series, node, requested_ms)


def _check_size(body: bytes, page: str) -> None:
    if len(body) > LARGEST:
        raise AnswerError(page, f"{len(body)} bytes", f"expected at most {LARGEST} bytes")
    if body.count(b"\n") > MOST_LINES:
        raise AnswerError(page, f"more than {MOST_LINES} lines", "no kubelet writes that many")


_STEP_BYTES: Final = 64 * 1024

_OF_CONTAINERS: Final = frozenset({CPU, MEMORY, START})
_FAMILIES: Final = _OF_CONTAINERS | {NODE_CPU, NODE_MEMORY}

# The value's pattern excludes underscores, which float() accepts; float() refuses all other
# faults.
_LINE: Final = re.compile(
    rb"^(?:([a-zA-Z_:][a-zA-Z0-9_:]*+)"
    rb'(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*+="(?:[^"\\\n]++|\\.)*+",?)*+)\})?'
    rb" ([0-9.eE+-]{1,32}|NaN|[+-]Inf)(?: (-?[0-9]{1,19}))?$"
    rb"|#.*|(.+))",
    re.MULTILINE,
)
_LABEL: Final = re.compile(rb'([a-zA-Z0-9_]+)="((?:[^"\\]++|\\.)*+)"')
_NAME: Final = re.compile(rb"[!#-\[\]-~]{1,253}")
"""Matches a valid name. Kubernetes names are not longer and have no other characters. Other characters could control a terminal."""


def _whole(series: Mapping[Owner | None, _Samples], of_node: _Samples, requested_ms: int) -> Page:
    """Converts samples to measurements. Ignores series whose labels do not fit their family."""
    measured: dict[Owner, Measurement] = {}
    incomplete: dict[PodKey, None] = {}
    for owner, samples in series.items():
        if owner is None or _OF_CONTAINERS.isdisjoint(samples):
            continue
        one = _measured(samples, CPU, MEMORY, requested_ms)
        if one is None:
            incomplete[owner[0]] = None
        else:
            measured[owner] = one
    if incomplete:
        measured = {owner: each for owner, each in measured.items() if owner[0] not in incomplete}
    node = _measured(of_node, NODE_CPU, NODE_MEMORY, requested_ms)
    return Page(node_point(*node[:3]) if node else None, columns_of(measured), tuple(incomplete))


def _owner(labels: bytes, page: str) -> Owner | None:
    """The container in the labels; None if they do not name one.

    Raises AnswerError for an invalid name.
    """
    match dict(_LABEL.findall(labels)):
        case {b"namespace": namespace, b"pod": pod, b"container": container}:
            return (_name(namespace, page), _name(pod, page)), _name(container, page)
    return None


def _name(found: bytes, page: str) -> str:
    if _NAME.fullmatch(found):
        return found.decode("ascii")
    what = f"a name of {len(found)} bytes: {_shown(found)}"
    expected = "expected at most 253 bytes of printable ASCII without blanks: is this a kubelet?"
    raise AnswerError(page, what, expected)


def _measured(
    samples: Mapping[bytes, _Sample], cpu: bytes, memory: bytes, requested_ms: int
) -> Measurement | None:
    if cpu not in samples or memory not in samples:
        return None
    used, (held, at_ms) = samples[cpu][0], samples[memory]
    at_ns = (requested_ms if at_ms is None else at_ms) * 1_000_000
    if not is_sample(used, held, at_ns):
        return None
    return used, held, at_ns, start_of(samples[START][0] if START in samples else None)


def columns_of(found: Mapping[Owner, Measurement]) -> Columns:
    """The measurements as columns, in the given order."""
    cpu, memory, at_ns, start_ns = zip(*found.values(), strict=True) if found else ((),) * 4
    return columns(
        layout_of(list(found)),
        array("d", cpu),
        array("d", memory),
        array("q", at_ns),
        array("q", start_ns),
    )


def _broken(page: str, body: bytes, at: int, what: str) -> AnswerError:
    """The error for the line that contains the offset `at`."""
    number = body.count(b"\n", 0, at) + 1
    line = body[at:].split(b"\n", 1)[0]
    return AnswerError(f"{page}, line {number}", f"{what}: {_shown(line)}", "is this a kubelet?")


def _shown(found: bytes) -> str:
    return printable(found[:80].decode(errors="backslashreplace"))
