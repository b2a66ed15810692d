"""A kubelet's /metrics/resource page: CPU and memory of the node and of its pods' containers, and when these started.

The page is in Prometheus' text format (version 0.0.4), and a kubelet always writes the same labels in the same order.
So one pattern reads nearly every line at once. Other lines (labels in another order, escapes, NaN, a family of a newer
kubelet) go through a slower reader of the full grammar. The bytes may be hostile: the page is bounded, and an invalid
line is an error with its number. A server with other work to do reads a page in steps.

Which samples count is metrics-server's rule (pkg/scraper/client/resource/decode.go):

- A measurement's time is that of the line read last; families are sorted, so it is the memory line's. A line without a
  time gets the time of the request.
- A node without CPU or memory, or with zero of either, has none.
- If any container of a pod has no CPU or no memory, or zero of either, the whole pod has none.

Sources: pkg/kubelet/metrics/collectors/resource_metrics.go; the exposition format as in prometheus/common's expfmt.
"""

import re
from array import array
from collections.abc import Generator, Mapping
from itertools import chain
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
"""Bytes. A node with 110 pods sends 150 KB; one with 1,000 pods of five containers each, 4 MB."""
MOST_OTHER_LINES: Final = 10_000
"""Lines that the quick pattern does not match: comments, the node's own samples, families that we do not use."""
MOST_CONTAINERS: Final = 10_000
"""Kubernetes advises 110 pods a node, and the largest nodes known have some 1,000."""

LONGEST_NAME: Final = 253
"""Bytes of a container's, namespace's or pod's name: no object of Kubernetes has a longer one."""

_LETTERS: Final = re.compile(rb"[!-~]*")
"""Of such a name. Kubernetes allows even fewer; others would come to somebody's terminal as they are."""


_Sample = tuple[float, int | None]
"""A value, and its time in milliseconds since 1970 if the kubelet wrote one. Either may be any number."""

Measurement = tuple[float, float, int, int]
"""Of a container: core-seconds, bytes, its time and its start in nanoseconds since 1970."""


class Page(msgspec.Struct, frozen=True, eq=False):
    """The measurements of one page. `node` is None if the page lacks the node's CPU or memory.

    incomplete: pods that were left out because a container lacks CPU or memory.
    """

    node: Point | None
    containers: Columns
    incomplete: tuple[PodKey, ...] = ()


def reading(body: bytes, where: str, requested_ms: int) -> Generator[None, None, Page]:
    """The measurements of a page, in steps of a few milliseconds: between two of them others may work.

    where: the kubelet. requested_ms: when it was asked, in milliseconds since 1970. The later one counts where a series
    occurs twice. Families that do not count (swap, pods as a whole) have to be valid.

    Raises:
        AnswerError: the page is too long, or a line is invalid; the error names the line.
    """
    if len(body) > LARGEST:
        raise AnswerError(_page(where), f"{len(body)} bytes", f"at most {LARGEST} are read")
    series: _Series = {}
    others = 0
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + _A_STEP) + 1 or len(body)
        # Inlined for speed: a metrics server spends most of its time in this loop.
        for line in _LINE.finditer(body, begin, end):
            family, container, namespace, pod, value, at, other = line.groups()
            try:
                if other is None:
                    sample = float(value), int(at) if at else None
                    if family not in _OF_CONTAINERS:
                        continue
                    try:
                        series[namespace, pod, container][family] = sample
                    except KeyError:
                        series[namespace, pod, container] = {family: sample}
                else:
                    others += 1
                    _read_other(other, others, series)
            except ValueError as error:
                number = body.count(b"\n", 0, line.start()) + 1
                raise _broken(where, number, line[0], str(error)) from None
        if len(series) > MOST_CONTAINERS:
            what = f"more than {MOST_CONTAINERS} containers"
            raise AnswerError(_page(where), what, "no node runs so many: is it a kubelet?")
        begin = end
        yield
    _check_names(series, where)
    return _whole(series, requested_ms)


_A_STEP: Final = 64 * 1024
"""Bytes."""

_Key = tuple[bytes | None, bytes | None, bytes | None]
_Series = dict[_Key, dict[bytes, _Sample]]
"""(namespace, pod, container) -> family -> sample. The node's have none of these names.

Names stay bytes until the end, when each is decoded once.
"""

_CPU: Final = b"container_cpu_usage_seconds_total"
_MEMORY: Final = b"container_memory_working_set_bytes"
_START: Final = b"container_start_time_seconds"
_OF_CONTAINERS: Final = frozenset({_CPU, _MEMORY, _START})
_NODE_CPU: Final = b"node_cpu_usage_seconds_total"
_NODE_MEMORY: Final = b"node_memory_working_set_bytes"
_FAMILIES: Final = _OF_CONTAINERS | {_NODE_CPU, _NODE_MEMORY}

# Every line about containers and pods that a kubelet writes, also those that are passed over: thousands of them may be.
# The value's pattern excludes underscores, which float() accepts; what else is wrong, float() refuses.
_LINE: Final = re.compile(
    rb"^(?:"
    rb"((?:container|pod)_[a-z0-9_]{1,100})"
    rb'\{(?:container="([^"\\\n]++)",)?namespace="([^"\\\n]*+)",pod="([^"\\\n]*+)"\}'
    rb" ([0-9.eE+-]{1,32})(?: (-?[0-9]{1,19}))?$"
    rb"|(.+))",
    re.MULTILINE,
)


def _read_other(line: bytes, others: int, series: _Series) -> None:
    """Reads a comment or a line of any family. Raises ValueError if the line is invalid."""
    if others > MOST_OTHER_LINES:
        raise ValueError(f"the {others}th line that is neither a container's nor a pod's")
    if line.startswith(b"#") or not line.strip(_BLANKS):
        return
    if len(line) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} bytes")
    name, at = _matched(_NAME, line, 0, "no metric name")
    labels: dict[bytes, bytes] = {}
    if line[at : at + 1] == b"{":
        at = _labels(line, at + 1, labels)
    numbers, at = _matched(_NUMBERS, line, at, "no number")
    if at != len(line):
        raise ValueError("something after the number")
    value, moment = float(numbers[1]), int(numbers[2]) if numbers[2] else None
    if name[1] in _FAMILIES:
        key = (labels.get(b"namespace"), labels.get(b"pod"), labels.get(b"container"))
        series.setdefault(key, {})[name[1]] = value, moment


_LONGEST: Final = 16 * 1024
_MOST_LABELS: Final = 32
_BLANKS: Final = b" \t"
_NAME: Final = re.compile(rb"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*")
_LABEL: Final = re.compile(
    rb'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]++|\\.)*+)"[ \t]*(,?)'
)
_NUMBERS: Final = re.compile(
    rb"[ \t]*([-+]?(?:[0-9.eE+-]{1,64}|nan|infinity|inf))(?:[ \t]+(-?[0-9]{1,19}))?[ \t]*",
    re.IGNORECASE,
)


def _check_names(series: _Series, where: str) -> None:
    """Raises AnswerError for a name that nothing can have: what is served or logged of it would be sent to whoever asks."""
    for name in chain.from_iterable(series):
        if name is None:
            continue
        if len(name) > LONGEST_NAME:
            what = f"a name of {len(name)} bytes"
            raise AnswerError(_page(where), what, f"at most {LONGEST_NAME}: is it a kubelet?")
        if not _LETTERS.fullmatch(name):
            what = "a name with other letters than any has"
            raise AnswerError(
                _page(where), what, "printable ASCII without blanks: is it a kubelet?"
            )


def _whole(series: _Series, requested_ms: int) -> Page:
    """The samples as measurements. Series without the labels of their family are ignored."""
    found: dict[Owner, Measurement] = {}
    incomplete: dict[PodKey, None] = {}
    for (namespace, pod, container), samples in series.items():
        if namespace is None or pod is None or container is None:
            continue
        if _OF_CONTAINERS.isdisjoint(samples):
            continue
        key = (_text(namespace), _text(pod))
        measured = _measured(samples, _CPU, _MEMORY, requested_ms)
        if measured is None:
            incomplete[key] = None
        else:
            found[key, _text(container)] = measured
    if incomplete:
        found = {owner: each for owner, each in found.items() if owner[0] not in incomplete}
    own = series.get((None, None, None), {})
    node = _measured(own, _NODE_CPU, _NODE_MEMORY, requested_ms)
    return Page(node_point(*node[:3]) if node else None, columns_of(found), tuple(incomplete))


def _measured(
    samples: Mapping[bytes, _Sample], cpu: bytes, memory: bytes, requested_ms: int
) -> Measurement | None:
    if cpu not in samples or memory not in samples:
        return None
    used, (held, at_ms) = samples[cpu][0], samples[memory]
    at_ns = (requested_ms if at_ms is None else at_ms) * 1_000_000
    if not is_sample(used, held, at_ns):
        return None
    return used, held, at_ns, start_of(samples[_START][0] if _START in samples else None)


def columns_of(found: Mapping[Owner, Measurement]) -> Columns:
    """The columns of these containers, in this order."""
    cpu, memory, at_ns, start_ns = zip(*found.values(), strict=True) if found else ((),) * 4
    return columns(
        layout_of(list(found)),
        array("d", cpu),
        array("d", memory),
        array("q", at_ns),
        array("q", start_ns),
    )


def _text(name: bytes) -> str:
    """A label's text, of `_LETTERS`."""
    return name.decode("ascii")


def _matched(
    pattern: re.Pattern[bytes], line: bytes, at: int, otherwise: str
) -> tuple[re.Match[bytes], int]:
    found = pattern.match(line, at)
    if found is None:
        raise ValueError(otherwise)
    return found, found.end()


def _labels(line: bytes, at: int, labels: dict[bytes, bytes]) -> int:
    """Reads the labels after the opening brace into `labels`. Returns the position after the closing brace."""
    count = 0
    while line[at:].lstrip(_BLANKS)[:1] != b"}":
        count += 1
        if count > _MOST_LABELS:
            raise ValueError(f"more than {_MOST_LABELS} labels")
        label, at = _matched(_LABEL, line, at, "a broken label")
        labels[label[1]] = _unescaped(label[2])
        if not label[3] and line[at : at + 1] != b"}":
            raise ValueError("no comma between labels")
    return line.index(b"}", at) + 1


def _unescaped(value: bytes) -> bytes:
    """The value without its escapes; in bulk, since a page may hold millions of them."""
    if b"\\" not in value:
        return value
    parts = value.split(b"\\\\")
    return b"\\".join([part.replace(b'\\"', b'"').replace(b"\\n", b"\n") for part in parts])


def _page(where: str) -> str:
    return f"{where}, /metrics/resource"


def _broken(where: str, number: int, line: bytes, what: str) -> AnswerError:
    shown = printable(line[:80].decode(errors="backslashreplace"))
    return AnswerError(f"{_page(where)}, line {number}", f"{what}: {shown}", "is it a kubelet?")
