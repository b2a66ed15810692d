"""`verify`: that all of it holds, now, on every node. Reads only."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.options import cluster, fail_on, output, seconds, terminal_of

if TYPE_CHECKING:
    from kubevouch.cli.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.diagnose.doctor import Diagnosis
    from kubevouch.diagnose.finding import Severity
    from kubevouch.evidence.snapshot import Evidence
    from kubevouch.kube.client import ApiClient

_PAUSE = 3.0


@click.command("verify", short_help="Proves that all of it holds. Reads only.")
@cluster
@output("table", "short", "json")
@fail_on
@click.option(
    "--wait",
    type=seconds,
    default="0s",
    metavar="DURATION",
    help="Look again until it holds, for so long (2m, say).",
)
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    fail_on: str,
    wait: float,
) -> int:
    """The metrics API answers for every node, with fresh numbers, and every kubelet's certificate verifies.

    A named subset of what `doctor` looks at, with the same codes. Exit code 0 means that it holds.
    """
    from kubevouch.cli.connect import access_of, with_api
    from kubevouch.cli.findings import print_diagnosis
    from kubevouch.diagnose.finding import Severity

    terminal = terminal_of(ctx)
    access = access_of(terminal, kubeconfig, context)
    severity = Severity(fail_on)

    async def work(api: "ApiClient", clock: "Clock") -> "tuple[Evidence, Diagnosis]":
        return await _until_it_holds(api, clock, terminal, severity=severity, wait=wait)

    evidence, diagnosis = with_api(terminal, access, work)
    print_diagnosis(terminal, "verify", evidence, diagnosis, output)
    return diagnosis.exit_code(severity)


async def _until_it_holds(
    api: "ApiClient", clock: "Clock", terminal: "Terminal", *, severity: "Severity", wait: float
) -> "tuple[Evidence, Diagnosis]":
    from kubevouch.diagnose.doctor import VERIFY, diagnose
    from kubevouch.errors import ExitCode
    from kubevouch.evidence.gather import gather

    began, said = clock.monotonic(), ""
    while True:
        evidence = await gather(api, clock=clock)
        diagnosis = diagnose(evidence, VERIFY)
        left = wait - (clock.monotonic() - began)
        if diagnosis.exit_code(severity) is ExitCode.OK or left <= 0:
            return evidence, diagnosis
        now = "; ".join(f"{each.code} {each.title}" for each in diagnosis.findings[:2])
        if now != said:
            terminal.note(f"waiting: {now}")
            said = now
        await clock.sleep(min(_PAUSE, left))
