"""What doctor and verify show, word for word: one file a case in `shown/`, at a moment that stands still.

With UPDATE_SHOWN=1 in the environment the files are written anew; read the difference before you keep it.
"""

import io
import json
import os
import re
from pathlib import Path

import pytest

from kubevouch import __version__
from kubevouch.cli.common.diagnosis import print_diagnosis
from kubevouch.cli.common.terminal import WIDTH, Terminal
from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import DOCTOR, VERIFY, diagnose
from kubevouch.errors import ExitCode
from tests.diagnose.cases import CASES, snapshot

SHOWN = Path(__file__).parent / "shown"
RULES = {"doctor": DOCTOR, "verify": VERIFY}
PORT = re.compile(r"(127\.0\.\d+\.\d+):\d+")


STATUS = {
    ExitCode.OK: "OK",
    ExitCode.FINDINGS: "ProblemDetected",
    ExitCode.COULD_NOT_TELL: "Unknown",
}


async def printed(name: str, verb: str, form: str) -> str:
    return (await answered(name, verb, form))[0]


async def answered(
    name: str, verb: str, form: str, fail_on: Severity = Severity.ERROR
) -> tuple[str, ExitCode]:
    evidence = await snapshot(name)
    out = io.StringIO()
    terminal = Terminal(None, out, None, {})
    found = diagnose(evidence, RULES[verb])
    code = print_diagnosis(terminal, verb, evidence, found, form=form, fail_on=fail_on)
    return PORT.sub(r"\1:10250", out.getvalue()).replace(__version__, "VERSION"), code


SCREENS = [
    ("expired", "doctor", "table"),
    ("expired", "doctor", "short"),
    ("expired", "verify", "table"),
    ("pending", "doctor", "table"),
    ("healthy", "verify", "table"),
    ("address-type-mismatch", "doctor", "table"),
    ("not-allowed-to-do-anything", "doctor", "table"),
    ("ca-ends-within-a-year-and-a-run-is-not-finished", "doctor", "table"),
]


@pytest.mark.parametrize(("name", "verb", "form"), SCREENS)
async def test_the_screen_of(name: str, verb: str, form: str) -> None:
    path = SHOWN / f"{verb}-{name}{'' if form == 'table' else f'-{form}'}.txt"
    shown = await printed(name, verb, form)
    if os.environ.get("UPDATE_SHOWN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def test_no_screen_is_left_over() -> None:
    kept = {f"{v}-{n}{'' if f == 'table' else f'-{f}'}.txt" for n, v, f in SCREENS}
    assert {path.name for path in SHOWN.iterdir()} == kept


@pytest.mark.parametrize("name", CASES)
async def test_every_case_fits_the_screen_and_says_the_same_in_every_form(name: str) -> None:
    table = await printed(name, "doctor", "table")
    for line in table.splitlines():
        # A command is not folded: it is there to be copied.
        is_command = line.startswith("NEXT ")
        assert len(line) <= WIDTH or " " not in line.strip() or is_command, line
        assert line == line.rstrip()
        assert line.isascii()
    short = await printed(name, "doctor", "short")
    told, code = await answered(name, "doctor", "json")
    document = json.loads(told)
    codes = [each["code"] for each in document["findings"]]
    assert re.findall(r"^  \w+ +(KV\d+)", table, re.MULTILINE) == codes
    assert re.findall(r"^\w+ +(KV\d+)", short, re.MULTILINE) == codes
    for each in (table, short):
        # What a warning says is no CAUSE where nothing has failed: exit code 0 is said as OK, 3 as UNKNOWN.
        has_cause, failed = document["cause"] is not None, code is ExitCode.FINDINGS
        assert ("\nOK  " in each) == (code is ExitCode.OK)
        assert ("\nUNKNOWN  " in each) == (code is ExitCode.COULD_NOT_TELL)
        assert ("\nCAUSE  " in each) == (has_cause and failed)
        assert ("\nWARNING  " in each) == (has_cause and not failed)
    assert document["schemaVersion"] == "kubevouch.findings/1"
    assert document["status"] == STATUS[code]
    assert sum(document["counts"].values()) == len(codes)


async def test_verify_calls_nothing_well_that_only_fail_on_lets_pass() -> None:
    """With --fail-on critical an error is no failure, but not every certificate verifies."""
    shown, code = await answered("other-ca-of-the-same-name", "verify", "table", Severity.CRITICAL)
    assert code is ExitCode.OK
    assert "\nOK     no finding of severity critical or worse\n" in shown
    assert "\nERROR  " in shown
    assert "certificate verifies" not in shown
