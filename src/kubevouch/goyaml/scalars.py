"""How Go reads a single scalar: as in YAML 1.1 with exceptions, unlike PyYAML and YAML 1.2.

Sources: resolve in resolve.go of go.yaml.in/yaml/v2 for values, convertToJSONableObject in yaml.go
of sigs.k8s.io/yaml for keys, strconv for numbers.
"""

import math
import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}  # fmt: skip
_NOT_FINITE: Final = re.compile(r"\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF)")
# strconv.ParseInt with base 0. A decimal number of more than 20 digits is beyond 64 bits.
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]{0,19}))"
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# strconv.ParseFloat, which accepts underscores between digits only.
_POINT_FIRST: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")


def plain_scalar(text: str) -> Scalar:
    """The value of a scalar that has neither quotes nor a tag. Timestamps stay strings, as in JSON.

    Raises:
        ValueError: the value is infinity or NaN, which JSON does not have.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"JSON has no {text}")
    number = _number(text)
    return text if number is None else number


def key_text(value: Scalar) -> str:
    """The key as JSON writes it: `yes: 1` has the key "true".

    Raises:
        ValueError: the key is null, a fraction, or an integer above 2**63 - 1. Go accepts fractions.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int) or value >= 1 << 63:
        raise ValueError("a key must be a string, integer or boolean")
    return str(value)


def _number(text: str) -> int | float | None:
    if text[0] == ".":
        return _float(text) if _POINT_FIRST.fullmatch(text) else None
    digits = text.replace("_", "")
    whole = _INTEGER.fullmatch(digits)
    value = _integer(*whole.groups()) if whole else None
    if value is None and _FLOAT.fullmatch(digits):
        return _float(digits)
    return value


def _integer(sign: str, *digits: str | None) -> int | None:
    """The integer; None if it does not fit into an int64 or, without a sign, a uint64."""
    written = zip(digits, (16, 2, 8, 10), strict=True)
    value = next(int(sign + found, base) for found, base in written if found)
    return value if -(1 << 63) <= value < 1 << (63 if sign else 64) else None


def _float(text: str) -> float | None:
    """The number; None if it overflows a 64-bit float."""
    value = float(text)
    return None if value in (math.inf, -math.inf) else value
