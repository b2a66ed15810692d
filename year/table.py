"""The year in a table."""

from collections.abc import Sequence
from datetime import UTC, datetime

from year.causes import false_alerts, told
from year.prometheus import Firing
from year.run import Year


def table(year: Year, fired: Sequence[Firing], days: int, seconds: float) -> tuple[str, bool]:
    """Markdown, and whether everything is as it should be."""
    counts, wrong = year.counts, false_alerts(year.causes, fired)
    lines = [
        "| in a year | |",
        "|---|---|",
        f"| days, in minutes of real time | {days}, {seconds / 60:.0f} |",
        f"| nodes at the end; joined, left | {len(year.nodes)}; {counts.joined}, {counts.left} |",
        f"| serving certificates rotated | {counts.rotations} |",
        f"| certificates that expired | {len(counts.expired)} |",
        f"| hostile CSRs; refused by the API server, approved | {counts.hostile}; {counts.refused}, {len(counts.approved)} |",
        f"| alerts that fired; false ones | {len(fired)}; {len(wrong)} |",
        "",
        "| cause | times | alert | slowest | late or missed |",
        "|---|---|---|---|---|",
    ]
    missed = 0
    for each in told(year.causes, fired):
        missed += each.missed
        slowest = f"{each.slowest:.0f} s" if each.alerts != "none" else ""
        lines.append(
            f"| {each.name} | {each.times} | {each.alerts} | {slowest} | {each.missed or ''} |"
        )
    details = [*counts.expired, *counts.approved, *counts.unwell, *map(_said, wrong)]
    well = not (details or missed)
    return "\n".join([*lines, "", *details]), well


def _said(firing: Firing) -> str:
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (firing.begin, firing.end))
    return f"false: {firing.name} {firing.node} {begin:%F %T} to {end:%F %T}"
