"""watch.sh in real shells: a service manager that tells what a kubelet goes through, and a clock that goes on with each look."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet, watch_script
from tests.support.local_shell import Local
from tests.support.shells import FIRST_SHELL, SHELLS, becomes_sh, place

SYSTEMCTL = """#!/bin/sh
read -r up rest <"$MACHINE/uptime"
state= pid=0 restarts=0
while IFS=' ' read -r at is process count; do
  [ "$at" -gt "${up%.*}" ] || { state=$is pid=$process restarts=${count:-0}; }
done <"$MACHINE/course"
case $* in
  *RestartUSec*) cat "$MACHINE/unit" && exit 0 ;;
esac
printf 'ActiveState=%s\\nMainPID=%s\\nNRestarts=%s\\n' "$state" "$pid" "$restarts"
echo "$((${up%.*} + 1)).00 0.00" >"$MACHINE/uptime"
"""
JOURNALCTL = """#!/bin/sh
seq 1 500 | sed 's/^/line /'
printf 'err="unknown flag: --no-such-flag"\\n'
"""
Moment = tuple[int, str, int] | tuple[int, str, int, int]
"""Seconds since the start, state, main process, and how often systemd has restarted it."""
UP = ((0, "active", 7),)
DIES = ((0, "active", 7), (3, "activating", 0))
LOOPS = ((0, "active", 7), (4, "activating", 0), (6, "active", 8), (9, "activating", 0), (11, "active", 9))  # fmt: skip
ONCE = ((0, "active", 7), (4, "activating", 0), (6, "active", 8))
NEVER = ((0, "failed", 0),)
LATE = ((0, "activating", 0), (6, "active", 8))
STOPPED = ((0, "active", 7), (3, "inactive", 0))
# It starts and ends between two looks, every ten seconds; as far as the looks see, it is down.
UNSEEN = (
    (0, "active", 7, 0),
    (2, "activating", 0, 0),
    (12, "activating", 0, 1),
    (15, "active", 0, 1),
    (16, "activating", 0, 1),
    (22, "activating", 0, 2),
)
LATE_COUNT = ((0, "active", 7, 1), (4, "activating", 0, 2))
LONG_AGO = ((0, "active", 7, 5), (4, "activating", 0, 5), (6, "active", 8, 6))
BY_HAND = ((0, "active", 7, 5), (4, "activating", 0, 5), (6, "active", 8, 0), (9, "active", 8, 1))
# It ends once, and its unit starts it again after RestartSec=10: kubeadm's.
AGAIN = ((0, "active", 7), (3, "activating", 0), (13, "active", 8))
AT_THE_END = ((0, "active", 7), (14, "activating", 0))
BACK_AT_THE_END = ((0, "active", 7), (18, "activating", 0), (28, "active", 8))


KUBEADMS = ("always", "10s")
"""Its Restart and RestartSec, as `systemctl show` says them."""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    place(tmp_path / "bin", {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL})
    return tmp_path


async def _watched(
    machine: Path,
    course: Sequence[Moment],
    unit: tuple[str, str] = KUBEADMS,
    **options: int,
) -> WatchedKubelet:
    (machine / "uptime").write_text("1000.00 2000.00\n")
    (machine / "unit").write_text(f"Restart={unit[0]}\nRestartUSec={unit[1]}\n")
    lines = "".join(f"{1000 + at} {' '.join(map(str, rest))}\n" for at, *rest in course)
    (machine / "course").write_text(lines)
    environment = {"PATH": f"{machine}/bin:/usr/bin:/bin", "MACHINE": str(machine)}
    script = watch_script(options.pop("seconds", 20), pause=0, proc=str(machine), **options)
    return (await Local(environment=environment).run_script("n1", script, timeout=120)).answer


CASES: dict[str, tuple[Sequence[Moment], dict[str, int], str, int]] = {
    # what it goes through, how it is watched, how that ends, and after how many seconds
    "up all the time": (UP, {"first": 7}, "time", 20),
    "up, which is long enough": (UP, {"steady": 5}, "steady", 5),
    "down after three seconds": (DIES, {"first": 7}, "inactive", 22),
    "down, whatever would be long enough": (DIES, {"steady": 15}, "inactive", 22),
    "stopped, so that its unit does not start it again": (STOPPED, {"first": 7}, "inactive", 12),
    "once more, after the pause of its unit": (AGAIN, {"first": 7}, "time", 20),
    "once more, after the pause of its unit, and then for long enough": (AGAIN, {"steady": 5}, "steady", 18),
    "down when the time is over": (AT_THE_END, {"first": 7}, "inactive", 33),
    "down when the time is over, and back": (BACK_AT_THE_END, {"first": 7}, "time", 28),
    "again and again": (LOOPS, {"first": 7}, "restarts", 11),
    "again and again, from a process that is not known": (LOOPS, {}, "restarts", 11),
    "again and again, between two looks": (UNSEEN, {"first": 7}, "restarts", 22),
    "again and again, from a count that is not known": (UNSEEN, {"steady": 10}, "restarts", 22),
    "twice since the run's restart, and once of these before this look": (LATE_COUNT, {"first": 6}, "restarts", 4),
    "often, but long ago": (LONG_AGO, {}, "time", 20),
    "by somebody's hand, which sets the count to 0": (BY_HAND, {}, "time", 20),
    "another process than the first already": (UP, {"first": 6}, "time", 20),
    "once more": (ONCE, {"first": 7}, "time", 20),
    "once more, and then for long enough": (ONCE, {"steady": 5}, "steady", 11),
    "never": (NEVER, {"first": 7}, "inactive", 10),
    "late, but in time": (LATE, {"steady": 5}, "steady", 11),
}  # fmt: skip


@pytest.mark.parametrize("shell", FIRST_SHELL)
@pytest.mark.parametrize("name", CASES)
async def test_a_kubelet_that_does_not_stay_up_is_told_at_once(
    machine: Path, name: str, shell: str
) -> None:
    becomes_sh(shell, machine / "bin")
    course, options, ended, seconds = CASES[name]
    seen = await _watched(machine, course, KUBEADMS, **options)
    assert seen.ended == ended, seen
    assert abs(seen.seconds - seconds) <= 1
    assert bool(seen.trouble) is (ended in {"inactive", "restarts"})
    assert bool(seen.log) is bool(seen.trouble)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("restart", "pause", "seconds"),
    [
        ("always", "100ms", 10),
        ("always", "1.500000s", 11),
        ("on-failure", "5s", 15),
        ("always", "1min 30s", 50),  # no longer than this: the node's port is dark meanwhile
        ("always", "infinity", 50),
        ("always", "2h 5min", 50),
        ("always", "", 10),
        ("no", "10s", 10),
    ],
)
async def test_the_pause_of_its_unit_comes_on_top_of_what_a_kubelet_may_be_down(
    machine: Path, shell: str, restart: str, pause: str, seconds: int
) -> None:
    becomes_sh(shell, machine / "bin")
    seen = await _watched(machine, DIES, (restart, pause), first=7)
    assert seen.ended == "inactive"
    assert abs(seen.inactive - seconds) <= 1, seen


async def test_the_last_lines_of_the_log_come_along(machine: Path) -> None:
    seen = await _watched(machine, DIES, first=7)
    assert len(seen.log) <= 4000
    told = seen.trouble
    assert told.startswith("the kubelet was not active for 20 s (state: activating); ")
    assert told.endswith('line 500 | err="unknown flag: --no-such-flag"')


async def test_without_a_service_manager_the_watch_ends_all_the_same(machine: Path) -> None:
    (machine / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    seen = await _watched(machine, UP)
    assert (seen.ended, seen.trouble) == ("time", "")


def test_what_a_log_says_is_one_line_without_what_cannot_be_seen() -> None:
    log = b"\x1b]0;pwned\x07\r\n" + b"x" * 9000 + b"\n\xff\xfe\n"
    seen = WatchedKubelet("restarts", 3, 0, b"active", log)
    assert seen.trouble.isprintable()
    assert len(seen.trouble) < 1300
