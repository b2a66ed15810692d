"""Files on their way to a machine, images, the audit log, the count, and a need that is missing."""

import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from real import images
from real.e2e import Count
from real.layout import Folders
from real.placing import Placed, packed
from real.programs import Programs, kubernetes


def test_files_travel_with_their_mode_their_time_and_their_links() -> None:
    made = datetime(2025, 9, 30, tzinfo=UTC)
    raw = packed([Placed("/a/b", b"text", 0o600, made), Placed("/a/c", link="/a/b")])
    with tarfile.open(fileobj=BytesIO(raw)) as archive:
        file, link = archive.getmembers()
        content = archive.extractfile(file)
        assert content is not None
        assert content.read() == b"text"
    assert (file.name, file.mode, file.mtime, file.uid) == ("a/b", 0o600, made.timestamp(), 0)
    assert (link.name, link.linkname, link.issym()) == ("a/c", "/a/b", True)


def test_a_program_lies_in_its_image_wherever_pods_look_for_it(tmp_path: Path) -> None:
    program = tmp_path / "consumer"
    program.write_bytes(b"\x7fELF")
    made, places = Programs({"consumer": program}, "key"), ("a/b", "usr/local/bin/c")
    image = images.Image("local.test/c:1", "consumer", on_control_plane=False, on_workers=True)
    folders = Folders(tmp_path / "cache", tmp_path / "state")
    by_name = images.build(folders, made, (image,))
    placed = images.build(folders, made, (replace(image, places=places),))
    assert placed != by_name

    def files(folder: Path) -> list[str]:
        with tarfile.open(folder / "workers.tar") as archive:
            (layer,) = [each for each in archive.getnames() if each.endswith("layer.tar")]
            with tarfile.open(fileobj=archive.extractfile(layer)) as inner:
                return [each.name for each in inner if each.isfile() and each.mode == 0o755]

    assert files(by_name) == ["usr/local/bin/consumer"]
    assert files(placed) == list(places)


def test_a_program_is_built_anew_when_the_compiler_or_a_stamp_changes() -> None:
    one = kubernetes("1.36.3")
    assert one.key("go1.26.8") != one.key("go1.26.9")
    assert one.key("go1.26.8") == kubernetes("1.36.3").key("go1.26.8")
    stamped = {**one.stamps, "k8s.io/component-base/version.gitVersion": "v0"}
    assert type(one)(one.folder, one.packages, stamped).key("go1.26.8") != one.key("go1.26.8")


def test_the_count_is_pytests_own(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): assert False\n"
        "@pytest.mark.skip\n"
        "def test_c(): pass\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_d(broken): pass\n"
    )
    report = tmp_path / "report.xml"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    subprocess.run([*words, "."], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    count = Count.of(report)
    assert (count.run, count.passed, count.failed, count.skipped) == (3, 1, 2, 1)
    assert Count.of(tmp_path / "none.xml").run == 0


@pytest.mark.parametrize(
    ("ci", "status", "word"), [("", 0, "skipped"), ("true", 1, "a need is missing")]
)
def test_a_missing_need_is_a_skip_on_a_desk_and_a_failure_under_ci(
    ci: str, status: int, word: str
) -> None:
    bare = {"PATH": "/nowhere", "CI": ci, "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [sys.executable, "-m", "real", "run"],
        env=bare,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status
    assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("wanted", "enough"), [(6, False), (5, True)])
def test_too_few_inotify_instances_are_found_before_anything_is_booted(
    wanted: int, enough: bool
) -> None:
    """In a user namespace with a limit of its own: the machine's is left alone (user_namespaces(7), /proc/sys/user)."""
    code = f"from real import errors, needs\ntry: needs.require_inotify({wanted})\nexcept errors.MissingNeed as e: print(e)"
    words = 'echo 5 >/proc/sys/user/max_inotify_instances && exec "$0" -c "$1"'
    unshare = ["unshare", "-U", "-r", "sh", "-c", words, sys.executable, code]
    ran = subprocess.run(unshare, check=False, capture_output=True, text=True, timeout=60)
    if "unshare" in ran.stderr or "max_inotify_instances" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stderr
    if enough:
        assert ran.stdout == ""
    else:
        assert "and 5 of them are free" in ran.stdout
        assert "sysctl -w fs.inotify.max_user_instances=" in ran.stdout
