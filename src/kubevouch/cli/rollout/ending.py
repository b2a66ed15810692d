"""Who will approve the next CSRs, once a run is done: what is said where nobody will, and what to do about it."""

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.diagnose.catalogue import INSTALL_APPROVER, Code
from kubevouch.diagnose.doctor import diagnose
from kubevouch.diagnose.make import Finding
from kubevouch.diagnose.rules import approving, csrs
from kubevouch.diagnose.rules.approving import approves_nothing
from kubevouch.evidence.gather.approvers import gather_our_approver
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient

_HANG = 7


def tell_who_approves(terminal: Terminal, access: ClusterAccess) -> None:
    """What becomes of the next rotation where no approver decides; nothing where one does."""
    found = with_api(terminal, access, _nobody)
    for each in found:
        terminal.long_line(f"{each.code}  {each.title}", hang=_HANG)
    if Code.OUR_APPROVER_DECIDES_NOTHING in {each.code for each in found}:
        doctor = terminal.hint("kubevouch doctor")
        _say(terminal, f"Make it run before then: {doctor} says where to look.")
    elif found:
        by_hand = terminal.hint("kubevouch csr list")
        _say(terminal, f"Run an approver before then, or approve by hand: {by_hand}")
        terminal.command(" " * _HANG, INSTALL_APPROVER)
        image = "`make image` in a checkout builds it; push it to a registry of yours"
        _say(terminal, f"The image: {image} (docs/image.md).")


def _say(terminal: Terminal, text: str) -> None:
    terminal.long_line(" " * _HANG + text, hang=_HANG)


async def _nobody(api: ApiClient, clock: Clock) -> tuple[Finding, ...]:
    """What doctor finds about who approves; nothing where that cannot be read.

    Where our approver can approve there is nothing to say, and no node is dialled for it.
    """
    rules = (csrs.our_approver, approving.rotation_will_stall)
    try:
        ours = await gather_our_approver(api, Inquiry(clock))
        if ours.value is not None and not approves_nothing(ours.value):
            return ()
        return diagnose(await gather(api, clock=clock), rules).findings
    except KubeError:
        return ()
