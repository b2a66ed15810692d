"""Files of a foreign tree are read without leaving it, without opening what is no file, and without waiting."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubevouch.errors import UsageError
from kubevouch.node.io.tree import FileTree
from kubevouch.node.tree_file import TreeFile

LARGEST = 1 << 20


def _read(root: Path, path: str) -> TreeFile | None:
    with FileTree(root) as tree:
        return tree.read(path, LARGEST)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one file in it, and beside the tree what must not be found."""
    (tmp_path / "secret").write_text("outside")
    folder = tmp_path / "root"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("inside")
    return folder


@pytest.mark.parametrize("path", ["/a/b/file", "a/b/file", "//a/./b/../b/file", "/../../a/b/file"])
def test_a_file_is_read_by_its_path_in_the_tree(root: Path, path: str) -> None:
    assert _read(root, path) == TreeFile(path, b"inside")


@pytest.mark.parametrize(
    "target", ["b/file", "/a/b/file", "../a/b/file", "../../../../../a/b/file", "/../a/b/file"]
)
def test_a_link_is_followed_as_if_the_tree_were_all_there_is(root: Path, target: str) -> None:
    (root / "a" / "link").symlink_to(target)
    assert _read(root, "/a/link") == TreeFile("/a/link", b"inside")


def test_folders_that_are_links_are_followed_inside_too(root: Path) -> None:
    (root / "elsewhere").symlink_to("/a/b")
    assert _read(root, "/elsewhere/file") == TreeFile("/elsewhere/file", b"inside")


@pytest.mark.parametrize("up", ["", "..", "../..", "../../../../../../../.."])
def test_no_link_leads_out_of_the_tree(root: Path, up: str) -> None:
    outside = root.parent / "secret"
    (root / "link").symlink_to(f"{up}{outside}" if up else str(outside))
    (root / "near").symlink_to("../secret")
    (root / "folder").symlink_to("..")
    for path in ("/link", "/near", "/folder/secret", "/../secret"):
        found = _read(root, path)
        assert found is None or found.data == b"", path
    fault = "a link to ../secret, which does not exist"
    assert _read(root, "/near") == TreeFile("/near", fault=fault)


def test_links_without_an_end_are_told(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    found = _read(root, "/one")
    assert found is not None
    assert "links" in found.fault


def test_what_is_not_there_is_none(root: Path) -> None:
    assert _read(root, "/a/nothing") is None
    assert _read(root, "/nothing/at/all") is None
    assert _read(root, "/a/b/file/below") is None


def test_what_is_no_file_is_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # the path of a socket may not be long
    os.mkfifo("FIFO")
    Path("link").symlink_to("FIFO")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path, kind in (
            ("FIFO", "FIFO"),
            ("link", "FIFO"),
            ("socket", "socket"),
            ("a", "folder"),
        ):
            assert _read(root, path) == TreeFile(path, fault=f"a {kind}, not a file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_opened(root: Path) -> None:
    try:
        os.mknod(root / "device", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices can be made here")
    assert _read(root, "/device") == TreeFile("/device", fault="a device, not a file")


def test_of_a_file_that_is_too_large_nothing_is_read(root: Path) -> None:
    with (root / "large").open("wb") as file:
        file.truncate(1 << 30)
    fault = "1073741824 bytes, over the limit of 1048576"
    assert _read(root, "/large") == TreeFile("/large", fault=fault)


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected the root folder of a node"):
        FileTree(tmp_path / name)


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "mounted").symlink_to(root)
    assert _read(root.parent / "mounted", "/a/b/file") == TreeFile("/a/b/file", b"inside")


def test_no_descriptor_stays_open(root: Path) -> None:
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []  # noqa: PTH208
    (root / "link").symlink_to("/a/b/file")
    for path in ("/link", "/a/b/file", "/a/../a/b/nothing", "/a"):
        _read(root, path)
    after = os.listdir("/proc/self/fd") if before else []  # noqa: PTH208
    assert len(before) == len(after)


@pytest.fixture
def nobody() -> Iterator[Callable[[], None]]:
    """To be called once everything is there: from then on the test has no rights of root's."""
    was = os.geteuid()
    yield lambda: None if was else os.seteuid(65534)
    os.seteuid(was)


def test_what_we_may_not_read_is_told_from_what_cannot_be_read(
    root: Path, nobody: Callable[[], None]
) -> None:
    (root / "a" / "b" / "file").chmod(0)
    (root / "closed").mkdir()
    (root / "closed" / "file").touch()
    (root / "closed").chmod(0)
    with FileTree(root) as tree:
        nobody()
        denied = [tree.read(path, LARGEST) for path in ("/a/b/file", "/closed/file")]
    for found in denied:
        assert found is not None
        assert (found.fault, found.is_denied) == ("permission denied", True)


def test_a_folder_that_may_be_entered_but_not_listed_is_passed(
    root: Path, nobody: Callable[[], None]
) -> None:
    (root / "a").chmod(0o711 if os.geteuid() == 0 else 0o311)
    (root / "a" / "b").chmod(0o711 if os.geteuid() == 0 else 0o311)
    with FileTree(root) as tree:
        nobody()
        found = tree.read("/a/b/file", LARGEST)
    assert found == TreeFile("/a/b/file", b"inside")
