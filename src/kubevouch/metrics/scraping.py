"""The settings of scrapes, their results, and the ready nodes without a recent scrape.

The settings come from metrics-server's flags, and from some flags of our own.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

ADDRESS_TYPES: Final = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
_MOST_NAMED = 10


class ScrapeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes to scrape, where and how.

    node_selector: --node-selector. address_types: --kubelet-preferred-address-types, most preferred
    first. port: --kubelet-port. use_status_port: --kubelet-use-node-status-port; the port in the
    Node's status, if any, overrides `port`. resolution: seconds between two scrapes of a node.
    timeout: seconds for one scrape. insecure: --kubelet-insecure-tls: also scrape unverified
    kubelets, without any credential. ready_min_nodes: --ready-min-nodes: the share of ready nodes
    that must have been scraped before the server is ready. check_time: see KubeletTrust.
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
        """The resolution as a timedelta."""
        return timedelta(seconds=self.resolution)


class ScrapeFailure(msgspec.Struct, frozen=True):
    """Why the last scrape of a node failed.

    reason: the code in metrics and JSON. It is a reason of FetchFailed (kubelet.io.fetch),
    "no-address", "path-too-long", "unreadable", "no-usage", "credential" or "internal". text: one
    printable line, as metrics-server logs it after err=.
    """

    reason: str
    text: str


class ScrapeResult(msgspec.Struct, frozen=True):
    """The last scrape of a node. reason: the reason of a ScrapeFailure; "" if the scrape succeeded.

    at: when it ended. read_at: when the last successful scrape ended, or None. doubt: why the
    scraped kubelet is unverified, "" if it is verified.
    """

    reason: str
    at: datetime
    read_at: datetime | None
    doubt: str = ""


def first_of(names: Sequence[str]) -> str:
    """The names as text: all of them, or the first ten and how many more there are."""
    shown, more = ", ".join(names[:_MOST_NAMED]), len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def unread(
    ready: Collection[str], results: Mapping[str, ScrapeResult], *, now: datetime, recent: timedelta
) -> tuple[str, ...]:
    """The ready nodes without a successful scrape within `recent`. ready: the names of the ready nodes."""

    def is_read(name: str) -> bool:
        found = results.get(name)
        return found is not None and found.read_at is not None and now - found.read_at <= recent

    return tuple(sorted(name for name in ready if not is_read(name)))
