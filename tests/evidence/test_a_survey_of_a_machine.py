"""survey.sh on a made-up machine: folders on this disk, a process that looks like a kubelet, real shells and tools.

What must hold whatever lies there: the answer can be read, and no line of a key is in it.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.x509 import read_certificates
from tests.rollout.recorded import recorded
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority
from tests.support.local_shell import Local
from tests.support.roots_own import roots_own_folder
from tests.support.self_signed import kubelet_self_signed
from tests.support.shells import FIRST_SHELL, SHELLS, becomes_sh

PAIR = kubelet_self_signed("worker-1", MOMENT, MOMENT + timedelta(days=365))
CLIENT = Authority().client("system:node:worker-1", "system:nodes")
SECRET = "SECRETsecretSECRETsecretSECRETsecretSECRETsecretSECRETsecretSECR"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\nAAAA\n-----END EC PRIVATE KEY-----\n"
CERTIFICATE = PAIR.chain.decode()
HALF = "".join(CERTIFICATE.splitlines(keepends=True)[:3])


@dataclass
class Machine:
    """Its kubelet is a shell that waits; its service manager a script that knows that shell's number.

    /proc is a folder of the machine's own, since only systemd puts a process into the cgroup of a service.
    """

    folder: Path
    flags: tuple[str, ...] = ()
    shells: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "lib kubelet"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def process(self) -> Path:
        """What /proc shows of the kubelet."""
        return self.folder / "proc" / str(self.shells[-1].pid)

    def runs(self, *flags: str, cgroup: str = "0::/system.slice/kubelet.service\n") -> None:
        """A kubelet with these words behind its name."""
        kubelet = self.starts(*flags, cgroup=cgroup)
        self.service_manager_says(main_pid=kubelet.pid)

    def starts(self, *flags: str, cgroup: str) -> subprocess.Popen[bytes]:
        """A process named kubelet, with these words behind its name."""
        argv = ["kubelet", "-c", "read nothing", *flags]
        kubelet = subprocess.Popen(argv, executable="/bin/sh", stdin=subprocess.PIPE)
        self.shells.append(kubelet)
        self.process.mkdir(parents=True)
        (self.process / "cmdline").symlink_to(f"/proc/{kubelet.pid}/cmdline")
        (self.process / "cgroup").write_text(cgroup)
        return kubelet

    def tool(self, name: str, script: str) -> None:
        """A program that is found before the machine's own."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)

    def service_manager_says(self, *, main_pid: int, active: str = "active") -> None:
        """What systemctl shows of kubelet.service."""
        self.tool(
            "systemctl",
            f'case "$*" in *MainPID*) echo MainPID={main_pid} ;; *ActiveState*) echo ActiveState={active} ;;\n'
            "*Monotonic*) echo ExecMainStartTimestampMonotonic=1000000 ;;\n"
            f'*) while IFS= read -r line; do case $line in "${{3#--property=}}="*) printf "%s\\n" "$line" ;; esac; done '
            f"<{self.folder}/shown ;; esac\n",
        )

    def runs_as_kubeadm_starts_it(self, *more: str) -> None:
        self.runs(
            f"--kubeconfig={self.folder}/kubelet.conf",
            f"--config={self.root}/config.yaml",
            f"--root-dir={self.root}",
            "--cert-dir",
            str(self.pki),
            *more,
        )

    async def survey(self, path: str | None = None) -> NodeSurvey:
        environment = {"PATH": path or f"{self.folder}/bin:{os.environ['PATH']}"}
        transport = Local(environment=environment)
        script = survey(str(self.folder / "proc"), str(self.folder / "units"))
        return (await transport.run_script("worker-1", script, timeout=120)).answer


@pytest.fixture
def machine() -> Iterator[Machine]:
    with roots_own_folder() as folder:
        machine = _machine(folder)
        yield machine
        for shell in machine.shells:
            shell.communicate(timeout=60)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, machine: Machine) -> None:
    """`sh` is the shell in question."""
    becomes_sh(request.param, machine.folder / "bin")


def _machine(folder: Path) -> Machine:
    machine = Machine(folder)
    machine.pki.mkdir(parents=True)
    (folder / "proc").mkdir()
    (folder / "shown").touch()
    (folder / "proc" / "uptime").write_text("100000.00 200000.00\n")
    (machine.root / "config.yaml").write_text("kind: KubeletConfiguration\n")
    (machine.pki / "kubelet.crt").write_bytes(PAIR.chain)
    (machine.pki / "kubelet.key").write_text(KEY)
    (machine.pki / "kubelet.key").chmod(0o600)
    combined = machine.pki / "kubelet-client-2026.pem"
    combined.write_bytes(CLIENT.chain + KEY.encode())
    (machine.pki / "kubelet-client-current.pem").symlink_to(combined)
    (folder / "kubelet.conf").write_text(
        f"users:\n- user:\n    client-certificate: {machine.pki}/kubelet-client-current.pem\n"
    )
    return machine


def shown(survey: NodeSurvey) -> bytes:
    """Every text of the answer."""
    files = (*survey.root, *survey.pki, *survey.config, *survey.drop_ins, *survey.certificates)
    texts = [each for file in files for each in (file.content, file.path, file.target)]
    return b"\0".join([*texts, survey.identity.pem, survey.argv, survey.missing])


async def test_what_is_there_is_told(machine: Machine) -> None:
    for run, files in (
        ("abc1", ("committed",)),
        ("abc2", ()),
        ("abc3", ("undo.sh", "restarted")),
        ("abc4", ("undo.sh", "undone")),
        ("abc5", ("undone",)),
        ("abc6", ("undo.sh", "verified")),
        # As no run is called.
        ("a;touch PWNED #", ("undo.sh", "armed")),
        ("ABCD", ("undo.sh", "armed")),
        ("abc", ("undo.sh", "armed")),
    ):
        (machine.root / ".kubevouch" / run).mkdir(parents=True)
        for name in files:
            (machine.root / ".kubevouch" / run / name).touch()
    (machine.root / ".kubevouch" / "abc3" / "fires").write_text("1795629115")
    machine.runs_as_kubeadm_starts_it()
    seen = await machine.survey()
    assert seen.machine_id.decode().strip() == Path("/etc/machine-id").read_text().strip()
    assert (seen.unit.active, seen.unit.pid) == (b"active", machine.shells[0].pid)
    assert seen.unit.age > 0
    assert seen.words[3:] == (
        f"--kubeconfig={machine.folder}/kubelet.conf",
        f"--config={machine.root}/config.yaml",
        f"--root-dir={machine.root}",
        "--cert-dir",
        str(machine.pki),
    )
    [config] = seen.config
    assert (config.content, config.kind) == (b"kind: KubeletConfiguration\n", "file")
    assert config.sha256 == hashlib.sha256(config.content).hexdigest()
    assert [(each.run, each.state, each.fires) for each in seen.runs] == [
        (b"abc1", b"committed", 0),
        (b"abc2", b"unfinished", 0),
        (b"abc3", b"restarted", 1795629115),
        (b"abc4", b"undone", 0),
        (b"abc5", b"barred", 0),
        (b"abc6", b"verified", 0),
    ]
    assert [each.run for each in seen.runs if each.is_armed] == [b"abc3", b"abc6"]
    by_name = {each.name: each for each in seen.certificates}
    assert list(by_name) == [
        "kubelet-client-2026.pem",
        "kubelet-client-current.pem",
        "kubelet.crt",
        "kubelet.key",
    ]
    assert by_name["kubelet.crt"].content == PAIR.chain
    assert by_name["kubelet.key"].content == b""
    link = by_name["kubelet-client-current.pem"]
    assert (link.kind, link.target.decode()) == ("link", f"{machine.pki}/kubelet-client-2026.pem")
    assert seen.identity.pem == link.content == CLIENT.chain
    assert SECRET.encode() not in shown(seen)


# Files that a kubelet's pki folder may hold: what is shown of each must be certificates, whole ones, and no key.
ODD_FILES = {
    "key after half a certificate": HALF + KEY + CERTIFICATE,
    "key on the line of half a certificate": HALF.rstrip("\n") + KEY + CERTIFICATE,
    "key between certificates": CERTIFICATE + KEY + CERTIFICATE,
    "key first": KEY + CERTIFICATE,
    "no newline at the end": CERTIFICATE + KEY.rstrip("\n"),
    "certificate without its last newline": KEY + CERTIFICATE.rstrip("\n"),
    "CR LF": (CERTIFICATE + KEY).replace("\n", "\r\n"),
    "CR alone": (CERTIFICATE + KEY).replace("\n", "\r"),
    "all on one line": (CERTIFICATE + KEY).replace("\n", " "),
    "begins of both on one line": f"-----BEGIN CERTIFICATE-----{KEY}-----END CERTIFICATE-----\n",
    "a key in a certificate's lines": f"-----BEGIN CERTIFICATE-----\n{KEY}-----END CERTIFICATE-----\n",
    "a key with four dashes": HALF + KEY.replace("-----BEGIN", "----BEGIN") + CERTIFICATE,
    "a key with headers": HALF + KEY.replace("KEY-----\n", "KEY-----\nProc-Type: 4\n\n") + CERTIFICATE,
    "indented": "".join(f"  {line}\n" for line in (KEY + CERTIFICATE).splitlines()),
    "text around": f"subject: x\n{CERTIFICATE}some text\n{KEY}",
    "NUL bytes": CERTIFICATE + "\0" + KEY + "\0" + CERTIFICATE,
    "PKCS#8": CERTIFICATE + KEY.replace("EC PRIVATE", "PRIVATE"),
    "only a key": KEY,
    "only half a certificate": HALF,
    "empty": "",
}  # fmt: skip


async def test_no_line_of_a_key_is_ever_shown(machine: Machine) -> None:
    for name, content in ODD_FILES.items():
        (machine.pki / f"{name}.pem").write_bytes(content.encode())
        (machine.root / f"{name}.conf").write_text(f"client-certificate: {machine.pki}/{name}.pem")
    machine.runs_as_kubeadm_starts_it()
    seen = await machine.survey()
    assert SECRET.encode() not in shown(seen)
    files = {each.name.removesuffix(".pem"): each for each in seen.certificates}
    assert set(ODD_FILES) <= set(files)
    for name in ODD_FILES:
        public = files[name].content
        assert public.count(b"BEGIN") == public.count(b"END CERTIFICATE")
        if public:
            assert len(read_certificates(public, name)) == public.count(b"BEGIN"), name
    for whole in (
        "key between certificates",
        "key first",
        "no newline at the end",
        "CR LF",
        "PKCS#8",
    ):
        assert files[whole].content, whole


@pytest.mark.parametrize("name", ODD_FILES)
async def test_nor_where_it_says_whose_machine_it_is(machine: Machine, name: str) -> None:
    """The kubelet's client certificate: a file that a kubeconfig names, or one embedded in it."""
    odd = machine.folder / "odd.pem"
    odd.write_bytes(ODD_FILES[name].encode())
    embedded = base64.b64encode(ODD_FILES[name].encode()).decode()
    for text in (f"client-certificate: {odd}\n", f"client-certificate-data: {embedded}\n"):
        (machine.folder / "kubelet.conf").write_text(f"users:\n- user:\n    {text}{KEY}")
        machine.runs(f"--kubeconfig={machine.folder}/kubelet.conf", f"--cert-dir={machine.folder}")
        seen = await machine.survey()
        assert SECRET.encode() not in shown(seen)


STRANGE = (
    "with 'quotes' and \"more\"",
    "with\nnewline",
    " blanks at both ends ",
    "$(touch x)`y`",
    "ü\\n%s",
    "*",
)


async def test_strange_names_stay_names(machine: Machine) -> None:
    drop_ins = machine.folder / "drop ins"
    (drop_ins / "deeper").mkdir(parents=True)
    for name in STRANGE:
        (machine.pki / name).write_bytes(PAIR.chain)
        (drop_ins / f"{name}.conf").write_text(name)
    (drop_ins / "deeper" / "10.conf").write_text("deeper")
    (drop_ins / "deeper.conf").write_text("deeper too")
    (drop_ins / "README").write_text("no drop-in")
    os.mkfifo(machine.pki / "pipe")
    (machine.pki / "dangling").symlink_to("no such\nfile")
    machine.runs_as_kubeadm_starts_it("--config-dir", str(drop_ins))
    seen = await machine.survey()
    files = {each.path.decode().removeprefix(f"{machine.pki}/"): each for each in seen.certificates}
    for name in STRANGE:
        assert files[name].content == PAIR.chain, name
    assert files["pipe"].kind == "other"
    assert (files["dangling"].kind, files["dangling"].target) == ("link", b"no such\nfile")
    walked = [each.content.decode() for each in seen.drop_ins]
    assert sorted(walked) == sorted([*STRANGE, "deeper", "deeper too"])
    # The kubelet's own order: by name within a folder, and "deeper" is the name of a folder.
    assert walked.index("deeper too") == walked.index("deeper") + 1
    flat = [each.path for each in seen.drop_ins if b"deeper" not in each.path]
    assert flat == sorted(flat)
    assert not (machine.folder / "x").exists()


async def test_a_flag_is_read_as_the_kubelet_reads_it(machine: Machine) -> None:
    other = machine.folder / "other pki"
    other.mkdir()
    (other / "here.crt").write_bytes(PAIR.chain)
    machine.runs(
        f"--cert-dir={machine.pki}", "--config", str(machine.root / "none"), "-cert-dir", str(other)
    )
    seen = await machine.survey()
    assert [each.name for each in seen.certificates] == ["here.crt"]
    assert seen.config == ()


async def test_a_folder_of_units_that_is_missing_or_does_not_last_is_told(machine: Machine) -> None:
    assert (
        await machine.survey()
    ).no_boot_unit == f"the folder {machine.folder}/units does not exist".encode()
    (machine.folder / "units").mkdir()
    assert (await machine.survey()).no_boot_unit == b""
    (machine.folder / "units").rmdir()
    (machine.folder / "units").symlink_to("/proc/sys")
    assert b"units cannot be written" in (await machine.survey()).no_boot_unit
    (machine.folder / "units").unlink()
    (machine.folder / "units").symlink_to("/dev/shm")
    assert b"units does not survive a reboot" in (await machine.survey()).no_boot_unit


async def test_missing_tools_are_named_and_the_answer_can_still_be_read(
    machine: Machine, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shell = shutil.which("sh")
    assert shell is not None
    for tool in ("sh", "base64", "tr"):
        (bare / tool).symlink_to(shutil.which(tool) or shell)
    seen = await machine.survey(path=str(bare))
    missing = set(seen.missing.decode().split())
    assert {"systemctl", "flock", "sha256sum", "stat"} <= missing
    assert "base64" not in missing


def test_times_are_by_our_own_clock() -> None:
    found = recorded("expired-worker").survey
    unit = msgspec.structs.replace(found.unit, age=90.5)
    seen = msgspec.structs.replace(found, unit=unit, clock=int(MOMENT.timestamp()) + 7)
    assert seen.kubelet_started(MOMENT) == MOMENT - timedelta(seconds=90.5)
    assert seen.skew(MOMENT) == timedelta(seconds=7)


CGROUPS = {
    "v2": ("0::/system.slice/kubelet.service\n", True),
    "v1": ("12:pids:/system.slice\n1:name=systemd:/system.slice/kubelet.service\n", True),
    "both at once": (
        "9:name=systemd:/system.slice/kubelet.service\n8:pids:/\n1:cpu:/\n0::/system.slice/kubelet.service\n",
        True,
    ),
    "a container's systemd, seen whole": (
        "1:name=systemd:/machine.slice/machine-n1.scope/payload/system.slice/kubelet.service\n",
        True,
    ),
    "a service with cgroups of its own below": ("0::/system.slice/kubelet.service/main\n", True),
    "a pod": (
        "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-0123.scope\n",
        False,
    ),
    "a pod on v1, whose other lines are the service's": (
        "2:cpu:/system.slice/kubelet.service\n1:name=systemd:/kubepods/burstable/pod1/0123\n0::/\n",
        False,
    ),
    "another service": ("0::/system.slice/snap.kubelet-worker.service\n", False),
    "one that begins like it": ("0::/system.slice/kubelet.service.d\n", False),
    "the root": ("0::/\n", False),
    "nothing to read": ("", False),
}  # fmt: skip


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("shell", FIRST_SHELL, indirect=True)
@pytest.mark.parametrize("name", CGROUPS)
async def test_only_the_cgroup_of_its_service_makes_a_kubelet(machine: Machine, name: str) -> None:
    cgroup, is_kubelet = CGROUPS[name]
    machine.runs(f"--config={machine.root}/config.yaml", cgroup=cgroup)
    seen = await machine.survey()
    assert bool(seen.words) is bool(seen.config) is bool(seen.unit.pid) is is_kubelet
    pid = machine.shells[0].pid
    last = next((line.partition("systemd:")[2] for line in cgroup.splitlines() if "systemd:" in line),
                cgroup.partition("0::")[2].strip()) or "(unreadable)"  # fmt: skip
    assert seen.no_kubelet.decode() == (
        ""
        if is_kubelet
        else f"process {pid}, the main process of kubelet.service, is in the cgroup {last}, "
        "not in the unit's cgroup"
    )


@pytest.mark.parametrize("active", ["inactive", "failed", "activating"])
async def test_a_pods_process_named_kubelet_is_not_the_kubelet(
    machine: Machine, active: str
) -> None:
    """The kubelet is stopped, and a pod has a `kubelet` that points at what it wants to be read and run as root."""
    empty_dir = machine.folder / "emptydir"
    (empty_dir / ".kubevouch" / "abc1").mkdir(parents=True)
    (empty_dir / ".kubevouch" / "abc1" / "armed").touch()
    secret = machine.folder / "shadow"
    secret.write_text(SECRET)
    pods = "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-0123.scope\n"
    impostor = machine.starts(f"--config={secret}", f"--root-dir={empty_dir}", cgroup=pods)
    machine.service_manager_says(main_pid=0, active=active)
    machine.tool("pidof", f"echo {impostor.pid}\n")
    seen = await machine.survey()
    assert SECRET.encode() not in shown(seen)
    assert (seen.words, seen.config, seen.root, seen.runs, seen.unit.pid) == ((), (), (), (), 0)
    assert seen.no_kubelet.decode() == f"kubelet.service has no main process (it is {active})"


async def test_a_machine_without_systemd_has_no_kubelet_to_be_told(machine: Machine) -> None:
    machine.starts(f"--config={machine.root}/config.yaml", cgroup="0::/\n")
    machine.tool("systemctl", "exit 1\n")
    seen = await machine.survey()
    assert (seen.words, seen.unit.active, seen.unit.pid) == ((), b"", 0)
    assert b"no systemd" in seen.no_kubelet


UNSAFE: dict[str, tuple[Callable[[Machine], object], str]] = {
    "nothing": (lambda machine: machine.root.chmod(0o755), ""),
    "root-dir": (lambda machine: machine.root.chmod(0o777), "lib kubelet is writable by users other than root (mode 777)"),
    "sticky": (lambda machine: machine.folder.chmod(0o1777), "is writable by users other than root (mode 1777)"),
    "the runs' folder": (lambda machine: (machine.root / ".kubevouch").chmod(0o770), ".kubevouch is writable by users"),
    "one run's folder": (lambda machine: (machine.root / ".kubevouch" / "abc1").chmod(0o702), "abc1 is writable by users"),
    "a link to a run": (lambda machine: (machine.root / ".kubevouch" / "abc2").symlink_to("/etc"), "abc2 is not a folder, or is a link"),
    "pki": (lambda machine: machine.pki.chmod(0o772), "pki is writable by users other than root (mode 772)"),
    "config": (lambda machine: (machine.folder / "etc").chmod(0o757), "etc is writable by users other than root (mode 757)"),
    "config.yaml": (lambda machine: (machine.folder / "etc" / "config.yaml").chmod(0o646), "etc/config.yaml is writable by users other than root (mode 646)"),
}  # fmt: skip


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("shell", FIRST_SHELL, indirect=True)
@pytest.mark.parametrize("name", UNSAFE)
async def test_a_folder_that_others_could_change_is_told(machine: Machine, name: str) -> None:
    (machine.root / ".kubevouch" / "abc1").mkdir(parents=True)
    (machine.root / ".kubevouch" / "abc1" / "armed").touch()
    (machine.folder / "etc").mkdir()
    (machine.folder / "etc" / "config.yaml").write_text("kind: KubeletConfiguration\n")
    (machine.root / "config.yaml").unlink()
    (machine.root / "config.yaml").symlink_to(machine.folder / "etc" / "config.yaml")
    make, expected = UNSAFE[name]
    make(machine)
    machine.runs_as_kubeadm_starts_it()
    seen = await machine.survey()
    assert expected in seen.unsafe.decode()
    assert bool(seen.unsafe) is bool(expected)
    assert [each.run for each in seen.runs] == ([] if expected else [b"abc1"])


@pytest.mark.usefixtures("shell")
async def test_what_the_next_start_goes_by_is_told(machine: Machine) -> None:
    etc, program = machine.folder / "etc", machine.folder / "usr" / "kubelet"
    (etc / "environment").mkdir(parents=True)
    program.parent.mkdir()
    program.write_bytes(b"\x7fELF")
    for name in ("kubelet.service", "10.conf", "flags.env", "environment/a b.env", "environment/c.env"):  # fmt: skip
        (etc / name).touch()
    os.utime(etc / "10.conf", (1000, 1000))
    (etc / "20.conf").symlink_to(etc / "10.conf")
    (machine.folder / "shown").write_text(
        f"NeedDaemonReload=yes\nFragmentPath={etc}/kubelet.service\nDropInPaths={etc}/10.conf {etc}/20.conf {etc}/none\n"
        f"EnvironmentFiles={etc}/flags.env (ignore_errors=no)\nEnvironmentFiles={etc}/environment/*.env (ignore_errors=yes)\n"
        f"ExecStart={{ path={program} ; argv[]={program} $ARGS ; ignore_errors=no ; pid=0 }}\n"
    )
    machine.runs_as_kubeadm_starts_it()
    (machine.process / "exe").symlink_to(f"{program} (deleted)")
    (machine.folder / "proc" / "swaps").write_text(
        "Filename\t\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n/swap.img file 1 0 -3\n"
    )
    start = (await machine.survey()).next_start
    assert (start.needs_reload, start.program) == (b"yes", str(program).encode())
    assert start.executable == f"{program} (deleted)".encode()
    assert start.swaps == b"/dev/sda2\n/swap.img"
    by_name = {each.text_path.removeprefix(f"{etc}/"): each for each in start.unit_files}
    assert list(by_name) == ["kubelet.service", "10.conf", "20.conf", "flags.env", "environment/a b.env", "environment/c.env"]  # fmt: skip
    assert by_name["10.conf"].written == 1000
    assert by_name["10.conf"].changed > 1_700_000_000
    assert by_name["20.conf"].written > 1_700_000_000  # the link's own time
    assert [each.text_path for each in start.programs] == [str(program)]
    assert [each.text_path for each in start.configuration] == [str(machine.root / "config.yaml")]
    assert start.other_program == b"no"  # that file is not there to be compared


@pytest.mark.parametrize(
    ("content", "other"), [(b"\x7fELF", b"yes"), (b"#!/bin/sh\n", b"no")], ids=["other", "script"]
)
async def test_a_program_beside_the_running_one_is_told_unless_it_is_a_script(
    machine: Machine, content: bytes, other: bytes
) -> None:
    program = machine.folder / "kubelet"
    program.write_bytes(content)
    (machine.folder / "shown").write_text(f"ExecStart={{ path={program} ; argv[]={program} ; }}\n")
    machine.runs_as_kubeadm_starts_it()
    (machine.process / "exe").symlink_to("/bin/sh")
    assert (await machine.survey()).next_start.other_program == other
    (machine.process / "exe").unlink()
    (machine.process / "exe").symlink_to(program)
    assert (await machine.survey()).next_start.other_program == b"no"
