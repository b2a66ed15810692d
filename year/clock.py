"""The moved time of day: one number in a file, which every process maps."""

import os
import shlex
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_PYTHON = """\
#!/bin/sh
# The approver keeps a Lease: what only goes forward goes on as it is. The others live through what is left out.
case " $* " in *" approver "*) ;; *) export YEAR_ALL=1 ;; esac
export LD_PRELOAD={preload} YEAR_CLOCK={file}
exec {python} "$@"
"""


@dataclass(frozen=True)
class YearClock:
    """The folder has the file, `clock.c` as a library, and a Python for pods."""

    folder: Path

    @staticmethod
    def here() -> "YearClock | None":
        """The one that this process has; None if it has the machine's own time."""
        file = os.environ.get("YEAR_CLOCK")
        return YearClock(Path(file).parent) if file else None

    def begin_anew(self) -> None:
        """Runs this program again, with the moved time in it and in all that it starts. Needs a C compiler."""
        (self.folder / "clock").write_bytes(bytes(8))
        preload, file = str(self.folder / "clock.so"), str(self.folder / "clock")
        words = ["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", preload, str(_SOURCE), "-ldl"]
        subprocess.run(words, check=True)
        python = self.folder / "python"
        quoted = map(shlex.quote, (preload, file, sys.executable))
        text = _PYTHON.format(**dict(zip(("preload", "file", "python"), quoted, strict=True)))
        python.write_text(text)
        python.chmod(0o755)
        moved = {"LD_PRELOAD": preload, "YEAR_CLOCK": file, "YEAR_PYTHON": str(python)}
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **moved})

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def leap(self, seconds: int) -> None:
        """For all processes in the same moment."""
        with (self.folder / "clock").open("r+b") as file:
            [ahead] = struct.unpack("l", file.read(8))
            file.seek(0)
            file.write(struct.pack("l", ahead + seconds))
