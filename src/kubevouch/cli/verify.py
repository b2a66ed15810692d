"""`verify`: checks that every node has fresh metrics and a certificate that verifies. Changes nothing."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.legend import WithLegend
from kubevouch.cli.common.options import (
    connected,
    duration,
    fail_on,
    handshake_timeout,
    output,
)
from kubevouch.cli.common.terminal import one_line
from kubevouch.errors import ExitCode
from kubevouch.outcome import Severity

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.diagnose.doctor import Diagnosis
    from kubevouch.evidence.snapshot import Evidence
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient

_PAUSE = 2.0
_REPEATED_AFTER = 30.0
"""Seconds after which an unchanged message is printed again."""


@click.command("verify", cls=WithLegend, words="kubevouch.outcome:Severity")
@connected
@output("short")
@fail_on
@handshake_timeout
@duration(
    "--wait",
    "0s",
    "Retry until every check passes, for at most this time. The last retry may end later.",
)
def command(
    terminal: "Terminal",
    access: "ClusterAccess",
    output: str,
    fail_on: str,
    timeout: float,
    wait: float,
) -> int:
    """Checks that the metrics API has fresh values for every node, and that every kubelet's certificate verifies.

    If kubevouch's approver is installed, `verify` also checks that it works. Without any approver, `verify` warns.

    `verify` runs some of the checks of `doctor`, with the same codes. Exit code 0: no finding has the severity of
    --fail-on or worse.
    """
    from kubevouch.cli.common.connect import with_api
    from kubevouch.cli.common.diagnosis import print_diagnosis

    severity = Severity(fail_on)
    terminal.tells_waits = wait > 0

    evidence, diagnosis = with_api(
        terminal,
        access,
        lambda api, clock: until_it_holds(api, clock, terminal, severity, wait, timeout),
    )
    return print_diagnosis(terminal, "verify", evidence, diagnosis, form=output, fail_on=severity)


async def until_it_holds(
    api: "ApiClient",
    clock: "Clock",
    terminal: "Terminal",
    severity: "Severity",
    wait: float,
    timeout: float,
) -> "tuple[Evidence, Diagnosis]":
    """Retries until every check passes, for at most `wait` seconds. Returns the last evidence and diagnosis.

    timeout: seconds per handshake. Raises ApiUnreachable.
    """
    from kubevouch.diagnose.doctor import VERIFY, diagnose
    from kubevouch.evidence.gather.snapshot import gather
    from kubevouch.kube.errors import ApiUnreachable

    began = clock.monotonic()
    said: object = None
    said_at = began
    what: object
    while True:
        left = wait - (clock.monotonic() - began)
        try:
            evidence = await gather(
                api,
                clock=api.server_clock,
                progress=terminal.doing,
                dial_timeout=timeout,
            )
        except ApiUnreachable as error:
            if left <= 0:
                raise
            text = what = str(error)
        else:
            diagnosis = diagnose(evidence, VERIFY)
            if diagnosis.exit_code(severity) is ExitCode.OK or left <= 0:
                return evidence, diagnosis
            text, what = _awaited(diagnosis, severity)
        if what != said or clock.monotonic() - said_at >= _REPEATED_AFTER:
            terminal.note(f"waiting: {text} (at most {left:.0f} s more)")
            said, said_at = what, clock.monotonic()
        await clock.sleep(min(_PAUSE, left))


def _awaited(diagnosis: "Diagnosis", severity: "Severity") -> "tuple[str, object]":
    """The two worst findings as text, and a key that stays the same if only numbers in the text change."""
    bad = [each for each in diagnosis.findings if each.severity.at_least(severity)]
    unknown = [each for each in diagnosis.findings if each.code.is_doubt]
    shown = sorted(bad, key=lambda each: each.severity.rank)[:2] or unknown[:2]
    text = "; ".join(f"{each.code} {one_line(each.title)}" for each in shown)
    return text, tuple((each.code, each.subjects) for each in shown)
