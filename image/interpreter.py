"""The image's own Python, run on this machine from an unpacked layer: what it writes depends on the lock alone.

It is started by the image's own dynamic loader, with the image's own libraries; no root and no chroot is needed.
"""

import platform
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from image.entries import Entry, write_below
from image.errors import ImageError
from real.processes import run

_INSIDE = Path(__file__).parent / "inside"
_TAG = "cpython-313"


@dataclass(frozen=True)
class Interpreter:
    """Python below a folder that holds the Debian layer."""

    root: Path

    @staticmethod
    def unpacked(entries: Iterable[Entry], folder: Path) -> "Interpreter":
        """Writes the entries of the Debian layer there.

        Raises:
            ImageError: programs of the image do not run on this machine.
        """
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            here = f"this is {platform.system()} on {platform.machine()}"
            raise ImageError(
                "the image", here, "its own Python runs while it is built: Linux on x86_64"
            )
        write_below(folder, entries)
        return Interpreter(folder)

    def compiled(self, sources: Iterable[Entry]) -> list[Entry]:
        """The bytecode of each source, for `__pycache__` beside it.

        Raises:
            BedError: a source has a syntax error.
        """
        chosen = sorted(
            (each for each in sources if each.path.endswith(".py") and each.link is None),
            key=lambda each: each.path,
        )
        with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
            folder = Path(name)
            write_below(folder, chosen)
            made = {each.path: folder / f"{number}.pyc" for number, each in enumerate(chosen)}
            lines = [f"{folder / path}\t/{path}\t{pyc}\n" for path, pyc in made.items()]
            self._run("compile.py", stdin="".join(lines))
            return [Entry(_cached(path), pyc.read_bytes()) for path, pyc in made.items()]

    def compressed(self, data: bytes) -> bytes:
        """The same in gzip's format."""
        with tempfile.TemporaryDirectory(prefix="kubevouch-image-") as name:
            source, target = Path(name) / "plain", Path(name) / "gz"
            source.write_bytes(data)
            self._run("compress.py", str(source), str(target))
            return target.read_bytes()

    def _run(self, script: str, *arguments: str, stdin: str = "") -> None:
        usr = self.root / "usr"
        loader: list[str | Path] = [
            usr / "lib64/ld-linux-x86-64.so.2",
            "--library-path",
            usr / "lib/x86_64-linux-gnu",
        ]
        run(
            [
                *("env", "-i", f"PYTHONHOME={usr}", "PYTHONHASHSEED=0", "PYTHONUTF8=1"),
                *loader,
                usr / "bin/python3.13",
                *("-s", "-S", "-B"),
                _INSIDE / script,
                *arguments,
            ],
            stdin=stdin,
            seconds=600,
        )


def _cached(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{_TAG}.pyc"
