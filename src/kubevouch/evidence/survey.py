"""The survey of a node: its disk and its kubelet, read on the node by survey.sh, which changes nothing."""

import hashlib
import shlex
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from kubevouch.node.script import Script

# Times within the range of Python's datetime.
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**33)]


class SurveyedFile(msgspec.Struct, frozen=True):
    """A file, link or folder of the node. Texts are sent in base64, which msgspec decodes."""

    path: bytes
    kind: Literal["file", "link", "folder", "other"]
    mode: str
    """Octal, as `stat -c %a` prints it."""

    uid: int
    gid: int
    size: int
    device: int
    modified: Moment
    """Seconds since 1970."""

    target: bytes = b""
    sha256: str = ""
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


class SurveyedUnit(msgspec.Struct, frozen=True):
    """kubelet.service as systemd shows it. `active` is empty if there is no systemd."""

    active: bytes
    pid: int
    age: Annotated[float, msgspec.Meta(ge=0, le=2**31)]
    """Seconds since its main process started; 0 where that is not known."""

    restarts: int


class SurveyedRun(msgspec.Struct, frozen=True):
    """A run of `fix` with a run folder on the node."""

    run: bytes
    state: bytes
    fires: Moment = 0
    """When the switch of an armed run puts the node back, by the node's own clock; 0 where that is not known."""


class SurveyedIdentity(msgspec.Struct, frozen=True):
    """The kubelet's client certificate, which names the machine's node."""

    path: bytes
    pem: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the PEM text, which the transaction compares."""
        return hashlib.sha256(self.pem).hexdigest()


class NodeSurvey(msgspec.Struct, frozen=True):
    """The output of survey.sh."""

    machine_id: bytes
    hostname: bytes
    boot_id: bytes
    clock: Moment
    missing: bytes
    """Tools that the change needs but the machine lacks."""

    unit: SurveyedUnit
    argv: bytes
    """The kubelet's command line as in /proc, with a NUL after each argument."""

    identity: SurveyedIdentity

    addresses: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=1000)]
    runs: Annotated[tuple[SurveyedRun, ...], msgspec.Meta(max_length=100)]
    root: tuple[SurveyedFile, ...]
    pki: tuple[SurveyedFile, ...]
    config: tuple[SurveyedFile, ...]
    drop_ins: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=16)]
    certificates: Annotated[tuple[SurveyedFile, ...], msgspec.Meta(max_length=1000)]

    no_kubelet: bytes = b""
    """Why no process is the kubelet's beyond doubt; empty if one is. Without one there are no words, root or config."""

    unsafe: bytes = b""
    """The first folder to be written to that others than root could change, and how; empty if there is none."""

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
    """A shell fragment of this room: the transaction of `rollout` uses `identity.sh` and `root_owned.sh`, too."""
    return files("kubevouch.evidence").joinpath(name).read_text(encoding="utf-8")


def survey(proc: str = "/proc") -> Script[NodeSurvey]:
    """The script, ready to be run. proc: where that machine shows its processes."""
    fragments = ("identity.sh", "root_owned.sh", "kubelet_process.sh", "survey.sh")
    text = f"proc={shlex.quote(proc)}\n" + "".join(script_text(name) for name in fragments)
    return Script(name="survey", text=text, answer=NodeSurvey)
