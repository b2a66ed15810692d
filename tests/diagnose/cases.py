"""The cases: files in `cases/`, each gathered over the wire once. tests/support/scenario.py says what a line means."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

from kubevouch.evidence.gather.snapshot import gather
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.snapshot import Evidence
from tests.support import workers
from tests.support.apiservers import MOMENT, client_of
from tests.support.clocks import WoundClock
from tests.support.scenario import Scenario, duration, read_scenario
from tests.support.stage import DOMAIN, Stage, staged

FOLDER = Path(__file__).parent / "cases"
CASES: dict[str, Scenario] = {
    path.stem: read_scenario(path) for path in sorted(FOLDER.glob("*.yaml"))
}
SEEN: dict[str, Evidence] = {}
"""What `snapshot` has gathered so far."""


async def snapshot(name: str) -> Evidence:
    """What doctor sees of a case."""
    if name not in SEEN:
        SEEN[name] = _kept(name) or await looked_at(CASES[name])
        _keep(name)
    return SEEN[name]


def _kept(name: str) -> Evidence | None:
    """What another process of this test run has gathered."""
    kept = workers.shared_folder()
    if kept is None or not (file := kept / f"{name}.evidence").exists():
        return None
    evidence: Evidence = pickle.loads(file.read_bytes())
    return evidence


def _keep(name: str) -> None:
    kept = workers.shared_folder()
    if kept is not None and not (file := kept / f"{name}.evidence").exists():
        whole = file.with_suffix(f".{os.getpid()}")
        whole.write_bytes(pickle.dumps(SEEN[name]))
        whole.rename(file)


async def looked_at(scenario: Scenario) -> Evidence:
    clock = WoundClock(MOMENT)
    async with staged(scenario, clock) as stage:
        return await seen_on(stage, scenario, clock)


async def seen_on(stage: Stage, scenario: Scenario, clock: WoundClock) -> Evidence:
    """What doctor sees of a case that is staged."""
    async with client_of(stage.access, clock) as api:
        evidence = await gather(
            api, clock=clock, dial_timeout=scenario.dial_timeout, with_certificates=True
        )
    runs = (
        ArmedNode("abcd", f"{node}{DOMAIN}", MOMENT + duration(when))
        for node, when in scenario.armed.items()
    )
    return replace(evidence, armed=tuple(each for each in runs if each.may_last(MOMENT)))
