"""At a terminal of its own: what it prints fits, what is drawn over leaves no litter, and questions are answered."""

import io
import os
import re
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.terminal import Terminal
from kubevouch.rollout.decide.plan import ChangeKind, write_plan
from tests.cli.program import Program
from tests.cli.screen import Screen
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.clocks import WoundClock
from tests.support.stage import Stage


class Window(io.StringIO):
    """A terminal that is never read from. It has no size of its own: $COLUMNS says it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 73, 80, 100, 200])
async def test_doctor_breaks_no_word_and_wraps_no_line(
    kubevouch: Program, stage: Stage, columns: int
) -> None:
    ran = await kubevouch.at_a_terminal("doctor", columns=columns)
    assert ran.code == 1, ran
    screen = str(Screen(10_000).feed(ran.out))
    assert "CAUSE" in screen
    for line in screen.splitlines():
        is_one_word = len(line.split()) == 1
        assert len(line) <= min(columns, 100) or is_one_word or line.startswith("NEXT "), line


@pytest.mark.parametrize("case", ["requests-for-reserved-names"])
async def test_a_table_fits_and_loses_nothing(kubevouch: Program, stage: Stage) -> None:
    narrow = await kubevouch.at_a_terminal("csr", "list", columns=60)
    piped = await kubevouch("csr", "list")
    assert max(map(len, narrow.out.splitlines())) <= 60
    assert max(map(len, piped.out.splitlines())) > 60, "else there was nothing to fold"
    shown, whole = (sorted(AGE.sub(r"\1", each.out).replace(" ", "")) for each in (narrow, piped))
    assert [each for each in shown if each != "\n"] == [each for each in whole if each != "\n"]


@pytest.mark.parametrize("case", ["kubelet-never-answers"])
async def test_a_silent_kubelet_is_named_while_doctor_waits_and_leaves_no_litter(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch.at_a_terminal("doctor", "--timeout", "4s", columns=60)
    screen = Screen(60).feed(ran.out)
    drawn = [line for line in screen.seen if "3 of 4 kubelets have answered; waits for" in line]
    assert drawn, ran.out
    assert all(len(line) <= 60 for line in screen.seen)
    assert "have answered" not in str(screen), "it was taken away"
    assert str(screen).startswith("cluster  https://")


AGE = re.compile(r"^(csr-\d+ +)\d+s", re.MULTILINE)
WORKER = "k8s-worker-1.internal.example.com"
PROMPT = "Go on? [y/N]: "


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [(b"n\n", 4, "Nothing was changed."), (b"\n", 4, "Nothing was changed."), (b"\x03", 130, "Error: interrupted")],
)  # fmt: skip
async def test_a_no_at_the_prompt_changes_nothing_and_is_no_interruption(
    kubevouch: Program, stage: Stage, typed: bytes, code: int, said: str
) -> None:
    path = kubevouch.home / "plan.json"
    write_plan(plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)), path)
    ran = await kubevouch.at_a_terminal("undo", str(path), typed={PROMPT: typed})
    assert ran.code == code, ran
    assert ran.out.rstrip().endswith(said)
    assert stage.server.requests == []


async def test_a_survey_that_hangs_is_named(kubevouch: Program, stage: Stage) -> None:
    """ssh is a program that never comes back."""
    programs = kubevouch.home / "bin"
    programs.mkdir()
    (programs / "ssh").write_text("#!/bin/sh\nexec sleep 600\n")
    (programs / "ssh").chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    words = ("fix", "--plan", "plan.json", "--nodes", WORKER)
    asked = "waits for the survey script"
    ran = await kubevouch.at_a_terminal(
        *words, columns=120, typed={asked: b"\x03"}, environment=path
    )
    assert ran.code == 130, ran
    assert asked in ran.out
    assert "\x1b[?25h" in ran.out.rpartition("\x1b[?25l")[2], "the cursor is back"
    assert not Path(kubevouch.home / "plan.json").exists()


ODD = "".join(
    chr(each)
    for each in range(sys.maxunicode + 1)
    if unicodedata.category(chr(each)) in {"Cc", "Cf", "Zl", "Zp", "Cs"}
)


def test_no_control_sign_and_no_bidirectional_one_reaches_a_terminal() -> None:
    """C0, C1, format characters (bidirectional overrides, zero-width ones), line and paragraph separators."""
    out, err = Window(), Window()
    terminal = Terminal(Window(), out, err, {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"})
    clock = WoundClock()
    progress = Progress(terminal, clock)
    for shown in (terminal.out, terminal.note, terminal.wrapped, terminal.long_line):
        shown(f"a {ODD} z")
    terminal.command("NEXT ", f"kubevouch probe {ODD}")
    terminal.table(("NAME", ODD), [(ODD, "x")])
    progress.step(ODD, ODD)
    written = out.getvalue() + err.getvalue()
    assert not set(written) & (set(ODD) - {"\n"})
    progress.waiting(ODD, ODD)
    clock.wind(timedelta(seconds=9))
    progress.tick()
    drawn = err.getvalue()
    progress.erase()
    assert not set(drawn) & (set(ODD) - {"\n", "\r", "\x1b"})
