"""What a built wheel and a built sdist hold: the product's none of the lab, and the lab's nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import kubevouch
import kubevouch_lab

CHECKOUT = Path(__file__).parents[2]
SOURCES = CHECKOUT / "src"


def wheel(project: Path, where: Path) -> zipfile.ZipFile:
    """The wheel that pip would install, built by hatchling as in our environment: without the network."""
    build("wheel", project, where)
    (built,) = where.glob("*.whl")
    return zipfile.ZipFile(built)


def build(target: str, project: Path, where: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(where)],
        cwd=project,
        check=True,
        capture_output=True,
        timeout=120,
    )


def metadata(wheel: zipfile.ZipFile) -> dict[str, list[str]]:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    read = HeaderParser().parsestr(wheel.read(name).decode())
    return {key: read.get_all(key, []) for key in read}


def roots(wheel: zipfile.ZipFile) -> set[str]:
    """The folders at the top, without that of the metadata."""
    found = {each.split("/")[0] for each in wheel.namelist()}
    return {each for each in found if not each.endswith(".dist-info")}


def test_the_products_wheel_holds_nothing_of_the_lab(tmp_path: Path) -> None:
    with wheel(CHECKOUT, tmp_path) as built:
        assert roots(built) == {"kubevouch"}
        assert not [each for each in built.namelist() if "lab" in Path(each).parts]
        needs = metadata(built)["Requires-Dist"]
        assert not [each for each in needs if each.startswith(("asyncssh", "kubevouch"))]
        scripts = [each.relative_to(SOURCES) for each in SOURCES.rglob("*.sh")]
        assert scripts
        assert not {str(each) for each in scripts} - set(built.namelist())
        deployed = CHECKOUT / "deploy"
        manifests = [each.relative_to(deployed) for each in deployed.rglob("*.yaml")]
        assert len(manifests) > 8
        for each in manifests:
            within = built.read(f"kubevouch/cli/install/manifests/{each.as_posix()}")
            assert within == (deployed / each).read_bytes()


def test_the_sdist_holds_the_product_only(tmp_path: Path) -> None:
    build("sdist", CHECKOUT, tmp_path)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        held = {Path(*Path(each).parts[1:]) for each in archive.getnames()}
    files = {"README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", "pyproject.toml", ".gitignore"}
    assert {each.parts[0] for each in held} == {"src", "docs", *files}
    assert {each.parts[1] for each in held if each.parts[0] == "src"} == {"kubevouch"}


def test_the_labs_wheel_holds_the_lab_and_goes_with_this_version(tmp_path: Path) -> None:
    with wheel(CHECKOUT / "lab", tmp_path) as built:
        assert roots(built) == {"kubevouch_lab"}
        assert "kubevouch_lab/cluster/manifests/metrics-server.yaml" in built.namelist()
        told = metadata(built)
    assert told["Version"] == [kubevouch.__version__]
    assert f"kubevouch=={kubevouch.__version__}" in told["Requires-Dist"]


def test_both_have_one_version() -> None:
    assert kubevouch_lab.__version__ == kubevouch.__version__


@pytest.mark.parametrize("name", ["kubevouch", "kubevouch_lab"])
def test_types_are_announced(name: str) -> None:
    module = {"kubevouch": kubevouch, "kubevouch_lab": kubevouch_lab}[name]
    assert module.__file__
    assert Path(module.__file__).with_name("py.typed").is_file()
