"""`make release-check`: a whole dist/ passes without a network, a damaged one does not, and the commands left are exact."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import CHECKOUT, PYTHON, REGISTRY, VERSION, Released

pytestmark = pytest.mark.long
OFFLINE = ("unshare", "--net", "--map-root-user", "--")


def checked(dist: Path) -> "subprocess.CompletedProcess[str]":
    words = (*OFFLINE, PYTHON, "-m", "release", "check", "--target", dist)
    return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_a_whole_one_passes_and_says_what_is_left(released: Released) -> None:
    ran = checked(released.dist)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    pushed = [line for line in lines if line.startswith("helm push ")]
    assert pushed[0] == f"helm push dist/kubevouch-approver-{VERSION}.tgz oci://{REGISTRY}/charts"
    assert len(pushed) == 3
    assert f"docker://{REGISTRY}/kubevouch:{VERSION}" in ran.stdout
    assert f"cosign sign {REGISTRY}/kubevouch@sha256:" in ran.stdout
    (upload,) = (line for line in lines if line.startswith("twine upload "))
    for each in upload.split()[2:]:
        assert (released.dist.parent / each).exists() or (released.dist / Path(each).name).exists()
    assert "# krew's manifest leads nowhere" in ran.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"kubevouch-{VERSION}.tar.gz", "is not as in SHA256SUMS"),
        ("vouch.yaml", "is not as in SHA256SUMS"),
        ("another.txt", "stands in SHA256SUMS or in the folder only"),
    ],
)
def test_a_changed_file_and_one_too_many_are_told(
    released: Released, tmp_path: Path, name: str, says: str
) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(released.dist, dist)
    with (dist / name).open("ab") as opened:
        opened.write(b"\n")
    ran = checked(dist)
    assert ran.returncode == 1
    assert name in ran.stderr
    assert says in ran.stderr


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "has no SHA256SUMS; `make release` makes it" in checked(tmp_path).stderr
