"""What was not read, in few lines: what failed for the same reason at many nodes is said once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kubevouch.evidence.certificates import NotRead
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.inventory.kubeadm_tables import unseen_of_kubeadm
from kubevouch.inventory.purpose import SHOWN_BY_KUBEADM
from kubevouch.inventory.rows import CertificateRow, RowState, row_of

_NAMES: Final = 4
_BY_ROOT: Final = "`kubevouch certs --root /` on a control plane"


@dataclass(frozen=True, slots=True)
class Unread:
    """A line about what was not read. is_failure: somebody asked for it."""

    text: str
    is_failure: bool


def rows_not_read(not_read: Iterable[NotRead]) -> tuple[CertificateRow, ...]:
    """A row for each file that we may not read, for the tables: it may be the one that ends first."""
    return tuple(
        replace(
            row_of(each.lacks, each.lacks.at),
            state=RowState.NOT_READ,
            remarks=(each.doubt.text,),
        )
        for each in not_read
        if each.lacks is not None
    )


def all_unread(
    not_read: Iterable[NotRead], rows: Iterable[CertificateRow], *, asked_disks: bool = False
) -> tuple[NotRead, ...]:
    """What was not read; at the end what kubeadm would show and nobody has seen. What is not there is not among it.

    asked_disks: nodes were asked for their disks, and no control plane has shown its own.
    """
    listed = tuple(each for each in not_read if not each.is_not_missed)
    has_its_row = any(each.lacks and each.lacks.use in SHOWN_BY_KUBEADM for each in listed)
    unseen = () if has_its_row else unseen_of_kubeadm(rows)
    if not unseen:
        return listed
    who = f"`kubevouch certs --via ssh` shows them, or {_BY_ROOT}"
    if asked_disks:
        who = f"no control plane's disk was read; {_BY_ROOT} shows them"
    what = f"kubeadm's files ({', '.join(unseen)})"
    return (*listed, NotRead(what, Doubt(DoubtKind.NOT_ASKED, who)))


def unread_of(
    not_read: Iterable[NotRead], rows: Iterable[CertificateRow], *, asked_disks: bool = False
) -> tuple[Unread, ...]:
    """The same in lines, failures first."""
    return _lines(all_unread(not_read, rows, asked_disks=asked_disks))


def _lines(not_read: Iterable[NotRead]) -> tuple[Unread, ...]:
    groups: dict[tuple[bool, str, str], list[NotRead]] = {}
    for each in not_read:
        what = each.what.replace(each.node, "") if each.node else each.what
        key = (each.is_ordinary, what, each.doubt.text)
        groups.setdefault(key, []).append(each)
    return tuple(
        Unread(_text(same), is_failure=not is_ordinary)
        for (is_ordinary, _, _), same in sorted(groups.items(), key=lambda item: item[0][0])
    )


def _text(same: Sequence[NotRead]) -> str:
    first = same[0]
    if len(same) == 1 or not first.node:
        return f"{first.what}: {first.doubt.text}"
    nodes = [each.node for each in same]
    more = len(nodes) - _NAMES
    named = ", ".join(nodes[:_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"{first.what.replace(first.node, named)}: {first.doubt.text}"
