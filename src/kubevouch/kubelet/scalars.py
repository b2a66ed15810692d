"""What a plain word means in a kubelet's YAML: as in Go's YAML 1.1, which is neither Python's nor YAML 1.2's.

`serverTLSBootstrap: y` is true to a kubelet and a text to PyYAML. Source: resolve in go.yaml.in/yaml/v2, resolve.go,
which sigs.k8s.io/yaml and so the kubelet uses; its answers are recorded in tests/kubelet/cases.
"""

import math
import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}  # fmt: skip
_WHOLE: Final = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]{1,16})|0[bB]([01]{1,64})|0[oO]?([0-7]{1,22})|(0|[1-9][0-9]{0,19}))"
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

TAG: Final = "tag:yaml.org,2002:"


def plain_scalar(text: str) -> Scalar:
    """The value of a word without quotes and without a tag. Timestamps stay texts, as they are in JSON."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] not in "+-.0123456789":
        return text
    digits = text.replace("_", "") if text[:1] != "." else text
    if whole := _WHOLE.fullmatch(digits):
        return _integer(whole)
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text


def tagged_scalar(text: str, tag: str) -> Scalar:
    """The value of a word with a tag in front of it. Tags that are not YAML's own make texts.

    Raises:
        ValueError: the word is not what the tag says.
    """
    kind = tag.removeprefix(TAG)
    if kind == tag or kind not in ("bool", "int", "float", "null"):
        return text
    value = plain_scalar(text)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, float),
        "null": value is None,
    }
    if not fits[kind]:
        raise ValueError(f"cannot decode {text!r} as a !!{kind}")
    return value


def _integer(whole: re.Match[str]) -> int | float:
    sign, hexadecimal, binary, octal, decimal = whole.groups()
    for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
        if digits is not None:
            value = -int(digits, base) if sign == "-" else int(digits, base)
            # Beyond 64 bits Go reads a float.
            return value if -(1 << 63) <= value < 1 << 64 else float(value)
    raise AssertionError(whole)


def key_text(value: Scalar) -> str | None:
    """A key as sigs.k8s.io/yaml writes it in JSON: `yes: 1` has the key "true". None for a key it refuses."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
