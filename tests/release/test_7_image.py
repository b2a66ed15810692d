"""The image's address: the program and the charts name the image that is in dist/, by its digest."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from real import charts

from .conftest import CHARTS, KUBECTL, REGISTRY, VERSION, Released, shell

pytestmark = pytest.mark.long
INSTALLS = {"approver": ("--new-nodes", "hold"), "exporter": (), "metrics-server": ()}


@pytest.fixture(scope="session")
def address(released: Released) -> str:
    with tarfile.open(released.dist / "kubevouch-image.tar") as archive:
        index = archive.extractfile("index.json")
        assert index
        (image,) = json.load(index)["manifests"]
    assert image["annotations"]["org.opencontainers.image.ref.name"] == VERSION
    return f"{REGISTRY}/kubevouch@{image['digest']}"


@pytest.mark.parametrize(("server", "more"), INSTALLS.items())
def test_install_takes_the_image_of_the_release(
    installed: Path, lab: Mapping[str, str], address: str, server: str, more: tuple[str, ...]
) -> None:
    if server == "metrics-server":  # else the lab's own holds its place
        shell(KUBECTL, "delete", "apiservice", "v1beta1.metrics.k8s.io", env=lab)
    said = shell(installed / "kubevouch", server, "install", "--dry-run", *more, env=lab)
    assert f'"image": "{address}"' in said or f"image: {address}" in said


def test_charts_take_it_too(released: Released, helm: charts.Helm, address: str) -> None:
    for name, namespace in CHARTS.items():
        chart = released.dist / f"{name}-{VERSION}.tgz"
        assert f"image: {address}\n" in helm.template(chart, release=name, namespace=namespace)


def test_what_the_program_says_names_it(installed: Path, address: str) -> None:
    said = " ".join(shell(installed / "kubevouch", "explain", "KV401").split())
    assert f"kubevouch approver install --image {address} --new-nodes hold" in said
    assert "REGISTRY" not in said
