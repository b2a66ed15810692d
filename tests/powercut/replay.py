"""One file system, one layout, every story: each image that a power cut may leave is mounted and looked at.

`python -m tests.powercut.replay PROGRAM FILE_SYSTEM LAYOUT JOURNAL SAMPLES STORY...` prints what was Told, as JSON. It mounts
things below /mnt, so it is started with a mount namespace of its own (`real.processes.held`).
"""

import asyncio
import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import msgspec

from real.powercut import disks
from real.powercut.disks import FILE_SYSTEMS, FileSystem
from real.powercut.log import Cut, Entry, Kind, pages_of, prefixes, sampled
from real.processes import run
from tests.rollout.conftest import machine_in

from .node import APART, TOGETHER, Layout, PoweredNode, look, powered, start
from .stories import FAULTY, ISSUED, STORIES, Step
from .whole import Known, Seen, described, told_by, wrong_after_start, wrong_as_found

LAYOUTS = {"together": TOGETHER, "apart": APART}
_AT_ONCE = 6


class Told(msgspec.Struct, frozen=True):
    """How many images of a story there were, and what was wrong with them."""

    story: str
    writes: int
    flushes: int
    images: int
    nodes: int
    """Different ones among them, as a kubelet would find them."""

    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Recorded:
    """A story that was told once with the power on."""

    base: tuple[Mapping[int, bytes], ...]
    log: tuple[Entry, ...]
    known: Known


@dataclass(frozen=True)
class Place:
    """Where a node is put together."""

    folder: Path
    system: FileSystem
    layout: Layout
    options: str

    def with_image(self, recorded: Recorded, cut: Cut, node: Path, work: Path) -> Seen:
        """Mounts the image and reads it."""
        with self.mounted(recorded, cut, node, work):
            return look(node)

    @contextmanager
    def mounted(self, recorded: Recorded, cut: Cut, node: Path, work: Path) -> Iterator[None]:
        """The node after this cut; the file system mends itself from its journal."""
        images = [work / f"cut-{number}" for number in range(self.layout.disks)]
        for number, image in enumerate(images):
            pages = cut.image(recorded.base[number], recorded.log, number)
            disks.put(pages, self.system.size, image)
        with self.layout.mounted(images, node, self.system.name, self.system.copies):
            yield


def record(place: Place, program: Path, steps: Sequence[Step]) -> Recorded:
    """Tells a story on a new node."""
    node = PoweredNode(place.folder / "node")
    node.folder.mkdir()
    images = [place.folder / f"image-{number}" for number in range(place.layout.disks)]
    for image in images:
        disks.make(place.system, image)
    with place.layout.mounted(images, node.folder, place.system.name):
        (node.folder / "bin").mkdir()
        machine_in(node.folder)
        before = look(node.folder)
    base = tuple(pages_of(image.read_bytes()) for image in images)
    with powered(
        program, place.layout, images, node, place.system.name, place.options
    ) as powered_disks:
        known = asyncio.run(_told(node, steps, before))
    return Recorded(base, powered_disks.log(), known)


async def _told(node: PoweredNode, steps: Sequence[Step], before: Seen) -> Known:
    await steps[0](node)
    begun, change = look(node.folder), node.change()
    for step in steps[1:]:
        await step(node)
    seed = tuple(begun.content(f"pki/kubelet-server.{each}") or b"" for each in ("crt", "key"))
    return Known(change.run, change.root, before, change.content, (seed[0], seed[1]), ISSUED)


def cuts_of(recorded: Recorded, seed: int, samples: int) -> list[Cut]:
    """Those whose images, or whose promises, differ."""
    found: dict[str, Cut] = {}
    every: Iterable[Cut] = itertools.chain(
        prefixes(recorded.log), sampled(recorded.log, seed, samples)
    )
    for cut in every:
        digest = hashlib.sha256(told_by(cut.marks(recorded.log)).encode())
        for number, base in enumerate(recorded.base):
            for page, content in sorted(cut.image(base, recorded.log, number).items()):
                digest.update(f"{number} {page} ".encode() + content)
        found.setdefault(digest.hexdigest(), cut)
    return list(found.values())


def judged(place: Place, recorded: Recorded, cuts: Sequence[Cut]) -> tuple[int, list[str]]:
    """How many different nodes the cuts leave, and what is wrong."""
    free: SimpleQueue[Path] = SimpleQueue()
    for number in range(_AT_ONCE):
        (place.folder / f"look-{number}" / "node").mkdir(parents=True)
        free.put(place.folder / f"look-{number}")

    def seen(cut: Cut) -> Seen:
        work = free.get()
        try:
            return place.with_image(recorded, cut, work / "node", work)
        finally:
            free.put(work)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(seen, cuts))
    alike: dict[str, list[int]] = {}
    for place_in_list, each in enumerate(found):
        alike.setdefault(repr(each), []).append(place_in_list)
    wrong = []
    for group in alike.values():
        first = cuts[group[0]]
        told = {told_by(cuts[each].marks(recorded.log)): cuts[each] for each in group}
        wrong += _judged(place, recorded, first, told)
    return len(alike), wrong


def _judged(place: Place, recorded: Recorded, first: Cut, told: Mapping[str, Cut]) -> list[str]:
    node = PoweredNode(place.folder / "node")
    node.marks = place.folder / "marks"
    node.marks.touch()
    with place.mounted(recorded, first, node.folder, place.folder):
        found = look(node.folder)
        wrong = [(first, each) for each in wrong_as_found(found, recorded.known)]
        wrong += [(first, each) for each in start(node)]
        started = look(node.folder)
    for answer, cut in told.items():
        wrong += [(cut, each) for each in wrong_after_start(started, recorded.known, answer)]
    found_at = described(found, recorded.known)
    by_cut: dict[Cut, list[str]] = {}
    for cut, each in wrong:
        by_cut.setdefault(cut, []).append(each)
    return [
        f"{_moment(cut, recorded)}\n  found: {found_at}\n  wrong: {'; '.join(every)}".replace(
            f"{node.folder}/", ""
        )
        for cut, every in by_cut.items()
    ]


def _moment(cut: Cut, recorded: Recorded) -> str:
    marks = cut.marks(recorded.log)
    lost = f" without the writes {sorted(cut.lost)}" if cut.lost else ""
    return f"after {cut.after} of {len(recorded.log)} entries{lost}; last {' | '.join(marks[-2:])}"


def replay(place: Place, program: Path, name: str, samples: int) -> Told:
    """One story, from the first write to the last image."""
    recorded = record(place, program, {**STORIES, **FAULTY}[name])
    cuts = cuts_of(recorded, seed=samples, samples=samples)
    nodes, wrong = judged(place, recorded, cuts)
    writes = sum(entry.kind is Kind.WRITE for entry in recorded.log)
    flushes = sum(entry.kind is Kind.FLUSH for entry in recorded.log)
    return Told(name, writes, flushes, len(cuts), nodes, tuple(wrong))


def main(program: str, system: str, layout: str, journal: str, samples: str, *names: str) -> None:
    """Prints what was found of every story."""
    chosen = FILE_SYSTEMS[system]
    options = chosen.eager if journal == "eager" else chosen.options
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt"])
    told = []
    for number, name in enumerate(names):
        folder = Path("/mnt") / str(number)
        folder.mkdir()
        place = Place(folder, chosen, LAYOUTS[layout], options)
        told.append(replay(place, Path(program), name, int(samples)))
    sys.stdout.write(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
