"""The oracle is Go's own patch code: `kubectl patch --local` makes the same patch of the same object."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevouch_lab.apiserver import bodies
from kubevouch_lab.apiserver.kinds import kind_of
from kubevouch_lab.apiserver.status import StatusError
from lab.tests.kubectl import KUBECTL

STRATEGIC_FORM = "application/strategic-merge-patch+json"
CASES = yaml.safe_load((Path(__file__).parent / "cases" / "strategic-patches.yaml").read_text())


def _go(thing: Any, patch: Any) -> Any:
    """What Go makes of it; None if Go refuses."""
    words = ("patch", "--local", "-f", "-", "--type=strategic", "-o", "json", "-p")
    ran = subprocess.run(
        [KUBECTL, *words, json.dumps(patch)],
        input=json.dumps(thing).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return json.loads(ran.stdout) if ran.returncode == 0 else None


def _ours(thing: Any, patch: Any) -> Any:
    kind = kind_of(thing["apiVersion"], thing["kind"])
    assert kind
    try:
        return bodies.patch(json.dumps(patch).encode(), STRATEGIC_FORM, kind)(thing)
    except StatusError as error:
        return None if 400 <= error.code < 500 else error


def _tidy(value: Any) -> Any:
    """What a typed decoder keeps: nothing that is empty, and no directive that Go has left in a new item."""
    if isinstance(value, dict):
        tidied = {key: _tidy(each) for key, each in value.items() if not key.startswith("$")}
        return {key: each for key, each in tidied.items() if each not in ({}, [], None, "")}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return value


@pytest.mark.parametrize(
    ("thing", "patch"), [(case["object"], patch) for case in CASES for patch in case["patches"]]
)
def test_a_strategic_patch_does_what_go_does(thing: Any, patch: Any) -> None:
    before = copy.deepcopy(thing)
    assert _tidy(_ours(thing, patch)) == _tidy(_go(thing, patch))
    assert thing == before


@pytest.mark.parametrize("directive", ["replace", "delete", "burn"])
def test_a_directive_that_kubectl_does_not_send_is_refused(directive: str) -> None:
    patch = {"metadata": {"labels": {"$patch": directive, "z": "26"}}}
    assert _ours(CASES[0]["object"], patch) is None


@pytest.mark.parametrize("form", ["application/json", "text/plain"])
def test_a_form_that_is_not_served_is_refused_by_name(form: str) -> None:
    kind = kind_of("v1", "ConfigMap")
    assert kind
    with pytest.raises(StatusError) as caught:
        bodies.patch(b"{}", form, kind)
    assert (caught.value.code, "application/merge-patch+json" in caught.value.message) == (
        415,
        True,
    )
