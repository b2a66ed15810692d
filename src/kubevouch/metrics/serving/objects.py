"""NodeMetrics and PodMetrics as JSON (k8s.io/metrics v1/types.go; v1beta1 is the same), in metrics-server's format.

They are written directly as text: a list may have 100,000 objects, and intermediate dicts would
double the cost.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from kubevouch.kube.resources import METRICS_GROUP
from kubevouch.metrics.fleet import FleetNode, RunningPod
from kubevouch.metrics.store import NodeUsage, PodUsage
from kubevouch.quantity import format_bytes, format_nanocores
from kubevouch.serve.messages import HttpRequest
from kubevouch.x509.gotext import utc_text

_SECOND: Final = 10**9
_encode: Final = msgspec.json.Encoder().encode


class Item:
    """A node or a pod with its usage, as pieces of JSON.

    now: the response's time, which becomes creationTimestamp.
    """

    __slots__ = ("_found", "_name", "_now", "_used")

    def __init__(self, found: FleetNode | RunningPod, used: NodeUsage | PodUsage, now: str) -> None:
        self._found = found
        self._used = used
        self._now = now
        self._name = _encoded(found.name)

    @property
    def kind(self) -> str:
        """NodeMetrics or PodMetrics."""
        return "NodeMetrics" if isinstance(self._found, FleetNode) else "PodMetrics"

    @property
    def at_ns(self) -> int | None:
        """The time of the measurement in nanoseconds since 1970.

        None if all containers of the pod are omitted.
        """
        return self._used.timestamp_ns

    def metadata(self) -> str:
        """The JSON of the field `metadata`."""
        found = self._found
        namespace = "" if isinstance(found, FleetNode) else found.namespace
        placed = f',"namespace":{_quoted(namespace)}' if namespace else ""
        # Labels are sorted by name, like the API server's.
        labelled = f',"labels":{_encode(found.labels).decode()}' if found.labels else ""
        return f'{{"name":{self._name}{placed},"creationTimestamp":"{self._now}"{labelled}}}'

    def fields(self) -> str:
        """The JSON of the fields after metadata."""
        used = self._used
        at = "null" if used.timestamp_ns is None else f'"{_seconds(used.timestamp_ns // _SECOND)}"'
        times = f'"timestamp":{at},"window":"{go_duration(used.window_ns)}"'
        if isinstance(used, NodeUsage):
            return f'{times},"usage":{_usage(used.cpu_nanocores, used.memory_bytes)}'
        containers = ",".join([
            f'{{"name":{_quoted(each.name)},"usage":{_usage(each.cpu_nanocores, each.memory_bytes)}}}'
            for each in used.containers
        ])  # fmt: skip
        return f'{times},"containers":[{containers}]'

    def cells(self) -> str:
        """The table cells. For a pod they hold the sum over its containers."""
        used = self._used
        each = (used,) if isinstance(used, NodeUsage) else used.containers
        cpu = sum(one.cpu_nanocores for one in each)
        memory = sum(one.memory_bytes for one in each)
        window = go_duration(used.window_ns)
        return f'{self._name},"{format_nanocores(cpu)}","{format_bytes(memory)}","{window}"'


def _usage(cpu: int, memory: int) -> str:
    return f'{{"cpu":"{format_nanocores(cpu)}","memory":"{format_bytes(memory)}"}}'


def _encoded(text: str) -> str:
    return _encode(text).decode()


_quoted: Final = functools.lru_cache(maxsize=4096)(_encoded)
"""Cached `_encoded`, for namespaces and container names, which many pods share."""


@functools.lru_cache(maxsize=4096)
def _seconds(since_1970: int) -> str:
    return utc_text(datetime.fromtimestamp(since_1970, UTC))


@functools.lru_cache(maxsize=4096)
def go_duration(ns: int) -> str:
    """A duration like Go's Duration.String: 15.023s, 1m0s, 850ms, 0s."""
    if ns < 0:
        return f"-{go_duration(-ns)}"
    if ns < 10**9:
        for size, unit in ((10**6, "ms"), (10**3, "µs"), (1, "ns")):
            if ns >= size:
                return f"{_fraction(ns, size)}{unit}"
        return "0s"
    minutes, rest = divmod(ns, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_fraction(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _fraction(ns: int, unit: int) -> str:
    number, rest = divmod(ns, unit)
    digits = str(unit + rest)[1:].rstrip("0")
    return f"{number}.{digits}" if digits else str(number)


TABLE: Final = "Table.v1.meta.k8s.io"
"""The Table format that kubectl requests, written as kind, version and group."""
_PARTIAL: Final = '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'
_COLUMNS: Final = msgspec.json.encode([
    {
        "name": name,
        "type": "string",
        "format": form,
        "description": "Name of the resource" if name == "Name" else "",
        "priority": 0,
    }
    for name, form in (
        ("Name", "name"), ("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration"),
    )
]).decode()  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """A format of a response: how to write an object, the text around objects, and the text of an empty list."""

    begin: str
    write: Callable[[Item], str]
    end: str
    nothing: str = ""


def form_of(request: HttpRequest, version: str, kind: str, *, as_table: bool, single: bool) -> Form:
    """The format for objects of this version and kind, in a list or alone."""
    api_version = f"{METRICS_GROUP}/{version}"
    if as_table:
        return _table(request.query_value("includeObject"), api_version)
    if single:
        head = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":'
        return Form("", lambda each: f"{head}{each.metadata()},{each.fields()}}}", "\n")
    begin = f'{{"kind":"{kind}List","apiVersion":"{api_version}","metadata":{{}},"items":['
    return Form(
        begin,
        lambda each: f'{{"metadata":{each.metadata()},{each.fields()}}}',
        "]}\n",
        f"{begin}]}}\n",
    )


def _table(include: str, api_version: str) -> Form:
    """The table format.

    include: what each row contains of its object, from the query parameter includeObject: `Object`
    (all), `None` (nothing), else its metadata.
    """
    begin = '{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":'

    def row(each: Item) -> str:
        carried = f"{_PARTIAL}{each.metadata()}}}"
        if include == "Object":
            kind = f'"kind":"{each.kind}","apiVersion":"{api_version}"'
            carried = f'{{{kind},"metadata":{each.metadata()},{each.fields()}}}'
        elif include == "None":
            carried = "null"
        return f'{{"cells":[{each.cells()}],"object":{carried}}}'

    # Without rows there are no columns either.
    return Form(f'{begin}{_COLUMNS},"rows":[', row, "]}\n", f'{begin}null,"rows":null}}\n')
