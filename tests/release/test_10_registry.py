"""A real registry takes charts and image, and gives them back by the digests that the release names."""

import os
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from real import charts, programs
from real.layout import Folders

from .conftest import VERSION, Released, shell

pytestmark = pytest.mark.long
CONFIGURATION = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{address}"}}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry on loopback (github.com/distribution/distribution)."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
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
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("kubevouch-approver", "kubevouch-system"), ("kubevouch-metrics-server", "kube-system")],
)
def test_helm_installs_a_pushed_chart(
    released: Released, registry: str, helm: charts.Helm, name: str, namespace: str
) -> None:
    packed = released.dist / f"{name}-{VERSION}.tgz"
    helm.run("push", str(packed), f"oci://{registry}/charts", "--plain-http")
    pushed = ("template", name, f"oci://{registry}/charts/{name}", "--version", VERSION)
    said = helm.run(*pushed, "--plain-http", "--namespace", namespace).stdout
    assert said == helm.template(packed, release=name, namespace=namespace)


def test_the_image_has_the_digest_that_program_and_charts_name(
    released: Released, registry: str, helm: charts.Helm, tmp_path: Path
) -> None:
    crane = programs.build(Folders.of(os.environ), (programs.CRANE,)).paths["crane"]
    with tarfile.open(released.dist / "kubevouch-image.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    pushed = f"{registry}/team/kubevouch:{VERSION}"
    shell(crane, "push", tmp_path, pushed)
    digest = shell(crane, "digest", pushed).strip()
    chart = released.dist / f"kubevouch-exporter-{VERSION}.tgz"
    rendered = helm.template(chart, release="kubevouch-exporter", namespace="kubevouch-system")
    assert f"/kubevouch@{digest}\n" in rendered
    for platform in ("linux/amd64", "linux/arm64"):
        one = f"{registry}/team/kubevouch@{digest}"
        shell(crane, "validate", "--remote", one, "--platform", platform)
        assert f'"{platform.partition("/")[2]}"' in shell(
            crane, "config", one, "--platform", platform
        )
