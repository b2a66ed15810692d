"""A kubelet's /metrics/resource page, decoded: what node, pods and containers use.

The text is Prometheus's (version 0.0.4), but of one shape: a kubelet always writes the same labels in the same order.
So one pattern reads nearly every line at once; a line that it does not know (labels in another order, escapes, NaN, a
family of a newer kubelet) goes through a slower reader of the full grammar. Numbers: style of this in bench/ and
docs/decisions. Every byte is hostile: a page is bounded, and a broken line is an error with its number.

Sources: pkg/kubelet/metrics/collectors/resource_metrics.go; the exposition format as in prometheus/common's expfmt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kubevouch.kubelet.errors import AnswerError
from kubevouch.x509 import printable

LARGEST: Final = 16 << 20
"""Bytes. A node of 110 pods sends 150 KB; one of 1,000 pods with five containers each, 4 MB."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One number. `at_ms`: milliseconds since 1970, as the kubelet wrote it; None if it wrote none.

    The value may be NaN or infinite, and the time anything that fits 64 bits: the consumer decides.
    """

    value: float
    at_ms: int | None = None


class ContainerUsage(msgspec.Struct, frozen=True):
    """One container. cpu: core-seconds since its start. memory: bytes of its working set. start: seconds since 1970."""

    name: str
    cpu: Sample | None = None
    memory: Sample | None = None
    swap: Sample | None = None
    start: Sample | None = None


class PodUsage(msgspec.Struct, frozen=True):
    """One pod: its own numbers, and its containers in the order they came."""

    namespace: str
    name: str
    containers: tuple[ContainerUsage, ...] = ()
    cpu: Sample | None = None
    memory: Sample | None = None
    swap: Sample | None = None


class ResourceMetrics(msgspec.Struct, frozen=True):
    """The whole page. A value that the kubelet could not measure is None, and never zero.

    scrape_error: the kubelet itself says that it could not read its containers (resource_scrape_error 1).
    """

    cpu: Sample | None = None
    memory: Sample | None = None
    swap: Sample | None = None
    pods: tuple[PodUsage, ...] = ()
    scrape_error: bool = False


def read_resource_metrics(body: bytes, where: str) -> ResourceMetrics:
    """The page in a kubelet's answer. `where` names the kubelet. Of a series that is there twice the later counts.

    Raises:
        AnswerError: too long, or a line that is none; it names the line.
    """
    if len(body) > LARGEST:
        raise AnswerError(_page(where), f"{len(body)} bytes", f"at most {LARGEST} are read")
    page = _Page()
    for line in _LINE.finditer(body):
        family, container, namespace, pod, value, at, rest = line.groups()
        try:
            if rest is None:
                page.put(family, container, namespace, pod, float(value), int(at) if at else None)
            elif not rest.startswith(b"#") and rest.strip(_BLANKS):
                page.put_any(rest)
        except ValueError as error:
            number = body.count(b"\n", 0, line.start()) + 1
            raise _broken(where, number, line[0], str(error)) from None
    return page.whole()


# The value's pattern takes no underscore, which float() would; what it takes too much, float() refuses.
_FAMILIES: Final = (
    rb"(?:container|pod|node)_(?:cpu_usage_seconds_total|memory_working_set_bytes|swap_usage_bytes)"
    rb"|container_start_time_seconds|resource_scrape_error"
)
_LINE: Final = re.compile(
    rb"^(?:(" + _FAMILIES + rb")"
    rb'(?:\{(?:container="([^"\\\n]*)",)?namespace="([^"\\\n]*)",pod="([^"\\\n]*)"\})?'
    rb" ([0-9.eE+-]{1,32})(?: (-?[0-9]{1,19}))?$"
    rb"|(.+))",
    re.MULTILINE,
)

_BLANKS: Final = b" \t"
_NAME: Final = re.compile(rb"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*")
_LABEL: Final = re.compile(
    rb'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(,?)'
)
_NUMBERS: Final = re.compile(
    rb"[ \t]*([-+]?(?:[0-9.eE+-]{1,64}|nan|inf|infinity))(?:[ \t]+(-?[0-9]{1,19}))?[ \t]*",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(rb'\\([\\"n])')


@dataclass(slots=True)
class _Pod:
    """Numbers of a pod by family, and of its containers."""

    numbers: dict[bytes, Sample] = field(default_factory=dict)
    containers: dict[bytes, dict[bytes, Sample]] = field(default_factory=dict)


class _Page:
    """Gathers line by line. Names stay bytes until the end, when each is decoded once."""

    def __init__(self) -> None:
        self._node: dict[bytes, Sample] = {}
        self._pods: dict[tuple[bytes, bytes], _Pod] = {}
        self._scrape_error = False

    def put(
        self,
        family: bytes,
        container: bytes | None,
        namespace: bytes | None,
        pod: bytes | None,
        value: float,
        at: int | None,
    ) -> None:
        """One sample. Raises ValueError if its labels are not those of its family."""
        scope, _, what = family.partition(b"_")
        sample = Sample(value, at)
        if scope == b"node":
            self._node[what] = sample
            return
        if scope == b"resource":
            self._scrape_error = value != 0
            return
        if namespace is None or pod is None or (scope == b"container") != (container is not None):
            raise ValueError(f"{family.decode()} without its labels")
        held = self._pods.get((namespace, pod))
        if held is None:
            held = self._pods[namespace, pod] = _Pod()
        if container is None:
            held.numbers[what] = sample
        else:
            held.containers.setdefault(container, {})[what] = sample

    def put_any(self, line: bytes) -> None:
        """A line of any family. Raises ValueError for what is no line of the format."""
        name, at = _matched(_NAME, line, 0, "no metric name")
        labels: dict[bytes, bytes] = {}
        if line[at : at + 1] == b"{":
            at = _labels(line, at + 1, labels)
        numbers, at = _matched(_NUMBERS, line, at, "no number")
        if at != len(line):
            raise ValueError("something after the number")
        value, moment = float(numbers[1]), numbers[2]
        if re.fullmatch(_FAMILIES, name[1]):
            named = [labels.get(key) for key in (b"container", b"namespace", b"pod")]
            self.put(name[1], *named, value, int(moment) if moment else None)

    def whole(self) -> ResourceMetrics:
        """Everything, as values."""
        return ResourceMetrics(
            cpu=self._node.get(_CPU),
            memory=self._node.get(_MEMORY),
            swap=self._node.get(_SWAP),
            pods=tuple(_pod(*names, held) for names, held in self._pods.items()),
            scrape_error=self._scrape_error,
        )


_CPU: Final = b"cpu_usage_seconds_total"
_MEMORY: Final = b"memory_working_set_bytes"
_SWAP: Final = b"swap_usage_bytes"
_START: Final = b"start_time_seconds"


def _pod(namespace: bytes, name: bytes, held: _Pod) -> PodUsage:
    containers = tuple(
        ContainerUsage(
            _text(container),
            numbers.get(_CPU),
            numbers.get(_MEMORY),
            numbers.get(_SWAP),
            numbers.get(_START),
        )
        for container, numbers in held.containers.items()
    )
    own = held.numbers
    return PodUsage(
        _text(namespace), _text(name), containers, own.get(_CPU), own.get(_MEMORY), own.get(_SWAP)
    )


def _text(name: bytes) -> str:
    """A label's text. Kubernetes names are ASCII; bytes that are no UTF-8 show as what they are."""
    return name.decode(errors="backslashreplace")


def _matched(
    pattern: re.Pattern[bytes], line: bytes, at: int, otherwise: str
) -> tuple[re.Match[bytes], int]:
    found = pattern.match(line, at)
    if found is None:
        raise ValueError(otherwise)
    return found, found.end()


def _labels(line: bytes, at: int, labels: dict[bytes, bytes]) -> int:
    """Fills in the labels from behind the opening brace; where the closing one ends."""
    while line[at:].lstrip(_BLANKS)[:1] != b"}":
        label, at = _matched(_LABEL, line, at, "a broken label")
        labels[label[1]] = _ESCAPE.sub(_unescaped, label[2])
        if not label[3] and line[at : at + 1] != b"}":
            raise ValueError("no comma between labels")
    return line.index(b"}", at) + 1


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return b"\n" if escape[1] == b"n" else escape[1]


def _page(where: str) -> str:
    return f"{where}, /metrics/resource"


def _broken(where: str, number: int, line: bytes, what: str) -> AnswerError:
    shown = printable(line[:80].decode(errors="backslashreplace"))
    return AnswerError(f"{_page(where)}, line {number}", f"{what}: {shown}", "is it a kubelet?")
