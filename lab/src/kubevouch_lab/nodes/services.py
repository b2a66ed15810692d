"""One service of a node and what has become of it: systemd.service(5), simple and oneshot."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kubevouch_lab.nodes.unit_files import UnitFile


class StartFailure(Exception):
    """A program that is part of the lab does not start: it logs this and exits with 1.

    text: what stands behind err= in its last line.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class BuiltinProgram(Protocol):
    """A program that is part of the lab instead of a process: the kubelet."""

    pid: int
    exited: Callable[[], None]
    """Called when it has ended by itself."""

    async def start(self, argv: Sequence[str]) -> None:
        """Returns when it runs. Raises StartFailure when it has ended with an error."""
        ...

    async def stop(self) -> None:
        """Ends it."""
        ...


@dataclass
class Service:
    """States are systemd's own words. started: microseconds since boot, 0 before the first start."""

    unit: UnitFile
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    pid: int = 0
    started: int = 0
    started_at: float = 0.0
    restarts: int = 0
    transient: bool = False
    argv: tuple[str, ...] = ()
    """Of a transient one; of others the unit's ExecStart counts."""
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """With its suffix."""
        return self.unit.name

    @property
    def title(self) -> str:
        """As systemd names it in the journal."""
        return f"{self.name} - {self.unit.description}"

    def properties(self) -> dict[str, str]:
        """What `systemctl show` knows of it."""
        return {
            "Id": self.name,
            "Names": self.name,
            "Description": self.unit.description,
            "LoadState": "loaded",
            "ActiveState": self.active,
            "SubState": self.sub,
            "Result": self.result,
            "MainPID": str(self.pid),
            "ExecMainPID": str(self.pid),
            "ExecMainStartTimestampMonotonic": str(self.started),
            "NRestarts": str(self.restarts),
            "Restart": self.unit.last("Service.Restart", "no"),
            "RestartUSec": _as_shown(self.unit.last("Service.RestartSec", "100ms")),
            "Transient": "yes" if self.transient else "no",
            "UnitFileState": "transient" if self.transient else "enabled",
        }


def _as_shown(span: str) -> str:
    """A time span of a unit file, as systemctl shows it: a bare number is of seconds."""
    return f"{span}s" if span.isdigit() else span


@dataclass
class Timer:
    """A transient timer: due in seconds since boot."""

    name: str
    service: Service
    due: float
    description: str
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
