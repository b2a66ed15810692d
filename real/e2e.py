"""Runs tests/e2e by pytest, wholly inside the bed's network, and counts them from pytest's own report."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real import cgroups, operator_place
from real.errors import BedError
from real.layout import Folders

TESTS = Path("tests/e2e")
_CHECKOUT = Path(__file__).parent.parent
_PATIENCE = 60


@dataclass(frozen=True)
class Count:
    """How many tests ended how; `failed` counts errors too."""

    passed: int
    failed: int
    skipped: int

    @property
    def run(self) -> int:
        """Those that were executed."""
        return self.passed + self.failed

    @staticmethod
    def of(report: Path) -> "Count":
        """From a report in JUnit's format. No report at all counts no test."""
        if not report.exists():
            return Count(0, 0, 0)
        suites = list(ET.parse(report).getroot().iter("testsuite"))

        def total(name: str) -> int:
            return sum(int(suite.get(name, "0")) for suite in suites)

        failed, skipped = total("failures") + total("errors"), total("skipped")
        return Count(total("tests") - failed - skipped, failed, skipped)


def require() -> None:
    """Says so before anything is booted if there is nothing to run.

    Raises:
        BedError: there are no tests.
    """
    if not (_CHECKOUT / TESTS).is_dir():
        raise BedError(str(TESTS), "there are no e2e tests")


def run(
    folders: Folders, environment: Mapping[str, str], *, long: bool, extra: Sequence[str]
) -> tuple[int, Count]:
    """The exit status of pytest and the count. The caller stands inside the bed's network, and so does all that it starts.

    Raises:
        KeyboardInterrupt: after pytest had its time to end.
    """
    report = folders.operator / "e2e.xml"
    report.unlink(missing_ok=True)
    chosen = () if long else ("-m", "not long")
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
    argv += [
        "--durations=30",
        "--durations-min=5",
    ]  # what to look at first, where a run takes too long
    at_hand = operator_place.environment(folders, environment)
    mortal = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        *cgroups.inside("tests", [*argv, *chosen, *extra, str(TESTS)], only="freezer"),
    ]
    pytest = subprocess.Popen(mortal, cwd=_CHECKOUT, env=at_hand)
    try:
        status = pytest.wait()
    except KeyboardInterrupt:
        try:
            pytest.wait(timeout=_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pytest.kill()
        raise
    return status, Count.of(report)
