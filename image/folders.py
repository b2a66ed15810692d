"""Where the builder keeps what it may fetch or make again. Pure: nothing here looks at the machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Folders:
    """Fetched packages, named by their hashes, and finished layers, named by all that decides their bytes."""

    packages: Path
    layers: Path

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Folders":
        """The folders for an environment; they follow XDG, beside the bed's cache."""
        cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Folders(cache / "kubevouch-image" / "packages", cache / "kubevouch-image" / "layers")
