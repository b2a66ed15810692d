"""What stands first and last: what has ended or ends first, what stops then, and what is to be done."""

import shlex
from collections.abc import Callable, Sequence

from kubevouch import __version__
from kubevouch.cli.common.terminal import Colour, Terminal
from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import counted
from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.measured import DoubtKind
from kubevouch.inventory.advice import Advice, advice_of, advice_on_unread
from kubevouch.inventory.ending import (
    Trouble,
    besides,
    doubted_of,
    first_to_end,
    most_harmful,
    troubles_of,
)
from kubevouch.inventory.kubeadm_tables import expires_text
from kubevouch.inventory.limits import Concern, Limits
from kubevouch.inventory.rows import CertificateRow, RowState
from kubevouch.x509 import duration_text

_MOST_TROUBLES = 4
_LEAD = 12
_DOCTOR = "kubevouch doctor"
_WHATEVER_THE_TIME = frozenset({RowState.WRONG, RowState.SELF_SIGNED})
_NEXT_ON_A_DISK = "as root, `kubevouch certs --root DIR`; DIR is what is / on the node"
Shorten = Callable[[str], str]
"""A node's name as it is shown."""


def print_heading(
    terminal: Terminal,
    found: FoundCertificates,
    rows: Sequence[CertificateRow],
    *,
    shorten: Shorten,
    limits: Limits,
    cluster: str = "",
) -> None:
    """Which cluster it is, when it was looked, and what has ended or ends first."""
    if cluster:
        terminal.wrapped(cluster, "cluster ")
    at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    terminal.wrapped(f"{at}, reading only, by kubevouch {__version__}", "looked  ")
    if troubles := troubles_of(rows, limits):
        trouble = troubles[0]
        terminal.wrapped(
            f"{trouble.word.lower()}: {_shortened(trouble.text(found.at), rows, shorten)}",
            "first   ",
            _colour(trouble),
        )
    elif first := first_to_end(rows):
        terminal.wrapped(_first_text(first, shorten), "first   ", Colour.GOOD)


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
    """The same at the end, with all that follows. The last line is a command or OK, or what is done by hand."""
    terminal.out()
    troubles = troubles_of(rows, limits)
    _print_troubles(terminal, found, rows, troubles, shorten)
    doubted = doubted_of(rows)
    for text in besides(rows):
        _lead(terminal, "BESIDES", _shortened(text, rows, shorten), Colour.WARNING)
    first = first_to_end(rows)
    # Elsewhere the trouble itself says what ends when.
    if first and all(each.rows[0].state in _WHATEVER_THE_TIME for each in troubles):
        _lead(terminal, "FIRST", _first_text(first, shorten))
        _lead(terminal, "STOPS", first.stops)
    unknown = not all(each.is_ordinary for each in found.not_read)
    if unknown:
        _lead(terminal, "UNKNOWN", "what could not be read may have ended, too", Colour.WARNING)
    if troubles:
        advice = advice_of(troubles[0].rows[0], without_cluster=found.without_cluster)
        _print_advice(terminal, troubles[0].rows, advice, shorten)
    elif advice_to_read := advice_on_unread(found):
        _print_advice(terminal, rows, advice_to_read, shorten)
    elif unknown and found.without_cluster:
        _lead(terminal, "NEXT", _NEXT_ON_A_DISK)
    elif doubted and found.without_cluster:
        # What is good on a disk, and yet remarked, ends with its CA.
        terminal.command(f"{'NEXT':<{_LEAD}}", f"kubevouch explain {Code.CLUSTER_CA_EXPIRING}")
    elif unknown or doubted:
        lacks = any(each.doubt.kind is DoubtKind.NOT_ALLOWED for each in found.not_read)
        terminal.command(f"{'NEXT':<{_LEAD}}", f"{_DOCTOR} --print-role" if lacks else _DOCTOR)
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
