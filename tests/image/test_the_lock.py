"""The image's lock agrees with the product's, names no address, and what is not the locked file is not used."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from image import lock
from image.errors import ImageError

CHECKOUT = Path(__file__).parents[2]
REQUIREMENTS = (CHECKOUT / "locks" / "kubevouch.txt").read_text(encoding="utf-8")
IN_THE_IMAGE = {
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "sys_platform": "linux",
    "os_name": "posix",
}


LOCKS = {each: lock.read(lock.path_of(each)) for each in lock.MACHINES}
BOTH = pytest.mark.parametrize("architecture", LOCKS)


def required(machine: str) -> dict[str, tuple[str, set[str]]]:
    """What locks/kubevouch.txt wants in the image: version and hashes, by name."""
    found = {}
    for block in re.findall(r"^[a-z0-9].*\n(?:[ \t].*\n)*", REQUIREMENTS, re.MULTILINE):
        first = Requirement(block.splitlines()[0].rstrip("\\ "))
        if first.marker is None or first.marker.evaluate(
            {**IN_THE_IMAGE, "platform_machine": machine}
        ):
            hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
            found[first.name] = str(first.specifier).removeprefix("=="), hashes
    return found


@BOTH
def test_the_wheels_are_those_of_the_products_lock_and_all_of_them(architecture: str) -> None:
    wanted = required(lock.MACHINES[architecture])
    assert len(wanted) > 10
    locked = {each.name: each for each in LOCKS[architecture].wheels}
    assert locked.keys() == wanted.keys(), "`make image-lock`"
    for name, (version, hashes) in wanted.items():
        assert locked[name].version == version, "`make image-lock`"
        assert locked[name].sha256 in hashes


@BOTH
def test_each_wheel_runs_on_the_images_python(architecture: str) -> None:
    wanted = rf"manylinux.*_{lock.MACHINES[architecture]}"
    for each in LOCKS[architecture].wheels:
        _, version, _, tags = parse_wheel_filename(each.file)
        assert str(version) == each.version
        for tag in tags:
            assert tag.abi in {"cp313", "abi3", "none"}, each.file
            assert tag.platform == "any" or re.fullmatch(wanted, tag.platform)


@BOTH
def test_packages_are_named_below_an_archive_and_by_no_address(architecture: str) -> None:
    text = lock.path_of(architecture).read_text(encoding="utf-8")
    assert "//" not in text
    packages = LOCKS[architecture].debian
    for each in packages:
        assert each.archive in {"main", "security"}
        assert re.fullmatch(r"pool/[a-z0-9/.+~_-]+\.deb", each.path, re.IGNORECASE), each.path
        assert each.path.rpartition("/")[2].startswith(f"{each.name}_")
        assert re.fullmatch(r"[0-9a-f]{64}", each.sha256)
    assert len({each.name for each in packages}) == len(packages)


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.deb"
    file.write_bytes(b"anything")
    right = "ee0874170b7f6f32b8c2ac9573c428d35b575270a66b757c2c0185d2bd09718d"
    lock.require_hash(file, right)
    with pytest.raises(ImageError, match=r"its SHA-256 is ee08.*; the lock says 0000"):
        lock.require_hash(file, "0" * 64)


def test_a_lock_that_cannot_be_read_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="make image-lock"):
        lock.read(tmp_path / "lock.json")
    (tmp_path / "lock.json").write_text(json.dumps({"epoch": "yesterday"}))
    with pytest.raises(ImageError, match="make image-lock"):
        lock.read(tmp_path / "lock.json")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for architecture, locked in LOCKS.items():
        lock.write(locked, tmp_path / "lock.json")
        assert (tmp_path / "lock.json").read_bytes() == lock.path_of(architecture).read_bytes()


def test_the_builder_never_imports_the_product() -> None:
    code = "import sys, image.__main__; sys.exit('kubevouch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, timeout=60)
