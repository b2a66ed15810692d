"""Real krew installs the plugin from the manifest and the archive, and kubectl runs it."""

import os
from pathlib import Path

import pytest
import yaml

from real import programs
from real.layout import Folders

from .conftest import KUBECTL, VERSION, Released, shell

pytestmark = pytest.mark.long
ARCHIVE = f"kubevouch-{VERSION}-linux-amd64.tar.gz"


def test_krew_installs_it_and_kubectl_runs_it(released: Released, tmp_path: Path) -> None:
    built = programs.build(Folders.of(os.environ), (programs.KREW,)).paths
    krew, judge = built["krew"], built["validate-krew-manifest"]
    shell(judge, "-manifest", released.dist / "vouch.yaml", "-skip-install")
    settings = {"KREW_ROOT": str(tmp_path), "KREW_NO_UPGRADE_CHECK": "1"}
    files = (f"--manifest={released.dist}/vouch.yaml", f"--archive={released.dist}/{ARCHIVE}")
    shell(krew, "install", *files, env=settings)
    path = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    assert shell(KUBECTL, "vouch", "--version", env=path) == f"kubectl vouch {VERSION}\n"
    assert "KV304" in shell(KUBECTL, "vouch", "explain", env=path)
    assert f"version: v{VERSION}" in (tmp_path / "receipts" / "vouch.yaml").read_text()


def test_the_manifest_names_the_archive_and_the_one_platform(released: Released) -> None:
    spec = yaml.safe_load((released.dist / "vouch.yaml").read_text())["spec"]
    (platform,) = spec["platforms"]
    assert platform["selector"] == {"matchLabels": {"os": "linux", "arch": "amd64"}}
    assert "Linux on x86_64 only" in spec["description"]
    assert platform["uri"].endswith(f"/{ARCHIVE}")
    sums = (released.dist / "SHA256SUMS").read_text()
    assert f"{platform['sha256']}  {ARCHIVE}\n" in sums
