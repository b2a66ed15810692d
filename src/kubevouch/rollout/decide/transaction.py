"""The change of one node as a script: rendered here by pure code, sent by any transport, run by `sh` there.

What the script does, and in which order, stands in transaction.sh and undo.sh.
"""

import shlex
from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files

import msgspec

from kubevouch.evidence.survey import script_text
from kubevouch.node.script import Script


class TransactionStep(StrEnum):
    """A step of the script. Each is idempotent."""

    BEGIN = "begin"
    COMMIT = "commit"
    UNDO = "undo"


class TransactionState(StrEnum):
    """The state of a node after a step."""

    BEGUN = "begun"
    COMMITTED = "committed"
    UNDONE = "undone"
    HALF = "half"
    """An undo did not put everything back; the run is still armed, and may be undone again."""

    NOTHING = "nothing"
    """The run has changed nothing on this node, and from now on never will."""

    BUSY = "busy"
    """Another call runs on this node: try again."""

    REFUSED = "refused"
    """The step changed nothing; `why` says what prevented it."""


class TransactionAnswer(msgspec.Struct, frozen=True):
    """The one line that the script prints. Texts are sent in base64, which msgspec decodes."""

    outcome: TransactionState
    why: bytes
    active: bytes
    pid: int

    @property
    def reason(self) -> str:
        """Why, for a person."""
        return self.why.decode(errors="replace").strip()

    @property
    def kubelet_runs(self) -> bool:
        """Whether it is active, as systemd says."""
        return self.active == b"active"


class Seed(msgspec.Struct, frozen=True):
    """The pair that keeps the port answering while the CSR waits. None: copy the node's own kubelet.crt."""

    chain_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return "<seed pair>"


class NodeChange(msgspec.Struct, frozen=True):
    """The change of one node, as the script takes it."""

    run: str
    machine_id: str
    identity_path: str
    """The file with the kubelet's client certificate."""

    identity_sha256: str
    """Of its CERTIFICATE blocks, as `survey` saw them."""

    root: str
    pki: str
    config: str
    config_sha256: str
    content: bytes
    """The whole new config.yaml."""

    content_sha256: str
    switch_seconds: int
    """After this many seconds the node undoes it by itself, unless committed."""

    units: str = "/etc/systemd/system"
    """Where a unit is put that undoes it after a restart of the machine."""


def render(
    action: TransactionStep, change: NodeChange, seed: Seed | None
) -> Script[TransactionAnswer]:
    """The script for one call. With a seed it carries a key: it is sent on a pipe and never written down."""
    place = {
        "run": change.run,
        "root": change.root,
        "pki": change.pki,
        "config": change.config,
        "after": change.content_sha256,
        "units": change.units,
    }
    root_owned = script_text("root_owned.sh")
    undo_script = _assigned(place) + root_owned + _text("undo.sh")
    words = place | {
        "places": _assigned({name: place[name] for name in ("root", "pki", "config")}),
        "action": action.value,
        "machine": change.machine_id,
        "identity": change.identity_path,
        "identity_sha": change.identity_sha256,
        "before": change.config_sha256,
        "content": b64encode(change.content).decode(),
        "seed": "fresh" if seed else "copy",
        "seed_crt": b64encode(seed.chain_pem).decode() if seed else "",
        "seed_key": b64encode(seed.key_pem).decode() if seed else "",
        "undo_script": b64encode(undo_script.encode()).decode(),
        "switch": str(change.switch_seconds),
    }
    return Script(
        name=f"transaction ({action.value})",
        text=_assigned(words) + script_text("identity.sh") + root_owned + _text("transaction.sh"),
        answer=TransactionAnswer,
    )


def _assigned(words: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())


def _text(name: str) -> str:
    return files("kubevouch.rollout").joinpath(name).read_text(encoding="utf-8")
