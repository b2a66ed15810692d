"""What stands at the end: what has ended or ends first, what stops then, and what is to be done."""

import shlex
from collections.abc import Callable, Sequence

from kubevouch import __version__
from kubevouch.cli.common.terminal import Colour, Terminal
from kubevouch.diagnose.make import counted
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.inventory.advice import Advice
from kubevouch.inventory.ending import Trouble, most_harmful, outlook_of
from kubevouch.inventory.kubeadm_tables import expires_text
from kubevouch.inventory.rows import CertificateRow, Concern, Limits, RowState
from kubevouch.x509 import duration_text

_MOST_TROUBLES = 4
_LEAD = 12
_WHATEVER_THE_TIME = frozenset({RowState.WRONG, RowState.SELF_SIGNED})
Shorten = Callable[[str], str]
"""A node's name as it is shown."""


def print_heading(terminal: Terminal, found: FoundCertificates, cluster: str = "") -> None:
    """Which cluster it is, and when it was looked."""
    if cluster:
        terminal.wrapped(cluster, "cluster ")
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    terminal.wrapped(f"{at}, reading only, by kubevouch {__version__}", "looked  ")


def _shortened(text: str, rows: Sequence[CertificateRow], shorten: Shorten) -> str:
    for name in {row.found.node for row in rows if row.found.node}:
        text = text.replace(name, shorten(name)) if shorten(name) != name else text
    return text


def _first_text(row: CertificateRow, shorten: Shorten) -> str:
    certificate = row.found.certificate
    assert certificate is not None
    assert row.remaining is not None
    place = shorten(row.found.node) or row.found.where
    when = expires_text(certificate.not_after)
    return f"{row.found.use} of {place} ends in {duration_text(row.remaining)}, {when}"


def _colour(trouble: Trouble) -> Colour:
    return Colour.BAD if trouble.concern is Concern.FAIL else Colour.WARNING


def print_end(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    *,
    shorten: Shorten,
    limits: Limits,
) -> None:
    """All of it. The last line is a command or OK, or what is done by hand."""
    terminal.out()
    outlook = outlook_of(found, rows, limits)
    troubles, first = outlook.troubles, outlook.first
    _print_troubles(terminal, found, rows, troubles, shorten)
    for text in outlook.besides:
        _lead(terminal, "BESIDES", _shortened(text, rows, shorten), Colour.WARNING)
    # Elsewhere the trouble itself says what ends when.
    if first and all(each.rows[0].state in _WHATEVER_THE_TIME for each in troubles):
        _lead(terminal, "FIRST", _first_text(first, shorten))
        _lead(terminal, "STOPS", first.stops)
    if outlook.unknown:
        _lead(terminal, "UNKNOWN", "what could not be read may have ended, too", Colour.WARNING)
    if outlook.advice is not None:
        of = troubles[0].rows if troubles else rows
        _print_advice(terminal, of, outlook.advice, shorten)
    else:
        text = "nothing that was read has ended or is near its end"
        _lead(terminal, "OK", text, Colour.GOOD)


def _print_troubles(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    troubles: Sequence[Trouble],
    shorten: Shorten,
) -> None:
    said = ""
    shown = most_harmful(troubles, _MOST_TROUBLES)
    for trouble in shown:
        text = _shortened(trouble.text(found.at), rows, shorten)
        _lead(terminal, trouble.word, text, _colour(trouble))
        if (stops := trouble.rows[0].stops) != said:
            _lead(terminal, "STOPS", stops)
        said = stops
    if more := len(troubles) - len(shown):
        terminal.out(f"{'':{_LEAD}}and {counted(more, 'more kind')} (-o short has all)")


def _lead(terminal: Terminal, word: str, text: str, colour: Colour | None = None) -> None:
    terminal.wrapped(text, f"{word:<{_LEAD}}", colour)


def _print_advice(
    terminal: Terminal, rows: Sequence[CertificateRow], advice: Advice, shorten: Shorten
) -> None:
    if advice.before:
        _lead(terminal, "BEFORE", _shortened(advice.before, rows, shorten))
    if advice.try_first:
        terminal.command(f"{'BEFORE':<{_LEAD}}", shlex.join(advice.try_first))
    if advice.command:
        terminal.command(f"{'NEXT':<{_LEAD}}", shlex.join(advice.command))
    if advice.by_hand:
        lead = "BY HAND" if advice.command else "NEXT"
        terminal.wrapped(_shortened(advice.by_hand, rows, shorten), f"{lead:<{_LEAD}}")
