"""What is there before an install, an upgrade or a removal: the cluster, other approvers, and what is installed already."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kubevouch.cli.approver.changes import AT_ONCE, is_ours, look
from kubevouch.cli.approver.installation import (
    DECIDED_BY,
    DEPLOYMENT,
    NAMESPACE,
    Enforcement,
    Manifest,
    everything,
)
from kubevouch.cli.approver.leaving import why_it_is_still_there
from kubevouch.cli.approver.stored_pins import read_stored_pins
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.evidence.approvers import OUR_APPROVER, last_approval
from kubevouch.evidence.gather.approvers import gather_approvers
from kubevouch.evidence.gather.at_once import of_each, together
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.snapshot import Approver, is_control_plane
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient, Version
from kubevouch.kube.resources import LEASES, NODES
from kubevouch.policy.sources.configuration import CONFIGURATION

_ADMISSION_SINCE: Final = 30


@dataclass(frozen=True)
class Present:
    """live: our objects that are there, by their manifests' texts. others: approvers that are not ours."""

    control_planes: int
    has_admission_policies: bool
    live: Mapping[str, Mapping[str, Any]]
    others: tuple[Approver, ...]
    unseen: str
    """Who else approved a CSR lately, where no other approver is seen to run: a clause or two; empty if nobody did."""

    not_known: str
    """Why it is not known who else approves; empty if it is."""

    pinned: int
    not_pinned: tuple[str, ...]
    """The Nodes without a pin."""

    has_led: bool
    """Whether an approver has led here, now or at some time: its Lease stays. True where that cannot be read."""

    @property
    def is_installed(self) -> bool:
        """Whether the approver's Deployment is there."""
        return f"Deployment {NAMESPACE}/{DEPLOYMENT}" in self.live

    @property
    def is_half_installed(self) -> bool:
        """Whether a first installation has begun and stopped before its Deployment, before which it pins all nodes.

        A removal leaves no account. Where an approver has led, whoever has no pin may lack it because somebody wants that.
        """
        account = f"ServiceAccount {NAMESPACE}/{DEPLOYMENT}"
        return not (self.is_installed or self.has_led) and account in self.live

    @property
    def leaving(self) -> str:
        """What keeps our namespace, which is being deleted; empty if it is not."""
        namespace = self.live.get(f"Namespace {NAMESPACE}")
        return why_it_is_still_there(namespace) if namespace else ""

    @property
    def has_configuration(self) -> bool:
        """Whether somebody has said what becomes of new nodes."""
        return f"ConfigMap {NAMESPACE}/{CONFIGURATION}" in self.live

    @property
    def enforcement(self) -> Enforcement:
        """What the admission policies do now."""
        bindings = [
            each
            for text, each in self.live.items()
            if text.startswith("ValidatingAdmissionPolicyBinding")
        ]
        if not bindings:
            return Enforcement.NONE
        denies = any("Deny" in each["spec"].get("validationActions", ()) for each in bindings)
        return Enforcement.DENY if denies else Enforcement.WARN

    def may_decide(self, name: str) -> tuple[str, ...] | None:
        """The users or groups that the admission policy names now; None if it says so in another way than ours."""
        policy = self.live.get(f"ValidatingAdmissionPolicy {DECIDED_BY}") or {"spec": {}}
        for variable in policy["spec"].get("variables") or ():
            if variable["name"] != name:
                continue
            try:
                return msgspec.json.decode(variable["expression"].encode(), type=tuple[str, ...])
            except msgspec.DecodeError:
                return None
        return ()


async def look_around(api: ApiClient, clock: Clock) -> Present:
    """Reads all of it at the same time.

    Raises:
        KubeError: something cannot be read. A removal would leave an admission policy that it does not see, refusing
            everybody, and an upgrade would open it.
    """
    inquiry = Inquiry(clock)
    objects = everything()
    version, nodes, approvers, csrs, stored, has_led, found = await together(
        api.version(),
        api.list_all(NODES),
        gather_approvers(api, inquiry),
        inquiry.ask(list_csrs(api)),
        read_stored_pins(api),
        _has_led(api),
        of_each(objects, lambda each: _live(api, each), at_once=AT_ONCE),
    )
    has_policies = _minor(version) >= _ADMISSION_SINCE
    unread = next((each for each in found if isinstance(each, KubeError)), None)
    if unread is not None and has_policies:
        raise unread
    live = {
        str(manifest): each
        for manifest, each in zip(objects, found, strict=True)
        if isinstance(each, Mapping) and is_ours(each)
    }
    others = [each for each in approvers.or_else(()) if each.name != OUR_APPROVER]
    unseen = None
    if not any(each.running for each in others):
        unseen = last_approval(csrs.or_else(()), but={OUR_APPROVER})
    return Present(
        control_planes=sum(map(is_control_plane, nodes)),
        has_admission_policies=has_policies,
        live=live,
        others=tuple(others),
        unseen=unseen.told(clock.now()) if unseen else "",
        not_known=next((each.doubt.text for each in (approvers, csrs) if each.doubt), ""),
        pinned=len(stored.pins),
        not_pinned=tuple(sorted(each.name for each in nodes if each.name not in stored.pins)),
        has_led=has_led,
    )


async def _has_led(api: ApiClient) -> bool:
    try:
        await api.get(LEASES, DEPLOYMENT, NAMESPACE)
    except NotFound:
        return False
    except KubeError:
        return True
    return True


async def _live(api: ApiClient, manifest: Manifest) -> Mapping[str, Any] | KubeError | None:
    """The live object; None if the cluster lacks it. A KubeError: of a kind that an older API server need not have."""
    if manifest.resource.group == "admissionregistration.k8s.io":
        try:
            return await look(api, manifest)
        except KubeError as error:
            return error
    return await look(api, manifest)


def _minor(version: Version) -> int:
    digits = "".join(each for each in version.minor if each.isascii() and each.isdigit())
    return int(digits or 0)


def say_who_else(terminal: Terminal, present: Present) -> None:
    """What else uses the signer, before anything is decided."""
    for each in present.others:
        who = (
            "Another approver runs"
            if each.running
            else "Another approver is set up, and does not run"
        )
        terminal.note(one_line(f"{who}: {each.name} ({each.evidence})"))
    if present.unseen:
        terminal.note(one_line(f"No other approver is seen to run. {present.unseen}."))
    if present.others or present.unseen:
        terminal.note(
            "What it approves, this approver cannot hold: docs/migrate.md says how to go over."
        )
    if present.not_known:
        terminal.note(one_line(f"Whether others approve is not known: {present.not_known}"))
    elif not (present.others or present.unseen):
        seen = "by roles that are made for it, the pods that have them, and the CSRs that are there"
        terminal.note(f"Nothing else approves these CSRs, as far as could be seen ({seen}).")
