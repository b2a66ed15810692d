"""The output of survey.sh, which inspects a node's disk and kubelet without changing anything."""

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from kubevouch.node.script import Script, assigned

UNITS = "/etc/systemd/system"
"""The folder for systemd units that an administrator installs."""

ARMED_STATES = ("armed", "written", "restarted", "verified")
"""The states of a run on a node while its dead-man's switch is armed, in order (rollout/run_state.sh)."""

RUN_NAME = r"[0-9a-f]{4,32}"
"""A regular expression for the names of runs."""


def check_run_name(name: bytes) -> None:
    """Raises ValueError for an invalid run name. We print run names in commands for operators to copy."""
    if not re.fullmatch(RUN_NAME.encode(), name):
        raise ValueError(f"{name!r} is not a valid run name")  # msgspec says where


# The longest texts of an honest node: file names and paths on Linux (NAME_MAX, PATH_MAX).
_Name = Annotated[bytes, msgspec.Meta(max_length=255)]
_Path = Annotated[bytes, msgspec.Meta(max_length=4096)]
_Lines = Annotated[bytes, msgspec.Meta(max_length=4 * 4096)]
_CommandLine = Annotated[bytes, msgspec.Meta(max_length=128 * 1024)]
_Short = Annotated[str, msgspec.Meta(max_length=64)]

# Times within the range of Python's datetime.
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**33)]


class SurveyedFile(msgspec.Struct, frozen=True):
    """A file, link or folder on the node. The script outputs the `bytes` fields in base64."""

    path: _Path
    kind: Literal["file", "link", "folder", "other"]
    size: int
    device: int
    modified: Moment
    """Seconds since 1970."""

    target: _Path = b""
    sha256: _Short = ""
    content: bytes = b""
    """The content of a configuration file, or the CERTIFICATE blocks of a file in --cert-dir."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.decode(errors="replace").rpartition("/")[2]

    @property
    def text_path(self) -> str:
        """The path as text."""
        return self.path.decode(errors="replace")


_OneFile = Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=1)]


class SurveyedUnit(msgspec.Struct, frozen=True):
    """The state of kubelet.service. active: its ActiveState; empty without systemd."""

    active: _Name
    pid: int
    age: Annotated[float, msgspec.Meta(ge=0, le=2**31)]
    """Seconds since the main process started; 0 if unknown."""


class SurveyedTimes(msgspec.Struct, frozen=True):
    """mtime and ctime of a file, by the node's clock. For a link, the later of the link's and the target's time."""

    path: _Path
    written: Moment
    changed: Moment

    @property
    def text_path(self) -> str:
        """The path as text."""
        return self.path.decode(errors="replace")


class SurveyedStart(msgspec.Struct, frozen=True):
    """What the next start of kubelet.service will use."""

    needs_reload: _Name = b""
    """`yes` if the unit on disk differs from the unit that systemd has loaded
    (NeedDaemonReload)."""

    executable: _Lines = b""
    """The executable of the running kubelet, from /proc. It ends in ` (deleted)` if the file was replaced."""

    program: _Lines = b""
    """The program in ExecStart."""

    other_program: _Name = b""
    """`yes` if `program` differs from `executable` and is not a script."""

    swaps: _Lines = b""
    """The node's swap devices and swap files, one per line."""

    unit_files: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=64)] = ()
    """The unit, its drop-ins and its environment files."""

    programs: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=1)] = ()
    """The program in ExecStart, if it exists."""

    configuration: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=2)] = ()
    """The file in --config and the folder in --config-dir."""


class SurveyedRun(msgspec.Struct, frozen=True):
    """A run of `apply` that has a folder on the node."""

    run: bytes
    state: _Name
    fires: Moment = 0
    """When the run's dead-man's switch fires, by the node's clock; 0 if unknown."""

    def __post_init__(self) -> None:
        check_run_name(self.run)

    @property
    def is_armed(self) -> bool:
        """Whether the run has started on the node, but was neither committed nor undone."""
        return self.state.decode(errors="replace") in ARMED_STATES


class SurveyedIdentity(msgspec.Struct, frozen=True):
    """The kubelet's client certificate, which contains the Node's name."""

    path: _Path
    pem: bytes


class NodeSurvey(msgspec.Struct, frozen=True):
    """The output of survey.sh."""

    machine_id: _Lines
    hostname: _Name
    clock: Moment
    missing: _Lines
    """Command-line tools that `apply` needs, but the node lacks."""

    unit: SurveyedUnit
    argv: _CommandLine
    """The kubelet's command line from /proc, with a NUL after each argument."""

    identity: SurveyedIdentity

    runs: Annotated[tuple[SurveyedRun, ...], msgspec.Meta(max_length=100)]
    root: _OneFile
    pki: _OneFile
    config: _OneFile
    drop_ins: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=16)]
    certificates: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=1000)]

    no_kubelet: _Lines = b""
    """Why the kubelet's process is unknown; else empty. If not empty, argv, root and config are
    empty."""

    next_start: SurveyedStart = SurveyedStart()

    no_boot_unit: _Lines = b""
    """Why a new systemd unit would not survive a reboot of the node; empty if it would."""

    unsafe: _Lines = b""
    """Why users other than root can change the kubelet's configuration file, or a folder that `apply` writes to; else empty."""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of the kubelet's command line."""
        return tuple(word.decode(errors="replace") for word in self.argv.split(b"\0") if word)

    def kubelet_started(self, at: datetime) -> datetime | None:
        """When the running kubelet started, by our clock. at: the time of the survey."""
        return at - timedelta(seconds=self.unit.age) if self.unit.age else None

    def skew(self, at: datetime) -> timedelta:
        """How far the node's clock is ahead of ours, accurate to a second plus the network delay."""
        return datetime.fromtimestamp(self.clock, UTC) - at


def script_text(name: str, package: str = "kubevouch.evidence") -> str:
    """The text of a shell script in `package`. `rollout` also uses some scripts of `evidence`."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def survey(proc: str = "/proc", units: str = UNITS) -> Script[NodeSurvey]:
    """The script that surveys a node.

    proc: the machine's /proc. units: the folder for systemd units that an administrator installs.
    """
    fragments = ("identity.sh", "root_owned.sh", "run_marker.sh", "kubelet_process.sh", "survey.sh")
    text = assigned({"proc": proc, "units": units}) + "".join(map(script_text, fragments))
    return Script(name="survey", text=text, answer=NodeSurvey)
