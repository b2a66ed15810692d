"""The plan: the changes of each node, bound to one cluster and its machines.

People review a plan, so it contains everything that the run will do, and no secret. The run's state
is in its folder on each node.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from kubevouch.diagnose.make import counted
from kubevouch.errors import UsageError
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.node.destination import HOST
from kubevouch.policy.claims import AllowedNames, Claim, confirmed
from kubevouch.rollout.decide.machine import not_vouched_for
from kubevouch.rollout.errors import LeadsOn

SCHEMA: Final = "kubevouch.plan/1"

_MOST_NAMED = 8
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"


def _all_of(pattern: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"\A(?:{pattern})\Z")


RunName = Annotated[str, _all_of(RUN_NAME)]
ObjectName = Annotated[str, _all_of(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")]
"""The name of a Node or ConfigMap: an RFC 1123 subdomain (Kubernetes pkg/apis/core/validation,
ValidateNodeName)."""
Host = Annotated[str, _all_of(HOST)]
HostIfAny = Annotated[str, _all_of(f"({HOST})?")]
FolderIfAny = Annotated[str, _all_of(r"(/(?!\.\.(/|\Z))[^/\0]*)*")]
"""An absolute path without "..", or empty."""

Via = Literal["ssh", "pod"]
"""The transport with which scripts reach nodes."""


class ChangeKind(StrEnum):
    """What the run changes on a node."""

    BOOTSTRAP = "bootstrap"
    """serverTLSBootstrap is off: the run changes one line in config.yaml, installs a seed, restarts
    the kubelet, and approves its CSR."""

    APPROVE = "approve"
    """serverTLSBootstrap is on and the CSR waits: the run approves the newest CSR, and writes and
    restarts nothing."""


class ClusterBinding(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The plan's cluster. Any other cluster is refused, even if its context has the same name."""

    context: str
    server: str
    cluster_uid: str
    """The UID of the namespace kube-system, which identifies the cluster."""

    ca_sha256: str
    """The SHA-256 of the CAs that pods trust (kube-root-ca.crt)."""

    version: str


class PodPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The namespace of the pods that run scripts on nodes, and their image with its digest."""

    namespace: Annotated[str, _all_of(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")]
    image: str


class DiskChange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What the run writes on a node. All fields are empty if it writes nothing.

    config_sha256, content_sha256: the SHA-256 of config.yaml before and after the change.
    """

    root: FolderIfAny = ""
    pki: FolderIfAny = ""
    config: FolderIfAny = ""
    config_sha256: str = ""
    content_sha256: str = ""
    diff: str = ""
    aside: tuple[str, ...] = ()
    """Old kubelet-server* files that the run moves aside and an undo restores."""

    no_boot_unit: str = ""
    """Why the node cannot have a systemd unit that ends the run at the next boot; empty if it can."""


UNWRITTEN: Final = DiskChange()


class NodePlan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The plan of one node."""

    node: ObjectName
    uid: str
    machine_id: Annotated[str, _all_of("[0-9A-Za-z-]{1,64}")]
    host: Host
    """The host given to ssh."""

    host_key: str
    """The fingerprint of the node's ssh host key; empty if the transport has no keys."""

    control_plane: bool
    kubelet_version: str
    change: ChangeKind
    dial: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """The addresses at which the kubelet must serve the certificate."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    names: tuple[Claim, ...]
    addresses: tuple[Claim, ...]
    disk: DiskChange = UNWRITTEN
    known_as: str = ""
    """The host key's name in known_hosts when the plan was made; empty if the transport has no
    keys."""

    stratum: str = ""
    """The node's OS image, kubelet minor version and architecture when the plan was made.

    A run uses the current values.
    """

    @property
    def writes(self) -> bool:
        """Whether the run writes on the node and restarts its kubelet."""
        return self.change is ChangeKind.BOOTSTRAP

    @property
    def allowed(self) -> AllowedNames:
        """The names and addresses that the node's certificate may have.

        A plan contains an unproven claim only if the operator confirmed it.
        """
        return AllowedNames(self.node, self.names, self.addresses, self.control_plane)

    @property
    def vouched(self) -> tuple[str, ...]:
        """The addresses that the operator confirmed."""
        return tuple(claim.value for claim in self.addresses if claim.by_operator)


class LeftOut(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A node that the plan leaves out, and why. is_well: True if it was left out because it needs no change."""

    node: ObjectName
    reason: str
    is_well: bool = False
    armed_run: str = ""
    """The run that is armed on the node; empty if none."""

    leads_on: LeadsOn = LeadsOn.NEW_PLAN
    host: HostIfAny = ""
    """The host where the operator should look; empty if that would not help."""


class ConfigMapPlan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The change of the kubelet-config ConfigMap, which configures nodes that join later.

    The run changes the ConfigMap last.
    """

    name: ObjectName
    uid: str
    resource_version: str
    before: str
    after: str
    diff: str


class NodeOptions(msgspec.Struct, frozen=True, rename="camel"):
    """Which nodes a plan may contain, and how scripts reach them.

    ssh_config: an absolute path. ssh_config, ssh_user: empty means the operator's default.
    """

    via: Via
    ssh_config: Annotated[str, _all_of(r"[^\0]{0,4095}")]
    ssh_user: str
    ask_sudo_password: bool = False
    """Whether `apply` prompts for a sudo password."""

    pods: PodPlace | None = None
    """The namespace and image of the pods; None unless `via` is pod."""

    only: tuple[ObjectName, ...] = ()
    """The nodes that the operator selected; empty for all nodes."""

    @property
    def flags(self) -> list[str]:
        """The kubevouch flags for the same ssh configuration and login name."""
        config = ["--ssh-config", self.ssh_config] if self.ssh_config else []
        return [*config, *(["--ssh-user", self.ssh_user] if self.ssh_user else [])]

    def ssh(self, host: str, *command: str, flags: Sequence[str] = ()) -> list[str]:
        """The operator's ssh command line for that host. Without a command it opens a shell."""
        config = ["-F", self.ssh_config] if self.ssh_config else []
        user = ["-l", self.ssh_user] if self.ssh_user else []
        return ["ssh", *config, *user, *flags, "--", host, *command]


class Plan(NodeOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan: what a run will do, and on which nodes."""

    run: RunName
    made_at: Annotated[datetime, msgspec.Meta(tz=True)]
    made_by: str
    """The version of kubevouch that made the plan."""

    cluster: ClusterBinding
    nodes: tuple[NodePlan, ...]
    left_out: tuple[LeftOut, ...]
    config_map: ConfigMapPlan | None
    config_map_note: str
    """Why the ConfigMap is not changed, or a note about its change."""

    notices: tuple[str, ...] = ()
    schema: Literal["kubevouch.plan/1"] = msgspec.field(default=SCHEMA, name="schemaVersion")


def ordered(nodes: tuple[NodePlan, ...]) -> tuple[NodePlan, ...]:
    """The nodes in the plan's order, but with the control-plane nodes last."""
    return tuple(sorted(nodes, key=lambda each: each.control_plane))


def only_nodes(plan: Plan, names: Collection[str]) -> Plan:
    """The plan for these nodes only. It does not change the ConfigMap, which concerns all nodes.

    Raises UsageError if the plan lacks one of the nodes.
    """
    known = [node.node for node in plan.nodes]
    for name in names:
        if name not in known:
            # We suggest no similar name: it may be another node's.
            expected = f"its nodes: {', '.join(known[:_MOST_NAMED])}"
            raise UsageError(f"--node {name}", f"run {plan.run} has no such node", expected)
    chosen = tuple(node for node in plan.nodes if node.node in names)
    return msgspec.structs.replace(plan, nodes=chosen, config_map=None)


def without_nodes(plan: Plan, away: Sequence[LeftOut]) -> Plan:
    """The plan with these nodes moved to `left_out`."""
    names = {each.node for each in away}
    kept = tuple(node for node in plan.nodes if node.node not in names)
    return msgspec.structs.replace(plan, nodes=kept, left_out=(*plan.left_out, *away))


def unvouched(plan: Plan) -> tuple[NodePlan, ...]:
    """The nodes that ssh reached at an address that only the node claims. `apply` refuses them."""
    return tuple(each for each in plan.nodes if not_vouched_for(each.node, each.host, each.vouched))


def by_answer(plan: Plan, *, yes: bool) -> Plan:
    """The plan after the operator was asked about unconfirmed addresses.

    yes: whether the addresses are right. If not, the plan leaves out the nodes.
    """
    asked = {each.node: each for each in unvouched(plan)}
    if yes:
        nodes = (_vouched_for(each) if each.node in asked else each for each in plan.nodes)
        return msgspec.structs.replace(plan, nodes=tuple(nodes))
    away = [
        LeftOut(each.node, not_vouched_for(each.node, each.host, ()), leads_on=LeadsOn.WORD)
        for each in asked.values()
    ]
    if away and plan.config_map:
        note = f"stays unchanged: this plan leaves out {counted(len(away), 'node')}"
        plan = msgspec.structs.replace(plan, config_map=None, config_map_note=note)
    return without_nodes(plan, away)


def _vouched_for(node: NodePlan) -> NodePlan:
    claims = confirmed(node.allowed, [node.host]).addresses
    return msgspec.structs.replace(node, addresses=claims)


def not_the_cluster(bound: ClusterBinding, uid: str, ca_sha256: str) -> str:
    """Why this is not the plan's cluster; empty if it is.

    uid: the UID of kube-system. ca_sha256: the digest of the CAs that pods trust
    (TrustedRoots.sha256).
    """
    if uid != bound.cluster_uid:
        return f"this is not the plan's cluster, which is {bound.server}"
    if ca_sha256 != bound.ca_sha256:
        return "the cluster's CA has changed since the plan was made"
    return ""
