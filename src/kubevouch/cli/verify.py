"""`verify`: that all of it holds, now, on every node. Reads only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import (
    cluster,
    fail_on,
    handshake_timeout,
    output,
    seconds,
    terminal_of,
)
from kubevouch.cli.common.terminal import one_line
from kubevouch.errors import ExitCode

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.diagnose.catalogue import Severity
    from kubevouch.diagnose.doctor import Diagnosis
    from kubevouch.evidence.snapshot import Evidence
    from kubevouch.kube.io.client import ApiClient

_PAUSE = 2.0
_SAID_AGAIN_AFTER = 30.0
"""Seconds; a log that somebody follows shows that it still waits, and for what."""


@click.command("verify", short_help="Proves that all of it holds. Reads only.")
@cluster
@output("table", "short", "json")
@fail_on
@handshake_timeout
@click.option(
    "--wait",
    type=seconds,
    default="0s",
    metavar="DURATION",
    help="Look again until it holds, such as 2m. No look begins later; the last one takes its time.",
)
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    fail_on: str,
    timeout: float,
    wait: float,
) -> int:
    """The metrics API answers for every node, with fresh numbers, and every kubelet's certificate verifies.

    An approver of ours that is installed must decide, too; that none runs is a warning.

    A named subset of what `doctor` looks at, with the same codes. Exit code 0 means that it holds.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.diagnosis import print_diagnosis
    from kubevouch.diagnose.catalogue import Severity

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    severity = Severity(fail_on)
    terminal.tells_waits = wait > 0

    async def work(api: "ApiClient", clock: "Clock") -> "tuple[Evidence, Diagnosis]":
        timeouts = VerifyTimeouts(wait, timeout)
        return await _until_it_holds(api, clock, terminal, severity, timeouts)

    evidence, diagnosis = with_api(terminal, access, work)
    return print_diagnosis(terminal, "verify", evidence, diagnosis, form=output, fail_on=severity)


@dataclass(frozen=True)
class VerifyTimeouts:
    """Seconds: for all of it to hold, and for one handshake."""

    wait: float
    handshake: float


async def _until_it_holds(
    api: "ApiClient",
    clock: "Clock",
    terminal: "Terminal",
    severity: "Severity",
    timeouts: VerifyTimeouts,
) -> "tuple[Evidence, Diagnosis]":
    from kubevouch.diagnose.doctor import VERIFY, diagnose
    from kubevouch.evidence.gather.snapshot import gather
    from kubevouch.kube.errors import ApiUnreachable

    began = clock.monotonic()
    waiting = _Waiting(terminal, clock)
    while True:
        left = timeouts.wait - (clock.monotonic() - began)
        try:
            evidence = await gather(
                api,
                clock=api.server_clock,
                progress=terminal.doing,
                dial_timeout=timeouts.handshake,
            )
        except ApiUnreachable as error:
            if left <= 0:
                raise
            now = _WaitedFor(str(error), str(error))
        else:
            diagnosis = diagnose(evidence, VERIFY)
            if diagnosis.exit_code(severity) is ExitCode.OK or left <= 0:
                return evidence, diagnosis
            now = _what_it_waits_for(diagnosis, severity)
        waiting.say(now, left)
        await clock.sleep(min(_PAUSE, left))


@dataclass(frozen=True)
class _WaitedFor:
    """What keeps it from holding. the_same: equal where only ages and numbers in the text have changed."""

    text: str
    the_same: object


class _Waiting:
    """Says what it waits for: where it changes, now and then where it does not, and all the time on a terminal."""

    def __init__(self, terminal: "Terminal", clock: "Clock") -> None:
        self._terminal = terminal
        self._clock = clock
        self._said: object = None
        self._said_at = 0.0

    def say(self, what: _WaitedFor, left: float) -> None:
        """left: seconds for which it waits at most."""
        now = self._clock.monotonic()
        terminal = self._terminal
        if terminal.is_live and terminal.progress is not None:
            shown = f"waits until it holds, at most {left:.0f} s more: {what.text}"
            terminal.progress.begin(self, shown)
        elif now - self._said_at >= _SAID_AGAIN_AFTER:
            self._said = None
        if what.the_same != self._said:
            terminal.note(f"waiting: {what.text} (at most {left:.0f} s more)")
            self._said, self._said_at = what.the_same, now


def _what_it_waits_for(diagnosis: "Diagnosis", severity: "Severity") -> _WaitedFor:
    """The first two findings, worst first."""
    bad = [each for each in diagnosis.findings if each.severity.at_least(severity)]
    unknown = [each for each in diagnosis.findings if each.code.is_doubt]
    shown = sorted(bad, key=lambda each: each.severity.rank)[:2] or unknown[:2]
    text = "; ".join(f"{each.code} {one_line(each.title)}" for each in shown)
    return _WaitedFor(text, tuple((each.code, each.subjects) for each in shown))
