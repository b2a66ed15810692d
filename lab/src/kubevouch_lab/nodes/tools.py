"""What the node's own programs say: systemctl, systemd-run, journalctl. Command line in, text out.

What they do not know they refuse, as the real ones refuse what they do not know.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.nodes.command_lines import ParsedCommandLine, parse
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.nodes.processes import Processes
from kubevouch_lab.nodes.program_calls import ProgramResult
from kubevouch_lab.nodes.unit_files import UnitFile
from kubevouch_lab.nodes.units import MULTI_USER, JobFailed, Units, full_name

_NOT_FOUND: Final = {
    "LoadState": "not-found",
    "ActiveState": "inactive",
    "SubState": "dead",
    "MainPID": "0",
    "ExecMainStartTimestampMonotonic": "0",
    "NRestarts": "0",
    "Result": "success",
}


_OF_THE_JOURNAL: Final = {"-u", "--unit", "-n", "--lines", "-o", "--output", "--no-pager"}


class Tools:
    """Answers for one node. reboot: what happens when somebody asks for it."""

    def __init__(
        self,
        units: Units,
        journal: Journal,
        processes: Processes,
        clock: Clock,
        *,
        host: str,
        reboot: Callable[[], None],
    ) -> None:
        self._units = units
        self._journal = journal
        self._processes = processes
        self._clock = clock
        self._host = host
        self._reboot = reboot

    async def __call__(self, words: Sequence[str]) -> ProgramResult:
        """One call: the program's name and its words."""
        self._processes.tick()
        name, rest = words[0], list(words[1:])
        if name == "systemctl":
            return await self._systemctl(rest)
        plain: dict[str, Callable[[list[str]], ProgramResult]] = {
            "journalctl": self._journalctl,
            "systemd-run": self._systemd_run,
            "lab-now": lambda _: ProgramResult(f"{self._clock.now().timestamp():.6f}\n"),
            "reboot": self._rebooted,
            "kubelet": lambda _: ProgramResult("Kubernetes v1.36.3\n"),
        }
        return plain[name](rest)

    async def _systemctl(self, rest: list[str]) -> ProgramResult:  # noqa: PLR0911 - a table of verbs
        words = parse(rest)
        verb, *names = words.rest or ("list-units",)
        match verb:
            case "show":
                return self._show(words, names)
            case "daemon-reload" | "daemon-reexec":
                self._units.reload()
                return ProgramResult()
            case "list-timers":
                return self._list_timers(words, names)
            case "is-active":
                return self._is_active(words, names)
            case "status":
                return self._status(names)
            case "start" | "stop" | "restart" | "reset-failed" | "kill":
                return await self._jobs(verb, words, names)
            case "reboot":
                return self._rebooted([])
        return ProgramResult(
            err=f"Unknown command verb {verb}: not supported by the lab's nodes.\n", code=1
        )

    async def _jobs(self, verb: str, words: ParsedCommandLine, names: list[str]) -> ProgramResult:
        for name in self._units.matching(names):
            try:
                if name == MULTI_USER:
                    await self._units.reach(name)
                elif verb == "start":
                    await self._units.start(name)
                elif verb == "stop":
                    if not self._loaded(name):
                        return ProgramResult(
                            err=f"Failed to stop {name}: Unit {name} not loaded.\n", code=5
                        )
                    await self._units.stop(name)
                elif verb == "restart":
                    await self._units.restart(name)
                elif verb == "kill":
                    await self._units.kill(name, words.last("-s", "--signal", default="TERM"))
                else:
                    self._units.reset_failed(name)
            except JobFailed as failed:
                return ProgramResult(err=f"{failed}\n", code=5 if "not found" in str(failed) else 1)
        return ProgramResult()

    def _loaded(self, name: str) -> bool:
        known = name in self._units.services or name in self._units.timers
        return known or self._units.unit(name) is not None

    def _properties(self, name: str) -> dict[str, str]:
        service = self._units.services.get(name)
        if service is not None:
            at = datetime.fromtimestamp(service.started_at, UTC)
            stamp = f"{at:%a %Y-%m-%d %H:%M:%S UTC}" if service.started else ""
            return (
                service.properties()
                | self._from_files(service.unit)
                | {
                    "ExecMainStartTimestamp": stamp,
                    "ActiveEnterTimestamp": stamp,
                    "ActiveEnterTimestampMonotonic": str(service.started),
                }
            )
        timer = self._units.timers.get(name)
        if timer is not None:
            known = {"Id": name, "LoadState": "loaded", "ActiveState": "active"}
            return {**known, "SubState": "waiting", "Unit": timer.service.name}
        unit = self._units.unit(name)
        if unit is None:
            return {"Id": name, "Description": name, **_NOT_FOUND}
        known = {"Id": name, "Description": unit.description, "LoadState": "loaded"}
        return {**_NOT_FOUND, **known, **self._from_files(unit)}

    def _from_files(self, unit: UnitFile) -> dict[str, str]:
        """What `systemctl show` knows of a unit's files."""
        loads = unit.said.get("Service.ExecStart", ())
        ignored = {True: "yes", False: "no"}
        files = (
            f"{each.removeprefix('-')} (ignore_errors={ignored[each.startswith('-')]})"
            for each in unit.said.get("Service.EnvironmentFile", ())
        )
        return {
            "FragmentPath": unit.fragment,
            "DropInPaths": " ".join(unit.drop_ins),
            "EnvironmentFiles": "\nEnvironmentFiles=".join(files),
            "NeedDaemonReload": "yes" if self._units.needs_reload(unit.name) else "no",
            "ExecStart": "".join(
                f"{{ path={line.split()[0]} ; argv[]={line} ; ignore_errors=no ; pid=0 }}"
                for line in loads
            ),
        }

    def _show(self, words: ParsedCommandLine, names: list[str]) -> ProgramResult:
        wanted = [
            each for value in words.all("-p", "--property", "-P") for each in value.split(",")
        ]
        only = words.has("--value", "-P")
        blocks = []
        for name in self._units.matching(names):
            found = self._properties(name)
            keys = [key for key in wanted if key in found] if wanted else list(found)
            blocks.append("".join(f"{found[k]}\n" if only else f"{k}={found[k]}\n" for k in keys))
        return ProgramResult("\n".join(blocks))

    def _is_active(self, words: ParsedCommandLine, names: list[str]) -> ProgramResult:
        states = [self._properties(full_name(name))["ActiveState"] for name in names]
        text = "" if words.has("-q", "--quiet") else "".join(f"{state}\n" for state in states)
        return ProgramResult(text, code=0 if "active" in states else 3)

    def _status(self, names: list[str]) -> ProgramResult:
        name = full_name(names[0]) if names else "kubelet.service"
        if not self._loaded(name):
            return ProgramResult(err=f"Unit {name} could not be found.\n", code=4)
        found = self._properties(name)
        lines = [
            f"* {name} - {found['Description']}",
            f"     Loaded: {found['LoadState']}",
            f"     Active: {found['ActiveState']} ({found['SubState']})",
        ]
        if found.get("MainPID", "0") != "0":
            lines.append(f"   Main PID: {found['MainPID']}")
        tail = [line.short(self._host) for line in self._journal.of(name)[-10:]]
        text = "\n".join([*lines, "", *tail]) + "\n"
        return ProgramResult(text, code=0 if found["ActiveState"] == "active" else 3)

    def _list_timers(self, words: ParsedCommandLine, patterns: list[str]) -> ProgramResult:
        names = self._units.matching(patterns) if patterns else list(self._units.timers)
        timers = [self._units.timers[name] for name in names if name in self._units.timers]
        lines = []
        for timer in timers:
            left = max(0.0, timer.due - self._processes.uptime)
            at = self._clock.now() + timedelta(seconds=left)
            lines.append(
                f"{at:%a %Y-%m-%d %H:%M:%S UTC} {left:.0f}s left - - {timer.name} {timer.service.name}"
            )
        if words.has("--no-legend"):
            return ProgramResult("".join(f"{line}\n" for line in lines))
        head = "NEXT LEFT LAST PASSED UNIT ACTIVATES"
        return ProgramResult("\n".join([head, *lines, "", f"{len(lines)} timers listed."]) + "\n")

    def _systemd_run(self, rest: list[str]) -> ProgramResult:
        words = parse(rest, stop_at_program=True)
        if not words.rest:
            return ProgramResult(err="Command line to execute required.\n", code=1)
        stamp = f"run-u{int(self._processes.uptime * 1000)}"
        name = words.last("--unit", "-u", default=stamp).removesuffix(".service")
        name = name.removesuffix(".timer")
        description = words.last("--description", default=" ".join(words.rest))
        try:
            if words.has("--on-active"):
                after = words.last("--on-active")
                if not after.isdigit():
                    text = "systemd-run: the lab's nodes accept only a number of seconds\n"
                    return ProgramResult(err=text, code=1)
                properties = dict(
                    each.partition("=")[::2] for each in words.all("-p", "--property")
                )
                self._units.run_later(name, float(after), words.rest, description, properties)
                said = f"Running timer as unit: {name}.timer\nWill run service as unit: {name}.service\n"
                return ProgramResult(err=said)
        except JobFailed as failed:
            return ProgramResult(err=f"{failed}\n", code=1)
        return ProgramResult(err="systemd-run: the lab's nodes support only --on-active\n", code=1)

    def _journalctl(self, rest: list[str]) -> ProgramResult:
        words = parse(rest)
        unknown = sorted(words.options.keys() - _OF_THE_JOURNAL) or list(words.rest)
        if unknown:
            text = f"journalctl: {unknown[0]}: not supported by the lab's nodes\n"
            return ProgramResult(err=text, code=1)
        units = {full_name(name) for name in words.all("-u", "--unit")}
        lines = [line for line in self._journal if not units or line.unit in units]
        if (count := words.last("-n", "--lines")).isdigit():
            lines = lines[max(0, len(lines) - int(count)) :]
        bare = words.last("-o", "--output") == "cat"
        shown = (line.message if bare else line.short(self._host) for line in lines)
        nothing = "" if bare else "-- No entries --\n"
        return ProgramResult("".join(f"{each}\n" for each in shown) or nothing)

    def _rebooted(self, _: list[str]) -> ProgramResult:
        self._reboot()
        return ProgramResult()
