"""How nodes are scraped, by metrics-server's flags and ours; what became of each scrape; and how many nodes are read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

ADDRESS_TYPES: Final = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
_MOST_NAMED = 10


class ScrapeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes are scraped, where and how.

    node_selector: --node-selector. address_types: --kubelet-preferred-address-types, most preferred first. port:
    --kubelet-port. use_status_port: --kubelet-use-node-status-port, which wins over `port` if the Node states one.
    resolution: seconds between two scrapes of a node. timeout: seconds for one. insecure: --kubelet-insecure-tls: a kubelet that cannot be verified is asked all the
    same, without any credential. ready_min_nodes: --ready-min-nodes: the share of the ready nodes that must have been read
    before the server is ready. check_time: see KubeletTrust.
    """

    node_selector: str = ""
    address_types: tuple[str, ...] = ADDRESS_TYPES
    port: int = 10250
    use_status_port: bool = False
    resolution: float = 15.0
    timeout: float = 10.0
    insecure: bool = False
    ready_min_nodes: float = 0.0
    check_time: bool = True

    @property
    def interval(self) -> timedelta:
        """The resolution."""
        return timedelta(seconds=self.resolution)


class ScrapeFailure(msgspec.Struct, frozen=True):
    """Why the last scrape of a node failed.

    reason: a word for metrics and JSON: a reason of FetchFailed (kubelet.io.fetch), "no-address", "path-too-long", "unreadable",
    "no-usage", "credential" or "internal". text: one printable line, as metrics-server logs it after err=.
    """

    reason: str
    text: str


class ScrapeResult(msgspec.Struct, frozen=True):
    """The last scrape of a node. reason: why it failed, a word of ScrapeFailure; "" if it succeeded.

    at: when it ended. read_at: the end of the last one that succeeded; None if none has. doubt: why a kubelet that was
    asked could not be verified, "" if it was.
    """

    reason: str
    at: datetime
    read_at: datetime | None
    doubt: str = ""


def first_of(things: Sequence[T], write: Callable[[T], str] = str) -> str:
    """What each is written as, or the first ten and how many more there are."""
    shown, more = ", ".join(map(write, things[:_MOST_NAMED])), len(things) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def unread(
    ready: Collection[str], results: Mapping[str, ScrapeResult], *, now: datetime, recent: timedelta
) -> tuple[str, ...]:
    """Those of these nodes without a scrape that succeeded within the time that `recent` says. ready: their names."""

    def is_read(name: str) -> bool:
        found = results.get(name)
        return found is not None and found.read_at is not None and now - found.read_at <= recent

    return tuple(sorted(name for name in ready if not is_read(name)))
