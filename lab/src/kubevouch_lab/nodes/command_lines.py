"""Command lines, as systemd's programs take them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

# Options whose value may be the next word.
_TAKING: Final = frozenset(
    {"-p", "--property", "-u", "--unit", "-n", "--lines", "-o", "--output", "-s", "--signal", "-P", "--kill-whom"}
)  # fmt: skip


@dataclass(frozen=True)
class ParsedCommandLine:
    """A command line, taken apart: options with their values (all of them, in order), and the rest."""

    options: dict[str, list[str]] = field(default_factory=dict)
    rest: tuple[str, ...] = ()

    def last(self, *names: str, default: str = "") -> str:
        """The value that counts of an option."""
        return [default, *self.all(*names)][-1]

    def has(self, *names: str) -> bool:
        """Whether one of them was given."""
        return any(name in self.options for name in names)

    def all(self, *names: str) -> list[str]:
        """Every value of an option."""
        return [value for name in names for value in self.options.get(name, ())]


def parse(words: Sequence[str], *, stop_at_program: bool = False) -> ParsedCommandLine:
    """stop_at_program: the first word that is not an option begins another command line."""
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
        if not word.startswith("--") and len(word) > 2 and word[:2] in _TAKING:
            name, sign, value = word[:2], "=", word[2:]
        if not sign and name in _TAKING and left:
            value = left.pop(0)
        options.setdefault(name, []).append(value)
    return ParsedCommandLine(options, tuple(rest))
