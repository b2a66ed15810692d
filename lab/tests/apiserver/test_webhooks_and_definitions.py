"""Webhooks and CRDs are kept as real kubectl wants them; none is called, and nothing that a CRD defines is served."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.tests.apiserver.bench import Bench

FILE = Path(__file__).parent / "cases" / "webhooks.yaml"


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("validatingwebhookconfiguration/hook", ("webhooks", 0)),
        ("mutatingwebhookconfiguration/hook", ("webhooks", 0)),
        ("crd/things.example.com", ("spec", "conversion", "webhook")),
    ],
)
async def test_defaults_are_filled_in_and_applied_again_nothing_changes(
    lab: Bench, name: str, at: tuple[Any, ...]
) -> None:
    apply = ("apply", "-f", str(FILE))
    assert (await lab.does(*apply)).count(" created\n") == 3
    assert (await lab.does(*apply)).count(" unchanged\n") == 3
    kept = json.loads(await lab.does("get", name, "-o", "json"))
    for step in at:
        kept = kept[step]
    assert kept["clientConfig"] == {
        "service": {"namespace": "default", "name": "hook", "port": 443},
        "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
    }


async def test_no_webhook_is_called_and_what_a_definition_defines_is_not_there(lab: Bench) -> None:
    await lab.does("apply", "-f", str(FILE))
    await lab.does("run", "pod", "--image=i")
    ran = await lab.kubectl("get", "things")
    assert (ran.code, "doesn't have a resource type" in ran.err) == (1, True)
