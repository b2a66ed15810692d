"""A fact with its origin: a value or a doubt, from where, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Vantage(StrEnum):
    """Where a fact was measured from."""

    API_SERVER = "the API server"
    DIALLED = "dialled from here"
    SCRAPER_LOG = "metrics-server's log"


class DoubtKind(StrEnum):
    """Why there is no value."""

    NOT_ALLOWED = "not-allowed"
    FAILED = "failed"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why something could not be told. `lacking`: what a role must allow, each as `list pods`."""

    kind: DoubtKind
    text: str
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """A value, or a doubt. A value of None means: looked, and there is none."""

    vantage: Vantage
    at: datetime
    value: T | None = None
    doubt: Doubt | None = None

    @property
    def is_known(self) -> bool:
        """It was looked at, and the answer is in `value`."""
        return self.doubt is None

    def or_else(self, otherwise: T) -> T:
        """The value, or this where there is none."""
        return otherwise if self.value is None else self.value
