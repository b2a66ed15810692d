"""A real registry takes charts and image, and gives them back by the digests that the release names."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from real import charts

from .conftest import CHARTS, VERSION, Released
from .registry import crane, pushed, serving

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(address, tmp_path_factory.mktemp("registry")):
        yield address


@pytest.mark.parametrize(("name", "namespace"), CHARTS.items())
def test_helm_installs_a_pushed_chart(
    released: Released, registry: str, helm: charts.Helm, name: str, namespace: str
) -> None:
    packed = released.dist / f"{name}-{VERSION}.tgz"
    helm.run("push", str(packed), f"oci://{registry}/charts", "--plain-http")
    words = ("template", name, f"oci://{registry}/charts/{name}", "--version", VERSION)
    said = helm.run(*words, "--plain-http", "--namespace", namespace).stdout
    assert said == helm.template(packed, release=name, namespace=namespace)


def test_the_image_has_the_digest_that_program_and_charts_name(
    released: Released, registry: str, helm: charts.Helm, tmp_path: Path
) -> None:
    digest = pushed(released.dist, f"{registry}/team", tmp_path)
    chart = released.dist / f"kubevouch-exporter-{VERSION}.tgz"
    rendered = helm.template(chart, release="kubevouch-exporter", namespace="kubevouch-system")
    assert f"/kubevouch@{digest}\n" in rendered
    for platform in ("linux/amd64", "linux/arm64"):
        one = f"{registry}/team/kubevouch@{digest}"
        crane("validate", "--remote", one, "--platform", platform)
        assert f'"{platform.partition("/")[2]}"' in crane("config", one, "--platform", platform)
