"""Command lines as programs of Kubernetes read them: spf13/pflag's forms of flags and Go's forms of values.

A bool never takes the next word (`--x`, `--x=false`), every other flag does if there is no `=` (`--x=value`,
`--x value`, `-v=4`, `-v4`, `-v 4`); a list that is given again grows. Words that belong to no flag are not an error.
"""

import csv
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from ipaddress import ip_address
from typing import Final

import click

from kubevouch.cli.common.options import F

IGNORED_WORDS: Final = "kubevouch.cli.common.pflag.ignored_words"
"""Where a context's `meta` has the words of its command line that belong to no flag."""


class PflagCommand(click.Command):
    """A command whose line pflag would read in the same way."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts every flag into the form --name=value, which click and pflag read alike."""
        options = {
            name: option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in option.opts
        }
        words, ignored = normal_form(args, options)
        ctx.meta[IGNORED_WORDS] = tuple(ignored)
        return super().parse_args(ctx, words)


def normal_form(
    args: Sequence[str], options: Mapping[str, click.Option]
) -> tuple[list[str], list[str]]:
    """A command line's flags in the form --name=value, and the words that belong to none (pflag's flag.go, parseArgs)."""
    words: list[str] = []
    ignored: list[str] = []
    left = deque(args)
    while left:
        word = left.popleft()
        if word == "--":
            ignored += left
            break
        if not word.startswith("-") or word == "-":
            ignored.append(word)
            continue
        name, given, value = _split(word)
        option = options.get(name)
        if option is None or option.is_flag:
            # What is wrong with it is click's to say.
            words.append(word)
            continue
        if not given and option.type is boolean:
            value = "true"
        elif not given and not left:
            words.append(word)
            continue
        elif not given:
            value = left.popleft()
        words.append(f"{max(option.opts, key=len)}={value}")
    return words, ignored


def _split(word: str) -> tuple[str, bool, str]:
    """The name of a flag, whether a value stands beside it, and the value."""
    if word.startswith("--"):
        name, given, value = word.partition("=")
        return name, bool(given), value
    return word[:2], len(word) > 2, word[2:].removeprefix("=")


class _Boolean(click.ParamType[bool]):
    """A bool in the forms of strconv.ParseBool."""

    name = "true|false"
    _words: Final = {
        **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
        **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
    }

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bool:
        """True or False."""
        if isinstance(value, bool):
            return value
        found = self._words.get(str(value))
        if found is None:
            self.fail(f"{value!r} is neither true nor false", param, ctx)
        return found


class _Duration(click.ParamType[float]):
    """A duration in the form of time.ParseDuration: 10s, 1m30s, 1.5h, -1s, 0."""

    name = "duration"
    _part: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
    _units: Final = {
        "ns": Fraction(1, 10**9),
        **dict.fromkeys(("us", "µs", "μs"), Fraction(1, 10**6)),
        "ms": Fraction(1, 1000),
        "s": Fraction(1),
        "m": Fraction(60),
        "h": Fraction(3600),
    }

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The value in seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value)
        unsigned = text[1:] if text[:1] in ("+", "-") else text
        parts = self._part.findall(unsigned)
        if unsigned != "0" and (
            not parts or "".join(number + unit for number, unit in parts) != unsigned
        ):
            self.fail(f"{text!r} is not a duration such as 90s, 2m or 1h30m", param, ctx)
        found = sum(Fraction(number.rstrip(".")) * self._units[unit] for number, unit in parts)
        return float(-found if text[:1] == "-" else found)


class _Integer(click.ParamType[int]):
    """A whole number as strconv.ParseInt reads it with base 0: 10, -1, 0x1f, 1_000. least, most: its bounds."""

    name = "number"

    def __init__(self, least: float = -math.inf, most: float = math.inf) -> None:
        self._least = least
        self._most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number."""
        text = str(value)
        try:
            found = int(text.encode("ascii"), 0)
        except ValueError:
            self.fail(f"{text!r} is not a whole number", param, ctx)
        if not self._least <= found <= self._most:
            self.fail(f"{text} is not from {self._least} to {self._most}", param, ctx)
        return found


class _Address(click.ParamType[str]):
    """An IP address, as text."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The address in its usual form; "" stays so."""
        text = str(value).strip()
        try:
            return str(ip_address(text)) if text else ""
        except ValueError:
            self.fail(f"{text!r} is not an IP address", param, ctx)


_VALUE: Final = r"(\"([^\"]|\"\")*\"|[^\",][^\",]*|)"
_LIST: Final = re.compile(rf"{_VALUE}(,{_VALUE})*")


class _Strings(click.ParamType[tuple[str, ...]]):
    """A list with commas, in which a value with a comma stands in double quotes (pflag's StringSlice)."""

    name = "list"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Its values."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        if not _LIST.fullmatch(text):
            self.fail(
                f"{text!r} is not a list with commas: its double quotes do not match", param, ctx
            )
        rows = csv.reader([text])
        return tuple(filter(None, (each.strip() for row in rows for each in row)))


boolean: Final = _Boolean()
duration: Final = _Duration()
integer: Final = _Integer()
any_port: Final = _Integer(0, 65535)
address: Final = _Address()
_strings: Final = _Strings()


def boolean_option(
    name: str,
    variable: str,
    *,
    help: str = "",  # noqa: A002 - click's word
    default: bool = False,
    hidden: bool = False,
) -> Callable[[F], F]:
    """A bool: --name, --name=true or --name=false."""
    return click.option(
        name,
        variable,
        is_flag=False,
        flag_value="true",
        default=default,
        type=boolean,
        metavar="",
        help=help,
        hidden=hidden,
    )


def list_option(
    name: str,
    variable: str,
    *,
    default: str = "",
    metavar: str = "LIST",
    help: str = "",  # noqa: A002 - click's word
    hidden: bool = False,
) -> Callable[[F], F]:
    """A list. Given again it grows; given at all it replaces its default."""

    def joined(
        _: click.Context, __: click.Parameter, given: Iterable[tuple[str, ...]]
    ) -> tuple[str, ...]:
        return tuple(each for values in given for each in values)

    return click.option(
        name,
        variable,
        type=_strings,
        multiple=True,
        default=[default] if default else [],
        show_default=bool(default),
        callback=joined,
        metavar=metavar,
        help=help,
        hidden=hidden,
    )
