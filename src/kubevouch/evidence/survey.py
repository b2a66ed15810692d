"""The survey of a node: its disk and its kubelet, read on the node by survey.sh, which changes nothing."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from kubevouch.node.script import Script

UNITS = "/etc/systemd/system"
"""Where a machine keeps units of its own."""

ARMED_STATES = ("armed", "written", "restarted", "verified")
"""The states of a run that has begun on a node and has not ended there (rollout/run_state.sh)."""

RUN_NAME = r"[0-9a-f]{4,32}"
"""How runs are called: a regular expression."""


def check_run_name(name: bytes) -> None:
    """Raises ValueError for what no run is called: such names come into commands that an operator copies."""
    if not re.fullmatch(RUN_NAME.encode(), name):
        raise ValueError(f"{name!r} is not the name of a run")  # msgspec says where


# How long a text of an honest node can be: names of files and paths by Linux (NAME_MAX, PATH_MAX).
_Name = Annotated[bytes, msgspec.Meta(max_length=255)]
_Path = Annotated[bytes, msgspec.Meta(max_length=4096)]
_Lines = Annotated[bytes, msgspec.Meta(max_length=4 * 4096)]
_CommandLine = Annotated[bytes, msgspec.Meta(max_length=128 * 1024)]
_Word = Annotated[str, msgspec.Meta(max_length=64)]

# Times within the range of Python's datetime.
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**33)]


class SurveyedFile(msgspec.Struct, frozen=True):
    """A file, link or folder of the node. Texts are sent in base64, which msgspec decodes."""

    path: _Path
    kind: Literal["file", "link", "folder", "other"]
    size: int
    device: int
    modified: Moment
    """Seconds since 1970."""

    target: _Path = b""
    sha256: _Word = ""
    content: bytes = b""
    """The content of a configuration file; the CERTIFICATE blocks of a pki file."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.decode(errors="replace").rpartition("/")[2]

    @property
    def text_path(self) -> str:
        """Its path, for a person."""
        return self.path.decode(errors="replace")


_OneFile = Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=1)]


class SurveyedUnit(msgspec.Struct, frozen=True):
    """kubelet.service as systemd shows it. `active` is empty if there is no systemd."""

    active: _Name
    pid: int
    age: Annotated[float, msgspec.Meta(ge=0, le=2**31)]
    """Seconds since its main process started; 0 where that is not known."""


class SurveyedTimes(msgspec.Struct, frozen=True):
    """When a file was last written, and last changed in any way, by the node's clock; of a link, whichever end is later."""

    path: _Path
    written: Moment
    changed: Moment

    @property
    def text_path(self) -> str:
        """Its path, for a person."""
        return self.path.decode(errors="replace")


class SurveyedStart(msgspec.Struct, frozen=True):
    """What the next start of kubelet.service goes by."""

    needs_reload: _Name = b""
    """`yes`: the unit on the disk is not the one that systemd has read (NeedDaemonReload)."""

    executable: _Lines = b""
    """The file that the process runs, as /proc names it: with ` (deleted)` behind it where another has taken its place."""

    program: _Lines = b""
    """The file that ExecStart names."""

    other_program: _Name = b""
    """`yes`: that is another file than the process runs, and no script."""

    swaps: _Lines = b""
    """Devices and files that are swapped to, one a line."""

    unit_files: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=64)] = ()
    """The unit, its drop-ins and the files that its environment comes from."""

    programs: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=1)] = ()
    """The file that ExecStart names, if it is there."""

    configuration: Annotated[tuple[SurveyedTimes, ...], msgspec.Meta(max_length=2)] = ()
    """The file of --config as it is named there, and the folder of --config-dir."""


class SurveyedRun(msgspec.Struct, frozen=True):
    """A run of `apply` with a run folder on the node."""

    run: bytes
    state: _Name
    fires: Moment = 0
    """When the switch of an armed run puts the node back, by the node's own clock; 0 where that is not known."""

    def __post_init__(self) -> None:
        check_run_name(self.run)

    @property
    def is_armed(self) -> bool:
        """It has begun there and has not ended: the node may still be put back, or its commit be finished."""
        return self.state.decode(errors="replace") in ARMED_STATES


class SurveyedIdentity(msgspec.Struct, frozen=True):
    """The kubelet's client certificate, which names the machine's node."""

    path: _Path
    pem: bytes


class NodeSurvey(msgspec.Struct, frozen=True):
    """The output of survey.sh."""

    machine_id: _Lines
    hostname: _Name
    clock: Moment
    missing: _Lines
    """Tools that the change needs but the machine lacks."""

    unit: SurveyedUnit
    argv: _CommandLine
    """The kubelet's command line as in /proc, with a NUL after each argument."""

    identity: SurveyedIdentity

    runs: Annotated[tuple[SurveyedRun, ...], msgspec.Meta(max_length=100)]
    root: _OneFile
    pki: _OneFile
    config: _OneFile
    drop_ins: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=16)]
    certificates: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=1000)]

    no_kubelet: _Lines = b""
    """Why no process is the kubelet's beyond doubt; empty if one is. Without one there are no words, root or config."""

    next_start: SurveyedStart = SurveyedStart()

    no_boot_unit: _Lines = b""
    """Why no unit can be kept for the next start of the machine; empty if one can."""

    unsafe: _Lines = b""
    """The first folder to be written to, or the kubelet's file, that others than root can change, and how; empty if only root can."""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of the kubelet's command line."""
        return tuple(word.decode(errors="replace") for word in self.argv.split(b"\0") if word)

    def kubelet_started(self, at: datetime) -> datetime | None:
        """When the running kubelet started, by our clock. at: when the survey was made."""
        return at - timedelta(seconds=self.unit.age) if self.unit.age else None

    def skew(self, at: datetime) -> timedelta:
        """How far the node's clock is ahead of ours (whole seconds, and the time the answer took)."""
        return datetime.fromtimestamp(self.clock, UTC) - at


def script_text(name: str) -> str:
    """A shell fragment of this room: the transaction of `rollout` uses `identity.sh`, `root_owned.sh` and `run_marker.sh`, too."""
    return files("kubevouch.evidence").joinpath(name).read_text(encoding="utf-8")


def survey(proc: str = "/proc", units: str = UNITS) -> Script[NodeSurvey]:
    """The script, ready to be run. proc: where that machine shows its processes. units: where it keeps its own units."""
    fragments = ("identity.sh", "root_owned.sh", "run_marker.sh", "kubelet_process.sh", "survey.sh")
    text = f"proc={shlex.quote(proc)}\nunits={shlex.quote(units)}\n" + "".join(
        script_text(name) for name in fragments
    )
    return Script(name="survey", text=text, answer=NodeSurvey)
