"""A node's shell is this machine's own, sees the node's folder as its disk, and talks to the node's service manager."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch_lab.nodes.journal import EXITED, STARTED, STOPPED, STOPPING
from lab.tests.nodes.conftest import CONFIG, Machine
from lab.tests.plane import until

EVENTS = (STOPPING, STOPPED, STARTED, EXITED)


def _events(machine: Machine) -> list[str]:
    """What the service manager did with the kubelet's unit, or saw of it."""
    lines = machine.system.journal.of("kubelet.service")
    found = [line.fields.get("MESSAGE_ID", "") for line in lines]
    return [each for each in found if each in EVENTS]


async def test_it_is_root_on_a_disk_of_its_own(machine: Machine) -> None:
    assert await machine.sh("id -u; hostname; uname -n; cat /etc/machine-id") == (
        "0\nworker.example.com\nworker.example.com\n0123456789abcdef0123456789abcdef\n"
    )
    await machine.sh(
        "mkdir -p /var/lib/kubelet/x; echo hello >/var/lib/kubelet/x/y; ln -s /etc /var/e"
    )
    assert machine.files.read("/var/lib/kubelet/x/y") == b"hello\n"
    assert machine.files.read("/var/e/hostname") == b"worker.example.com\n"
    listed = await machine.sh("ls -d /var/lib/kubelet/../../../home /root/../../../etc")
    assert listed
    code, said = await machine.fails("touch /usr/here")
    assert (code, "touch" in said) == (1, True)
    assert not Path("/usr/here").exists()


async def test_a_link_leads_nowhere_but_into_the_node(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    await machine.sh(f"ln -s {tmp_path}/secret /var/a; ln -s ../../../../../../..{tmp_path} /var/b")
    assert not machine.files.exists("/var/a")
    assert not machine.files.exists("/var/b/secret")
    assert not machine.files.exists("/../../secret")
    await machine.sh("ln -s /var/loop /var/loop")
    with pytest.raises(OSError, match="Too many levels"):
        machine.files.read("/var/loop")


async def test_a_call_whose_answer_would_go_out_of_the_node_is_not_answered(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("precious")
    await machine.sh(
        "mkdir /run/kubevouch-lab/call.abcdef; cd /run/kubevouch-lab/call.abcdef; mkfifo end\n"
        f"printf 'kubelet\\0' >argv; ln -s {tmp_path}/mine out\n"
        "echo call.abcdef >/run/kubevouch-lab/calls; kubelet --version"
    )
    assert (tmp_path / "mine").read_text() == "precious"
    assert not machine.files.path("/run/kubevouch-lab/call.abcdef/err").exists()


async def test_its_clock_is_the_labs(machine: Machine) -> None:
    await machine.clock.wind(timedelta(days=400))
    assert await machine.sh("date -u +%Y-%m-%dT%H:%M:%S") == "2027-12-29T12:00:00\n"
    up = await machine.sh(
        "systemctl show kubelet -p ActiveState >/dev/null; cut -d. -f1 /proc/uptime"
    )
    assert int(up) == 400 * 86400


async def test_the_kubelets_command_line_is_what_its_unit_says(machine: Machine) -> None:
    argv = ("/usr/bin/kubelet", f"--config={CONFIG}", "--v=2", "--w=3", "--node-ip=127.0.0.9")
    assert machine.kubelet.starts == [argv]
    pid = (await machine.sh("systemctl show kubelet --property=MainPID | cut -d= -f2")).strip()
    shown = await machine.sh(f"tr '\\0' '\\n' </proc/{pid}/cmdline")
    assert tuple(shown.splitlines()) == argv


async def test_drop_ins_count_after_a_reload(machine: Machine) -> None:
    path = "/etc/systemd/system/kubelet.service.d/98-flags.conf"
    text = '[Service]\nEnvironment="KUBELET_EXTRA_ARGS=--a=1 --b"\nEnvironmentFile=\n'
    machine.files.write(path, text.encode())
    await machine.sh("systemctl restart kubelet")
    assert machine.kubelet.starts[-1] == machine.kubelet.starts[0]
    await machine.sh("systemctl daemon-reload; systemctl restart kubelet")
    assert machine.kubelet.starts[-1][1:] == (f"--config={CONFIG}", "--a=1", "--b")


async def test_a_restart_is_told_in_the_journal(machine: Machine) -> None:
    await machine.clock.wind(timedelta(seconds=5))
    await machine.sh("systemctl restart kubelet.service")
    assert _events(machine)[-3:] == [STOPPING, STOPPED, STARTED]
    shown = await machine.sh("journalctl -u kubelet -n 1 --no-pager")
    assert shown == (
        "Nov 24 12:00:05 worker.example.com systemd[1]: "
        "Started kubelet.service - kubelet: The Kubernetes Node Agent.\n"
    )


async def test_a_kubelet_that_fails_is_started_again_ten_seconds_later(machine: Machine) -> None:
    machine.kubelet.fails = True
    await machine.sh("systemctl restart kubelet")
    shown = await machine.sh("systemctl show kubelet -p ActiveState,SubState --value")
    assert shown.split() == ["activating", "auto-restart"]
    await machine.clock.wind(timedelta(seconds=11))
    machine.kubelet.fails = False
    await machine.clock.wind(timedelta(seconds=10))
    assert machine.kubelet.runs
    assert await machine.sh("systemctl show kubelet -p NRestarts,ActiveState --value") == (
        "2\nactive\n"
    )


async def test_a_start_whose_first_step_fails_is_a_job_that_failed(machine: Machine) -> None:
    path = "/etc/systemd/system/kubelet.service.d/99-broken.conf"
    machine.files.write(path, f"[Service]\nExecStartPre=/bin/sh -c 'test ! -e {CONFIG}'\n".encode())
    code, said = await machine.fails("systemctl daemon-reload; systemctl restart kubelet")
    assert code == 1
    assert said.startswith("Job for kubelet.service failed because the control process exited")
    assert not machine.kubelet.runs


async def test_killed_it_comes_back(machine: Machine) -> None:
    await machine.sh("systemctl kill --kill-whom=main --signal=KILL kubelet.service")
    assert not machine.kubelet.runs
    assert (await machine.fails("systemctl is-active kubelet"))[0] == 3
    await machine.clock.wind(timedelta(seconds=11))
    assert machine.kubelet.runs


async def test_a_kubelet_that_ends_by_itself_comes_back(machine: Machine) -> None:
    machine.kubelet.runs = False
    machine.kubelet.exited()
    assert _events(machine)[-1] == EXITED
    assert await machine.sh("systemctl show kubelet -p SubState --value") == "auto-restart\n"
    await machine.clock.wind(timedelta(seconds=11))
    assert machine.kubelet.runs


async def test_a_timer_fires_when_its_time_has_come_and_not_before(machine: Machine) -> None:
    await machine.sh(
        "systemd-run --unit=later --on-active=90 --timer-property=AccuracySec=1s "
        "--description='later on' /bin/sh -c 'echo done >/var/done; echo told'"
    )
    await machine.clock.wind(timedelta(seconds=89))
    assert not machine.files.exists("/var/done")
    assert "later.timer" in await machine.sh("systemctl list-timers 'lat*'")
    code, said = await machine.fails("systemd-run --unit=later --on-active=90 /bin/true")
    assert (code, "already loaded" in said) == (1, True)
    await machine.clock.wind(timedelta(seconds=2))
    await until(lambda: machine.files.exists("/var/done"))
    await until(lambda: "later.service" not in machine.system.units.services)
    assert await machine.sh("systemctl list-timers --all 'lat*' --no-legend") == ""
    assert "sh[" in await machine.sh("journalctl -u later.service")


async def test_a_timer_that_is_stopped_never_fires(machine: Machine) -> None:
    await machine.sh("systemd-run --unit=later --on-active=300 /bin/touch /var/done")
    await machine.sh("systemctl stop later.timer")
    await machine.clock.wind(timedelta(hours=1))
    assert not machine.files.exists("/var/done")
    assert (await machine.fails("systemctl stop later.timer"))[0] == 5


async def test_after_a_reboot_timers_are_gone_and_wanted_units_run(machine: Machine) -> None:
    boot_id = await machine.sh("cat /proc/sys/kernel/random/boot_id")
    await machine.sh(
        "systemd-run --unit=later --on-active=60 /bin/touch /var/done\n"
        "cd /etc/systemd/system\n"
        "printf '[Unit]\\nAfter=kubelet.service\\nConditionPathExists=/var/armed\\n"
        "[Service]\\nType=oneshot\\nExecStart=/bin/rm /var/armed\\n' >undo.service\n"
        "mkdir multi-user.target.wants; ln -s ../undo.service multi-user.target.wants/undo.service"
    )
    await machine.system.reboot()
    assert await machine.sh("cat /proc/sys/kernel/random/boot_id") != boot_id
    await until(lambda: any("unmet condition" in line.message for line in machine.system.journal))
    await machine.clock.wind(timedelta(hours=1))
    assert not machine.files.exists("/var/done")
    machine.files.write("/var/armed", b"")
    await machine.system.reboot()
    await until(lambda: not machine.files.exists("/var/armed"))


async def test_a_folder_may_be_full_and_free_again(machine: Machine) -> None:
    await machine.sh("mkdir /var/lib/kubelet/.k; echo old >/var/lib/kubelet/.k/old")
    await machine.system.fill("/var/lib/kubelet/.k")
    assert "No space left" in (await machine.fails("cat /etc/hostname >/var/lib/kubelet/.k/new"))[1]
    assert await machine.sh("cat /var/lib/kubelet/.k/old") == "old\n"
    await machine.system.free()
    await machine.sh("cat /etc/hostname >/var/lib/kubelet/.k/new")
    assert await machine.sh("ls -A /var/lib/kubelet/.k") == "new\nold\n"


async def test_what_it_does_not_know_it_says(machine: Machine) -> None:
    assert "not supported by the lab's nodes" in (await machine.fails("systemctl hibernate"))[1]
    assert "not supported by the lab's nodes" in (await machine.fails("journalctl -f"))[1]
    assert (await machine.fails("systemctl start nothing"))[1].strip().endswith("not found.")
    assert await machine.sh("systemctl show nothing -p LoadState") == "LoadState=not-found\n"


_HOLDER = """
import asyncio, os, sys
from pathlib import Path
from lab.tests.nodes.conftest import Machine
from tests.support.clocks import SteppedClock
async def main():
    machine = Machine(Path(sys.argv[1]), SteppedClock())
    await machine.system.boot()
    sleeping = await machine.system.namespace.spawn(("/bin/sh", "-c", "echo $$; sleep 1000 & wait"))
    await sleeping.stdout.readline()
    waiting = await machine.system.namespace.spawn(("/bin/sh", "-c", "sleep 1000"))
    print(machine.system.namespace._holder.pid, sleeping.pid, waiting.pid, flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


async def test_nothing_of_it_outlives_a_lab_that_is_killed(
    machine: Machine, tmp_path: Path
) -> None:
    lab = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOLDER, str(tmp_path / "other")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert lab.stdout
    pids = [int(word) for word in (await asyncio.wait_for(lab.stdout.readline(), 60)).split()]
    assert len(pids) == 3
    lab.send_signal(signal.SIGKILL)
    await lab.wait()
    await until(lambda: not any(_alive(pid) for pid in pids))


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX" and os.path.exists(f"/proc/{pid}")  # noqa: PTH110


async def test_the_service_manager_tells_a_units_files_and_their_changes(
    machine: Machine,
) -> None:
    folder = "/etc/systemd/system/kubelet.service"
    shown = await machine.sh(
        "systemctl show kubelet -p FragmentPath,DropInPaths,EnvironmentFiles,NeedDaemonReload"
    )
    assert shown.splitlines() == [
        f"FragmentPath={folder}",
        f"DropInPaths={folder}.d/10-kubeadm.conf",
        "EnvironmentFiles=/var/lib/kubelet/kubeadm-flags.env (ignore_errors=yes)",
        "EnvironmentFiles=/etc/default/kubelet (ignore_errors=yes)",
        "NeedDaemonReload=no",
    ]
    needed = "systemctl show kubelet -p NeedDaemonReload --value"
    for change in (f"mkdir -p {folder}.d; : >{folder}.d/20.conf", f"rm {folder}.d/20.conf"):
        await machine.sh(change)
        assert await machine.sh(needed) == "yes\n"
        assert await machine.sh(f"systemctl restart kubelet; {needed}") == "yes\n"
        assert await machine.sh(f"systemctl daemon-reload; {needed}") == "no\n"


async def test_a_replaced_program_shows_as_deleted_until_the_next_start(
    machine: Machine,
) -> None:
    unit = "/etc/systemd/system/kubelet.service.d/20.conf"
    machine.files.write(unit, b"[Service]\nExecStart=\nExecStart=/opt/kubelet --a=1\n")
    machine.files.write("/opt/kubelet", b"one\n", 0o755)
    await machine.sh("systemctl daemon-reload; systemctl restart kubelet")
    exe = "readlink /proc/$(systemctl show kubelet -p MainPID --value)/exe"
    assert await machine.sh(exe) == "/opt/kubelet\n"
    await machine.sh("echo two >/opt/new; mv /opt/new /opt/kubelet")
    assert await machine.sh(exe) == "/opt/kubelet (deleted)\n"
    assert await machine.sh(f"systemctl restart kubelet; {exe}") == "/opt/kubelet\n"
