"""`doctor`: finds problems between `kubectl top` and the kubelets, and their causes. Changes nothing."""

from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.legend import WithLegend
from kubevouch.cli.common.options import (
    connected,
    fail_on,
    handshake_timeout,
    output,
    print_role,
)
from kubevouch.outcome import Severity

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess


@click.command("doctor", cls=WithLegend, words="kubevouch.outcome:Severity")
@connected
@output("short")
@fail_on
@handshake_timeout
@print_role("reader", "the read-only verbs need")
def command(
    terminal: "Terminal",
    access: "ClusterAccess",
    output: str,
    fail_on: str,
    timeout: float,
) -> int:
    """Checks the whole path from `kubectl top` to each kubelet, and names up to three causes.

    `doctor` reads from the API server, and dials each kubelet with a bare TLS handshake. It sends no credential to a
    kubelet, and writes nothing.
    """
    from kubevouch.cli.common.connect import with_api
    from kubevouch.cli.common.diagnosis import print_diagnosis
    from kubevouch.diagnose.doctor import diagnose
    from kubevouch.evidence.gather.snapshot import gather

    evidence = with_api(
        terminal,
        access,
        lambda api, _: gather(
            api,
            # This machine's clock may be wrong and hide an expired certificate.
            clock=api.server_clock,
            progress=terminal.doing,
            dial_timeout=timeout,
            with_certificates=True,
        ),
    )
    severity = Severity(fail_on)
    return print_diagnosis(
        terminal, "doctor", evidence, diagnose(evidence), form=output, fail_on=severity
    )
