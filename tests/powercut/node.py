"""A node whose folders lie on disks that write down what reaches them, and what becomes of it after a power cut."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from real.powercut import disks, mounts
from real.powercut.disks import Disks
from tests.rollout.conftest import WRITERS, Machine, files_in
from tests.support.shells import place

from .whole import Seen, at_start

# What it does is marked in the log before it is done.
_MARKING = """#!/bin/sh
printf '%s' "{name} $*" 1<>{marks}
exec {program} "$@"
"""


@dataclass
class PoweredNode(Machine):
    """A machine whose kubelet's folder and units lie on such disks."""

    marks: Path = Path()

    @property
    def environment(self) -> Mapping[str, str]:
        """With programs that leave a mark in the log."""
        above = super().environment
        return {**above, "PATH": f"{self.folder}/marking:{above['PATH']}"}

    def leaves_marks(self) -> None:
        """From now on, and what the programs do is marked, too. What the scripts wait for has happened at once."""
        texts = {
            name: _MARKING.format(name=name, marks=self.marks, program=self.program(name))
            for name in WRITERS
        }
        place(self.folder / "marking", {**texts, "sleep": "#!/bin/sh\n"})

    def mark(self, text: str) -> None:
        """Leaves a mark."""
        with self.marks.open("r+b", buffering=0) as file:
            file.write(text.encode())


@dataclass(frozen=True)
class Layout:
    """Which folders of a node lie on which disk."""

    name: str
    kubelet: int
    units: int

    @property
    def disks(self) -> int:
        """How many there are."""
        return 1 + max(self.kubelet, self.units)

    @contextmanager
    def mounted(
        self, images: Sequence[Path], folder: Path, kind: str, options: str = ""
    ) -> Iterator[None]:
        """The node's folders at their places in this one."""
        with ExitStack() as stack:
            for number, image in enumerate(images):
                at = folder / f"disk-{number}"
                at.mkdir(exist_ok=True)
                stack.enter_context(mounts.mounted(image, at, kind, options))
            for name, number in (("kubelet", self.kubelet), ("units", self.units)):
                source = folder / f"disk-{number}" / name
                source.mkdir(exist_ok=True)
                (folder / name).mkdir(exist_ok=True)
                stack.enter_context(mounts.bound(source, folder / name))
            yield


TOGETHER = Layout("/etc on the same file system", 0, 0)
APART = Layout("/etc on another file system", 0, 1)


@contextmanager
def powered(
    program: Path,
    place: Layout,
    images: Sequence[Path],
    node: PoweredNode,
    kind: str,
    options: str,
) -> Iterator[Disks]:
    """The node with its disks on: everything that reaches them is written down."""
    with disks.logged(program, images, images[0].parent / "power-on") as found:
        on = [found.disk(number) for number in range(len(images))]
        with place.mounted(on, node.folder, kind, options):
            node.marks = found.marks
            node.leaves_marks()
            yield found


def look(folder: Path) -> Seen:
    """Everything that lies in the node's folders."""
    return Seen(files_in(folder / "kubelet"), files_in(folder / "units"))


def start(node: Machine) -> list[str]:
    """Runs once what the next start of the machine runs; what went wrong."""
    wrong = []
    for paths, command in at_start(look(node.folder)):
        if not all(Path(path).exists() for path in paths):
            continue
        ran = subprocess.run(
            command, check=False, env=node.environment, capture_output=True, timeout=120
        )
        if ran.returncode:
            wrong.append(f"{' '.join(command)} ended with {ran.returncode}: {ran.stderr.decode()}")
    return wrong
