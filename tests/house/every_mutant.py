"""The policy's tests against every small change that mutmut made of it, in one process: a plugin for `make mutation`.

    cd mutants && PYTHONPATH=src:. python -m pytest -p tests.house.every_mutant tests/policy [--of=form,sources.choice]

mutmut itself starts and collects all tests anew for each change, which takes hours. Which change is in force is asked at
each call of a changed function (mutmut.mutation.trampoline), so the same collected tests serve for all of them, and only
those that call the function are run. Tests of hypothesis are left out: what only chance notices is a missing test. The
results are kept where mutmut keeps its own, so that `mutmut results` and tests.house.mutants read them.
"""

import importlib
import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

FOLDER = Path("src/kubevouch/policy")
IN_FORCE = "MUTANT_UNDER_TEST"
SURVIVED, KILLED, UNTESTED = 0, 1, 33
"""Exit codes as mutmut writes them (mutmut.stats, status_by_exit_code)."""

PATIENCE = 20.0
"""Seconds for one test: a change may have made a loop endless."""


class _TooLong(BaseException):
    """No test catches it; pytest does, and then the test has failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--of", default="", help="files of the policy, separated by commas; else all")


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running each test once. Each must pass without a change, first and last, else nothing here means much."""
    tests = [each for each in session.items if not _by_chance(each)]
    calling = _callers(tests)
    chosen = [each for each in session.config.getoption("--of").split(",") if each]
    files = [FOLDER / f"{each.replace('.', '/')}.py.meta" for each in chosen]
    for file in files or sorted(FOLDER.rglob("*.meta")):
        kept = json.loads(file.read_text(encoding="utf-8"))
        found = kept["exit_code_by_key"]
        last: list[pytest.Item] = []
        for mutant in found:
            found[mutant], last = _judged(mutant, calling, last)
        file.write_text(json.dumps(kept, indent=4), encoding="utf-8")
        print(file.name.removesuffix(".meta"), dict(Counter(found.values())), flush=True)
    for each in tests:
        _must_pass(each)
    return True


def _by_chance(test: pytest.Item) -> bool:
    return hasattr(getattr(test, "obj", None), "hypothesis")


def _callers(tests: Sequence[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """The tests that call each changed function, the quickest first."""
    called: dict[str, dict[pytest.Item, float]] = defaultdict(dict)
    running: list[pytest.Item] = []
    took: dict[pytest.Item, float] = {}
    trampoline = importlib.import_module("mutmut.mutation.trampoline")

    def hit(function: str, caller: str | None = None) -> None:
        called[function][running[0]] = 0.0

    vars(trampoline)["record_trampoline_hit"] = hit
    with _in_force("stats"):
        for each in tests:
            running[:] = [each]
            began = time.monotonic()
            _must_pass(each)
            took[each] = time.monotonic() - began
    return {name: sorted(found, key=lambda each: took[each]) for name, found in called.items()}


def _must_pass(test: pytest.Item) -> None:
    if not _passes(test):
        pytest.exit(f"{test.nodeid} fails without any change", returncode=1)


def _judged(
    mutant: str, calling: dict[str, list[pytest.Item]], last: list[pytest.Item]
) -> tuple[int, list[pytest.Item]]:
    """The exit code of a mutant, and the test that noticed it: it probably notices the next one, too."""
    tests = calling.get(mutant.rpartition("__mutmut_")[0], [])
    first = [each for each in last if each in tests]
    with _in_force(mutant):
        for each in (*first, *tests):
            if not _passes(each):
                return KILLED, [each]
    return (SURVIVED if tests else UNTESTED), last


def _passes(test: pytest.Item) -> bool:
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        return not any(report.failed for report in runtestprotocol(test, log=False, nextitem=None))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _in_force(mutant: str) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    os.environ[IN_FORCE] = mutant
    try:
        yield
    finally:
        os.environ.pop(IN_FORCE)
        signal.signal(signal.SIGALRM, before)
