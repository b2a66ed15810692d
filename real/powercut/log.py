"""The log of a disk, and what may lie on it after a power cut. Pure.

A disk that has said yes to a write may still lose it, alone and out of turn, until a later flush has ended; it writes a
page of 4 KiB whole or not at all. So a cut has a moment in the log, and of what is not flushed by then any part may be
lost. That covers every order, too: of two writes to one place, the later one that comes first is an earlier one that is lost.
"""

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

PAGE = 4096
_HEAD = struct.Struct(">cBQI")


class Kind(StrEnum):
    """Of an entry, as real/programs/powercut writes it."""

    WRITE = "w"
    FLUSH = "f"
    MARK = "m"


@dataclass(frozen=True)
class Entry:
    """One entry: at most one page is written by it."""

    kind: Kind
    disk: int
    at: int
    data: bytes


def read(raw: bytes) -> tuple[Entry, ...]:
    """The entries of a log. A write of several pages becomes as many."""
    found: list[Entry] = []
    place = 0
    while place < len(raw):
        kind, disk, at, size = _HEAD.unpack_from(raw, place)
        place += _HEAD.size
        data = raw[place : place + size]
        place += size
        if kind != b"w":
            found.append(Entry(Kind(kind.decode()), disk, at, data))
            continue
        while data:
            here = PAGE - at % PAGE
            found.append(Entry(Kind.WRITE, disk, at, data[:here]))
            at, data = at + here, data[here:]
    return tuple(found)


@dataclass(frozen=True)
class Cut:
    """The power fails after so many entries, and these writes among them are lost."""

    after: int
    lost: frozenset[int] = frozenset()

    def image(self, base: Mapping[int, bytes], log: Sequence[Entry], disk: int) -> dict[int, bytes]:
        """The pages of a disk that are not all zeros, by number."""
        pages = dict(base)
        for place, entry in enumerate(log[: self.after]):
            if entry.kind is Kind.WRITE and entry.disk == disk and place not in self.lost:
                number, start = divmod(entry.at, PAGE)
                old = pages.get(number, bytes(PAGE))
                pages[number] = old[:start] + entry.data + old[start + len(entry.data) :]
        return pages

    def marks(self, log: Sequence[Entry]) -> list[str]:
        """The marks before it."""
        marks = (each for each in log[: self.after] if each.kind is Kind.MARK)
        return [each.data.decode(errors="replace") for each in marks]


def pages_of(content: bytes) -> dict[int, bytes]:
    """The pages of an image that are not all zeros."""
    pages = ((n, content[n * PAGE : (n + 1) * PAGE]) for n in range(-(-len(content) // PAGE)))
    return {number: page for number, page in pages if page.strip(b"\0")}


def prefixes(log: Sequence[Entry]) -> Iterator[Cut]:
    """After each write and each mark: with all that was written until then, and with what was flushed alone.

    Where there are several disks, each of them has lost, once, what it had not flushed, and the others nothing.
    """
    for after in range(len(log) + 1):
        if after and log[after - 1].kind is Kind.FLUSH:
            continue  # as before it
        yield Cut(after)
        waiting = _not_flushed(log[:after])
        for disk in {log[place].disk for place in waiting}:
            yield Cut(after, frozenset(p for p in waiting if log[p].disk == disk))


def sampled(log: Sequence[Entry], seed: int, count: int) -> Iterator[Cut]:
    """So many cuts at which some of what was not flushed is lost: one write, or about half of them."""
    dice = random.Random(seed)
    moments = [n for n in range(len(log) + 1) if len(_not_flushed(log[:n])) > 1]
    for _ in range(count if moments else 0):
        after = dice.choice(moments)
        waiting = sorted(_not_flushed(log[:after]))
        chosen = [dice.choice(waiting)]
        if dice.random() < 0.75:
            chosen = [place for place in waiting if dice.random() < 0.5]
        yield Cut(after, frozenset(chosen))


def _not_flushed(log: Sequence[Entry]) -> frozenset[int]:
    """The writes that came after the last flush of their disk."""
    flushed = {entry.disk: place for place, entry in enumerate(log) if entry.kind is Kind.FLUSH}
    return frozenset(
        place
        for place, entry in enumerate(log)
        if entry.kind is Kind.WRITE and place > flushed.get(entry.disk, -1)
    )
