"""What was wrong, when, and which alerts were to tell it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from year.prometheus import Firing


@dataclass
class Cause:
    """Something that is wrong from `begin` to `end` (seconds since 1970).

    must: seconds until each of these alerts fires. may: others that it brings with it. after: seconds for which they may
    go on when it is over.
    """

    name: str
    begin: float
    must: Mapping[str, float] = field(default_factory=dict)
    may: frozenset[str] = frozenset()
    end: float = inf
    after: float = 600.0

    def explains(self, firing: Firing) -> bool:
        """Whether the alert tells of it."""
        during = self.begin <= firing.begin and firing.end <= self.end + self.after
        return during and (firing.name in self.must or firing.name in self.may)


@dataclass(frozen=True)
class Told:
    """How the causes of one name were told."""

    name: str
    times: int
    alerts: str
    slowest: float
    missed: int


def false_alerts(causes: Sequence[Cause], fired: Iterable[Firing]) -> list[Firing]:
    """Those that no cause explains."""
    return [each for each in fired if not any(cause.explains(each) for cause in causes)]


def told(causes: Iterable[Cause], fired: Sequence[Firing]) -> Iterator[Told]:
    """One line for the causes of each name."""
    named: dict[str, list[Cause]] = {}
    for cause in causes:
        named.setdefault(cause.name, []).append(cause)
    for name, each in named.items():
        delays = [
            (_delay(cause, alert, fired), most)
            for cause in each
            for alert, most in cause.must.items()
        ]
        missed = sum(delay is None or delay > most for delay, most in delays)
        alerts = ", ".join(each[0].must) or "none"
        slowest = max((delay for delay, _ in delays if delay is not None), default=0.0)
        yield Told(name, len(each), alerts, slowest, missed)


def _delay(cause: Cause, alert: str, fired: Sequence[Firing]) -> float | None:
    begins = [
        firing.begin - cause.begin
        for firing in fired
        if firing.name == alert and firing.end >= cause.begin and firing.begin <= cause.end
    ]
    return max(0.0, min(begins)) if begins else None
