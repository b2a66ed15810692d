"""Renders the script that changes one node. Pure.

The script is transaction.sh with the node's values, run_state.sh, undo.sh and some shared shell
functions. Any transport can send it to the node, where `sh` runs it.
"""

from base64 import b64encode
from enum import StrEnum

import msgspec

from kubevouch.evidence.survey import UNITS, script_text
from kubevouch.kubelet.splice import ChangedLine
from kubevouch.node.script import Script, assigned, node_text
from kubevouch.rollout.decide.plan import DiskChange
from kubevouch.x509.kinds import NODE_PREFIX

_HERE = "kubevouch.rollout"
_COMMON_NAME = bytes.fromhex("0603550403")
"""The object identifier of the common name, 2.5.4.3, in DER."""


LONGEST_SCRIPT = 90.0
"""The time limit of one call of the script, in seconds."""

UNDONE_BEFORE = "undone before"
"""The reason that the script returns if the run was already undone (end_run in transaction.sh)."""


class TransactionStep(StrEnum):
    """The step that one call of the script carries out. Each step is idempotent."""

    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    """Undoes the run unless it finished on the node. A committed or verified change stays."""

    UNDO = "undo"
    """Undoes the run even if it finished on the node."""


class TransactionState(StrEnum):
    """The state of a node after a step."""

    BEGUN = "begun"
    COMMITTED = "committed"
    UNDONE = "undone"
    HALF = "half"
    """An undo did not restore everything. The run is still armed, and can be undone again."""

    NOTHING = "nothing"
    """The run has changed nothing on this node.

    A rollback or undo then leaves a marker, so a later `begin` of the same run is refused, for
    example one that is still in transit.
    """

    BUSY = "busy"
    """Another call of the script is running on this node. The caller may retry."""

    REFUSED = "refused"
    """The step changed nothing, for the reason in `why`."""


class TransactionAnswer(msgspec.Struct, frozen=True):
    """The line that the script prints. Texts are base64, which msgspec decodes."""

    outcome: TransactionState
    why: bytes
    pid: int

    @property
    def reason(self) -> str:
        """The reason in `why`, decoded."""
        return node_text(self.why)


class Seed(msgspec.Struct, frozen=True):
    """The certificate and key that the kubelet serves until its CSR is signed.

    The key is already on the node.
    """

    certificate: str
    """The path of the key's current certificate on the node."""

    certificate_sha256: str
    """The digest of the certificate's file when the survey read it."""

    key: str
    """The path of the key on the node. We never read the key."""

    not_before: int
    not_after: int
    """When the seed certificate expires, in Unix seconds. The node compares `not_before` and
    `not_after` with its own clock."""

    chain_pem: bytes = b""
    """The seed certificate and its throw-away CA, in PEM; empty if the node's own certificate is used."""


class NodeChange(DiskChange, frozen=True, kw_only=True):
    """The change of one node, for the script: what the plan writes on its disk, and how."""

    run: str
    node: str
    """The node's name. The kubelet's current client certificate must be for system:node:NAME."""

    machine_id: str
    identity_path: str
    """The path of the kubelet's client certificate."""

    content: bytes
    """The whole new config.yaml."""

    switch_seconds: int
    """Seconds after which the node undoes the change by itself, unless it is verified."""

    units: str = UNITS
    """The folder for a systemd unit that ends the run after a reboot."""

    boot_unit: bool = True
    """Whether the unit can be installed in the folder `units`."""

    line: ChangedLine | None = None
    """The only line that differs in the new config.yaml; None if more than one line differs."""

    asks_anyhow: bool = False
    """Whether a drop-in or a flag turns serverTLSBootstrap on, so that an undo cannot turn it off."""

    former_until: int = 0
    """When the certificate that the run moves aside expires, in Unix seconds; 0 if it moves none.

    Until then, an undo restores that certificate even if the kubelet still requests certificates.
    """


def render(
    action: TransactionStep, change: NodeChange, seed: Seed | None, *, fence: int = 0
) -> Script[TransactionAnswer]:
    """The script for one call. seed: needed for BEGIN; contains no private key.

    fence: the fencing number of the Lease's holder; 0 without a Lease. The node refuses a number
    that is lower than the highest number that it has seen.
    """
    place = {
        "run": change.run,
        "root": change.root,
        "pki": change.pki,
        "config": change.config,
        "units": change.units,
        "asks": "yes" if change.asks_anyhow else "",
    }
    shared = script_text("root_owned.sh") + script_text("run_marker.sh")
    shared += script_text("run_state.sh", _HERE)
    undo_script = assigned(place) + shared + script_text("undo.sh", _HERE)
    line = change.line or ChangedLine(b"", b"")
    words = place | {
        "places": assigned({name: place[name] for name in ("root", "pki", "config")}),
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
        text=assigned(words)
        + script_text("identity.sh")
        + shared
        + script_text("transaction.sh", _HERE),
        answer=TransactionAnswer,
    )


def _holder_forms(node: str) -> tuple[str, ...]:
    """The node's common name in DER, in hexadecimal: as UTF8String and as PrintableString."""
    name = f"{NODE_PREFIX}{node}".encode()
    size = len(name)
    more = (size.bit_length() + 7) // 8
    length = bytes([size]) if size < 0x80 else bytes([0x80 + more]) + size.to_bytes(more, "big")
    return tuple((_COMMON_NAME + tag + length + name).hex() for tag in (b"\x0c", b"\x13"))
