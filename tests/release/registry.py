"""A real registry (github.com/distribution/distribution), and what is pushed to it."""

import os
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real import programs
from real.layout import Folders

from .conftest import VERSION, shell

CONFIGURATION = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{address}"}}
"""


@contextmanager
def serving(address: str, folder: Path) -> Iterator[None]:
    """It answers at this address, without TLS, while the block lasts."""
    (folder / "config.yaml").write_text(CONFIGURATION.format(folder=folder, address=address))
    program = programs.build(Folders.of(os.environ), (programs.REGISTRY,)).paths["registry"]
    quiet = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    words = (program, "serve", folder / "config.yaml")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=quiet, stdout=log, stderr=log)
    try:
        for _ in range(300):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://{address}/v2/", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def crane(*words: str | Path) -> str:
    """Runs crane (github.com/google/go-containerregistry), and returns what it printed."""
    program = programs.build(Folders.of(os.environ), (programs.CRANE,)).paths["crane"]
    return shell(program, *words)


def pushed(dist: Path, registry: str, folder: Path) -> str:
    """Pushes the image of a release, and returns its digest."""
    with tarfile.open(dist / "kubevouch-image.tar") as archive:
        archive.extractall(folder, filter="data")
    name = f"{registry}/kubevouch:{VERSION}"
    crane("push", folder, name)
    return crane("digest", name).strip()
