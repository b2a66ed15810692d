"""What a unit file with its drop-ins says: systemd.syntax(7), systemd.unit(5), systemd.exec(5), as far as nodes need.

Known: sections, continued lines, lists that an empty value clears, Environment, EnvironmentFile, and $NAME and ${NAME} in
command lines. What else stands in a unit is kept and means nothing here.
"""

import re
import shlex
from dataclasses import dataclass, field

from kubevouch_lab.nodes.files import NodeFiles

UNITS = "/etc/systemd/system"
_PLACES = (UNITS, "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_WITHIN = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SINGLE = {"Description", "Type", "Restart", "RestartSec", "ConditionPathExists"}


@dataclass(frozen=True)
class UnitFile:
    """One unit: every assignment in order, by `Section.Key`."""

    name: str
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[tuple[str, int], ...] = ()
    """Each file that was read, the unit's own first, and when it was written (nanoseconds)."""

    @property
    def fragment(self) -> str:
        """The path of the unit's own file; empty for a transient one."""
        return self.sources[0][0] if self.sources else ""

    @property
    def drop_ins(self) -> tuple[str, ...]:
        """The paths of its drop-ins, in the order in which they count."""
        return tuple(path for path, _ in self.sources[1:])

    def last(self, key: str, default: str = "") -> str:
        """The value that counts of a key that takes one."""
        values = self.said.get(key, ())
        return values[-1] if values and values[-1] else default

    @property
    def description(self) -> str:
        """As people read it."""
        return self.last("Unit.Description", self.name)

    def commands(self, key: str, environment: dict[str, str]) -> tuple[tuple[str, ...], ...]:
        """The command lines of ExecStart, ExecStartPre, ...: words, variables put in; a leading `-` stays on the first."""
        return tuple(_words(line, environment) for line in self.said.get(f"Service.{key}", ()))

    def environment(self, files: NodeFiles) -> dict[str, str]:
        """Environment, then EnvironmentFile over it (systemd.exec(5): settings from files override)."""
        found: dict[str, str] = {}
        for line in self.said.get("Service.Environment", ()):
            found |= dict(word.split("=", 1) for word in _split(line) if "=" in word)
        for name in self.said.get("Service.EnvironmentFile", ()):
            for line in files.text(name.removeprefix("-")).splitlines():
                if line.strip() and line.lstrip()[0] not in "#;" and "=" in line:
                    key, _, value = line.strip().partition("=")
                    found[key] = " ".join(_split(value)) if value[:1] in "\"'" else value
        return found


def read_unit(files: NodeFiles, name: str) -> UnitFile | None:
    """The unit of that name (with its suffix) and its drop-ins; None if no unit has that name."""
    main = next((f"{place}/{name}" for place in _PLACES if files.exists(f"{place}/{name}")), None)
    if main is None:
        return None
    found: dict[str, list[str]] = {}
    read = [main]
    _collect(files.text(main), found)
    drop_ins: dict[str, str] = {}
    for place in reversed(_PLACES):
        folder = files.path(f"{place}/{name}.d")
        for entry in folder.glob("*.conf") if folder.is_dir() else ():
            drop_ins[entry.name] = f"{place}/{name}.d/{entry.name}"
    for key in sorted(drop_ins):
        read.append(drop_ins[key])
        _collect(files.text(drop_ins[key]), found)
    sources = tuple((path, files.path(path).stat().st_mtime_ns) for path in read)
    return UnitFile(name, {key: tuple(values) for key, values in found.items()}, sources)


def _collect(text: str, found: dict[str, list[str]]) -> None:
    section = ""
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, sign, value = line.partition("=")
        if not sign:
            continue
        known = found.setdefault(f"{section}.{key.strip()}", [])
        if not value.strip() or key.strip() in _SINGLE:
            known.clear()
        if value.strip():
            known.append(value.strip())


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _words(line: str, environment: dict[str, str]) -> tuple[str, ...]:
    words: list[str] = []
    for word in _split(line):
        whole = _WHOLE.fullmatch(word)
        if whole:  # a word of its own: split at blanks, and nothing at all if it is empty
            words += _split(environment.get(whole[1], ""))
        else:
            words.append(_WITHIN.sub(lambda match: environment.get(match[1], ""), word))
    return tuple(words)
