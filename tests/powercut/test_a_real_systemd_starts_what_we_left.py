"""The power fails at each state of a run, and a real systemd starts the node from what lies on its disk then.

The scripts are the real ones, run against that systemd; in the place of the kubelet stands a service that writes down with
which files it was started.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubevouch.node.script import Script, answer_in
from kubevouch.rollout.decide.transaction import (
    Seed,
    TransactionAnswer,
    TransactionState,
    TransactionStep,
    render,
)
from real import clock, needs, rootfs
from real.errors import MissingNeed
from real.layout import Folders
from real.machine_apart import MachineApart
from real.placing import Placed
from tests.rollout.conftest import CHAIN, CONFIG, IDENTITY, IDENTITY_KEY, KEY, Machine

pytestmark = pytest.mark.long

ROOT = "/var/lib/kubelet"
CONFIGURATION = f"{ROOT}/config.yaml"
NEW = CONFIG + b"serverTLSBootstrap: true\n"
MACHINE_ID = "6d9a5f1e0c8b4a7d9e2f3b4c5d6e7f80"
RUN = "run1"
RECORD = f"{ROOT}/.kubevouch/{RUN}"
UNIT = f"kubevouch-undo-at-boot-{RUN}.service"
SWITCH_SECONDS = 600
"""Longer than any of this takes: it is the start that puts the node back."""

ISSUED = b"the issued pair\n"
ISSUED_FILE = f"{ROOT}/pki/kubelet-server-2026-11-26-10-00-00.pem"
CURRENT = f"{ROOT}/pki/kubelet-server-current.pem"
STARTS = "/var/log/kubelet-starts"
BROKEN = "/var/lib/kubelet-is-broken"
KUBELET = f"""#!/bin/sh
[ -s {CONFIGURATION} ] && [ ! -e {BROKEN} ] || exit 1
printf '%s %s %s\\n' "$(cat /proc/sys/kernel/random/boot_id)" "$(sha256sum <{CONFIGURATION} | cut -d' ' -f1)" \\
  "$(cd {ROOT}/pki && echo kubelet-server*)" >>{STARTS}
exec sleep infinity
"""
KUBELET_UNIT = """[Unit]
Description=stands in the place of the kubelet
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
# It stops where the run becomes what it is to be left as; there the power fails.
CUTTING = f"""#!/bin/sh
case "$BEFORE $*" in "yes "*/{RUN}/"$LEFT") : >/run/cut; exec sleep infinity ;; esac
/bin/mv "$@" || exit
case "$BEFORE $*" in "no "*/{RUN}/"$LEFT") : >/run/cut; exec sleep infinity ;; esac
"""


@dataclass(frozen=True)
class KubeletStart:
    """One start of what stands in the place of the kubelet: in which start of the machine, and what it found."""

    boot: str
    config: str
    pairs: str


@pytest.fixture(scope="module")
def debian() -> Path:
    folders = Folders.of(os.environ)
    try:
        needs.require(folders)
        needs.install()
    except MissingNeed as lacks:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(lacks))
    return rootfs.build(folders)


@pytest.fixture
def node(debian: Path, tmp_path: Path) -> Iterator[MachineApart]:
    machine = MachineApart(tmp_path / "apart", debian)
    machine.place(_files())
    yield machine
    machine.cut()


def _files() -> list[Placed]:
    pki = f"{ROOT}/pki"
    wants = "/etc/systemd/system/multi-user.target.wants"
    return [
        Placed("/etc/machine-id", f"{MACHINE_ID}\n".encode(), 0o444),
        Placed("/usr/local/bin/kubelet", KUBELET.encode(), 0o755),
        Placed("/opt/cutting/mv", CUTTING.encode(), 0o755),
        Placed("/etc/systemd/system/kubelet.service", KUBELET_UNIT.encode()),
        Placed(f"{wants}/kubelet.service", link="../kubelet.service"),
        Placed(CONFIGURATION, CONFIG, 0o640),
        Placed(f"{pki}/kubelet.crt", b"the old chain\n"),
        Placed(f"{pki}/kubelet.key", KEY, 0o600),
        Placed(f"{pki}/kubelet-client-2026.pem", IDENTITY + IDENTITY_KEY, 0o600),
        Placed(f"{pki}/kubelet-client-current.pem", link="kubelet-client-2026.pem"),
        Placed(f"{pki}/kubelet-server-2025.pem", b"an expired pair\n", 0o600),
        Placed(CURRENT, link="kubelet-server-2025.pem"),
    ]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _script(action: TransactionStep) -> Script[TransactionAnswer]:
    change = Machine(Path("/var/lib")).change(
        machine_id=MACHINE_ID, switch_seconds=SWITCH_SECONDS, units="/etc/systemd/system"
    )
    seed = Seed(
        certificate=f"{ROOT}/pki/kubelet.crt",
        certificate_sha256=_digest(b"the old chain\n"),
        key=f"{ROOT}/pki/kubelet.key",
        not_before=0,
        not_after=2**31,
        chain_pem=CHAIN,
    )
    return render(action, change, seed)


def call(node: MachineApart, action: TransactionStep) -> TransactionState:
    """A call of the script that comes to its end."""
    script = _script(action)
    said = node.sh("exec sh -s", stdin=script.sealed(), check=False)
    answer = answer_in(said.stdout.encode(), script, where="node", complaint=said.stderr)
    assert answer.reason == "", answer
    return answer.outcome


def cut_off(node: MachineApart, action: TransactionStep, state: str, *, before: bool) -> None:
    """A call during which the power fails: once the run is in that state, or right before it would be."""
    said = f"LEFT={state} BEFORE={'yes' if before else 'no'} PATH=/opt/cutting:$PATH"
    entered = [*node.entering(), "sh", "-c", f"{said} exec sh -s"]
    with subprocess.Popen(entered, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as calling:
        assert calling.stdin
        calling.stdin.write(_script(action).sealed())
        calling.stdin.close()
        clock.until(f"{state} on the node", lambda: is_there(node, "/run/cut"), seconds=120)
        node.cut()


def is_there(node: MachineApart, path: str) -> bool:
    return node.sh('[ -e "$1" ]', path, check=False).returncode == 0


def kubelet_writes_what_was_issued(node: MachineApart) -> None:
    node.sh(
        'cat >"$1" && chmod 600 "$1" && ln -sf "$1" "$2.new" && mv -T "$2.new" "$2"',
        ISSUED_FILE,
        CURRENT,
        stdin=ISSUED,
    )


def starts(node: MachineApart) -> list[KubeletStart]:
    """Of what stands in the place of the kubelet, in this start of the machine."""
    boot = node.sh("cat /proc/sys/kernel/random/boot_id").stdout.strip()
    text = node.sh(f"cat {STARTS} 2>/dev/null || :").stdout
    found = [KubeletStart(*line.split(" ", 2)) for line in text.splitlines()]
    return [each for each in found if each.boot == boot]


def is_settled(node: MachineApart) -> bool:
    """Nothing is to be started any more, and nothing of ours runs."""
    jobs = node.sh("systemctl list-jobs --no-legend").stdout.strip()
    ours = node.sh("systemctl list-units --no-legend 'kubevouch-*'").stdout.strip()
    return not jobs and not ours


def begun(node: MachineApart) -> int:
    """How often systemd has started our unit in this start of the machine."""
    said = node.sh(f"journalctl --no-pager -b -o cat -u {UNIT} || :").stdout
    return said.count(f"Started {UNIT}")


def assert_as_before(node: MachineApart) -> None:
    """The kubelet's own files, and what is left of ours."""
    assert node.sh(f"cat {CONFIGURATION}").stdout.encode() == CONFIG
    assert node.sh(f"cd {ROOT}/pki && ls").stdout.split() == [
        *("kubelet-client-2026.pem", "kubelet-client-current.pem"),
        *("kubelet-server-2025.pem", "kubelet-server-current.pem", "kubelet.crt", "kubelet.key"),
    ]
    assert node.sh("find /etc/systemd /run/systemd -name 'kubevouch*'").stdout == ""


def ends_as_before(node: MachineApart) -> None:
    """What runs now has read the former files."""
    clock.until("the end of the run", lambda: is_settled(node), seconds=240)
    assert_as_before(node)
    assert starts(node)[-1].config == _digest(CONFIG)


STATES = {
    "prepared": (TransactionStep.BEGIN, "armed", True),
    "armed": (TransactionStep.BEGIN, "armed", False),
    "written": (TransactionStep.BEGIN, "written", False),
    "restarted": (TransactionStep.BEGIN, "restarted", False),
}


@pytest.mark.parametrize("state", STATES)
def test_its_unit_puts_the_node_back_once_and_removes_itself(
    node: MachineApart, state: str
) -> None:
    action, left, before = STATES[state]
    with node.on():
        clock.until("the kubelet", lambda: len(starts(node)) == 1, seconds=120)
        cut_off(node, action, left, before=before)
    with node.on():
        ends_as_before(node)
        assert begun(node) == 1
        assert is_there(node, f"{RECORD}/{'prepared' if state == 'prepared' else 'undone'}")
        assert node.sh("systemctl is-active kubelet.service").stdout.strip() == "active"
        # What was started first may have read what the run had written.
        found = starts(node)
        assert len(found) == (1 if state == "prepared" else 2)
        assert {each.config for each in found} <= {_digest(CONFIG), _digest(NEW)}
        if state == "restarted":
            assert found[0].config == _digest(NEW)
            assert "kubelet-server.crt kubelet-server.key" in found[0].pairs
    with node.on():
        clock.until("the kubelet", lambda: len(starts(node)) == 1, seconds=120)
        clock.until("the end of the start", lambda: is_settled(node), seconds=120)
        assert begun(node) == 0
        assert_as_before(node)


def test_its_unit_finishes_the_commit_of_a_run_that_was_proven(node: MachineApart) -> None:
    with node.on():
        clock.until("the kubelet", lambda: len(starts(node)) == 1, seconds=120)
        assert call(node, TransactionStep.BEGIN) is TransactionState.BEGUN
        kubelet_writes_what_was_issued(node)
        cut_off(node, TransactionStep.COMMIT, "verified", before=False)
    with node.on():
        clock.until("the end of the run", lambda: is_settled(node), seconds=240)
        assert is_there(node, f"{RECORD}/committed")
        assert begun(node) == 1
        assert node.sh(f"cat {CONFIGURATION}").stdout.encode() == NEW
        assert node.sh(f"cat {CURRENT}").stdout.encode() == ISSUED
        assert not is_there(node, f"{ROOT}/pki/kubelet-server.crt")
        assert node.sh("find /etc/systemd -name 'kubevouch*'").stdout == ""
        assert [each.config for each in starts(node)] == [_digest(NEW)]


def test_it_tries_again_until_the_kubelet_stays_up(node: MachineApart) -> None:
    """The former configuration is back by then; the pairs come back last."""
    with node.on():
        clock.until("the kubelet", lambda: len(starts(node)) == 1, seconds=120)
        node.sh(f": >{BROKEN}")
        cut_off(node, TransactionStep.BEGIN, "written", before=False)
    with node.on():
        clock.until("a second try", lambda: begun(node) >= 2, seconds=240)
        assert node.sh(f"cat {CONFIGURATION}").stdout.encode() == CONFIG
        assert is_there(node, f"{RECORD}/written")
        assert is_there(node, f"/etc/systemd/system/multi-user.target.wants/{UNIT}")
        node.sh(f"rm {BROKEN}")
        clock.until("the end of the run", lambda: is_there(node, f"{RECORD}/undone"), seconds=240)
        ends_as_before(node)


# The kubelet's folder comes by a mount of its own, once the disk is there, and the start of the machine does not wait for it.
LATE_DISK = [
    Placed(
        "/etc/fstab",
        f"/srv/kubelet {ROOT} none bind,nofail,x-systemd.requires=disk.service 0 0\n".encode(),
    ),
    Placed(
        "/etc/systemd/system/disk.service",
        b"[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\n"
        b"ExecStart=/bin/sh -c 'until [ -e /run/disk-is-there ]; do [ ! -e /run/disk-is-lost ] || exit 1; sleep 0.2; done'\n",
    ),
]


@pytest.fixture
def node_with_a_late_disk(node: MachineApart) -> MachineApart:
    """What lies in the kubelet's folder lies on that disk."""
    node.place(LATE_DISK)
    (node.disk / "srv").mkdir()
    (node.disk / "var/lib/kubelet").rename(node.disk / "srv/kubelet")
    (node.disk / "var/lib/kubelet").mkdir()
    return node


def cut_off_with_its_disk(node: MachineApart) -> None:
    with node.on():
        node.sh(": >/run/disk-is-there")
        clock.until("the kubelet", lambda: len(starts(node)) == 1, seconds=120)
        cut_off(node, TransactionStep.BEGIN, "restarted", before=False)


def test_it_waits_for_the_disk_on_which_the_kubelets_folder_lies(
    node_with_a_late_disk: MachineApart,
) -> None:
    node = node_with_a_late_disk
    cut_off_with_its_disk(node)
    with node.on():
        waiting = node.sh("systemctl list-jobs --no-legend").stdout
        assert f"{UNIT} " in waiting, waiting
        assert begun(node) == 0
        node.sh(": >/run/disk-is-there")
        ends_as_before(node)
        assert begun(node) == 1


def test_where_that_disk_does_not_come_it_can_be_started_once_it_is_there(
    node_with_a_late_disk: MachineApart,
) -> None:
    """systemd then starts nothing that relies on it, and does not try again by itself."""
    node = node_with_a_late_disk
    cut_off_with_its_disk(node)
    with node.on():
        node.sh(": >/run/disk-is-lost")
        clock.until("the end of the start", lambda: is_settled(node), seconds=240)
        assert begun(node) == 0
        assert is_there(node, f"/etc/systemd/system/{UNIT}")
        node.sh("mv /run/disk-is-lost /run/disk-is-there && systemctl start disk.service")
        node.sh(f"systemctl start {UNIT}")
        ends_as_before(node)
