"""At a terminal of its own: what it prints fits, what is drawn over leaves no litter, and questions are answered."""

import asyncio
import json
import os
import re
import signal
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path

import click
import pytest

from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.runs import write_plan
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.stopping import stopping
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding
from kubevouch.x509 import read_certificates
from tests.cli.program import Process, Program, ended
from tests.cli.screen import Screen, Window
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.clocks import WoundClock
from tests.support.local_shell import with_ssh
from tests.support.scripted import faults
from tests.support.scripted.kinds import KINDS
from tests.support.stage import Stage
from tests.support.unhurried import GENEROUS

SCREENS = [
    (("doctor",), 60),
    (("doctor",), 80),
    (("doctor",), 200),
    (("doctor", "-o", "short"), 60),
    (("certs",), 60),
    (("certs",), 80),
    (("verify",), 60),
    (("probe", "k8s-worker-1.internal.example.com"), 60),
    (("explain", "KV304"), 60),
    (("explain",), 60),
]


@pytest.mark.parametrize(("words", "columns"), SCREENS)
async def test_no_word_is_broken_and_no_line_is_wrapped(
    kubevouch: Program, stage: Stage, words: tuple[str, ...], columns: int
) -> None:
    ran = await kubevouch.at_a_terminal(*words, columns=columns)
    assert ran.code in {0, 1}, ran
    screen = str(Screen(10_000).feed(ran.out))
    assert screen
    for line in screen.splitlines():
        is_one_word = max(map(len, line.split()), default=0) > columns - 20
        assert len(line) <= columns or is_one_word or line.startswith("NEXT "), line


@pytest.mark.parametrize("case", ["requests-for-reserved-names"])
async def test_a_table_fits_and_loses_nothing(kubevouch: Program, stage: Stage) -> None:
    narrow = await kubevouch.at_a_terminal("csr", "list", columns=60)
    piped = await kubevouch("csr", "list")
    # A command line is never folded.
    table = [line for line in narrow.out.splitlines() if not line.startswith("NEXT ")]
    assert max(map(len, table)) <= 60
    assert max(map(len, piped.out.splitlines())) > 60, "else there was nothing to fold"
    shown, whole = (sorted(AGE.sub(r"\1", each.out).replace(" ", "")) for each in (narrow, piped))
    assert [each for each in shown if each != "\n"] == [each for each in whole if each != "\n"]


@pytest.mark.parametrize("case", ["kubelet-never-answers"])
async def test_a_silent_kubelet_is_named_while_doctor_waits_and_leaves_no_litter(
    kubevouch: Program, stage: Stage
) -> None:
    ran = await kubevouch.at_a_terminal("doctor", "--timeout", "2500ms", columns=60)
    screen = Screen(60).feed(ran.out)
    drawn = [line for line in screen.seen if "3 of 4 kubelets have answered; waiting for" in line]
    assert drawn, ran.out
    assert all(len(line) <= 60 for line in screen.seen)
    assert "have answered" not in str(screen), "it was taken away"
    assert str(screen).startswith("cluster  https://")


AGE = re.compile(r"^(csr-\d+ +)\d+s", re.MULTILINE)
WORKER = "k8s-worker-1.internal.example.com"
PROMPT = "Continue? [y/N]: "
ENDED = "\nNothing was changed.\nError: interrupted"


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (b"n\n", 4, "Nothing was changed."),
        (b"\n", 4, "Nothing was changed."),
        (b"\x03", 130, ENDED),
        (signal.SIGTERM, 130, ENDED),
        (signal.SIGHUP, 130, ENDED),
    ],
)
async def test_a_no_at_the_prompt_changes_nothing_and_a_signal_there_ends_it_as_ctrl_c_does(
    kubevouch: Program, stage: Stage, typed: bytes | signal.Signals, code: int, said: str
) -> None:
    """What was typed before the question does not answer it."""
    path = planned_for(stage, kubevouch)
    ran = await kubevouch.at_a_terminal(
        "undo", path, typed_ahead=b"y\n", typed={PROMPT: typed}, code=code
    )
    assert ran.out.rstrip().endswith(said)
    assert all(each.method == "GET" for each in stage.server.requests)


class Interrupting(Window):
    """The next Ctrl-C comes while it is written to."""

    def write(self, text: str) -> int:
        if text == "\n":
            raise KeyboardInterrupt
        return super().write(text)


def test_a_second_ctrl_c_at_a_question_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Window())  # at its end: click takes it for Ctrl-C
    for err, ends in ((Window(), click.Abort), (Interrupting(), KeyboardInterrupt)):
        terminal = Terminal(Window(), Window(), err, {})
        with pytest.raises(ends):
            terminal.confirm("delete everything", yes=False)
        assert terminal.nothing_changed


def planned_for(stage: Stage, kubevouch: Program) -> str:
    """The file of a plan for the cluster of the stage."""
    roots = stage.server.store.get(
        KINDS["", "v1", "configmaps"], "kube-root-ca.crt", "kube-system"
    )["data"]["ca.crt"]
    bound = ClusterBinding(
        context="c",
        server="https://10.0.0.1:6443",
        cluster_uid="the-cluster",
        ca_sha256=TrustedRoots(read_certificates(roots.encode(), "roots")).sha256,
        version="v1.36.3",
    )
    path = kubevouch.home / "plan.json"
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
    write_plan(plan_of(node, cluster=bound), path)
    return str(path)


HANGS = ("plan", "-o", "plan.json", "--node", WORKER)
ASKED = "running the survey script"


@pytest.fixture
def ssh_that_hangs(kubevouch: Program) -> None:
    """ssh never comes back from a node."""
    kubevouch.environment["PATH"] = with_ssh(kubevouch.home, "exec sleep 600\n")


async def looks_at_a_node(process: Process) -> str:
    """The line by which it says so."""
    assert process.stderr is not None
    async with asyncio.timeout(GENEROUS):
        while ASKED not in (line := (await process.stderr.readline()).decode()):
            assert line, "it ended without a word about what it waits for"
    return line


@pytest.mark.usefixtures("ssh_that_hangs", "stage")
async def test_a_survey_that_hangs_is_named(kubevouch: Program) -> None:
    ran = await kubevouch.at_a_terminal(*HANGS, columns=120, typed={ASKED: b"\x03"}, code=130)
    assert ASKED in ran.out
    assert "\x1b[?25h" in ran.out.rpartition("\x1b[?25l")[2], "the cursor is back"
    assert not (kubevouch.home / "plan.json").exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", [("apply",), ("undo",)])
async def test_a_signal_before_the_question_says_that_nothing_was_changed(
    kubevouch: Program, stage: Stage, verb: tuple[str, ...], sent: signal.Signals
) -> None:
    words = (*verb, planned_for(stage, kubevouch), "--yes")
    stage.server.faults.on("/*", faults.silence())
    ran = await kubevouch.interrupted(*words, once=lambda: bool(stage.server.requests), sent=sent)
    assert (ran.code, ran.err) == (130, "\nNothing was changed.\nError: interrupted\n"), ran


LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_while_the_lease_is_being_taken_ends_an_undo_with_its_table(
    kubevouch: Program, stage: Stage, sent: signal.Signals
) -> None:
    """The question is answered, the log begun; no node has had its turn."""
    stage.server.faults.on(LEASES, faults.silence())

    def is_taken() -> bool:
        return any(each.method == "POST" for each in stage.server.requests)

    ran = await kubevouch.interrupted(
        "undo", planned_for(stage, kubevouch), "--yes", once=is_taken, sent=sent, code=130
    )
    rows = [line.split() for line in ran.out.splitlines()]
    assert any(row[:5] == [WORKER, "unknown", "the", "undo", "ended"] for row in rows), ran
    assert any(line.startswith("Run      ") for line in ran.out.splitlines()), ran
    assert "NEXT     kubevouch undo" in ran.out
    [log] = [line.split()[1] for line in ran.out.splitlines() if line.startswith("Log  ")]
    first, *_, last = map(json.loads, Path(log).read_text().splitlines())
    assert last["exit"] == 130
    assert re.search(r" on \S+ \(undo [0-9a-f]{8}\)", first["by"]), first


@pytest.mark.usefixtures("ssh_that_hangs", "stage")
async def test_what_a_parent_ignores_stays_ignored_and_sigterm_ends_it(
    kubevouch: Program,
) -> None:
    """As under nohup, and in the background of a script, where Ctrl-C is for others."""
    deaf = ("sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh")
    process = await kubevouch.started(*HANGS, under=deaf)
    await looks_at_a_node(process)
    status = Path(f"/proc/{process.pid}/status").read_text()
    [ignored] = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
    assert int(ignored, 16) & 0b11 == 0b11, "SIGHUP and SIGINT"
    process.send_signal(signal.SIGTERM)
    assert (await ended(process)).code == 130


def test_what_a_roll_out_waits_for_is_drawn_over_and_only_its_steps_stay() -> None:
    """Two nodes at once, texts far wider than the terminal."""
    err, clock = Window(), WoundClock()
    terminal = Terminal(Window(), Window(), err, {"TERM": "xterm", "COLUMNS": "60"})
    progress = terminal.progress = Progress(terminal, clock)
    progress.step("w1", "seeded")
    for second in range(20):
        progress.waiting("w1", f"fresh metrics ({'no newer sample in the metrics API yet ' * 4})")
        progress.waiting("w2", f"the signer, asked {second // 7} times {'x' * 90}")
        clock.wind(timedelta(seconds=1))
        progress.tick()
        if second == 10:
            terminal.note("stopping after the current nodes")
    drawn = Screen(60).feed(err.getvalue())
    waits = [line for line in str(drawn).splitlines() if "waits for" in line]
    assert [line[-len("...  (20 s)") :] for line in waits] == ["...  (20 s)", "x...  (6 s)"]
    assert {len(line) for line in waits} == {60}
    progress.ended("w1", "done in 20 s")
    progress.end("w2")
    progress.tick()
    screen = Screen(60).feed(err.getvalue())
    assert str(screen).splitlines() == [
        "  0:00  w1  seeded",
        "stopping after the current nodes",
        "  0:20  w1  done in 20 s",
    ]
    assert max(map(len, screen.seen)) <= 60


def odd_signs() -> str:
    """All of them. It takes a while to find them, which is not spent on reading this file."""
    return "".join(
        chr(each)
        for each in range(sys.maxunicode + 1)
        if unicodedata.category(chr(each)) in {"Cc", "Cf", "Zl", "Zp", "Cs"}
    )


def test_no_control_sign_and_no_bidirectional_one_reaches_a_terminal() -> None:
    """C0, C1, format characters (bidirectional overrides, zero-width ones), line and paragraph separators."""
    odd = odd_signs()
    out, err = Window(), Window()
    terminal = Terminal(Window(), out, err, {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"})
    clock = WoundClock()
    progress = Progress(terminal, clock)
    for shown in (terminal.out, terminal.note, terminal.wrapped, terminal.long_line):
        shown(f"a {odd} z")
    terminal.command("NEXT ", f"kubevouch probe {odd}")
    terminal.table(("NAME", odd), [(odd, "x")])
    progress.step(odd, odd)
    written = out.getvalue() + err.getvalue()
    assert not set(written) & (set(odd) - {"\n"})
    progress.waiting(odd, odd)
    clock.wind(timedelta(seconds=9))
    progress.tick()
    drawn = err.getvalue()
    progress.erase()
    assert not set(drawn) & (set(odd) - {"\n", "\r", "\x1b"})


async def test_a_terminal_that_closes_under_the_progress_stops_the_run_at_once() -> None:
    """SIGHUP comes while pending operations are drawn there, and each write to it fails."""
    master, slave = os.openpty()
    clock = WoundClock()
    err = os.fdopen(slave, "w")
    terminal = Terminal(None, Window(), err, {"TERM": "xterm"})
    progress = terminal.progress = Progress(terminal, clock)
    progress.begin("w1", "w1 waits for its CSR", in_seconds=-5)
    progress.tick()
    drawn = b""
    while b"waits for its CSR" not in drawn:
        drawn += os.read(master, 4096)
    os.close(master)
    async with asyncio.timeout(GENEROUS) as limit:
        with stopping(terminal, lambda: "w1 is armed"):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.Event().wait()
    assert not limit.expired()
    progress.tick()
    progress.erase()
    err.close()
