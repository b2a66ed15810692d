"""What one node needs, or why it is left out: decided from its survey, its Node and what it serves. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from kubevouch.diagnose.rules.wire import code_of, is_dark
from kubevouch.evidence.serving import preferred_types, scraped_address
from kubevouch.evidence.snapshot import Served, is_control_plane
from kubevouch.evidence.survey import NodeSurvey, SurveyedFile
from kubevouch.kube.resources import Node
from kubevouch.kubelet.configuration import BOOTSTRAP_KEY, read_configuration
from kubevouch.kubelet.effective import EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import read_flags
from kubevouch.kubelet.splice import Refusal, set_server_tls_bootstrap
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, NameSource, allowed_names_of, other_nodes_of
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.change import SEED_LIFE
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, SeedKind
from kubevouch.x509 import CertificateKind, X509Error, classify, node_name_of, read_certificates

_SKEW = timedelta(minutes=4)
"""The signer backdates by 5 minutes (pkg/controller/certificates/authority/policies.go)."""


_WHOLE_SECONDS = 2
"""Times of files, and the node's clock as the survey reads it, are cut to whole seconds."""


@dataclass(frozen=True)
class NodeFacts:
    """All that is known of one node when it is decided what it needs. confirmed: addresses that are proven."""

    node: Node
    survey: NodeSurvey
    at: datetime
    host_key: str
    confirmed: dict[str, NameSource]
    accepted: tuple[str, ...]
    served: Served | None
    flags: tuple[str, ...]
    host: str = ""
    """What ssh was asked for; empty for the node's name."""

    known_as: str = ""
    """The name under which the operator's known_hosts has the key that answered."""


class _Out(Exception):
    """The node is left out."""

    is_well = False


class _Well(_Out):
    """It needs nothing."""

    is_well = True


def assess(seen: NodeFacts, nodes: Sequence[Node], reserved: ReservedNames) -> NodePlan | LeftOut:
    """The node's plan, or why it has none."""
    try:
        return _assess(seen, nodes, reserved)
    except _Out as out:
        return LeftOut(seen.node.name, str(out), out.is_well)
    except ConfigurationError as error:
        return LeftOut(seen.node.name, str(error))


def _assess(seen: NodeFacts, nodes: Sequence[Node], reserved: ReservedNames) -> NodePlan:
    node, survey = seen.node, seen.survey
    if why := not_the_machine(survey, node.name, node.status.node_info.machine_id):
        raise _Out(why)
    if abs(survey.skew(seen.at)) > _SKEW:
        raise _Out(
            f"its clock is {survey.skew(seen.at).total_seconds():+.0f} s off from this machine's"
        )
    in_force = _in_force(survey)
    if _all_well(seen, in_force):
        raise _Well("nothing to do: it serves a certificate of the cluster's CA that verifies")
    allowed = _entitled(seen, nodes, reserved)
    dial = scraped_address(node, preferred_types(seen.flags))
    if dial is None:
        raise _Out("its Node status has no address: its kubelet could not ask for a certificate")
    running = in_force.configuration.server_tls_bootstrap and not _restart_pending(survey)
    plan = NodePlan(
        node=node.name,
        uid=node.uid,
        machine_id=node.status.node_info.machine_id,
        host=seen.host or node.name,
        known_as=seen.known_as,
        host_key=seen.host_key,
        control_plane=is_control_plane(node),
        kubelet_version=node.status.node_info.kubelet_version,
        change=ChangeKind.APPROVE if running else ChangeKind.BOOTSTRAP,
        dial=(dial,),
        port=node.kubelet_port,
        names=allowed.names,
        addresses=allowed.addresses,
        interruption="none: nothing is restarted",
    )
    if running:
        if seen.served is not None and not is_dark(seen.served) and not code_of(seen.served):
            raise _Out(
                "it serves a trusted certificate whose CN is not its node's; remove it by hand"
            )
        return plan
    return _with_change(plan, survey, seen)


def _in_force(survey: NodeSurvey) -> EffectiveConfiguration:
    """What the next start of this kubelet makes of its files and flags. Raises _Out where that cannot be told."""
    if not survey.unit.active:
        raise _Out("it has no systemd, which the change and its undo need")
    if not survey.words:
        raise _Out(
            survey.no_kubelet.decode(errors="replace") or "no kubelet runs as kubelet.service"
        )
    if not survey.config:
        raise _Out("its kubelet runs without --config")
    flags = read_flags(survey.words)
    config = survey.config[0]
    file = read_configuration(config.content, config.text_path)
    by_path = {each.text_path: each for each in survey.drop_ins}
    drop_ins = [
        read_configuration(by_path[path].content, path, drop_in=True)
        for path in drop_in_order(by_path)
    ]
    found = effective(file, drop_ins, flags)
    if found.configuration.tls_cert_file:
        source = found.source_of("tlsCertFile")
        raise _Out(f"tlsCertFile is set ({source}): the kubelet would serve that file by address")
    if found.configuration.bootstrap_gate_off:
        raise _Out("its feature gate RotateKubeletServerCertificate is off: it would not start")
    return found


def _all_well(seen: NodeFacts, in_force: EffectiveConfiguration) -> bool:
    served = seen.served
    if served is None or served.verdict is None or not served.verdict.trusted:
        return False
    leaf = served.dialled.leaf
    own = leaf is not None and node_name_of(leaf) == seen.node.name
    return own and in_force.configuration.server_tls_bootstrap and not _restart_pending(seen.survey)


def not_the_machine(seen: NodeSurvey, node: str, machine_id: str) -> str:
    """Why this machine is not that node's; empty if it is."""
    found = seen.machine_id.decode(errors="replace").strip()
    if not machine_id or found != machine_id:
        return f"this machine's id is {found}, the Node's is {machine_id}"
    try:
        holder = node_name_of(read_certificates(seen.identity.pem, "its client certificate")[0])
    except X509Error as error:
        return str(error)
    return "" if holder == node else f"its kubelet's client certificate is {holder}'s"


def _restart_pending(survey: NodeSurvey) -> bool:
    """The file was written after the kubelet had started."""
    if not survey.config or not survey.unit.age:
        return False
    started = survey.clock - survey.unit.age
    return survey.config[0].modified > started + _WHOLE_SECONDS


def _entitled(seen: NodeFacts, nodes: Sequence[Node], reserved: ReservedNames) -> AllowedNames:
    """What the kubelet's CSR will hold, each with its proof. Raises _Out for what the policy would hold it for."""
    allowed = allowed_names_of(seen.node, seen=seen.confirmed, said=seen.accepted)
    others = other_nodes_of(seen.node.name, nodes, reserved.shared)
    decision = decide_entitlement(allowed, others, reserved)
    if decision.outcome is Outcome.PASS:
        return allowed
    hints = " ".join(f"--allow {seen.node.name}={v}" for v in decision.operator_may_allow)
    raise _Out(
        f"its CSR would be held: {decision.why}" + (f"; if it is so: {hints}" if hints else "")
    )


def _with_change(plan: NodePlan, survey: NodeSurvey, seen: NodeFacts) -> NodePlan:
    """The edit of config.yaml, the seed, and what is set aside. Raises _Out where it could not be done safely."""
    if survey.missing:
        raise _Out(f"it lacks {survey.missing.decode().strip()}, which the change needs")
    if survey.unsafe:
        raise _Out(
            f"{survey.unsafe.decode(errors='replace')}: what is written there as root must be root's alone"
        )
    active = [run.run.decode() for run in survey.runs if run.state == b"armed"]
    if active:
        raise _Out(f"run {active[0]} is under way on it")
    if not survey.root or not survey.pki:
        raise _Out("its kubelet's folders cannot be read")
    config, root, pki = survey.config[0], survey.root[0], survey.pki[0]
    if not config.device == root.device == pki.device:
        raise _Out(
            f"{config.text_path}, {root.text_path} and {pki.text_path} are not on one file system"
        )
    edit = set_server_tls_bootstrap(config.content)
    if isinstance(edit, Refusal):
        raise _Out(f"{config.text_path}: {edit}")
    _check_wins(config, edit.after, survey)
    return msgspec.structs.replace(
        plan,
        root=root.text_path,
        pki=pki.text_path,
        config=config.text_path,
        config_sha256=config.sha256,
        content_sha256=hashlib.sha256(edit.after).hexdigest(),
        diff=edit.diff(config.text_path) or _ONLY_A_RESTART,
        seed=_seed(seen),
        aside=tuple(
            each.name for each in survey.certificates if each.name.startswith("kubelet-server")
        ),
        interruption=_INTERRUPTION,
    )


_ONLY_A_RESTART = "(no change: the file says so already; the kubelet has not been restarted since)"
_INTERRUPTION = "the port refuses connections for about a second, while the kubelet restarts; no pod is restarted"


def _check_wins(config: SurveyedFile, content: bytes, survey: NodeSurvey) -> None:
    """The edit must be what the next start reads: a drop-in or a flag may say otherwise. Raises _Out."""
    file = read_configuration(content, config.text_path)
    by_path = {each.text_path: each for each in survey.drop_ins}
    drop_ins = [
        read_configuration(by_path[path].content, path, drop_in=True)
        for path in drop_in_order(by_path)
    ]
    found = effective(file, drop_ins, read_flags(survey.words))
    if not found.configuration.server_tls_bootstrap:
        raise _Out(
            f"{BOOTSTRAP_KEY} is set to false by {found.source_of(BOOTSTRAP_KEY)}, which wins"
        )


def _seed(seen: NodeFacts) -> SeedKind:
    """Its own self-signed pair if that outlives the run by far, else a fresh one."""
    files = {each.name: each for each in seen.survey.certificates}
    own = files.get("kubelet.crt")
    if own is None or "kubelet.key" not in files:
        return SeedKind.FRESH
    try:
        leaf = read_certificates(own.content, own.text_path)[0]
    except X509Error:
        return SeedKind.FRESH
    good = leaf.not_before <= seen.at and seen.at + SEED_LIFE < leaf.not_after
    self_made = classify(leaf) is CertificateKind.KUBELET_SELF_SIGNED
    return SeedKind.COPY if good and self_made else SeedKind.FRESH
