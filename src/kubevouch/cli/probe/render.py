"""How a probed certificate and its verdict are shown, and the exit code."""

from kubevouch.cli.common.certificates import certificate_json
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.terminal import Colour, Terminal
from kubevouch.errors import ExitCode
from kubevouch.evidence.gather.probe import ProbeResult
from kubevouch.x509 import describe


def print_probe(terminal: Terminal, result: ProbeResult) -> int:
    """The result, and the exit code: 0 trusted, 1 not, 3 where that cannot be told."""
    if terminal.prints_json:
        print_document(terminal, "kubevouch.probe/1", _as_json(result))
    else:
        _print(terminal, result)
    if result.failure or result.misnamed:
        return ExitCode.FINDINGS
    if result.verdict is None:
        return ExitCode.COULD_NOT_TELL
    return ExitCode.OK if result.verdict.trusted else ExitCode.FINDINGS


def _print(terminal: Terminal, result: ProbeResult) -> None:
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
        terminal.wrapped(f"the cluster's CA is not known: {result.doubt}", "  ")
    elif result.misnamed:
        terminal.out("NOT THE NODE'S", Colour.BAD)
        terminal.wrapped(result.misnamed, "  ")
    elif result.verdict.trusted:
        terminal.out("TRUSTED", Colour.GOOD)
        terminal.wrapped(f"for {result.name or 'any name (none was given with --name)'}", "  ")
    else:
        terminal.out("NOT TRUSTED", Colour.BAD)
        terminal.wrapped(result.verdict.logged_text, _WOULD_LOG)


_WOULD_LOG = "  metrics-server would log  "


def _as_json(result: ProbeResult) -> dict[str, object]:
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
