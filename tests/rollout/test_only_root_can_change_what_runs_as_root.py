"""A run's folder holds a script that root runs. Wherever somebody else could put another one, nothing is run or written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kubevouch.rollout.decide.transaction import TransactionState, TransactionStep
from tests.support.shells import FIRST_SHELL

from .conftest import Machine

WHAT_AN_ATTACKER_PLANTS = 'touch "$MACHINE/pwned"\n'


def _a_link(machine: Machine) -> None:
    machine.root.rename(machine.folder / "elsewhere")
    machine.root.symlink_to(machine.folder / "elsewhere")


UNSAFE: dict[str, tuple[Callable[[Machine], object], str]] = {
    "a pod's folder": (lambda m: m.root.chmod(0o777), "kubelet is writable by users other than root (mode 777"),
    "a folder of a group": (lambda m: m.root.chmod(0o775), "kubelet is writable by users other than root (mode 775"),
    "a sticky folder": (lambda m: m.root.chmod(0o1777), "kubelet is writable by users other than root (mode 1777"),
    "a sticky folder above it": (lambda m: m.folder.chmod(0o1777), "is writable by users other than root (mode 1777"),
    "the pki folder": (lambda m: m.pki.chmod(0o757), "pki is writable by users other than root (mode 757"),
    "somebody else's": (lambda m: os.chown(m.root, 12345, -1), "kubelet is owned by the user with ID 12345, not by root"),
    "the kubelet's file": (lambda m: m.config.chmod(0o646), "config.yaml is writable by users other than root (mode 646"),
    "behind a link": (_a_link, "kubelet is not a folder, or is a link"),
}  # fmt: skip

ON_THE_FIRST_SHELL = pytest.mark.parametrize("on_each_shell", FIRST_SHELL, indirect=True)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


@ON_THE_FIRST_SHELL
@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_root if "else" in n else ()) for n in UNSAFE])  # fmt: skip
async def test_nothing_begins_where_others_may_write(machine: Machine, name: str) -> None:
    make, seen = UNSAFE[name]
    make(machine)
    before = machine.tree()
    answer = await machine.call(TransactionStep.BEGIN, ends=TransactionState.REFUSED)
    assert seen in answer.reason
    assert machine.tree() == before
    assert machine.calls == []


@ON_THE_FIRST_SHELL
@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_root if "else" in n else ()) for n in UNSAFE])  # fmt: skip
async def test_no_undo_runs_what_others_may_have_put_there(machine: Machine, name: str) -> None:
    make, seen = UNSAFE[name]
    await machine.call(TransactionStep.BEGIN)
    (machine.root / ".kubevouch" / "run1" / "undo.sh").write_text(WHAT_AN_ATTACKER_PLANTS)
    make(machine)
    answer = await machine.call(TransactionStep.UNDO, ends=TransactionState.REFUSED)
    assert seen in answer.reason
    await machine.call(TransactionStep.COMMIT, ends=TransactionState.REFUSED)
    assert not (machine.folder / "pwned").exists()


def _planted_folder(machine: Machine) -> Path:
    """A pod's own: it has made everything that a run leaves, and its script with it."""
    here = machine.root / ".kubevouch" / "run1"
    here.mkdir(parents=True)
    (here / "undo.sh").write_text(WHAT_AN_ATTACKER_PLANTS)
    (here / "armed").touch()
    return here


def _script_is_a_link(machine: Machine) -> None:
    script = _planted_folder(machine) / "undo.sh"
    script.rename(script.with_name("elsewhere.sh"))
    script.symlink_to("elsewhere.sh")


def _runs_folder_is_a_link(machine: Machine) -> None:
    _planted_folder(machine)
    store = machine.root / ".kubevouch"
    store.rename(machine.folder / "emptydir")
    store.symlink_to(machine.folder / "emptydir")


@needs_root
@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize(
    "plant",
    [
        lambda m: os.chown(_planted_folder(m) / "undo.sh", 12345, -1),
        lambda m: (_planted_folder(m) / "undo.sh").chmod(0o666),
        lambda m: _planted_folder(m).chmod(0o777),
        _script_is_a_link,
        _runs_folder_is_a_link,
    ],
)
async def test_a_planted_script_is_not_run(
    machine: Machine, plant: Callable[[Machine], object]
) -> None:
    plant(machine)
    for step in (TransactionStep.UNDO, TransactionStep.BEGIN, TransactionStep.COMMIT):
        answer = await machine.call(step)
        assert answer.outcome is TransactionState.REFUSED, step
    assert not (machine.folder / "pwned").exists()


@pytest.mark.usefixtures("on_each_shell")
async def test_an_undo_of_ours_runs_what_we_sent_and_no_script_there(
    machine: Machine,
) -> None:
    """Root in a container can make folders of root's that nobody else may write: its owner proves little."""
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    script = machine.root / ".kubevouch" / "run1" / "undo.sh"
    script.write_text(script.read_text() + WHAT_AN_ATTACKER_PLANTS)
    assert (await machine.call(TransactionStep.UNDO)).outcome is TransactionState.UNDONE
    assert machine.tree() == before
    assert not (machine.folder / "pwned").exists()


@ON_THE_FIRST_SHELL
@pytest.mark.usefixtures("on_each_shell")
@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("what", ["config", "pki"])
async def test_an_undo_writes_only_where_its_run_has_written(
    machine: Machine, what: str, committed: bool
) -> None:
    """A plan can be edited: the run's own record says which files it changed."""
    await machine.call(TransactionStep.BEGIN)
    if committed:
        await machine.call(TransactionStep.COMMIT)
    other = machine.folder / "elsewhere"
    other.mkdir(mode=0o755)
    copy = other / "config.yaml"
    copy.write_bytes(machine.config.read_bytes())
    before, calls = machine.tree(), machine.calls
    paths = {"config": str(copy), "pki": str(other)}
    answer = await machine.call(
        TransactionStep.UNDO, machine.change(**{what: paths[what]}), ends=TransactionState.REFUSED
    )
    assert "are not those in the run's record" in answer.reason
    assert paths[what] in answer.reason
    assert (machine.tree(), machine.calls) == (before, calls)
    assert [each.name for each in other.iterdir()] == ["config.yaml"]


@pytest.mark.usefixtures("on_each_shell")
async def test_the_switch_itself_touches_nothing_where_others_may_write(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    changed = machine.tree()
    machine.pki.chmod(0o777)
    code, said = machine.switch_alone()
    assert (code, "pki is writable by users other than root" in said) == (1, True)
    machine.pki.chmod(0o755)
    assert machine.tree() == changed


async def test_what_a_run_keeps_can_be_read_by_root_only(machine: Machine) -> None:
    """An undo keeps the issued pair, with its key, in the run's folder."""
    await machine.call(TransactionStep.BEGIN)
    pair = machine.pki / "kubelet-server-2026.pem"
    pair.write_text("the issued pair, and its key")
    pair.chmod(0o644)
    await machine.call(TransactionStep.UNDO)
    store = machine.root / ".kubevouch"
    kept = store / "run1" / "strays" / pair.name
    assert kept.read_text() == "the issued pair, and its key"
    for path in (store, *store.rglob("*")):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
