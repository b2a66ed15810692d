"""A fact: a value or a doubt, with where and when it was measured."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Vantage(StrEnum):
    """The place from which a fact was measured."""

    API_SERVER = "the API server"
    DIALLED = "dialled from here"
    SCRAPER_LOG = "metrics-server's log"
    NODE_DISK = "the node's disk"
    OWN_FILE = "a file on this machine"


class DoubtKind(StrEnum):
    """Why a fact has no value."""

    NOT_ALLOWED = "not-allowed"
    FAILED = "failed"
    NOT_ASKED = "not-asked"
    OUT_OF_REACH = "out-of-reach"
    """We could not connect, as is usual for pods, etcd, and API servers behind a load balancer."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a fact is unknown. lacking: the missing RBAC permissions, such as `list pods`."""

    kind: DoubtKind
    text: str
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """A fact: a value or a doubt. If both are None, the object does not exist."""

    vantage: Vantage
    at: datetime
    value: T | None = None
    doubt: Doubt | None = None

    @property
    def is_known(self) -> bool:
        """Whether the value is known. A known None means that the object does not exist."""
        return self.doubt is None

    def or_else(self, otherwise: T) -> T:
        """The value; `otherwise` if the value is None or unknown."""
        return otherwise if self.value is None else self.value
