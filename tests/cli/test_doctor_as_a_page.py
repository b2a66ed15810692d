"""`doctor -o html`: the same findings, in the frame of the page of `certs`."""

import io
import json
import re

import pytest

from kubevouch.cli.common.diagnosis import print_diagnosis
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import diagnose
from tests.cli.program import Program
from tests.diagnose.cases import snapshot
from tests.inventory.pages import ReadPage
from tests.support.stage import Stage

SHOWN = [
    "expired",
    "pending",
    "request-for-another-nodes-address",
    "address-type-mismatch",
    "not-allowed-to-do-anything",
    "kubelet-down",
]
WORDS = {"OK", "CAUSE", "WARNING", "UNKNOWN"}
FIRST = {
    "expired": ("bad", ["CAUSE"]),
    "ca-ends-within-a-year": ("warn", ["OK", "WARNING"]),
    "ca-ends-within-a-year-and-a-run-is-not-finished": ("warn", ["UNKNOWN", "WARNING"]),
    "not-allowed-to-do-anything": ("warn", ["UNKNOWN"]),
    "healthy-with-approver": ("good", ["OK"]),
}
"""What stands first on the page of a case: its colour, and its words."""


async def _shown(name: str, form: str) -> str:
    evidence = await snapshot(name)
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    print_diagnosis(
        terminal, "doctor", evidence, diagnose(evidence), form=form, fail_on=Severity.ERROR
    )
    return out.getvalue()


@pytest.mark.parametrize("name", SHOWN)
async def test_every_finding_of_every_case_is_on_the_page(name: str) -> None:
    document = json.loads(await _shown(name, "json"))
    page = ReadPage(await _shown(name, "html"))
    assert {"script", "link", "img"} & page.names == set()
    for finding in document["findings"]:
        assert f"{finding['severity']} {finding['code']}" in page.texts
        assert finding["title"] in page.text
    if document["cause"]:
        assert document["cause"]["text"] in page.text
        assert document["cause"]["next"] in page.texts
    for kubelet in document["kubelets"]:
        assert kubelet["node"] in page.text


@pytest.mark.parametrize("name", FIRST)
async def test_the_page_begins_with_what_the_terminal_ends_with(name: str) -> None:
    """A page that is handed on must not be red where nothing has failed."""
    page, table = ReadPage(await _shown(name, "html")), await _shown(name, "table")
    tone, words = FIRST[name]
    end = table.rpartition("\n\n")[2]
    assert [each for each in re.findall(r"^([A-Z]+) ", end, re.MULTILINE) if each in WORDS] == words
    assert [each for each in page.texts if each in WORDS] == words
    assert [more for _, more in page.elements if more.get("class") == f"first {tone}"]
    for command in re.findall(r"^(?:FIRST|NEXT|WHY) +(.*)$", end, re.MULTILINE):
        assert command in page.texts


async def test_the_program_has_that_form(kubevouch: Program, stage: Stage) -> None:
    page = await kubevouch("doctor", "-o", "html")
    assert page.code == 1
    assert all(node in page.out for node in stage.kubelets)
