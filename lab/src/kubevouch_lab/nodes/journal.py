"""A node's journal: what its units said and what the service manager did, kept in a file of the node."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from kubevouch.clock import Clock
from kubevouch_lab.nodes.files import NodeFiles

_FILE = "/var/log/journal/lab.jsonl"
_MOST = 20_000
"""Lines in memory, and about those in the file; the oldest half goes."""

STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"
STOPPED = "9d1aaa27d60140bd96365438aad20286"
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
STARTED = "39f53479d3a045ac8e11786248231fbf"
EXITED = "98e322203f7a4ed290d09fe03c09fe15"
FAILED = "be02cf6855d2428ba40df7e9d022f03d"
"""MESSAGE_ID of systemd's own catalogue (sd-messages.h)."""


@dataclass(frozen=True)
class JournalEntry:
    """One entry. at: Unix time in seconds. unit: whose log it is in; fields: what else it bears."""

    at: float
    unit: str
    identifier: str
    pid: int
    message: str
    priority: int = 6
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        """The time of the entry."""
        return datetime.fromtimestamp(self.at, UTC)

    def short(self, host: str) -> str:
        """As journalctl prints it: local time is UTC in the lab."""
        who = f"{self.identifier}[{self.pid}]" if self.pid else self.identifier
        return f"{self.moment:%b %d %H:%M:%S} {host} {who}: {self.message}"


class Journal:
    """Written in order, read by unit and time. It outlives the lab's process."""

    def __init__(self, files: NodeFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._lines = list(_kept(files))

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(tuple(self._lines))

    def add(
        self,
        unit: str,
        message: str,
        *,
        identifier: str = "systemd",
        pid: int = 1,
        priority: int = 6,
        **fields: str,
    ) -> None:
        """One more line, now."""
        at = self._clock.now().timestamp()
        line = JournalEntry(at, unit, identifier, pid, message, priority, dict(fields))
        self._lines.append(line)
        path = self._files.path(_FILE)
        if len(self._lines) > _MOST:
            del self._lines[: _MOST // 2]
            path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in self._lines))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")

    def of(self, unit: str) -> tuple[JournalEntry, ...]:
        """Everything in the log of that unit."""
        return tuple(line for line in self._lines if line.unit == unit)


def _kept(files: NodeFiles) -> Iterator[JournalEntry]:
    """What an earlier process wrote; a line that it did not finish is left out."""
    for text in files.text(_FILE).splitlines():
        try:
            yield JournalEntry(**json.loads(text))
        except (ValueError, TypeError):
            continue
