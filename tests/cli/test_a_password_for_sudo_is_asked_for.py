"""--ask-sudo-password at a real terminal: asked once, before anything is done, and what may be typed in there."""

import signal

import msgspec
import pytest

from kubevouch.cli.common.runs import write_plan
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from tests.cli.program import CTRL_C, Program
from tests.rollout.recorded import plan_of, planned, recorded
from tests.rollout.test_a_plan_is_a_file import PLAN
from tests.support.stage import Stage

ASKED = "for sudo on the nodes"
WORD = "a word that nobody sees"
VERBS = [("apply",), ("undo",)]


@pytest.fixture
def plan(kubevouch: Program, stage: Stage) -> str:
    path = kubevouch.home / "plan.json"
    changes = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP))
    write_plan(msgspec.structs.replace(changes, ssh_user="ops", ask_sudo_password=True), path)
    return str(path)


@pytest.mark.parametrize(
    ("verb", "typed", "code", "told"),
    [
        ("apply", CTRL_C, 130, "Nothing was changed."),
        ("undo", CTRL_C, 130, "Nothing was changed."),
        ("apply", signal.SIGTERM, 130, "Nothing was changed."),
        ("apply", signal.SIGHUP, 130, "Nothing was changed."),
        ("apply", b"\x04", 130, "Nothing was changed."),
        ("apply", b"\n", 2, "sudo password: is empty"),
    ],
)
async def test_an_end_there_or_nothing_is_no_password_and_changes_nothing(
    kubevouch: Program, plan: str, verb: str, typed: bytes | signal.Signals, code: int, told: str
) -> None:
    ran = await kubevouch.at_a_terminal(verb, plan, "--yes", typed={ASKED: typed}, code=code)
    assert ran.out.count("Password of ops for sudo on the nodes: ") == 1
    assert told in ran.out


@pytest.mark.parametrize("verb", [*VERBS, ("status",)])
async def test_it_is_asked_for_once_and_not_shown(
    kubevouch: Program, plan: str, verb: tuple[str, ...]
) -> None:
    typed = {ASKED: f"{WORD}\n".encode(), "Continue?": b"n\n"}
    ran = await kubevouch.at_a_terminal(*verb, plan, typed=typed)
    assert ran.out.count(ASKED) == 1, ran
    assert WORD not in ran.out
    assert [
        each for each in kubevouch.home.rglob("*") if each.is_file() and WORD in each.read_text()
    ] == []


@pytest.mark.parametrize("verb", VERBS)
async def test_where_there_is_no_terminal_it_says_so(
    kubevouch: Program, plan: str, verb: tuple[str, ...]
) -> None:
    ran = await kubevouch(*verb, plan, "--yes", stdin=f"{WORD}\n".encode(), code=2)
    assert "standard input: is not a terminal, so no password can be entered" in ran.err


async def test_it_belongs_to_ssh(kubevouch: Program, plan: str) -> None:
    ran = await kubevouch("plan", "-o", plan, "--via", "pod", "--ask-sudo-password")
    assert (ran.code, "requires --via ssh" in ran.err) == (2, True), ran


def test_a_plan_by_pod_asks_for_none() -> None:
    asks = msgspec.structs.replace(PLAN, via="pod", ask_sudo_password=True)
    with pytest.raises(UsageError, match="a password for sudo needs a plan that uses ssh"):
        plan_in(text_of(asks).encode(), "plan.json")
