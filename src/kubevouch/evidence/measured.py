"""A fact: a value or a doubt, with its vantage and its time."""

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
    NODE_DISK = "the node's disk"
    OWN_FILE = "a file of this machine"


class DoubtKind(StrEnum):
    """Why there is no value."""

    NOT_ALLOWED = "not-allowed"
    FAILED = "failed"
    NOT_ASKED = "not-asked"
    OUT_OF_REACH = "out-of-reach"
    """Most machines cannot connect to pods, etcd, or API servers behind a load balancer."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a fact is missing. lacking: the rights that would have to be granted, such as `list pods`."""

    kind: DoubtKind
    text: str
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """A fact: a value or a doubt. None as a value means that the thing does not exist."""

    vantage: Vantage
    at: datetime
    value: T | None = None
    doubt: Doubt | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is a value, which may be None."""
        return self.doubt is None

    def or_else(self, otherwise: T) -> T:
        """The value; `otherwise` if the value is None or unknown."""
        return otherwise if self.value is None else self.value
