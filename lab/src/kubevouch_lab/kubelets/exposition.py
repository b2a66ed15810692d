"""Pages in Prometheus' text form, as component-base prints them."""

import math
from collections.abc import Iterable, Mapping

_BUCKETS = (
    60.0, 3600.0, 14400.0, 86400.0, 604800.0, 2592000.0, 7776000.0, 15552000.0, 31104000.0, 124416000.0,
)  # fmt: skip
"""kubelet_certificate_manager_server_rotation_seconds (pkg/kubelet/certificate/kubelet.go)."""


def number(value: float) -> str:
    """As Go's strconv prints it with 'g' and the shortest precision: 1.062510592e+09, 0.5, 12."""
    if value == 0 or not math.isfinite(value):
        return {0.0: "0", math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    digits, _, exponent = f"{value!r}".partition("e")
    sign = "-" if value < 0 else ""
    whole, _, part = digits.lstrip("-").partition(".")
    shift = int(exponent or 0) + len(whole)
    plain = (whole + part).lstrip("0")
    shift -= len(whole + part) - len((whole + part).lstrip("0"))
    plain = plain.rstrip("0") or "0"
    power = shift - 1
    if power < -4 or power >= 6:
        mantissa = plain[0] + (f".{plain[1:]}" if len(plain) > 1 else "")
        return f"{sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if shift <= 0:
        return f"{sign}0.{'0' * -shift}{plain}"
    if shift >= len(plain):
        return f"{sign}{plain}{'0' * (shift - len(plain))}"
    return f"{sign}{plain[:shift]}.{plain[shift:]}"


class MetricsPage:
    """Families, sorted by name when it is written."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str, list[str]]] = {}

    def family(self, name: str, kind: str, text: str) -> None:
        """Announces one; without samples it does not appear."""
        self._families[name] = (kind, text, [])

    def add(
        self,
        name: str,
        value: float,
        labels: Mapping[str, str] | None = None,
        at: float | None = None,
        suffix: str = "",
    ) -> None:
        """One sample. at: Unix time in seconds; suffix: of a histogram."""
        shown = ",".join(
            f'{key}="{_escaped(each)}"' for key, each in sorted((labels or {}).items())
        )
        where = f"{name}{suffix}{{{shown}}}" if shown else f"{name}{suffix}"
        stamp = "" if at is None else f" {round(at * 1000)}"
        self._families[name][2].append(f"{where} {number(value)}{stamp}")

    def histogram(self, name: str, values: Iterable[float]) -> None:
        """The certificates' histogram."""
        seen = sorted(values)
        for edge in (*_BUCKETS, math.inf):
            count = sum(1 for value in seen if value <= edge)
            self.add(name, count, {"le": number(edge)}, suffix="_bucket")
        self.add(name, sum(seen), suffix="_sum")
        self.add(name, len(seen), suffix="_count")

    def text(self) -> str:
        """The page."""
        lines: list[str] = []
        for name, (kind, text, samples) in sorted(self._families.items()):
            if samples:
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples]
        return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
