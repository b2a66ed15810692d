"""`probe`: shows the certificate of one kubelet, host or file, and the error that metrics-server would log. Changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.complete import completed, node_names
from kubevouch.cli.common.options import cluster, handshake_timeout, output, terminal_of
from kubevouch.cli.common.terminal import Colour
from kubevouch.errors import ExitCode

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.evidence.gather.probe import ProbeResult


@click.command("probe")
@click.argument("target", shell_complete=completed(node_names))
@cluster
@output()
@click.option(
    "--name", metavar="NAME", help="Verify for this name or address instead of the dialled one."
)
@click.option(
    "--ca",
    "ca_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Verify against these CAs instead of the cluster's. Needs no cluster.",
)
@handshake_timeout
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    kubeconfig: str | None,
    context: str | None,
    name: str | None,
    ca_file: Path | None,
    timeout: float,
) -> int:
    """Shows the certificate of TARGET: HOST[:PORT], the name of a Node, or a file in PEM or DER.

    `probe` shows what `openssl s_client` and `openssl x509` show, and whether the certificate verifies against the
    cluster's CA. If it does not, `probe` shows the error that metrics-server would log. `probe` makes a bare TLS
    handshake and sends no credential.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.event_loop import run_loop
    from kubevouch.evidence.gather.probe import ProbeOptions, examine, trust_in
    from kubevouch.kube.errors import KubeconfigError
    from kubevouch.system_clock import SystemClock

    terminal = terminal_of(ctx)
    options = ProbeOptions(target, name, timeout)
    if ca_file is not None:
        probed = run_loop(examine(None, SystemClock(), options, trust=trust_in(ca_file)))
        return print_probe(terminal, probed)
    try:
        access = access_of(terminal, kubeconfig, context)
    except KubeconfigError as error:
        if kubeconfig or context:
            raise
        # Without a cluster, on a node for example, show the certificate without a verdict.
        probed = run_loop(examine(None, SystemClock(), options, doubt=str(error)))
    else:
        probed = with_api(terminal, access, lambda api, clock: examine(api, clock, options))
    return print_probe(terminal, probed)


def print_probe(terminal: "Terminal", result: "ProbeResult") -> int:
    """Prints the result. Returns the exit code: 0 trusted, 1 not trusted, 3 unknown."""
    from kubevouch.cli.common.documents import print_document

    if terminal.document_form:
        print_document(terminal, "kubevouch.probe/1", _as_json(result))
    else:
        _print(terminal, result)
    if result.failure or result.misnamed:
        return ExitCode.FINDINGS
    if result.verdict is None:
        return ExitCode.COULD_NOT_TELL
    return ExitCode.OK if result.verdict.trusted else ExitCode.FINDINGS


def _print(terminal: "Terminal", result: "ProbeResult") -> None:
    from kubevouch.x509 import describe

    head = f"{result.what}   {result.at:%Y-%m-%d %H:%M:%S} UTC   {result.tls}"
    terminal.wrapped(head.rstrip())
    for number, certificate in enumerate(result.chain):
        terminal.out()
        terminal.out("leaf" if number == 0 else f"certificate {number + 1} of the chain")
        for line in describe(certificate, result.at):
            terminal.long_line(f"  {line}", hang=4)
    terminal.out()
    if result.failure:
        terminal.out("FAILED", Colour.BAD)
        terminal.wrapped(result.failure, _WOULD_LOG)
    elif result.verdict is None:
        terminal.out("NO VERDICT", Colour.WARNING)
        terminal.wrapped(f"the cluster's CA is unknown: {result.doubt}", "  ")
    elif result.misnamed:
        terminal.out("WRONG IDENTITY", Colour.BAD)
        terminal.wrapped(result.misnamed, "  ")
    elif result.verdict.trusted:
        terminal.out("TRUSTED", Colour.GOOD)
        terminal.wrapped(f"name: {result.name or 'not checked (no --name)'}", "  ")
    else:
        terminal.out("NOT TRUSTED", Colour.BAD)
        terminal.wrapped(result.verdict.logged_text, _WOULD_LOG)


_WOULD_LOG = "  metrics-server would log  "


def _as_json(result: "ProbeResult") -> dict[str, object]:
    from kubevouch.cli.common.documents import certificate_json

    verdict = result.verdict
    return {
        "target": result.what,
        "at": result.at,
        "tls": result.tls or None,
        "failure": result.failure or None,
        "name": result.name or None,
        "misnamed": result.misnamed or None,
        "verdict": {
            "trusted": verdict.trusted,
            "reason": str(verdict.reason),
            "text": verdict.go_text,
            "metricsServerLogs": verdict.logged_text,
        }
        if verdict
        else None,
        "doubt": result.doubt or None,
        "chain": [certificate_json(each) for each in result.chain],
    }
