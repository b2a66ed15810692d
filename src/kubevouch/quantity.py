"""Parses and formats Kubernetes quantities of CPU and memory as Go does.

Source: apimachinery's pkg/api/resource/{quantity,suffix,amount}.go. tests/ground replays recorded
results of Go.
"""

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
# Go reads a sign or a suffix alone as zero. The limit on digits is ours, since the text may be
# hostile.
_FORM: Final = re.compile(
    r"([+-]?)([0-9]{0,64})(?:\.([0-9]{0,64}))?"
    r"(?:[eE]([+-]?[0-9]{1,2})|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)"
)
_NANO: Final = 10**9
_MOST: Final = 2**63 - 1


def read(text: str) -> Fraction | None:
    """The value of a quantity such as 156433217n, 1037608Ki or 1e3; None if the text is not a quantity.

    Rounds away from zero to a multiple of 10^-9. With a binary suffix the maximum is 2^63-1.
    """
    found = _FORM.fullmatch(text)
    if found is None or not text:
        return None
    sign, whole, rest, exponent, suffix = found.groups()
    number = Fraction(int(whole or 0)) + Fraction(int(rest or 0), 10 ** len(rest or ""))
    number *= Fraction(10) ** int(exponent) if exponent else _SCALES[suffix or ""]
    number = Fraction(ceil(number * _NANO), _NANO)
    if suffix in _BINARY[1:]:
        number = min(number, Fraction(_MOST))
    return -number if sign == "-" else number


def milli(number: Fraction) -> int:
    """The number in thousandths, rounded up, like Go's MilliValue. Negative numbers are invalid."""
    return ceil(number * 1000)


def format_nanocores(number: int) -> str:
    """CPU with the largest suffix that needs no fraction, such as 156433217n, 1250u, 157m or 2. Zero is 0."""
    if number % 1000 and number <= _MOST:
        return f"{number}n"  # the usual case; a list has up to 200,000
    return _scaled(_fitting(number), 1000, _DECIMAL)


def format_bytes(number: int) -> str:
    """Memory with the largest binary suffix that divides it, else as a plain number. Below 1024 the suffix is decimal: 1000 is 1k."""
    if number < 1024:
        return _scaled(number, 1000, _DECIMAL[3:])
    kibibytes, rest = divmod(number, 1024)
    if not rest and kibibytes % 1024 and number <= _MOST:
        return f"{kibibytes}Ki"  # the usual case: Linux counts pages of memory
    return _scaled(_fitting(number), 1024, _BINARY)


def _fitting(number: int) -> int:
    """Rounds a number above int64 down to a multiple of ten, as metrics-server does (pkg/storage/types.go, uint64Quantity)."""
    return number if number <= _MOST else number // 10 * 10


def _scaled(number: int, step: int, suffixes: tuple[str, ...]) -> str:
    if number == 0:
        return "0"
    place = 0
    while number % step == 0 and place + 1 < len(suffixes):
        number //= step
        place += 1
    return f"{number}{suffixes[place]}"
