"""`make year`: a year of a cluster of fifty nodes in half an hour, unattended, with our servers as real processes."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from real.charts import APPROVER, EXPORTER, METRICS_SERVER
from year.clock import YearClock
from year.cluster import YearCluster
from year.prometheus import built, prometheus
from year.run import DAY, Year
from year.table import table

_OUTAGES = (
    ("down", 1),
    ("no-backend", 10),
    ("overloaded", 1),
    ("silent", 10),
    ("down", 30),
    ("no-backend", 1),
    ("overloaded", 10),
    ("silent", 1),
    ("down", 10),
    ("silent", 30),
)
"""Ten in a year: how, and for how many minutes."""
Event = tuple[str, Callable[[], None]]
_SPARE = 4
"""Machines that are no nodes at first."""


def calendar(days: int, year: Year, restart: Callable[[str], None]) -> dict[int, list[Event]]:
    """What happens on which day, in a year of that length besides the daily."""
    spare = [host for host in year.cluster.hosts if host not in year.nodes]
    old = year.nodes[-8:-4]
    happens: dict[int, Event] = {
        20: ("a node joins", partial(year.join, spare[0])),
        25: ("a node leaves", partial(year.leave, old[0])),
        60: ("no approver for a day", year.approver_away),
        70: ("a new CA", partial(restart, "add-ca")),
        90: ("a node joins", partial(year.join, spare[1])),
        120: ("a node leaves", partial(year.leave, old[1])),
        130: ("a firewall", partial(year.firewall, old[2])),
        155: ("a node joins and is pinned", partial(year.join, spare[2], pinned=True)),
        180: ("a node leaves", partial(year.leave, old[3])),
        210: ("a node joins", partial(year.join, spare[3])),
        355: ("the old CA goes", partial(restart, "drop-ca")),
    }
    for number, (kind, minutes) in enumerate(_OUTAGES):
        away = partial(year.api_away, kind, minutes)
        day = 11 + 35 * number
        assert day not in happens, day
        happens[day] = f"API server {kind} for {minutes} min", away
    found: dict[int, list[Event]] = {}
    for day, what in sorted(happens.items()):
        found.setdefault(max(1, int(day * days / 365)), []).append(what)
    return found


def main() -> int:
    """Exits with 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument(
        "--leap", type=int, default=1, help="days in one leap, without hostile CSRs"
    )
    parser.add_argument("--folder", type=Path, help="keep everything here")
    chosen = parser.parse_args()
    clock = YearClock.here()
    if clock is None:
        built()
        folder = chosen.folder or Path(tempfile.mkdtemp(prefix="year-"))
        folder.mkdir(parents=True, exist_ok=True)
        YearClock(folder).begin_anew()
        raise AssertionError
    return lived(clock, chosen.days, chosen.nodes, chosen.leap)


def lived(clock: YearClock, days: int, nodes: int, each: int) -> int:
    """The year. each: days that are one leap."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends all of it first
    began, real = clock.now(), time.monotonic()
    cluster = YearCluster(clock.folder, nodes + _SPARE)
    targets = clock.folder / "targets"
    targets.mkdir(exist_ok=True)
    charts = dict(zip(("kubevouch-approver", "kubevouch-exporter", "metrics-server"), (APPROVER, EXPORTER, METRICS_SERVER), strict=True))  # fmt: skip

    def say(text: str) -> None:
        day = (clock.now() - began) / DAY
        now = datetime.fromtimestamp(clock.now(), UTC)
        print(f"{time.monotonic() - real:6.0f} s  day {day:5.1f}  {now:%F %T}  {text}", flush=True)

    with ExitStack() as stack:
        lab = stack.enter_context(ExitStack())
        lab.enter_context(cluster.running())
        for host in cluster.hosts[nodes:]:
            cluster.do("leave", node=host.name)
        spare = cluster.hosts[nodes:]
        cluster.install([*spare[:2], spare[3]])
        cluster.watch(targets)
        say("the cluster is there, with our servers in it")
        watching = stack.enter_context(prometheus(clock.folder, clock, built(), charts, targets))
        year = Year(cluster, clock, watching, list(cluster.hosts[:nodes]), say)

        def restart(change: str) -> None:
            """All machines start anew, with other CAs."""
            with year.cause(f"all machines start anew ({change})", *_STARTS):
                cluster.do(change)
                lab.close()
                lab.enter_context(cluster.running())
                year.refresh()
            year.until_well()

        year.until_well()
        planned = calendar(days, year, restart)
        for number in range(1, days + 1):
            for name, happens in planned.get(number, ()):
                happens()
                say(f"{name}: over")
            if number % each == 0:
                year.day(began + number * DAY - clock.now())
        fired = watching.fired(began, clock.now())
    seconds = time.monotonic() - real
    text, well = table(year, fired, days, seconds)
    print(text)
    return 0 if well else 1


_STARTS = ("KubevouchNoLeader", "KubevouchExporterAbsent", "KubevouchMetricsServerAbsent")


if __name__ == "__main__":
    sys.exit(main())
