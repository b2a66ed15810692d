"""transaction.sh on real files: what it does, what it refuses, and that a killed call leaves nothing behind."""

import asyncio
import hashlib
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.rollout.decide.transaction import (
    UNDONE_BEFORE,
    TransactionState,
    TransactionStep,
)
from tests.support.self_signed import by_hand
from tests.support.shells import SHELLS, becomes_sh

from .conftest import CHAIN, CONFIG, IDENTITY_KEY, KEY, Machine


def test_the_folders_compare_unequal_after_any_change(machine: Machine) -> None:
    """The oracle of this file must be able to fail."""
    before = machine.tree()
    machine.config.chmod(0o600)
    assert machine.tree() != before


async def test_begin_puts_the_new_config_and_the_seed_and_old_pairs_aside(
    machine: Machine,
) -> None:
    answer = await machine.call(TransactionStep.BEGIN)
    assert (answer.outcome, answer.reason) == (TransactionState.BEGUN, "")
    assert machine.config.read_bytes() == CONFIG + b"serverTLSBootstrap: true\n"
    assert machine.config.stat().st_mode & 0o777 == 0o640
    assert (machine.pki / "kubelet-server.crt").read_bytes() == CHAIN
    assert (machine.pki / "kubelet-server.key").read_bytes() == KEY
    assert (machine.pki / "kubelet-server.key").stat().st_mode & 0o777 == 0o600
    assert not (machine.pki / "kubelet-server-current.pem").is_symlink()
    assert (machine.pki / "kubelet.crt").exists()
    assert (machine.root / ".kubevouch").stat().st_mode & 0o777 == 0o700


async def test_the_switch_is_set_before_the_kubelet_restarts_once(
    machine: Machine,
) -> None:
    await machine.call(TransactionStep.BEGIN)
    assert [call.split()[0:2] for call in machine.calls] == [
        ["systemd-run", "--unit=kubevouch-undo-run1"],
        ["systemctl", "restart"],
    ]
    assert "--on-active=240" in machine.calls[0]


async def test_without_a_certificate_of_ours_the_nodes_own_pair_is_copied(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN, seed=machine.seed(chain_pem=b""))
    assert (machine.pki / "kubelet-server.crt").read_bytes() == b"the old chain\n"
    assert (machine.pki / "kubelet-server.key").read_bytes() == KEY


async def test_of_a_pair_in_one_file_the_seed_takes_the_key_alone(machine: Machine) -> None:
    pair = machine.pki / "kubelet-server-2025.pem"
    pair.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + KEY)
    sha = hashlib.sha256(pair.read_bytes()).hexdigest()
    seed = machine.seed(certificate=str(pair), certificate_sha256=sha, key=str(pair))
    assert (await machine.call(TransactionStep.BEGIN, seed=seed)).outcome is TransactionState.BEGUN
    assert (machine.pki / "kubelet-server.crt").read_bytes() == CHAIN
    assert (machine.pki / "kubelet-server.key").read_bytes() == KEY


async def test_the_seed_is_good_for_longer_than_the_switch_takes(machine: Machine) -> None:
    change = machine.change(switch_seconds=7200)
    for left, outcome in (
        (7200 + 3000, TransactionState.REFUSED),
        (7200 + 4000, TransactionState.BEGUN),
    ):
        seed = machine.seed(not_after=int(time.time()) + left)
        assert (await machine.call(TransactionStep.BEGIN, change, seed=seed)).outcome is outcome


async def test_an_armed_node_says_when_its_switch_goes_off(machine: Machine) -> None:
    before = int(time.time())
    await machine.call(TransactionStep.BEGIN)
    fires = int((machine.root / ".kubevouch" / "run1" / "fires").read_text())
    assert before + 240 <= fires <= time.time() + 240


async def test_a_run_that_was_cut_off_begins_again_and_is_committed(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    begun, calls = machine.tree(), machine.calls
    again = await machine.call(TransactionStep.BEGIN)
    assert (again.outcome, again.pid) == (TransactionState.BEGUN, 4242)
    assert (machine.tree(), machine.calls) == (begun, calls)
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.COMMITTED
    after = machine.tree()
    machine.switch()  # late: it finds the run committed
    assert machine.tree() == after


async def test_the_switch_puts_everything_back(machine: Machine) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    machine.gets_a_pair()
    assert machine.tree() != before
    assert machine.switch()
    assert machine.tree() == before
    assert machine.calls[-1] == "systemctl restart kubelet.service"


async def test_undo_puts_everything_back_and_may_be_called_again(machine: Machine) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    assert (await machine.call(TransactionStep.UNDO)).outcome is TransactionState.UNDONE
    assert machine.tree() == before
    restarts = len(machine.calls)
    assert (await machine.call(TransactionStep.UNDO)).outcome is TransactionState.UNDONE
    machine.switch()
    assert len(machine.calls) == restarts


async def test_commit_takes_the_seed_away_and_disarms_the_switch(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    machine.gets_a_pair()
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.COMMITTED
    for kind in ("service", "timer"):
        assert f"systemctl stop kubevouch-undo-run1.{kind}" in machine.told
    assert sorted(path.name for path in machine.pki.glob("kubelet-server*")) == [
        *("kubelet-server-2026.pem", "kubelet-server-current.pem")
    ]
    committed = machine.tree()
    machine.switch()
    assert machine.tree() == committed
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.COMMITTED
    assert (await machine.call(TransactionStep.BEGIN)).outcome is TransactionState.COMMITTED


async def test_commit_leaves_a_kubelet_server_pair_that_is_not_the_seed(machine: Machine) -> None:
    await machine.call(TransactionStep.BEGIN)
    (machine.pki / "kubelet-server.crt").write_text("somebody's own")
    await machine.call(TransactionStep.COMMIT)
    assert (machine.pki / "kubelet-server.crt").exists()


async def test_a_commit_or_rollback_that_comes_too_late_says_that_the_switch_was_faster(
    machine: Machine,
) -> None:
    await machine.call(TransactionStep.BEGIN)
    machine.switch()
    before = machine.tree()
    assert (await machine.call(TransactionStep.COMMIT)).outcome is TransactionState.UNDONE
    rollback = await machine.call(TransactionStep.ROLLBACK)
    assert (rollback.outcome, rollback.reason) == (TransactionState.UNDONE, UNDONE_BEFORE)
    assert machine.tree() == before


async def test_a_rollback_leaves_what_somebody_else_has_committed(machine: Machine) -> None:
    """Two `apply` of one plan: the one that gives up takes nothing back that the other has proven."""
    await machine.is_done()
    committed, calls = machine.tree(), machine.calls
    for _ in range(2):
        await machine.call(TransactionStep.ROLLBACK, ends=TransactionState.COMMITTED)
    assert (machine.tree(), machine.calls) == (committed, calls)


async def test_an_earlier_holder_of_the_lease_is_refused_from_the_first_call_of_a_newer_one(
    machine: Machine,
) -> None:
    assert (await machine.call(TransactionStep.BEGIN, fence=3)).outcome is TransactionState.BEGUN
    assert (await machine.call(TransactionStep.BEGIN, fence=4)).outcome is TransactionState.BEGUN
    before = machine.tree()
    for step in (TransactionStep.COMMIT, TransactionStep.ROLLBACK, TransactionStep.UNDO):
        answer = await machine.call(step, fence=3)
        assert answer.outcome is TransactionState.REFUSED, step
        assert (
            "a newer holder of the Lease has called this node (number 4; this call has 3)"
            in answer.reason
        )
    assert machine.tree() == before
    await machine.call(TransactionStep.COMMIT, fence=4, ends=TransactionState.COMMITTED)


@pytest.mark.parametrize(
    "action", [TransactionStep.COMMIT, TransactionStep.ROLLBACK, TransactionStep.UNDO]
)
async def test_what_has_not_begun_is_neither_committed_nor_undone(
    machine: Machine, action: TransactionStep
) -> None:
    before = machine.tree()
    for _ in range(2):
        assert (await machine.call(action)).outcome is TransactionState.NOTHING
    assert machine.tree() == before
    assert machine.calls == []


@pytest.mark.parametrize("begun", [True, False])
async def test_an_undone_run_does_not_begin_again(machine: Machine, begun: bool) -> None:
    """Not begun: the connection broke, the caller gave up and undid; then the shell that was still there goes on."""
    if begun:
        await machine.call(TransactionStep.BEGIN)
    await machine.call(TransactionStep.UNDO)
    before = machine.tree()
    answer = await machine.call(TransactionStep.BEGIN, ends=TransactionState.REFUSED)
    assert "undone" in answer.reason
    assert "make a new plan" in answer.reason
    assert machine.tree() == before


async def test_of_two_runs_at_the_same_time_one_is_refused(machine: Machine) -> None:
    before = machine.tree()
    answers = await asyncio.gather(
        machine.call(TransactionStep.BEGIN, machine.change(run="run1")),
        machine.call(TransactionStep.BEGIN, machine.change(run="run2")),
    )
    assert sorted(answer.outcome for answer in answers) == [
        TransactionState.BEGUN,
        TransactionState.REFUSED,
    ]
    machine.switch()
    assert machine.tree() == before


async def test_a_commit_finds_an_overwritten_config_and_takes_it_back(
    machine: Machine,
) -> None:
    """A `kubeadm upgrade` between the restart and the proof: the next restart would read the old setting."""
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    machine.config.write_bytes(CONFIG + b"maxPods: 50\n")
    answer = await machine.call(TransactionStep.COMMIT)
    assert (answer.outcome, "changed since" in answer.reason) == (TransactionState.UNDONE, True)
    assert machine.config.read_bytes() == CONFIG + b"maxPods: 50\n", "what others wrote stays"
    after = machine.tree()
    del before["config.yaml"], after["config.yaml"]
    assert after == before


async def test_an_undo_that_fails_says_so_and_can_be_called_again(machine: Machine) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    strays = machine.root / ".kubevouch" / "run1" / "strays"
    strays.rmdir()  # nowhere to put the seed
    await machine.call(TransactionStep.UNDO, ends=TransactionState.HALF)
    assert machine.tree() != before
    strays.mkdir()
    assert (await machine.call(TransactionStep.UNDO)).outcome is TransactionState.UNDONE
    assert machine.tree() == before


@pytest.mark.parametrize(
    ("what", "other", "reason"),
    [
        ("change", {"machine_id": "0" * 32}, "the machine-id"),
        ("change", {"node": "worker-10"}, "not for system:node:worker-10"),
        ("change", {"node": "worker"}, "not for system:node:worker"),
        ("change", {"config_sha256": "0" * 64}, "changed since the plan"),
        ("content", {"content_sha256": "0" * 64}, "nothing was changed"),
        ("change", {"machine_id": ""}, ""),
        ("seed", {"not_before": 2**32}, "by this node's clock"),
        ("seed", {"not_after": 1}, "by this node's clock"),
        (
            "seed",
            {"certificate_sha256": "0" * 64},
            "kubelet.crt has been changed since it was read",
        ),
        ("key", {"key": "kubelet.crt"}, "kubelet.crt contains no private key"),
        ("key", {"key": "nothing"}, "the seed cannot be written"),
    ],
)
async def test_another_machine_identity_config_content_or_seed_stops_before_the_first_byte(
    machine: Machine, what: str, other: dict[str, object], reason: str
) -> None:
    if what == "key":
        other = {"key": str(machine.pki / str(other["key"]))}
    before, of_seed = machine.tree(), what in ("seed", "key")
    change, seed = (
        machine.change(**({} if of_seed else other)),
        machine.seed(**(other if of_seed else {})),
    )
    answer = await machine.call(TransactionStep.BEGIN, change, seed, ends=TransactionState.REFUSED)
    assert reason in answer.reason
    assert (machine.tree(), machine.calls) == (before, [])
    assert what != "change" or not (machine.root / ".kubevouch").exists()


LONG = f"{'n' * 63}.{'m' * 63}.{'o' * 63}.{'p' * 61}"


@pytest.mark.filterwarnings("ignore:Attribute's length")  # Go's signer does not mind
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["worker-1", LONG[:100], LONG[:200], LONG])
async def test_a_client_certificate_that_was_rotated_since_the_survey_is_the_nodes_own(
    machine: Machine, shell: str, name: str
) -> None:
    becomes_sh(shell, machine.folder / "bin")
    now = datetime.now(UTC)
    rotated = by_hand(f"system:node:{name}", (now, now + timedelta(days=1))).chain
    (machine.pki / "kubelet-client-2026.pem").write_bytes(rotated + IDENTITY_KEY)
    await machine.call(
        TransactionStep.BEGIN, machine.change(node=name), ends=TransactionState.BEGUN
    )


@pytest.mark.parametrize("how", ["restart-fails", "dies-later"])
async def test_as_long_as_the_kubelet_does_not_stay_up_with_its_former_file_no_pair_is_touched(
    machine: Machine, how: str
) -> None:
    before = machine.tree()
    await machine.call(TransactionStep.BEGIN)
    (machine.folder / how).touch()
    answer = await machine.call(TransactionStep.ROLLBACK, ends=TransactionState.HALF)
    assert "with its former files" in answer.reason
    assert machine.config.read_bytes() == CONFIG
    assert (machine.pki / "kubelet-server.crt").exists()
    (machine.folder / how).unlink()
    assert machine.switch(), "the switch tries again"
    assert machine.tree() == before


async def test_a_kubelet_that_cannot_be_restarted_is_put_back_at_once(machine: Machine) -> None:
    before = machine.tree()
    (machine.folder / "restart-fails-once").touch()
    answer = await machine.call(TransactionStep.BEGIN, ends=TransactionState.UNDONE)
    assert "Job for kubelet.service failed" in answer.reason
    assert machine.tree() == before


async def test_a_finished_run_is_not_undone_below_another_under_way(
    machine: Machine,
) -> None:
    await machine.is_done()
    content = machine.config.read_bytes()
    newer = machine.edits(content, content + b"maxPods: 50\n", run="run2")
    assert (await machine.call(TransactionStep.BEGIN, newer)).outcome is TransactionState.BEGUN
    before, calls = machine.tree(), machine.calls
    answer = await machine.call(TransactionStep.UNDO, ends=TransactionState.REFUSED)
    assert "another run is in progress" in answer.reason
    assert (machine.tree(), machine.calls) == (before, calls)


async def done_and_undone(machine: Machine, runs: int) -> None:
    """So many runs, one after the other."""
    for number in range(1, runs + 1):
        change = machine.change(run=f"run{number}")
        await machine.is_done(change)
        await machine.call(TransactionStep.UNDO, change)
        os.utime(machine.root / ".kubevouch" / f"run{number}", (number * 1e6, number * 1e6))


def records(machine: Machine) -> list[str]:
    store = machine.root / ".kubevouch"
    return sorted(path.name for path in store.iterdir() if path.is_dir())


async def test_records_of_the_last_three_runs_stay(machine: Machine) -> None:
    await done_and_undone(machine, 4)
    assert records(machine) == ["run2", "run3", "run4"]


async def test_undoing_runs_that_never_began_costs_no_other_its_record(
    machine: Machine,
) -> None:
    await done_and_undone(machine, 2)
    for number in range(1, 6):
        await machine.call(TransactionStep.UNDO, machine.change(run=f"never{number}"))
        os.utime(machine.root / ".kubevouch" / f"never{number}", (number * 1e8, number * 1e8))
    await machine.is_done(machine.change(run="run3"))
    assert records(machine) == ["never3", "never4", "never5", "run1", "run2", "run3"]


async def test_the_nodes_key_is_nowhere_but_in_its_own_file_in_the_end(
    machine: Machine,
) -> None:
    own = machine.pki / "kubelet.key"
    for run, end in (("run1", TransactionStep.COMMIT), ("run2", TransactionStep.UNDO)):
        change = machine.change(run=run)
        await machine.call(TransactionStep.BEGIN, change)
        machine.gets_a_pair()
        await machine.call(end, change)
        for path in machine.folder.rglob("*"):
            if path.is_file() and path != own:
                assert KEY not in path.read_bytes(), path
        if end is TransactionStep.COMMIT:
            await machine.call(TransactionStep.UNDO, change)
