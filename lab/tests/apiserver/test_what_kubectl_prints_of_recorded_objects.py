"""Real kubectl on the objects of a real cluster, kept in the lab: it must print what it printed there."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kubevouch_lab.apiserver.kinds import API_SERVICES, CSRS, kind_of
from lab.tests.apiserver.bench import Bench
from lab.tests.apiserver.test_tables_as_kubectl_prints_them import (
    COMMANDS,
    RECORDED,
    STAGES,
    objects,
    printed,
    recorded_objects,
    shown,
)

CSR_FILE = Path(__file__).parents[3] / "tests/fixtures/kubeadm-1.36" / "csr.json"


def keep(lab: Bench, stage: str) -> None:
    for thing in recorded_objects(stage):
        kind = kind_of(thing["apiVersion"], thing["kind"])
        assert kind
        lab.store.create(kind, thing)


def turn_to(lab: Bench, stage: str, command: str) -> None:
    """The clock, to the moment at which the command was given."""
    kind, things = COMMANDS[command], objects(stage, COMMANDS[command])
    _, rows = printed(stage, command)
    expected = [rows[thing["metadata"]["name"]] for thing in things]
    newest = max(datetime.fromisoformat(one["metadata"]["creationTimestamp"]) for one in things)
    moments = (newest + timedelta(seconds=second) for second in range(600))
    wide = command.endswith("wide")
    now = next(now for now in moments if shown(kind, *things, now=now, wide=wide) == expected)
    lab.clock.wind(now - lab.clock.now())


@pytest.mark.parametrize("stage", STAGES)
async def test_every_table_is_the_recorded_one_to_the_letter(lab: Bench, stage: str) -> None:
    keep(lab, stage)
    for command, kind in COMMANDS.items():
        turn_to(lab, stage, command)
        text = (RECORDED / f"{stage}.txt").read_text().split(f"$ {command}\n", 1)[1]
        recorded = text.split("\n$", 1)[0].splitlines()
        if kind is API_SERVICES:  # of the others the objects were not recorded
            assert (await lab.does(*command.split()[1:])).splitlines()[1].split() == [
                word for line in recorded if "metrics" in line for word in line.split()
            ]
            continue
        assert (await lab.does(*command.split()[1:])).splitlines() == recorded


async def test_described_requests_are_the_recorded_ones(lab: Bench) -> None:
    """But for how far lines are indented, which differs from one kubectl to the next; and events, which are gone."""
    for thing in json.loads(CSR_FILE.read_text())["items"]:
        lab.store.create(CSRS, thing)
    recorded = (RECORDED / "describe-csr.txt").read_text()
    names = re.findall(r"^Name: +(\S+)$", recorded, re.MULTILINE)
    text = await lab.does("describe", "csr", *names, "--show-events=false")
    assert [line.strip() for line in text.splitlines()] == [
        line.strip() for line in recorded.splitlines()
    ]
