"""Whatever stops a call, a switch or an undo on a node, the next one goes on, on each shell and with old tools, too."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kubevouch.rollout.decide.transaction import TransactionState, TransactionStep, render
from tests.powercut.node import start
from tests.support.shells import place

from .conftest import CONFIG, Machine

BOOTSTRAP = CONFIG + b"serverTLSBootstrap: true\n"


def state(machine: Machine, run: str = "run1") -> list[str]:
    states = ("prepared", "armed", "written", "restarted", "verified", "committed", "undone")
    here = machine.root / ".kubevouch" / run
    return [each for each in states if (here / each).exists()]


def units(machine: Machine) -> list[Path]:
    return list((machine.folder / "units").glob("**/*.service"))


def stub(machine: Machine, name: str, text: str) -> None:
    place(machine.folder / "bin", {name: f"#!/bin/sh\n{text}\n"})


# Killed at any write.


@pytest.fixture(params=["it sets the key", "it only restarts"])
def of_either_kind(request: pytest.FixtureRequest, machine: Machine) -> None:
    if request.param == "it only restarts":
        machine.asks()


@contextmanager
def kept(machine: Machine) -> Iterator[Callable[[], None]]:
    """Keeps the node as it is now; what is yielded puts it back to that."""
    with tempfile.TemporaryDirectory(dir=machine.folder.parent) as folder:
        names = [
            each
            for each in ("kubelet", "units", "switch", "pid")
            if (machine.folder / each).exists()
        ]
        subprocess.run(["cp", "-a", *(machine.folder / each for each in names), folder], check=True)

        def put_back() -> None:
            for name in ("kubelet", "units"):
                shutil.rmtree(machine.folder / name)
            words = [Path(folder) / each for each in names]
            subprocess.run(["cp", "-a", *words, machine.folder], check=True)

        yield put_back


@pytest.mark.usefixtures("of_either_kind")
def test_a_call_killed_at_any_moment_leaves_the_node_whole(machine: Machine) -> None:
    """Whatever was done when the shell died: the switch, if it was set, puts it back; else nothing was changed."""
    before, folder = machine.tree(), machine.folder / "units"
    killed = switched = 0
    while machine.killed_at(killed + 1, TransactionStep.BEGIN):
        killed += 1
        if state(machine) in ([], ["prepared"]):
            assert machine.tree() == before
        else:  # both parts of the switch stand before the node is armed
            [unit] = folder.glob("*.service")
            assert unit.stat().st_size > 0
            assert (folder / "multi-user.target.wants" / unit.name).resolve() == unit
            assert (machine.folder / "switch").exists()
        switched += machine.switch()
        (machine.folder / "switch").unlink(missing_ok=True)
        assert machine.tree() == before, f"killed at write {killed}"
        shutil.rmtree(machine.root / ".kubevouch", ignore_errors=True)
        shutil.rmtree(folder)
        folder.mkdir()
    assert killed >= 12
    assert 0 < switched < killed


@pytest.mark.usefixtures("of_either_kind")
def test_a_switch_killed_at_any_moment_is_finished_by_the_next(machine: Machine) -> None:
    before = machine.tree()
    killed, done = 0, False
    while not done:
        asyncio.run(machine.call(TransactionStep.BEGIN))
        machine.gets_a_pair()
        done = not machine.switch_killed_at(killed + 1)
        machine.switch()
        assert machine.tree() == before, f"killed at write {killed + 1}"
        shutil.rmtree(machine.root / ".kubevouch")
        killed += 1
    assert killed >= 8


COMMIT, UNDO = TransactionStep.COMMIT, TransactionStep.UNDO


@pytest.mark.usefixtures("of_either_kind")
@pytest.mark.parametrize("step", [TransactionStep.BEGIN, COMMIT])
def test_no_call_goes_on_with_a_run_that_a_killed_switch_has_begun_to_undo(
    machine: Machine, step: TransactionStep
) -> None:
    before, ends, killed = machine.tree(), set(), 0
    asyncio.run(machine.call(TransactionStep.BEGIN))
    machine.gets_a_pair()
    changed = machine.tree()
    with kept(machine) as put_back:
        while machine.switch_killed_at(killed + 1):
            killed += 1
            is_touched = machine.tree() != changed
            outcome = asyncio.run(machine.call(step)).outcome
            ends.add(outcome)
            is_undone = outcome in (TransactionState.UNDONE, TransactionState.REFUSED)
            assert not is_touched or is_undone, f"killed at write {killed}"
            assert (machine.tree() == before) == is_undone
            put_back()
    assert {TransactionState.UNDONE, *ends} == ends != {TransactionState.UNDONE}
    assert killed >= 8


@pytest.mark.parametrize("step", [TransactionStep.BEGIN, COMMIT])
async def test_no_call_goes_on_with_a_run_whose_switch_has_failed(
    machine: Machine, step: TransactionStep
) -> None:
    machine.asks()
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    machine.gets_a_pair()
    (machine.folder / "restart-fails-once").touch()
    assert machine.switch_alone()[0] == 1
    await machine.call(step, ends=TransactionState.UNDONE)
    assert machine.tree() == before


async def test_a_pair_that_came_between_two_tries_of_the_switch_stays(machine: Machine) -> None:
    machine.asks()
    await machine.call(TransactionStep.BEGIN)
    (machine.folder / "restart-fails-once").touch()
    assert machine.switch_alone()[0] == 1
    machine.gets_a_pair()
    assert machine.switch()
    assert (machine.pki / "kubelet-server-current.pem").read_text() == "the issued pair"


@pytest.mark.parametrize("interrupted", ["armed", "written"])
async def test_a_begin_goes_on_only_while_its_switch_is_set(
    machine: Machine, interrupted: str
) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    here = machine.root / ".kubevouch" / "run1"
    (here / "restarted").rename(here / interrupted)
    (machine.folder / "switch").unlink()
    await machine.call(TransactionStep.BEGIN, ends=TransactionState.UNDONE)
    assert machine.tree() == before


@pytest.mark.usefixtures("of_either_kind")
@pytest.mark.parametrize(("step", "least"), [(COMMIT, 6), (UNDO, 10)])
def test_a_commit_or_an_undo_killed_at_any_moment_is_ended_by_what_comes_next(
    machine: Machine, step: TransactionStep, least: int
) -> None:
    """A commit by the switch, which is still set; an undo of a finished run by the next start of the machine."""
    before = machine.tree()
    asyncio.run(machine.call(TransactionStep.BEGIN))
    machine.gets_a_pair()
    if step is UNDO:
        asyncio.run(machine.call(COMMIT))
    ends, killed, done = set(), 0, False
    with kept(machine) as put_back:
        while not done:
            done = not machine.killed_at(killed + 1, step)
            assert step is COMMIT or start(machine) == []
            assert step is UNDO or machine.switch()
            [end] = state(machine)
            ends.add(end)
            assert (machine.tree() == before) == (end == "undone"), f"killed at write {killed + 1}"
            assert end == "undone" or not list(machine.pki.glob("kubelet-server.*"))
            wanted = [each for each in units(machine) if each.parent.name.endswith(".wants")]
            assert (units(machine) if step is COMMIT else wanted) == []
            put_back()
            killed += 1
    assert ends == {"committed", "undone"}
    assert killed >= least


def test_a_begin_killed_at_any_moment_is_gone_on_with_by_the_next(machine: Machine) -> None:
    killed = 0
    with kept(machine) as put_back:
        while machine.killed_at(killed + 1, TransactionStep.BEGIN):
            killed += 1
            answer = asyncio.run(machine.call(TransactionStep.BEGIN))
            assert answer.outcome is TransactionState.BEGUN, f"killed at write {killed}"
            assert state(machine) == ["restarted"]
            assert machine.config.read_bytes() == BOOTSTRAP
            assert len(list((machine.root / ".kubevouch" / "run1" / "aside").iterdir())) == 2
            put_back()
    assert killed >= 20


# The switch.


@pytest.mark.usefixtures("on_each_shell")
async def test_a_call_that_was_stopped_does_not_stop_the_switch(machine: Machine) -> None:
    before = machine.tree()
    stub(machine, "systemctl-real", (machine.folder / "bin" / "systemctl").read_text())
    stub(
        machine,
        "systemctl",
        'case $1 in restart) [ -e "$MACHINE/stopped" ] || { touch "$MACHINE/stopped"; exec sleep-long; } ;; esac\n'
        'exec "$MACHINE/bin/systemctl-real" "$@"',
    )
    stub(machine, "sleep-long", "exec /bin/sleep 600")
    stub(machine, "sleep", "exec /bin/sleep 0.02")
    script = render(TransactionStep.BEGIN, machine.change(), machine.seed()).sealed()
    running = await asyncio.create_subprocess_exec(
        *("sh", "-s"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=dict(machine.environment),
        start_new_session=True,
    )
    try:
        assert running.stdin
        running.stdin.write(script)
        running.stdin.close()
        async with asyncio.timeout(60):
            while not (machine.folder / "stopped").exists():
                await asyncio.sleep(0.05)
        os.killpg(running.pid, signal.SIGSTOP)
        assert await asyncio.to_thread(machine.switch)
        assert state(machine) == ["undone"]
        assert machine.tree() == before
    finally:
        # The switch has ended it already, where all went well.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()


@pytest.mark.parametrize(
    "what", ["cannot be written", "does not run", "Failed to start transient timer unit"]
)
async def test_without_both_parts_of_its_switch_nothing_begins(machine: Machine, what: str) -> None:
    before = machine.tree()
    if what == "cannot be written":
        shutil.rmtree(machine.folder / "units")
        (machine.folder / "units").write_text("no folder")
    elif what == "does not run":
        stub(machine, "systemd-run", "exit 0")
    else:
        (machine.folder / "systemd-run-fails").touch()
    answer = await machine.call(TransactionStep.BEGIN, ends=TransactionState.REFUSED)
    assert what in answer.reason
    assert "nothing was changed" in answer.reason
    assert machine.tree() == before
    assert [path.name for path in (machine.root / ".kubevouch").iterdir()] == ["lock"]


async def test_without_a_place_for_a_unit_the_timer_stands_alone(machine: Machine) -> None:
    before = machine.tree()
    shutil.rmtree(machine.folder / "units")
    change = machine.change(boot_unit=False)
    assert (await machine.call(TransactionStep.BEGIN, change)).outcome is TransactionState.BEGUN
    assert machine.switch()
    assert machine.tree() == before


def test_the_unit_is_one_that_systemd_takes(machine: Machine) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not on this machine")
    odd = machine.folder / "a 100% odd $folder"
    machine.root.rename(odd)
    change = machine.change(root=str(odd), pki=str(odd / "pki"), config=str(odd / "config.yaml"))
    machine.folder.joinpath("kubelet").symlink_to(odd)
    answer = asyncio.run(machine.call(TransactionStep.BEGIN, change))
    assert answer.outcome is TransactionState.BEGUN, answer.reason
    [unit] = (machine.folder / "units").glob("*.service")
    text = unit.read_text()
    assert "\nRestart=on-failure\n" in text
    assert text.count(str(odd).replace("%", "%%")) >= 4, "each folder, and the script"
    ran = subprocess.run(
        [verify, "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True
    )
    assert (ran.returncode, unit.name in ran.stderr) == (0, False), ran.stderr


async def test_the_switch_fails_until_it_has_succeeded(machine: Machine) -> None:
    """A config.yaml that cannot be replaced (chattr +i): nothing else is taken away, and it tries again."""
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    machine.gets_a_pair()
    changed = machine.tree()
    stub(
        machine,
        "mv",
        f'case "$*" in *" {machine.config}") echo "mv: Operation not permitted" >&2; exit 1 ;; esac\n'
        'exec /bin/mv "$@"',
    )
    for _ in range(2):
        code, said = machine.switch_alone()
        assert code == 1
        assert "nothing else was touched" in said
        assert machine.tree() == changed
        assert len(units(machine)) == 2
    answer = await machine.call(TransactionStep.ROLLBACK, ends=TransactionState.HALF)
    assert str(machine.config) in answer.reason
    assert machine.told[-2] == "systemctl --no-block start kubevouch-undo-run1.service", "at once"
    (machine.folder / "bin" / "mv").unlink()
    assert machine.switch_alone()[0] == 0
    assert machine.tree() == before
    assert units(machine) == []


async def test_a_verified_run_is_finished_and_never_put_back(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    machine.gets_a_pair()
    here = machine.root / ".kubevouch" / "run1"
    (here / "restarted").rename(here / "verified")
    await machine.call(TransactionStep.ROLLBACK, ends=TransactionState.COMMITTED)
    assert state(machine) == ["committed"]
    assert machine.config.read_bytes() == BOOTSTRAP
    (here / "committed").rename(here / "verified")
    machine.switch()
    assert state(machine) == ["committed"]


# No port goes dark.


@pytest.mark.parametrize("finished", [False, True])
async def test_where_the_file_asked_before_the_run_an_undo_leaves_a_certificate(
    machine: Machine, finished: bool
) -> None:
    """A run that only restarts the kubelet: it cannot be taken back."""
    machine.config.write_bytes(BOOTSTRAP)
    sha = machine.change().content_sha256
    change = machine.change(config_sha256=sha)
    await machine.call(TransactionStep.BEGIN, change)
    machine.gets_a_pair()
    if finished:
        await machine.call(TransactionStep.COMMIT, change)
    answer = await machine.call(TransactionStep.UNDO, change, ends=TransactionState.UNDONE)
    assert "serverTLSBootstrap is still on" in answer.reason
    assert (machine.pki / "kubelet-server-current.pem").read_text() == "the issued pair"
    assert (machine.pki / "kubelet-server.crt").exists() is not finished


@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize("finished", [False, True])
async def test_where_the_file_asked_before_the_run_a_former_pair_that_is_good_comes_back(
    machine: Machine, finished: bool
) -> None:
    """One of another CA, say: the kubelet served it, and serves it again. Nothing is left of what came in its place."""
    machine.asks()
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    assert not (machine.pki / "kubelet-server-current.pem").exists(), "it would win over the seed"
    machine.gets_a_pair()
    if finished:
        await machine.call(TransactionStep.COMMIT)
    # It goes by the record, not by what a later survey finds.
    answer = await machine.call(TransactionStep.UNDO, machine.change(former_until=0))
    assert (answer.outcome, answer.reason) == (TransactionState.UNDONE, "")
    assert machine.tree() == before


async def test_where_a_drop_in_asks_an_undo_leaves_a_certificate(machine: Machine) -> None:
    change = machine.change(asks_anyhow=True)
    await machine.call(TransactionStep.BEGIN, change)
    machine.switch()
    assert state(machine) == ["undone"]
    assert machine.config.read_bytes() == CONFIG
    assert (machine.pki / "kubelet-server.crt").exists()


async def test_a_seed_stays_where_no_issued_certificate_is_on_the_disk(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    (machine.pki / "kubelet-server-current.pem").symlink_to("nothing")
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.COMMITTED
    assert (machine.pki / "kubelet-server.crt").exists()


# What others edit meanwhile.


@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize(("by", "step"), [("rename", "rollback"), ("in place", "undo")])
async def test_an_edit_of_somebody_else_stays_and_only_our_line_goes(
    machine: Machine, by: str, step: str
) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    if step == "undo":
        await machine.call(TransactionStep.COMMIT)
    theirs = b"# by hand\n" + BOOTSTRAP + b"maxPods: 50"
    if by == "rename":
        new = machine.root / "new"
        new.write_bytes(theirs)
        new.chmod(0o600)
        new.rename(machine.config)
    else:
        machine.config.write_bytes(theirs)
    answer = await machine.call(TransactionStep(step), ends=TransactionState.UNDONE)
    assert f"{machine.config} was edited by somebody else" in answer.reason
    assert "only the line of this run was removed" in answer.reason
    assert machine.config.read_bytes() == b"# by hand\n" + CONFIG + b"maxPods: 50"
    assert machine.config.stat().st_mode & 0o777 == (0o600 if by == "rename" else 0o640)
    after = machine.tree()
    del before["config.yaml"], after["config.yaml"]
    assert after == before


@pytest.mark.parametrize(
    ("theirs", "outcome", "stays"),
    [
        (CONFIG + b"maxPods: 50\n", TransactionState.UNDONE, False),
        (CONFIG + b"serverTLSBootstrap: false\n", TransactionState.UNDONE, False),
        (CONFIG + b"serverTLSBootstrap: true # ops\n", TransactionState.UNDONE, True),
        (BOOTSTRAP + b"serverTLSBootstrap: true\n", TransactionState.HALF, True),
    ],
)
async def test_where_our_line_is_not_theirs_the_certificates_stay_if_it_still_asks(
    machine: Machine, theirs: bytes, outcome: TransactionState, stays: bool
) -> None:
    await machine.call(TransactionStep.BEGIN)
    machine.config.write_bytes(theirs)
    answer = await machine.call(TransactionStep.ROLLBACK, ends=outcome)
    assert str(machine.config) in answer.reason
    assert machine.config.read_bytes() == theirs
    assert (machine.pki / "kubelet-server.crt").exists() is stays


async def test_a_line_that_we_replaced_comes_back_into_anothers_edit(
    machine: Machine,
) -> None:
    old, new = b"serverTLSBootstrap: false\n", b"serverTLSBootstrap: true\n"
    machine.config.write_bytes(CONFIG + old)
    change = machine.edits(CONFIG + old, CONFIG + new)
    await machine.call(TransactionStep.BEGIN, change)
    machine.config.write_bytes(CONFIG + new + b"maxPods: 50\n")
    await machine.call(TransactionStep.ROLLBACK, change)
    assert machine.config.read_bytes() == CONFIG + old + b"maxPods: 50\n"


EXCHANGES = """import ctypes, os, sys
*_, one, other = sys.argv
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


@pytest.mark.parametrize("when", ["begin", "undo"])
async def test_with_an_exchange_an_edit_at_the_very_last_moment_comes_back(
    machine: Machine, when: str
) -> None:
    """`mv --exchange` of coreutils 9.5, played with the system call that it uses; the edit is made between look and rename."""
    (machine.folder / "exchange.py").write_text(EXCHANGES)
    (machine.folder / "theirs").write_bytes(CONFIG + b"maxPods: 50\n")
    stub(
        machine,
        "mv",
        'case "$*" in\n--help) echo "  --exchange"; exit ;;\n*--exchange*)\n'
        f'[ ! -e "$MACHINE/now" ] || {{ rm "$MACHINE/now"; /bin/mv "$MACHINE/theirs" {machine.config}; }}\n'
        f'exec python3 {machine.folder}/exchange.py "$@" ;;\nesac\nexec /bin/mv "$@"',
    )
    if when == "begin":
        (machine.folder / "now").touch()
        answer = await machine.call(TransactionStep.BEGIN)
        assert "was edited by somebody else at the same moment" in answer.reason
    else:
        await machine.call(TransactionStep.BEGIN)
        (machine.folder / "now").touch()
        answer = await machine.call(TransactionStep.ROLLBACK)
    assert answer.outcome is TransactionState.UNDONE
    assert machine.config.read_bytes() == CONFIG + b"maxPods: 50\n"


# Old tools.


OLD_SYNC = """case $* in --help) echo "Usage: sync [OPTION]"; exit ;; esac
echo "sync $*" >>"$MACHINE/global"
exec /bin/sleep 600"""


@pytest.mark.usefixtures("on_each_shell")
async def test_with_a_sync_that_knows_no_names_nothing_waits_for_every_file_system(
    machine: Machine,
) -> None:
    """Before coreutils 8.24 `sync FILE` synced everything, and so waited for a mount whose server is gone."""
    before = machine.tree()
    stub(machine, "sync", OLD_SYNC)
    assert (await machine.call(TransactionStep.BEGIN)).outcome is TransactionState.BEGUN
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.COMMITTED
    assert (await machine.call(TransactionStep.UNDO)).outcome is TransactionState.UNDONE
    assert machine.tree() == before
    assert not (machine.folder / "global").exists()
    assert not list(machine.folder.rglob(".kubevouch-sync"))


async def test_nothing_is_ever_synced_but_by_name(machine: Machine) -> None:
    stub(
        machine, "sync", '[ $# -gt 0 ] || echo everything >>"$MACHINE/global"\nexec /bin/sync "$@"'
    )
    await machine.is_done()
    await machine.call(TransactionStep.UNDO)
    assert not (machine.folder / "global").exists()


@pytest.mark.usefixtures("on_each_shell")
async def test_a_flock_that_cannot_wait_will_do(machine: Machine) -> None:
    """busybox has one without -w."""
    stub(machine, "flock", f'[ "$1" = -n ] || exit 64\nexec {shutil.which("flock")} "$@"')
    first, second = await asyncio.gather(
        machine.call(TransactionStep.BEGIN), machine.call(TransactionStep.BEGIN)
    )
    assert (first.outcome, second.outcome) == (TransactionState.BEGUN, TransactionState.BEGUN)
    assert sum(call.startswith("systemd-run") for call in machine.calls) == 1


@pytest.mark.usefixtures("on_each_shell")
async def test_the_checks_of_a_call_may_span_the_change_by_another(machine: Machine) -> None:
    slow, waits, sleep = machine.folder / "slow", machine.folder / "waits", shutil.which("sleep")
    restarted = machine.root / ".kubevouch" / "run1" / "restarted"
    until = f"n=0; until [ -e {restarted} ] || [ $n = 300 ]; do {sleep} 0.1; n=$((n + 1)); done"
    od = f"if mv {slow} {waits} 2>&-; then {until}; fi\nexec {shutil.which('od')}"
    stub(machine, "od", f'{od} "$@"')
    slow.touch()
    late = asyncio.create_task(machine.call(TransactionStep.BEGIN))
    async with asyncio.timeout(60):
        while not waits.exists():
            await asyncio.sleep(0.01)
    first = await machine.call(TransactionStep.BEGIN)
    outcomes = (first.outcome, (await late).outcome)
    assert outcomes == (TransactionState.BEGUN, TransactionState.BEGUN)


async def test_another_call_may_replace_a_folder_until_this_one_has_the_lock(
    machine: Machine,
) -> None:
    here = machine.root / ".kubevouch" / "run1"
    here.mkdir(parents=True)
    (here / "prepared").touch()
    other = f"*{here}*) flock -n {here.parent}/lock rm -rf {here} ;;"
    stub(machine, "stat", f'case "$*" in {other} esac\nexec {shutil.which("stat")} "$@"')
    await machine.call(TransactionStep.BEGIN, ends=TransactionState.BEGUN)


async def test_extended_attributes_stay(machine: Machine) -> None:
    """SELinux labels are some of them."""

    def of(path: Path) -> bytes:
        return os.getxattr(path, "user.label")

    labels = {"config.yaml": b"a", "pki/kubelet.crt": b"b", "pki/kubelet.key": b"c"}
    try:
        for name, label in labels.items():
            os.setxattr(machine.root / name, "user.label", label)
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    await machine.call(TransactionStep.BEGIN)
    assert of(machine.config) == b"a"
    assert of(machine.pki / "kubelet-server.crt") == b"b"
    assert of(machine.pki / "kubelet-server.key") == b"c"
    machine.config.write_bytes(BOOTSTRAP + b"maxPods: 50\n")
    await machine.call(TransactionStep.ROLLBACK)
    assert machine.config.read_bytes() == CONFIG + b"maxPods: 50\n"
    assert of(machine.config) == b"a"


async def test_an_undo_works_on_a_disk_without_space(machine: Machine) -> None:
    """What is written before is there; an undo renames."""
    before = machine.tree()
    await machine.is_done()
    for name in ("cp", "mkdir", "ln", "systemd-run"):
        stub(
            machine,
            name,
            f'[ ! -d "$2" ] || exit 0\necho "{name}: No space left on device" >&2; exit 1',
        )
    await machine.call(TransactionStep.UNDO, ends=TransactionState.UNDONE)
    assert machine.tree() == before


async def test_an_undo_whose_disk_fails_once_armed_says_that_it_is_armed(
    machine: Machine,
) -> None:
    """Refused would mean that nothing is under way there: whoever asked would strike the node from what is kept of the run."""
    before = machine.tree()
    await machine.is_done()
    fails = 'for each in "$@"; do [ ! -e "$each/restarted" ] || exit 1; done\nexec /bin/sync "$@"'
    stub(machine, "sync", fails)
    answer = await machine.call(TransactionStep.UNDO, ends=TransactionState.HALF)
    assert answer.reason == "the run's record cannot be made durable; not undone yet"
    stub(machine, "sync", 'exec /bin/sync "$@"')
    assert machine.switch()
    assert machine.tree() == before
