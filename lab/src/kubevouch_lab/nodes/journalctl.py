"""What journalctl says of a node's journal: by unit, time, priority and field; short, JSON or bare."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.nodes.command_lines import parse, span
from kubevouch_lab.nodes.journal import Journal, JournalEntry
from kubevouch_lab.nodes.program_calls import ProgramResult
from kubevouch_lab.nodes.units import full_name


class Journalctl:
    """For one node."""

    def __init__(self, journal: Journal, clock: Clock, host: str) -> None:
        self._journal = journal
        self._clock = clock
        self._host = host

    def __call__(self, rest: list[str]) -> ProgramResult:
        """Its words, without its name."""
        words = parse(rest)
        if words.has("-f", "--follow"):
            return ProgramResult(
                err="journalctl: the lab's nodes cannot follow a journal\n", code=1
            )
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
            return ProgramResult("-- No entries --\n")
        return ProgramResult("".join(f"{self._formed(line, form)}\n" for line in lines))

    def _formed(self, line: JournalEntry, form: str) -> str:
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


_PRIORITIES: Final = {
    "emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7,
    **{str(number): number for number in range(8)},
}  # fmt: skip


def _matches(line: JournalEntry, matches: Sequence[str]) -> bool:
    """journalctl(1): matches of one field are alternatives, those of different fields must all hold."""
    wanted: dict[str, set[str]] = {}
    for match in matches:
        name, sign, value = match.partition("=")
        if sign:
            wanted.setdefault(name, set()).add(value)
    record = line.record()
    return all(record.get(name) in values for name, values in wanted.items())
