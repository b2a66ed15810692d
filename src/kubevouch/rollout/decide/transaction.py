"""The change of one node as a script: pure code renders it, any transport sends it, `sh` runs it there.

transaction.sh, run_state.sh and undo.sh say what the script does, in which order.
"""

import shlex
from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files

import msgspec

from kubevouch.evidence.survey import UNITS, script_text
from kubevouch.kubelet.splice import ChangedLine
from kubevouch.node.script import Script, node_text
from kubevouch.x509.kinds import NODE_PREFIX

_COMMON_NAME = bytes.fromhex("0603550403")
"""The object identifier 2.5.4.3 in DER."""


LONGEST_SCRIPT = 90.0
"""Seconds for a call of the script."""

UNDONE_BEFORE = "undone before"
"""A rollback's reason for a run that it finds already undone (end_run in transaction.sh)."""


class TransactionStep(StrEnum):
    """A step of the script. Each is idempotent."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    """Undoes the run if it did not finish on the node; a committed or verified change stays."""

    UNDO = "undo"
    """Undoes the run even if it finished on the node."""


class TransactionState(StrEnum):
    """The state of a node after a step."""

    BEGUN = "begun"
    COMMITTED = "committed"
    UNDONE = "undone"
    HALF = "half"
    """An undo did not restore everything; the run is still armed, and may be undone again."""

    NOTHING = "nothing"
    """The run has changed nothing on this node, and never will."""

    BUSY = "busy"
    """Another call runs on this node: try again."""

    REFUSED = "refused"
    """The step changed nothing; `why` says what prevented it."""


class TransactionAnswer(msgspec.Struct, frozen=True):
    """The one line that the script prints. Texts are base64, which msgspec decodes."""

    outcome: TransactionState
    why: bytes
    pid: int

    @property
    def reason(self) -> str:
        """Why, for a person."""
        return node_text(self.why)


class Seed(msgspec.Struct, frozen=True):
    """The pair that keeps the port answering while the CSR waits: a certificate for a key that the node already has."""

    certificate: str
    """The file on the node with the key's present certificate."""

    certificate_sha256: str
    """The hash of that file when its public key was read."""

    key: str
    """The file on the node with the key. We never read it."""

    not_before: int
    not_after: int
    """The validity of the seed's certificate, in seconds since 1970. The node compares with its
    own clock."""

    chain_pem: bytes = b""
    """The certificate and its throw-away CA's; empty if the node's own certificate will do."""


class NodeChange(msgspec.Struct, frozen=True):
    """The change of one node, for the script."""

    run: str
    node: str
    """The node's name: its kubelet's client certificate is that of system:node:NAME, whichever
    it is by now."""

    machine_id: str
    identity_path: str
    """The file with the kubelet's client certificate."""

    root: str
    pki: str
    config: str
    config_sha256: str
    content: bytes
    """The whole new config.yaml."""

    content_sha256: str
    switch_seconds: int
    """After this many seconds the node undoes it by itself, unless committed."""

    units: str = UNITS
    """Where to put a unit that ends the run after a restart of the machine."""

    boot_unit: bool = True
    """That folder can hold one."""

    line: ChangedLine | None = None
    """The new config.yaml's only different line; None if the difference is not one line."""

    asks_anyhow: bool = False
    """Something else than that file turns serverTLSBootstrap on, so an undo cannot turn it off."""

    former_until: int = 0
    """When the pair that is moved away ends, in seconds since 1970; 0 if no pair is. Until then
    an undo restores it even if the kubelet still requests certificates."""


def render(
    action: TransactionStep, change: NodeChange, seed: Seed | None, *, fence: int = 0
) -> Script[TransactionAnswer]:
    """The script for one call. seed: what a BEGIN needs. It carries no key.

    fence: a number that grows with each holder of the cluster's Lease; the node refuses one lower
    than any that it has seen. 0: there is no Lease.
    """
    place = {
        "run": change.run,
        "root": change.root,
        "pki": change.pki,
        "config": change.config,
        "units": change.units,
        "asks": "yes" if change.asks_anyhow else "",
    }
    shared = "".join(
        (script_text("root_owned.sh"), script_text("run_marker.sh"), _text("run_state.sh"))
    )
    undo_script = _assigned(place) + shared + _text("undo.sh")
    line = change.line or ChangedLine(b"", b"")
    words = place | {
        "places": _assigned({name: place[name] for name in ("root", "pki", "config")}),
        "action": action.value,
        "fence": str(fence),
        "machine": change.machine_id,
        "identity": change.identity_path,
        "node": change.node,
        "holder": " ".join(_holder_forms(change.node)),
        "before": change.config_sha256,
        "after": change.content_sha256,
        "content": b64encode(change.content).decode(),
        "line_ours": b64encode(line.ours).decode(),
        "line_before": b64encode(line.before).decode(),
        "seed_certificate": seed.certificate if seed else "",
        "seed_sha": seed.certificate_sha256 if seed else "",
        "seed_key": seed.key if seed else "",
        "seed_from": str(seed.not_before if seed else 0),
        "seed_until": str(seed.not_after if seed else 0),
        "former_until": str(change.former_until),
        "seed_chain": b64encode(seed.chain_pem).decode() if seed else "",
        "undo_script": b64encode(undo_script.encode()).decode(),
        "switch": str(change.switch_seconds),
        "boot_unit": "yes" if change.boot_unit else "",
    }
    return Script(
        name=f"transaction ({action.value})",
        text=_assigned(words) + script_text("identity.sh") + shared + _text("transaction.sh"),
        answer=TransactionAnswer,
    )


def _holder_forms(node: str) -> tuple[str, ...]:
    """The common name of that node's client certificates in hexadecimal DER: as UTF8String, and as PrintableString."""
    name = f"{NODE_PREFIX}{node}".encode()
    size = len(name)
    more = (size.bit_length() + 7) // 8
    length = bytes([size]) if size < 0x80 else bytes([0x80 + more]) + size.to_bytes(more, "big")
    return tuple((_COMMON_NAME + tag + length + name).hex() for tag in (b"\x0c", b"\x13"))


def _assigned(words: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())


def _text(name: str) -> str:
    return files("kubevouch.rollout").joinpath(name).read_text(encoding="utf-8")
