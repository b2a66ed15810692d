"""Decides what a node needs, from a survey and the served certificate. Pure.

A node with an armed run never counts as healthy: that run must be finished or undone first.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.rules.wire import code_of, is_dark, is_our_side
from kubevouch.evidence.snapshot import Served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.kubelet.configuration import BOOTSTRAP_KEY
from kubevouch.kubelet.effective import EffectiveConfiguration
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.splice import Refusal, set_in_document
from kubevouch.node.script import node_text
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.decide.change import seed_pair
from kubevouch.rollout.decide.machine import (
    StartFiles,
    armed_message,
    armed_runs,
    not_the_machine,
    restart_pending,
)
from kubevouch.rollout.decide.plan import DiskChange, LeftOut
from kubevouch.rollout.decide.restart_hazards import restart_hazards
from kubevouch.rollout.errors import LeadsOn
from kubevouch.x509 import misnamed

_SKEW = timedelta(minutes=4)
"""The allowed clock skew: the signer backdates certificates by 5 minutes (pkg/controller/certificates/authority/policies.go)."""

WELL = "nothing to do: the node serves a valid certificate of the cluster's CA"
_NO_CHANGE = "(no change: serverTLSBootstrap is on; a restart makes the kubelet create a CSR)"


@dataclass(frozen=True)
class Look:
    """What the cluster and a survey show about a node, and which of its addresses are proven.

    asked: when the survey was requested. at: the time of the survey, by our clock. served: what the
    kubelet serves at the address that scrapers dial; None if unknown. csr_waits: whether the newest
    CSR of the node's kubelet is undecided. host: the host given to ssh. host_key, known_as: the
    machine's ssh host key, and its name in known_hosts; empty if the transport has no keys.
    confirmed: the proven addresses.
    """

    node: Node
    survey: NodeSurvey
    asked: datetime
    at: datetime
    served: Served | None
    csr_waits: bool
    host: str
    host_key: str
    known_as: str
    confirmed: dict[str, NameSource]


@dataclass(frozen=True)
class Rewrite:
    """What to write on a node. content: the whole new config.yaml."""

    disk: DiskChange
    content: bytes


class _CannotBePlannedError(Exception):
    """Raised if no plan can contain the node. The message says why. leads_on: the advice."""

    def __init__(self, why: str, leads_on: LeadsOn = LeadsOn.NODE) -> None:
        super().__init__(why)
        self.leads_on = leads_on


def need_of(look: Look, started_with: str = "") -> Rewrite | LeftOut | None:
    """The change that a node needs. Returns None if only its newest CSR needs an approval.

    Returns LeftOut if the node needs nothing, or if nothing can be done. started_with: SHA-256 of
    the config.yaml with which a run restarted the kubelet; empty if unknown.
    """
    try:
        return _need_of(look, started_with)
    except _CannotBePlannedError as error:
        return LeftOut(look.node.name, str(error), leads_on=error.leads_on)
    except ConfigurationError as error:
        return LeftOut(look.node.name, str(error), leads_on=LeadsOn.NODE)


def _need_of(look: Look, started_with: str) -> Rewrite | LeftOut | None:
    survey, node = look.survey, look.node.name
    if why := not_the_machine(survey, node, look.node.status.node_info.machine_id):
        raise _CannotBePlannedError(why, LeadsOn.REACH)
    if survey.unsafe:  # the records of runs are untrusted, too, so any run may be armed
        raise _CannotBePlannedError(
            f"{node_text(survey.unsafe)}: only root may have write access there"
        )
    if runs := armed_runs(survey):
        run = runs[0]
        name = run.run.decode(errors="replace")
        return LeftOut(
            node,
            f"{armed_message(survey, run)}; on the machine where the run began, kubevouch resume "
            f"{name} continues it, and kubevouch undo {name} --node {node} undoes it",
            armed_run=name,
        )
    if abs(survey.skew(look.at)) > _SKEW:
        off = survey.skew(look.at).total_seconds()
        raise _CannotBePlannedError(f"the node's clock differs by {off:+.0f} s from this machine's")
    files = StartFiles(survey)
    next_one = _next_start(files)
    # If the run restarted the kubelet, rewriting the same file is no change.
    has_started = not restart_pending(survey, started_with)
    asks = next_one.configuration.server_tls_bootstrap and has_started
    if not asks or _is_as_good_as_none(look.served, node):
        if why := restart_hazards(survey, next_one):
            raise _CannotBePlannedError(why)
        return _rewrite(files)
    _check_answers(look.served)
    if _is_trusted(look.served) and not look.csr_waits:
        return LeftOut(node, WELL, is_well=True)
    return None


def _is_as_good_as_none(served: Served | None, node: str) -> bool:
    """Whether the kubelet serves a useless certificate and will keep it until it expires."""
    useless = (Code.SIGNED_BY_OTHER_CA, Code.NOT_YET_VALID)
    if served is None or code_of(served) in useless:
        return served is not None
    return _is_trusted(served) and not serves_its_own(served, node)


def serves_its_own(served: Served | None, node: str) -> bool:
    """Whether the served certificate is trusted and is for this node."""
    leaf = served.dialled.leaf if served else None
    return _is_trusted(served) and leaf is not None and not misnamed(leaf, node)


def _check_answers(served: Served | None) -> None:
    """Raises if the kubelet's port fails for a reason that an issued certificate would not fix."""
    if served is None or served.dialled.failure is None or is_dark(served):
        return
    failure = served.dialled.failure
    seen = failure.go_text or failure.text
    how = "cannot be dialled from here" if is_our_side(served) else "does not finish a handshake"
    raise _CannotBePlannedError(f"the kubelet's port {how}: {seen}", LeadsOn.DOCTOR)


def _is_trusted(served: Served | None) -> bool:
    return served is not None and served.verdict is not None and served.verdict.trusted


def _next_start(files: StartFiles) -> EffectiveConfiguration:
    """The configuration of the kubelet's next start.

    Raises if the configuration is unknown, if the kubelet would not start with it, or if the
    kubelet would serve a certificate that somebody has configured (tlsCertFile). Also raises if the
    node has no systemd.
    """
    survey = files.survey
    if not survey.unit.active:
        raise _CannotBePlannedError("the node has no systemd, which the change and its undo need")
    if not survey.words:
        raise _CannotBePlannedError(
            node_text(survey.no_kubelet) or "no kubelet runs as kubelet.service"
        )
    if not survey.config:
        raise _CannotBePlannedError("the kubelet runs without --config")
    found = files.next_start
    if found.configuration.tls_cert_file:
        source = found.source_of("tlsCertFile")
        raise _CannotBePlannedError(
            f"tlsCertFile is set ({source}): the kubelet would serve that certificate to clients that connect by IP address"
        )
    if found.configuration.bootstrap_gate_off:
        raise _CannotBePlannedError(
            "the feature gate RotateKubeletServerCertificate is off: the kubelet would not start"
        )
    return found


def _rewrite(files: StartFiles) -> Rewrite:
    """The edit of config.yaml, and the files to move aside. Raises if that is not safe."""
    survey = files.survey
    if survey.missing:
        raise _CannotBePlannedError(
            f"the node lacks {node_text(survey.missing)}, which the change needs"
        )
    if not survey.root or not survey.pki:
        raise _CannotBePlannedError("the kubelet's folders cannot be read")
    config, root, pki = survey.config[0], survey.root[0], survey.pki[0]
    if not config.device == root.device == pki.device:
        raise _CannotBePlannedError(
            f"{config.text_path}, {root.text_path} and {pki.text_path} are not on the same file system"
        )
    if seed_pair(survey) is None:
        raise _CannotBePlannedError(
            f"{pki.text_path} has no key pair (kubelet.crt, kubelet.key); "
            "a kubelet creates one when it starts without serverTLSBootstrap"
        )
    edit = set_in_document(files.document)
    if isinstance(edit, Refusal):
        raise _CannotBePlannedError(f"{config.text_path}: {edit}")
    after = files.next_start_with(edit.new)
    if not after.configuration.server_tls_bootstrap:
        raise _CannotBePlannedError(
            f"{BOOTSTRAP_KEY} is set to false by {after.source_of(BOOTSTRAP_KEY)}, which takes precedence"
        )
    disk = DiskChange(
        root=root.text_path,
        pki=pki.text_path,
        config=config.text_path,
        config_sha256=config.sha256,
        content_sha256=hashlib.sha256(edit.after).hexdigest(),
        diff=edit.diff(config.text_path) or _NO_CHANGE,
        aside=tuple(
            each.name for each in survey.certificates if each.name.startswith("kubelet-server")
        ),
        no_boot_unit=node_text(survey.no_boot_unit),
    )
    return Rewrite(disk, edit.after)
