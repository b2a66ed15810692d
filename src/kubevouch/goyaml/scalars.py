"""What a single word means to Go: YAML 1.1 with exceptions, which is neither Python's nor YAML 1.2's.

Sources: resolve in resolve.go of go.yaml.in/yaml/v2 for values, convertToJSONableObject in yaml.go of sigs.k8s.io/yaml
for keys, strconv for numbers.
"""

import base64
import binascii
import math
import re
import struct
from typing import Final

Scalar = str | int | float | bool | None

TAG: Final = "tag:yaml.org,2002:"

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
# strconv.ParseFloat, which takes underscores between digits only.
_POINT_FIRST: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")

_KINDS: Final[dict[str, type | None]] = {"bool": bool, "int": int, "float": float, "null": None}


def plain_scalar(text: str) -> Scalar:
    """The value of a word without quotes and without a tag. Timestamps stay texts, as they are in JSON.

    Raises:
        ValueError: infinity or not a number, which JSON does not have.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no value of JSON")
    number = _number(text)
    return text if number is None else number


def tagged_scalar(text: str, tag: str) -> Scalar:
    """The value of a word, in quotes or not, with a tag in front of it. Tags that are not YAML's own make texts.

    Go is laxer about !!binary, which it takes for text whatever the bytes are, and stricter about !!timestamp.

    Raises:
        ValueError: the word is not what the tag says.
    """
    kind = tag.removeprefix(TAG)
    if kind == "binary" and kind != tag:
        return _binary(text)
    if kind not in _KINDS or kind == tag:
        return text
    value = plain_scalar(text)
    if kind == "float" and type(value) is int and value < 1 << 63:
        return float(value)
    fits = value is None if kind == "null" else type(value) is _KINDS[kind]
    if not fits:
        raise ValueError(f"cannot decode `{text[:40]}` as a !!{kind}")
    return value


def key_text(value: Scalar) -> str:
    """A key as it is written in JSON: `yes: 1` has the key "true".

    Raises:
        ValueError: null, and numbers that do not fit a signed integer of 64 bits.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_key(value)
    if value is None or value >= 1 << 63:
        raise ValueError("a key must be a word")
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
    """None beyond 64 bits, of which the sign takes one."""
    written = zip(digits, (16, 2, 8, 10), strict=True)
    value = next(int(sign + found, base) for found, base in written if found)
    return value if -(1 << 63) <= value < 1 << (63 if sign else 64) else None


def _float(text: str) -> float | None:
    """None beyond 64 bits."""
    value = float(text)
    return None if value in (math.inf, -math.inf) else value


def _float_key(value: float) -> str:
    """FormatFloat(value, 'g', -1, 32): the fewest digits that make the same number of 32 bits."""
    single = _single(value)
    if math.isinf(single):
        return ".inf" if value > 0 else "-.inf"
    digits = next(n for n in range(9) if _single(float(f"{single:.{n}e}")) == single)
    shortest = f"{single:.{digits}e}"
    exponent = int(shortest.partition("e")[2])
    return f"{single:.{max(0, digits - exponent)}f}" if -4 <= exponent < 6 else shortest


def _single(value: float) -> float:
    """As a number of 32 bits: infinity if it is too large for one."""
    try:
        [single] = struct.unpack("f", struct.pack("f", value))
    except OverflowError:  # what Python 3.14 says of it
        return math.copysign(math.inf, value)
    return float(single)


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise ValueError("a !!binary value is not base64 of text") from None
