"""Durations as Go writes them."""

import re
from typing import Final

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")


def seconds(text: str) -> float:
    """A duration as Go writes it: 2m0s, 1h, 300ms."""
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
