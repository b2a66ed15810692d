"""Quantities as Go reads and writes them (apimachinery's pkg/api/resource/quantity.go)."""

import re
from fractions import Fraction
from math import ceil
from typing import Final

_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_SCALES: Final[dict[str, Fraction]] = {
    **{suffix: Fraction(1000) ** (place - 3) for place, suffix in enumerate(_DECIMAL)},
    **{suffix: Fraction(1024) ** place for place, suffix in enumerate(_BINARY)},
}
_FORM: Final = re.compile(
    r"([+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    r"(?:[eE]([+-]?[0-9]{1,2})|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)"
)


def read(text: str) -> Fraction | None:
    """The number of a quantity such as 156433217n, 1037608Ki or 1e3; None for what is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    return Fraction(number) * (Fraction(10) ** int(exponent) if exponent else _SCALES[suffix or ""])


def milli(number: Fraction) -> int:
    """Thousandths, rounded up (MilliValue)."""
    return ceil(number * 1000)


def format_nanocores(number: int) -> str:
    """The largest suffix without a fraction: 156433217n, 1250u, 157m, 2; zero is 0."""
    return _scaled(number, 1000, _DECIMAL) if number else "0"


def format_bytes(number: int) -> str:
    """Ki, Mi, Gi ... where it divides; else the plain number. Below 1024 it is decimal: 1000 is 1k."""
    if number < 1024:
        return _scaled(number, 1000, _DECIMAL[3:]) if number else "0"
    return _scaled(number, 1024, _BINARY)


def _scaled(number: int, step: int, suffixes: tuple[str, ...]) -> str:
    place = 0
    while number % step == 0 and place + 1 < len(suffixes):
        number //= step
        place += 1
    return f"{number}{suffixes[place]}"
