"""What other processes may ask of a running lab."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from kubevouch.lab.cluster.lab import Lab

Said = dict[str, Any]


class Orders:
    """Answers what comes through the control socket."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._known: dict[str, Callable[[Said], Awaitable[Said]]] = {"status": self._status}

    async def __call__(self, said: Said) -> Said:
        """Does it. Raises LabError, and KeyError for what is unknown."""
        return await self._known[said["do"]](said)

    async def _status(self, _: Said) -> Said:
        return self._lab.status() | {"process": os.getpid()}
