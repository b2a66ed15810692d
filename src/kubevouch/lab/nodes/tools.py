"""What the node's own programs say: systemctl, systemd-run, systemd-escape, journalctl, hostname. Words in, text out.

What they do not know they refuse, as the real ones refuse what they do not know.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from kubevouch.clock import Clock
from kubevouch.lab.kubelets.settings import seconds
from kubevouch.lab.nodes.calls import Told
from kubevouch.lab.nodes.journal import Journal, Line
from kubevouch.lab.nodes.processes import Processes
from kubevouch.lab.nodes.units import MULTI_USER, JobFailed, Units, full_name

_NOT_FOUND: Final = {
    "LoadState": "not-found",
    "ActiveState": "inactive",
    "SubState": "dead",
    "MainPID": "0",
    "ExecMainStartTimestampMonotonic": "0",
    "NRestarts": "0",
    "Result": "success",
}
_TAKING: Final = frozenset(
    {"-p", "--property", "-u", "--unit", "-n", "--lines", "-o", "--output", "-s", "--signal", "-t", "-S", "--since",
     "-U", "--until", "-P", "--priority", "--kill-whom", "--type", "--state"}
)  # fmt: skip


@dataclass(frozen=True)
class Words:
    """A command line, taken apart: options with their values (all of them, in order), and the rest."""

    options: dict[str, list[str]] = field(default_factory=dict)
    rest: tuple[str, ...] = ()

    def last(self, *names: str, default: str = "") -> str:
        """The value that counts of an option."""
        found = [value for name in names for value in self.options.get(name, ())]
        return found[-1] if found else default

    def has(self, *names: str) -> bool:
        """Whether one of them was given."""
        return any(name in self.options for name in names)

    def all(self, *names: str) -> list[str]:
        """Every value of an option."""
        return [value for name in names for value in self.options.get(name, ())]


def taken_apart(
    words: Sequence[str],
    *,
    stop_at_program: bool = False,
    taking: frozenset[str] = _TAKING,
) -> Words:
    """taking: options whose value may be the next word. stop_at_program: the first word that is no option begins another command line."""
    options: dict[str, list[str]] = {}
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += left
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            if stop_at_program:
                rest += left
                break
            continue
        name, sign, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2 and word[:2] in taking:
            name, sign, value = word[:2], "=", word[2:]
        if not sign and name in taking and left:
            value = left.pop(0)
        options.setdefault(name, []).append(value)
    return Words(options, tuple(rest))


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
        address: str,
        reboot: Callable[[], None],
    ) -> None:
        self._units = units
        self._journal = journal
        self._processes = processes
        self._clock = clock
        self._host = host
        self._address = address
        self._reboot = reboot

    async def __call__(self, words: Sequence[str]) -> Told:
        """One call: the program's name and its words."""
        self._processes.tick()
        name, rest = words[0], list(words[1:])
        known: dict[str, Callable[[list[str]], Awaitable[Told]]] = {
            "systemctl": self._systemctl,
            "systemd-run": self._systemd_run,
        }
        plain: dict[str, Callable[[list[str]], Told]] = {
            "systemd-escape": _escaped,
            "journalctl": self._journalctl,
            "hostname": self._hostname,
            "lab-now": lambda _: Told(f"{self._clock.now().timestamp():.6f}\n"),
            "reboot": self._rebooted,
            "kubelet": lambda _: Told("Kubernetes v1.36.3\n"),
        }
        if name in known:
            return await known[name](rest)
        return plain[name](rest)

    async def _systemctl(self, rest: list[str]) -> Told:  # noqa: PLR0911 - a table of verbs
        words = taken_apart(rest)
        verb, *names = words.rest or ("list-units",)
        match verb:
            case "show":
                return self._show(words, names)
            case "daemon-reload" | "daemon-reexec":
                self._units.reload()
                return Told()
            case "list-timers":
                return self._list_timers(words, names)
            case "is-active" | "is-failed" | "is-enabled":
                return self._is(verb, words, names)
            case "status":
                return self._status(names)
            case "cat":
                return self._cat(names)
            case "start" | "stop" | "restart" | "try-restart" | "reset-failed" | "kill":
                return await self._jobs(verb, words, names)
            case "enable" | "disable" | "unmask":
                return Told()
            case "reboot":
                return self._rebooted([])
        return Told(err=f"Unknown command verb {verb}: the lab's nodes do not know it.\n", code=1)

    async def _jobs(self, verb: str, words: Words, names: list[str]) -> Told:
        for name in self._units.matching(names):
            try:
                if name == MULTI_USER:
                    await self._units.reach(name)
                elif verb == "start":
                    await self._units.start(name)
                elif verb == "stop":
                    if not self._loaded(name):
                        return Told(err=f"Failed to stop {name}: Unit {name} not loaded.\n", code=5)
                    await self._units.stop(name)
                elif verb in {"restart", "try-restart"}:
                    await self._units.restart(name)
                elif verb == "kill":
                    await self._units.kill(name, words.last("-s", "--signal", default="TERM"))
                else:
                    self._units.reset_failed(name)
            except JobFailed as failed:
                return Told(err=f"{failed}\n", code=5 if "not found" in str(failed) else 1)
        return Told()

    def _loaded(self, name: str) -> bool:
        known = name in self._units.services or name in self._units.timers
        return known or self._units.unit(name) is not None

    def _properties(self, name: str) -> dict[str, str]:
        service = self._units.services.get(name)
        if service is not None:
            at = datetime.fromtimestamp(service.started_at, UTC)
            stamp = f"{at:%a %Y-%m-%d %H:%M:%S UTC}" if service.started else ""
            return service.properties() | {
                "ExecMainStartTimestamp": stamp,
                "ActiveEnterTimestamp": stamp,
                "ActiveEnterTimestampMonotonic": str(service.started),
            }
        timer = self._units.timers.get(name)
        if timer is not None:
            known = {"Id": name, "LoadState": "loaded", "ActiveState": "active"}
            return {**known, "SubState": "waiting", "Unit": timer.service.name}
        unit = self._units.unit(name)
        if unit is None:
            return {"Id": name, "Description": name, **_NOT_FOUND}
        return {**_NOT_FOUND, "Id": name, "Description": unit.description, "LoadState": "loaded"}

    def _show(self, words: Words, names: list[str]) -> Told:
        wanted = [
            each for value in words.all("-p", "--property", "-P") for each in value.split(",")
        ]
        only = words.has("--value", "-P")
        blocks = []
        for name in self._units.matching(names):
            found = self._properties(name)
            keys = [key for key in wanted if key in found] if wanted else list(found)
            blocks.append("".join(f"{found[k]}\n" if only else f"{k}={found[k]}\n" for k in keys))
        return Told("\n".join(blocks))

    def _is(self, verb: str, words: Words, names: list[str]) -> Told:
        key = "UnitFileState" if verb == "is-enabled" else "ActiveState"
        states = [self._properties(full_name(name)).get(key, "disabled") for name in names]
        good = {"is-active": "active", "is-failed": "failed", "is-enabled": "enabled"}[verb]
        text = "" if words.has("-q", "--quiet") else "".join(f"{state}\n" for state in states)
        return Told(text, code=0 if good in states else 3)

    def _status(self, names: list[str]) -> Told:
        name = full_name(names[0]) if names else "kubelet.service"
        if not self._loaded(name):
            return Told(err=f"Unit {name} could not be found.\n", code=4)
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
        return Told(text, code=0 if found["ActiveState"] == "active" else 3)

    def _cat(self, names: list[str]) -> Told:
        unit = self._units.unit(full_name(names[0])) if names else None
        if unit is None:
            return Told(err="No files found.\n", code=1)
        lines = [f"{key}={value}" for key, values in unit.said.items() for value in values]
        return Told("\n".join(lines) + "\n")

    def _list_timers(self, words: Words, patterns: list[str]) -> Told:
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
            return Told("".join(f"{line}\n" for line in lines))
        head = "NEXT LEFT LAST PASSED UNIT ACTIVATES"
        return Told("\n".join([head, *lines, "", f"{len(lines)} timers listed."]) + "\n")

    async def _systemd_run(self, rest: list[str]) -> Told:
        words = taken_apart(rest, stop_at_program=True)
        if not words.rest:
            return Told(err="Command line to execute required.\n", code=1)
        stamp = f"run-u{int(self._processes.uptime * 1000)}"
        name = words.last("--unit", "-u", default=stamp).removesuffix(".service")
        name = name.removesuffix(".timer")
        description = words.last("--description", default=" ".join(words.rest))
        try:
            if words.has("--on-active"):
                text = words.last("--on-active")
                after = float(text) if text.replace(".", "", 1).isdigit() else span(text)
                self._units.run_later(name, after, words.rest, description)
                said = f"Running timer as unit: {name}.timer\nWill run service as unit: {name}.service\n"
                return Told(err=said)
            unknown = sorted(each for each in words.options if each.startswith("--on-"))
            if unknown:
                return Told(
                    err=f"systemd-run: {unknown[0]}: the lab's nodes know --on-active only\n",
                    code=1,
                )
            await self._units.run_now(f"{name}.service", words.rest, description)
        except JobFailed as failed:
            return Told(err=f"{failed}\n", code=1)
        return Told(err=f"Running as unit: {name}.service\n")

    def _journalctl(self, rest: list[str]) -> Told:
        words = taken_apart(rest)
        if words.has("-f", "--follow"):
            return Told(err="journalctl: the lab's nodes cannot follow a journal\n", code=1)
        lines = list(self._journal)
        if units := words.all("-u", "--unit"):
            names = {full_name(name) for name in units}
            lines = [line for line in lines if line.unit in names]
        if since := words.last("-S", "--since"):
            begin = self._moment(since)
            lines = [line for line in lines if line.at >= begin]
        if until := words.last("-U", "--until"):
            end = self._moment(until)
            lines = [line for line in lines if line.at <= end]
        if priority := words.last("-p", "--priority"):
            lines = [line for line in lines if line.priority <= _PRIORITIES.get(priority, 7)]
        lines = [line for line in lines if _matches(line, words.rest)]
        if (count := words.last("-n", "--lines")).isdigit():
            lines = lines[max(0, len(lines) - int(count)) :]
        if words.has("-r", "--reverse"):
            lines.reverse()
        form = words.last("-o", "--output", default="short")
        if not lines and form.startswith("short") and not words.has("-q", "--quiet"):
            return Told("-- No entries --\n")
        return Told("".join(f"{self._formed(line, form)}\n" for line in lines))

    def _formed(self, line: Line, form: str) -> str:
        if form == "json":
            return json.dumps(line.record())
        if form == "cat":
            return line.message
        if form in {"short-iso", "short-iso-precise"}:
            return f"{line.moment:%Y-%m-%dT%H:%M:%S+0000} {line.short(self._host)[16:]}"
        return line.short(self._host)

    def _moment(self, text: str) -> float:
        if text.startswith("@"):
            return float(text[1:])
        if text.startswith("-"):
            return self._clock.now().timestamp() - span(text[1:])
        if text.endswith(" ago"):
            return self._clock.now().timestamp() - span(text.removesuffix(" ago"))
        named = {"today": 0, "yesterday": 1}
        if text in named:
            day = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
            return (day - timedelta(days=named[text])).timestamp()
        return datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC).timestamp()

    def _hostname(self, rest: list[str]) -> Told:
        match rest:
            case []:
                return Told(f"{self._host}\n")
            case ["-f" | "--fqdn"]:
                return Told(f"{self._host}\n")
            case ["-s" | "--short"]:
                return Told(f"{self._host.split('.', 1)[0]}\n")
            case ["-I" | "-i" | "--all-ip-addresses" | "--ip-address"]:
                return Told(f"{self._address} \n")
        return Told(err="hostname: the lab's nodes keep their names\n", code=1)

    def _rebooted(self, _: list[str]) -> Told:
        self._reboot()
        return Told()


_PRIORITIES: Final = {
    "emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7,
    **{str(number): number for number in range(8)},
}  # fmt: skip
_SPANS: Final = {
    "seconds": "s", "second": "s", "sec": "s", "minutes": "m", "minute": "m", "min": "m", "hours": "h", "hour": "h", "hr": "h",
}  # fmt: skip


def span(text: str) -> float:
    """A time span as systemd.time(7) writes it: 5min, 1h 30s, 2 days. Seconds."""
    total, rest = 0.0, text.replace(" ", "")
    for word, short in _SPANS.items():
        rest = rest.replace(word, short)
    for word, length in (("days", 86400), ("day", 86400), ("d", 86400)):
        head, found, tail = rest.partition(word)
        if found and head.isdigit():
            total, rest = total + int(head) * length, tail
    return total + seconds(rest)


def _matches(line: Line, matches: Sequence[str]) -> bool:
    """journalctl(1): matches of one field are alternatives, those of different fields must all hold."""
    wanted: dict[str, set[str]] = {}
    for match in matches:
        name, sign, value = match.partition("=")
        if sign:
            wanted.setdefault(name, set()).add(value)
    record = line.record()
    return all(record.get(name) in values for name, values in wanted.items())


def _escaped(rest: list[str]) -> Told:
    words = taken_apart(rest, taking=frozenset())
    path = words.has("-p", "--path")
    made = []
    for word in words.rest:
        text = "/".join(step for step in word.split("/") if step) if path else word
        made.append(
            "".join(
                "-"
                if char == "/"
                else char
                if char.isalnum() or char in ":_."
                else f"\\x{ord(char):02x}"
                for char in text
            )
        )
    suffix = words.last("--suffix")
    return Told(" ".join(f"{each}.{suffix}" if suffix else each for each in made) + "\n")
