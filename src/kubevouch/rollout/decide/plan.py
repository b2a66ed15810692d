"""The plan: the changes of each node, bound to one cluster and its machines.

It is a file that one person reads and another may sign off, so everything that will be done is in it, and no secret.
The state of a run is kept in its folder on each node; the plan only says where to look.
"""

import re
import unicodedata
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Literal

import msgspec

from kubevouch.errors import UsageError
from kubevouch.policy.claims import Claim

SCHEMA = "kubevouch.plan/1"
EXPECTED = "a file written by `kubevouch fix --plan` was expected"
_RUN = re.compile(r"[0-9a-f]{4,32}")
_NOT_SEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_MACHINE = re.compile(r"[0-9A-Za-z-]{1,64}")


class ChangeKind(StrEnum):
    """The kind of a node's change."""

    BOOTSTRAP = "bootstrap"
    """serverTLSBootstrap is off: one line in config.yaml, a seed, a restart, and the approval of its CSR."""

    APPROVE = "approve"
    """It is on and the CSR waits: nothing is written and nothing restarted; the newest CSR is approved."""


class SeedKind(StrEnum):
    """The seed that keeps the port answering while the CSR waits."""

    COPY = "copy"
    """The node's own self-signed pair is still good."""

    FRESH = "fresh"
    """A new one in the same form, good for a day."""


class ClusterBinding(msgspec.Struct, frozen=True):
    """The cluster that the plan is for. Any other is refused, whatever its context is called."""

    context: str
    server: str
    cluster_uid: str
    """UID of the namespace kube-system: there is no other name of a cluster."""

    ca_sha256: str
    """Of the certificates that pods trust (kube-root-ca.crt)."""

    version: str


class NodePlan(msgspec.Struct, frozen=True):
    """The plan of one node."""

    node: str
    uid: str
    machine_id: str
    host: str
    """The host given to ssh."""

    host_key: str
    """Fingerprint of the ssh host key that answered; empty where the transport shows none."""

    control_plane: bool
    kubelet_version: str
    change: ChangeKind
    dial: tuple[str, ...]
    """Addresses at which the certificate must be seen on the wire."""

    port: int
    names: tuple[Claim, ...]
    addresses: tuple[Claim, ...]
    root: str = ""
    pki: str = ""
    config: str = ""
    config_sha256: str = ""
    content_sha256: str = ""
    diff: str = ""
    seed: SeedKind = SeedKind.FRESH
    aside: tuple[str, ...] = ()
    """Old kubelet-server* files that are moved aside and come back with an undo."""

    interruption: str = ""
    known_as: str = ""
    """The name under which the planner's known_hosts has the host key; empty where the transport shows none."""


class LeftOut(msgspec.Struct, frozen=True):
    """A node that this plan does not touch, and why. is_well: it needs nothing."""

    node: str
    reason: str
    is_well: bool = False
    armed_run: str = ""
    """The run that is armed on it; empty if it is not armed."""

    seen_outside: bool = False
    """The reason shows in the API or on the wire: doctor says more about it."""


class ConfigMapPlan(msgspec.Struct, frozen=True):
    """The kubelet-config ConfigMap, which decides how later joiners start. Changed last."""

    name: str
    uid: str
    resource_version: str
    before: str
    after: str
    diff: str


class Plan(msgspec.Struct, frozen=True):
    """A plan."""

    run: str
    made_at: datetime
    made_by: str
    """Version of kubevouch."""

    via: Literal["ssh", "local"]
    ssh_config: str
    ssh_user: str
    cluster: ClusterBinding
    nodes: tuple[NodePlan, ...]
    left_out: tuple[LeftOut, ...]
    config_map: ConfigMapPlan | None
    config_map_note: str
    """Why there is no change of the ConfigMap, or what comes with it."""

    approver: str
    """The approver of kubelets' CSRs on this cluster; empty if there is none."""

    notices: tuple[str, ...] = ()
    schema: str = msgspec.field(default=SCHEMA, name="schemaVersion")


def ordered(nodes: tuple[NodePlan, ...]) -> tuple[NodePlan, ...]:
    """The nodes with workers first and control planes last, otherwise in the plan's order."""
    return tuple(sorted(nodes, key=lambda each: each.control_plane))


def text_of(plan: Plan) -> str:
    """The plan as JSON, for a person and for `fix --apply`."""
    text = msgspec.json.format(msgspec.json.encode(plan), indent=2).decode() + "\n"
    return "".join(_escaped(each) if _hidden(each) else each for each in text)


def plan_in(data: bytes, where: str) -> Plan:
    """The plan in these bytes, which come from `where`. Raises UsageError if they are no valid plan, or one of another schema."""
    try:
        if hidden := next(filter(_hidden, data.decode()), ""):
            seen = f"holds a character that does not show, U+{ord(hidden):04X}"
            raise UsageError(where, seen, EXPECTED)
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(where, f"is not a valid plan: {error}", EXPECTED) from None
    if plan.schema != SCHEMA:
        raise UsageError(where, f"has schema {plan.schema!r}", f"{SCHEMA!r} was expected")
    if problem := _problem(plan):
        raise UsageError(where, problem, EXPECTED)
    return plan


def _hidden(character: str) -> bool:
    """Whether no person sees it as it is: controls, changes of direction, zero width, what has no glyph.

    A plan is signed off by people: what they read must be what is there.
    """
    if character.isprintable() or character in "\n\r\t":
        return False
    return unicodedata.category(character) in _NOT_SEEN


def _escaped(character: str) -> str:
    """As JSON does it, outside the first plane by two surrogates (RFC 8259, section 7)."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def _problem(plan: Plan) -> str:
    """Why this plan must not be carried out; empty if nothing is wrong with it."""
    if not _RUN.fullmatch(plan.run):
        return f"the run is named {plan.run!r}"
    names = [node.node for node in plan.nodes]
    if not names and not plan.left_out:
        return "it names no node"
    if len(set(names)) != len(names):
        return "a node stands there twice"
    if plan.via == "ssh" and (keyless := [node.node for node in plan.nodes if not node.host_key]):
        return f"{keyless[0]}: no ssh host key"
    return next((why for node in plan.nodes if (why := _node_problem(node))), "")


def _node_problem(node: NodePlan) -> str:
    if not all(_is_address(entry.value) for entry in node.addresses):
        return f"{node.node}: not a valid IP address"
    if not _MACHINE.fullmatch(node.machine_id):
        return f"{node.node}: {node.machine_id!r} is not a machine id"
    if not 0 < node.port < 65536 or not node.dial:
        return f"{node.node}: no address and port to dial"
    paths = (node.root, node.pki, node.config) if node.change is ChangeKind.BOOTSTRAP else ()
    if not all(path.startswith("/") and ".." not in path.split("/") for path in paths):
        return f"{node.node}: a path that is not absolute"
    return ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
