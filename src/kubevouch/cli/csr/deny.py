"""Denying CSRs by name: what each is, then the operator, then one by one at the version that was shown."""

from datetime import datetime

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.approve import decided, undecided, where
from kubevouch.cli.csr.find import serving_csr
from kubevouch.cli.csr.render import COLUMNS, undecided_row
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError, combined_exit_code
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.decide import denial
from kubevouch.policy.rule import listed

_EXPECTED = "kubevouch csr list shows what there is"
_LONGEST_REASON = 512


def deny_named(
    terminal: Terminal,
    access: ClusterAccess,
    names: tuple[str, ...],
    reason: str,
    *,
    yes: bool,
) -> ExitCode:
    """Denies the CSRs of these names. One that somebody has decided about is a finding: it stays as it is."""
    reason = _checked(reason)

    async def look(api: ApiClient, _: Clock) -> tuple[list[CertificateSigningRequest], datetime]:
        found = [await serving_csr(api, each, expected=_EXPECTED) for each in dict.fromkeys(names)]
        return found, api.server_clock.now()

    found, at = with_api(terminal, access, look)
    waiting, codes = undecided(terminal, found)
    if not waiting:
        return combined_exit_code(codes)
    terminal.table(COLUMNS[:4], [undecided_row(each, at) for each in waiting])
    named = listed([each.name for each in waiting])
    terminal.confirm(
        f"deny {named} on {where(access)}. A denial is for good, and a kubelet that is denied "
        "sends another CSR about every half minute",
        yes=yes,
    )
    return combined_exit_code([*codes, _deny(terminal, access, waiting, reason)])


def _deny(
    terminal: Terminal,
    access: ClusterAccess,
    waiting: list[CertificateSigningRequest],
    reason: str,
) -> ExitCode:
    async def work(api: ApiClient, _: Clock) -> ExitCode:
        codes = [await decided(terminal, api, each, denial(reason)) for each in waiting]
        return combined_exit_code(codes)

    return with_api(terminal, access, work)


def _checked(reason: str) -> str:
    """The same text. Raises UsageError."""
    text = reason.strip()
    if not text or len(text) > _LONGEST_REASON or not text.isprintable():
        seen = "is empty" if not text else "is too long, or not one line"
        expected = f"one line of at most {_LONGEST_REASON} characters was expected"
        raise UsageError("--reason", seen, expected)
    return text
