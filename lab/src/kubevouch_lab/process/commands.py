"""What other processes may ask of a running lab."""

import os
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from kubevouch.errors import UsageError
from kubevouch_lab.apiserver.outage import Outage
from kubevouch_lab.cluster.aging import age
from kubevouch_lab.cluster.lab import Lab
from kubevouch_lab.cluster.machine import Machine
from kubevouch_lab.cluster.states import State
from kubevouch_lab.scenarios import faults, transitions
from kubevouch_lab.scenarios.catalogue import scenario_of
from kubevouch_lab.scenarios.settling import (
    come_about,
    kubevouch_approves,
    repair_shown,
    settled,
)

Message = dict[str, Any]


class Commands:
    """Answers what comes through the control socket."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._known: dict[str, Callable[[Message], Awaitable[Message | None]]] = {
            "status": self._status,
            "break": self._break,
            "repair": self._repair,
            "state": self._state,
            "age": self._age,
            "cut-ssh": self._cut_ssh,
            "mend": self._mend,
            "fill": self._fill,
            "sh": self._sh,
            "credential-ids": self._credential_ids,
            "set-clock": self._set_clock,
            "stop-controller-manager": self._stop_controllers,
            "start-controller-manager": self._start_controllers,
            "begin-outage": self._begin_outage,
            "end-outage": self._end_outage,
        }

    async def __call__(self, message: Message) -> Message:
        """Does it. Raises LabError, and KeyError for what is unknown."""
        return await self._known[message["do"]](message) or {}

    async def _status(self, _: Message) -> Message:
        return self._lab.status() | {"process": os.getpid()}

    async def _break(self, message: Message) -> Message:
        scenario = scenario_of(message["scenario"])
        machines = self._machines(message.get("nodes", ()))
        faults.undo(self._lab, machines)
        await transitions.to_state(self._lab, scenario.state, machines)
        chosen = machines if message.get("nodes") else scenario.machines(self._lab)
        for fault in scenario.faults:
            await fault(self._lab, chosen)
        self._lab.note_scenario(scenario.name, machines)
        await come_about(self._lab, scenario, whole=not message.get("nodes"))
        # Of a part of the nodes it is said which: what the scenario says is not so of the others.
        part = chosen if len(chosen) < len(self._lab.machines) else []
        return {
            "what": scenario.description,
            "nodes": [each.host.short for each in part],
            "kubevouch approves": kubevouch_approves(self._lab),
        }

    async def _repair(self, message: Message) -> None:
        """Does what only a person can do about a scenario, and answers when what follows from it can be seen.

        Raises:
            UsageError: a person has nothing to do about it.
            LabError: nothing follows from it in time.
        """
        scenario = scenario_of(message["scenario"])
        if scenario.repair is None:
            raise UsageError(scenario.name, "no manual repair is needed", "kubevouch doctor")
        await scenario.repair(self._lab, scenario.machines(self._lab))
        await repair_shown(self._lab, scenario)

    async def _state(self, message: Message) -> None:
        """The whole lab, whatever was done to it, in one of the plain states; answers when it is seen to be there."""
        machines = self._machines(())
        faults.undo(self._lab, machines)
        state = State(message["state"])
        await transitions.to_state(self._lab, state, machines)
        self._lab.note_scenario(state, machines)
        await settled(self._lab, state)

    async def _age(self, message: Message) -> Message:
        machines = self._machines(message.get("nodes", ()))
        by, serving = timedelta(days=message["days"]), bool(message.get("serving"))
        return {"certificates": await age(self._lab, machines, by, serving=serving)}

    async def _cut_ssh(self, message: Message) -> None:
        [machine] = self._machines([message["node"]])
        await machine.cut_ssh()

    async def _mend(self, message: Message) -> None:
        [machine] = self._machines([message["node"]])
        await machine.mend()

    async def _fill(self, message: Message) -> None:
        [machine] = self._machines([message["node"]])
        await machine.system.fill(message["folder"], message["size"])

    async def _sh(self, message: Message) -> Message:
        """A script on a node, as root; what it prints comes back in base64."""
        [machine] = self._machines([message["node"]])
        words = ("/bin/sh", "-eu", "-c", message["script"], "sh", *message["arguments"])
        ran = await machine.system.run(words)
        return {"code": ran.returncode, "out": _packed(ran.stdout), "err": _packed(ran.stderr)}

    async def _credential_ids(self, message: Message) -> None:
        """Whether new CSRs say which credential made them; an API server before Kubernetes 1.32 does not know."""
        self._lab.control_plane.authentication.tells_credentials = message["told"]

    async def _set_clock(self, message: Message) -> None:
        """A node's clock goes so many seconds ahead from now on; behind, if they are negative."""
        [machine] = self._machines([message["node"]])
        old = self._lab.active_faults
        ahead = old.ahead | {machine.host.name: float(message["ahead"])}
        self._lab.set_active_faults(replace(old, ahead=ahead))

    async def _stop_controllers(self, message: Message) -> None:
        """All of the controller manager; with names only those of its loops."""
        await self._lab.control_plane.stop_controllers(*message.get("names", ()))

    async def _start_controllers(self, _: Message) -> None:
        self._lab.control_plane.start_controllers()

    async def _begin_outage(self, message: Message) -> None:
        """The API server, for all who reach it over the wire."""
        await self._lab.control_plane.begin_outage(Outage(message["outage"]))

    async def _end_outage(self, _: Message) -> None:
        await self._lab.control_plane.end_outage()

    def _machines(self, names: Sequence[str]) -> list[Machine]:
        """The machines with these names, or short names; all machines if no name is given."""
        found = []
        for name in names:
            host = self._lab.site.host(name)
            if host is None:
                known = ", ".join(each.short for each in self._lab.site.hosts[:8])
                raise UsageError(name, "is not a node of this lab", f"its nodes are {known}")
            found.append(self._lab.machines[host.name])
        return found or list(self._lab.machines.values())


def _packed(data: bytes) -> str:
    return b64encode(data).decode()
