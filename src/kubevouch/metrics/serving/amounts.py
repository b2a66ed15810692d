"""Quantities as Go writes them (apimachinery's pkg/api/resource/quantity.go, CanonicalizeBytes)."""

from typing import Final

_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


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
