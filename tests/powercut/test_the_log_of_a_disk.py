"""Which images a log allows, and which it does not."""

import struct

from real.powercut.log import PAGE, Cut, Entry, Kind, pages_of, prefixes, read, sampled


def write(at: int, data: bytes, disk: int = 0) -> Entry:
    return Entry(Kind.WRITE, disk, at, data)


def flush(disk: int = 0) -> Entry:
    return Entry(Kind.FLUSH, disk, 0, b"")


def page(letter: bytes) -> bytes:
    return letter * PAGE


def images(log: list[Entry], cuts: list[Cut], disk: int = 0) -> set[bytes]:
    """The first byte of each page, `-` for zeros, of every image."""
    found = set()
    for cut in cuts:
        pages = cut.image({}, log, disk)
        found.add(b"".join(pages.get(number, b"-")[:1] for number in range(3)))
    return found


def test_a_write_of_several_pages_may_be_cut_between_them() -> None:
    data = page(b"a") + page(b"b")
    raw = struct.pack(">cBQI", b"w", 0, PAGE // 2, len(data)) + data
    raw += struct.pack(">cBQI", b"f", 0, 0, 0) + struct.pack(">cBQI", b"m", 255, 0, 2) + b"hi"
    found = read(raw)
    assert [(each.kind, each.at, len(each.data)) for each in found] == [
        (Kind.WRITE, PAGE // 2, PAGE // 2),
        (Kind.WRITE, PAGE, PAGE),
        (Kind.WRITE, 2 * PAGE, PAGE // 2),
        (Kind.FLUSH, 0, 0),
        (Kind.MARK, 0, 2),
    ]
    assert Cut(len(found)).marks(found) == ["hi"]
    assert Cut(4).marks(found) == []


def test_what_is_written_within_a_page_leaves_the_rest_of_it() -> None:
    base = pages_of(page(b"a") + page(b"\0"))
    assert list(base) == [0]
    pages = Cut(1).image(base, [write(10, b"xyz")], 0)
    assert pages[0] == b"a" * 10 + b"xyz" + b"a" * (PAGE - 13)


def test_every_prefix_is_an_image_and_what_was_flushed_is_never_lost() -> None:
    log = [write(0, page(b"a")), flush(), write(PAGE, page(b"b")), write(2 * PAGE, page(b"c"))]
    assert images(log, list(prefixes(log))) == {b"---", b"a--", b"ab-", b"abc"}
    assert images(log, list(sampled(log, seed=1, count=200))) == {b"a--", b"ab-", b"a-c", b"abc"}


def test_of_two_writes_to_one_place_the_earlier_one_may_win() -> None:
    log = [write(0, page(b"a")), write(0, page(b"b"))]
    assert b"a--" in images(log, [cut for cut in sampled(log, seed=1, count=50) if cut.after == 2])


def test_a_flush_of_one_disk_keeps_nothing_of_another() -> None:
    log = [write(0, page(b"a"), 0), write(0, page(b"b"), 1), flush(0)]
    both = {(cut.image({}, log, 0) != {}, cut.image({}, log, 1) != {}) for cut in prefixes(log)}
    assert both == {(False, False), (True, False), (True, True), (False, True)}
    after = [cut for cut in sampled([*log, write(PAGE, page(b"c"), 1)], 1, 50) if cut.after == 4]
    assert after
    assert all(0 not in cut.lost for cut in after)
