"""`python -m demo`: the story on a lab of its own, which is gone afterwards. FAST=1 in the environment leaves out the pauses."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.telling import FAST, Cluster, NotAsTold, Pace, tell
from kubevouch_lab.cluster.folder import Folder

_LAB = (sys.executable, "-m", "kubevouch", "lab")


@contextmanager
def lab(desk: Path, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """A lab while it lasts, where `kubevouch lab` looks for it if one stands at that desk."""
    root = desk / "kubevouch" / "lab"
    words = ("--dir", str(root))
    up = subprocess.run(
        [*_LAB, "up", "--detach", *words], capture_output=True, text=True, check=False
    )
    if up.returncode != 0:
        raise NotAsTold(up.stderr.strip())
    exported = dict(
        shlex.split(line.removeprefix("export "))[0].split("=", 1)
        for line in up.stdout.splitlines()
        if line.startswith("export ")
    )
    try:
        yield Cluster(
            "lab",
            {**environment, **exported},
            root / "ssh_config",
            kubelets=Folder(root).record().site.addresses,
            # A lab's pods run this checkout, whatever image they name.
            image="registry.example.com/kubevouch@sha256:" + "4f" * 32,
            months="kubevouch lab age 335d --serving",
        )
    finally:
        subprocess.run([*_LAB, "down", "--remove", *words], capture_output=True, check=False)


def main() -> int:
    """The exit status: 0 if it went as told."""
    environment = dict(os.environ)
    pace = FAST if environment.get("FAST") else Pace()
    try:
        with tempfile.TemporaryDirectory(prefix="kubevouch-") as name:
            desk = Path(name, "desk")
            desk.mkdir()
            with lab(desk, environment) as cluster:
                tell(cluster, desk, pace)
    except NotAsTold as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
