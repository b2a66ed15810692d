"""What Debian and the wheels bring and the image does not hold: `left_out.toml` names it, with the reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from image.entries import Entry
from image.errors import ImageError

FILE = Path(__file__).parent / "left_out.toml"


@dataclass(frozen=True)
class Rule:
    """Patterns of paths; `*` matches any characters, also a slash."""

    why: str
    patterns: tuple[str, ...]
    kept: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether this path is left out by it."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns) and not any(
            fnmatchcase(path, pattern) for pattern in self.kept
        )


@dataclass(frozen=True)
class LeftOut:
    """A rule, and what it left out of a layer: files and their bytes."""

    rule: Rule
    files: int
    size: int


def rules(layer: str, file: Path = FILE) -> tuple[Rule, ...]:
    """The rules for a layer, `debian` or `wheels`."""
    return tuple(
        Rule(each["why"], tuple(each["patterns"]), tuple(each.get("kept", ())))
        for each in tomllib.loads(file.read_text(encoding="utf-8"))[layer]
    )


def apply(
    rules: tuple[Rule, ...], entries: Iterable[Entry]
) -> tuple[list[Entry], tuple[LeftOut, ...]]:
    """What stays, and what each rule left out. The first rule that covers a path counts.

    Raises:
        ImageError: a pattern matches nothing any more.
    """
    every = list(entries)
    for rule in rules:
        for pattern in (*rule.patterns, *rule.kept):
            if not any(fnmatchcase(entry.path, pattern) for entry in every):
                raise ImageError(FILE.name, f"{pattern} matches no file", "remove the pattern")
    stays: list[Entry] = []
    gone: dict[Rule, list[Entry]] = {rule: [] for rule in rules}
    for entry in every:
        covering = next((each for each in rules if each.covers(entry.path)), None)
        (stays if covering is None else gone[covering]).append(entry)
    return stays, tuple(
        LeftOut(rule, len(files), sum(len(entry.data) for entry in files))
        for rule, files in gone.items()
    )
