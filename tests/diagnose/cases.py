"""The cases: files in `cases/`, each gathered over the wire once. tests/support/scenario.py says what a line means."""

from dataclasses import replace
from pathlib import Path

from kubevouch.evidence.gather.snapshot import gather
from kubevouch.evidence.snapshot import Evidence, UnfinishedRun
from tests.support.apiservers import MOMENT, client_of
from tests.support.clocks import WoundClock
from tests.support.scenario import Scenario, duration, read_scenario
from tests.support.stage import DOMAIN, staged

FOLDER = Path(__file__).parent / "cases"
CASES: dict[str, Scenario] = {
    path.stem: read_scenario(path) for path in sorted(FOLDER.glob("*.yaml"))
}
SEEN: dict[str, Evidence] = {}
"""What `snapshot` has gathered so far."""


async def snapshot(name: str) -> Evidence:
    """What doctor sees of a case."""
    if name not in SEEN:
        SEEN[name] = await looked_at(CASES[name])
    return SEEN[name]


async def looked_at(scenario: Scenario) -> Evidence:
    clock = WoundClock(MOMENT)
    async with staged(scenario, clock) as stage, client_of(stage.access, clock) as api:
        evidence = await gather(
            api, clock=clock, dial_timeout=scenario.dial_timeout, with_certificates=True
        )
    runs = (
        UnfinishedRun("abcd", f"{node}{DOMAIN}", MOMENT + duration(when), "abcd.json", sure=True)
        for node, when in scenario.armed.items()
    )
    return replace(evidence, unfinished_runs=tuple(runs))
