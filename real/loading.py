"""Gives the bed an image that was built elsewhere: an OCI archive, which pods then name by its digest. Nothing is pulled.

reference = bed.load_image(Path("dist/kubevouch-image.tar"))   # local.test/kubevouch@sha256:...
"""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from real import cluster
from real.errors import BedError
from real.layout import IMAGE_REPOSITORY
from real.machine import Machine
from real.processes import at_once

REPOSITORY = f"{IMAGE_REPOSITORY}/kubevouch"


def load(machines: Sequence[Machine], archive: Path, repository: str = REPOSITORY) -> str:
    """Imports the archive's one image on all machines that lack it; returns `repository@digest`.

    Raises:
        BedError: the archive is not an OCI archive of one image, or containerd refuses it.
    """
    reference = f"{repository}@{digest(archive)}"

    def give(machine: Machine) -> None:
        if reference not in machine.exec("ctr", "-n", "k8s.io", "images", "ls", "-q").stdout:
            cluster.import_images(machine, archive, "--base-name", repository, "--digests")

    at_once(give, machines)
    return reference


def digest(archive: Path) -> str:
    """The digest of the only manifest in an OCI archive, as `sha256:...`.

    Raises:
        BedError: it is not an OCI archive of one image.
    """
    try:
        with tarfile.open(archive) as tar:
            index = tar.extractfile("index.json")
            assert index is not None
            (manifest,) = json.load(index)["manifests"]
            return str(manifest["digest"])
    except (OSError, tarfile.TarError, KeyError, ValueError, AssertionError) as failed:
        raise BedError(str(archive), f"is not an OCI archive of one image: {failed}") from failed
