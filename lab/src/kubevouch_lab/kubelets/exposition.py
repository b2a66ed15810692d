"""Pages in Prometheus' text form, as component-base prints them."""

from collections.abc import Mapping


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
    ) -> None:
        """One sample. at: Unix time in seconds."""
        shown = ",".join(
            f'{key}="{_escaped(each)}"' for key, each in sorted((labels or {}).items())
        )
        where = f"{name}{{{shown}}}" if shown else name
        stamp = "" if at is None else f" {round(at * 1000)}"
        self._families[name][2].append(f"{where} {value!r}{stamp}")

    def text(self) -> str:
        """The page."""
        lines: list[str] = []
        for name, (kind, text, samples) in sorted(self._families.items()):
            if samples:
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples]
        return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
