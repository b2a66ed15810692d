"""A file that the operator names: what is in it, and what is said of one that cannot be read or never ends."""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from kubevouch.cli.common.runs import read_plan
from kubevouch.errors import UsageError
from kubevouch.evidence.gather.probe import trust_in
from kubevouch.named_files import bytes_in

EXPECTED = "a poem was expected"


def read(path: Path, **words: str) -> bytes:
    return bytes_in(path, most=8, expected=EXPECTED, **words)


@pytest.mark.parametrize("content", [b"", b"a", b"12345678", b"\xff\x00\n\r\n"])
def test_what_is_in_it_comes_as_it_is_up_to_the_bound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path) == content


def test_one_byte_more_is_refused_in_bytes_or_in_words(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"123456789")
    with pytest.raises(UsageError) as found:
        read(path)
    assert str(found.value) == f"{path}: is larger than 8 bytes; {EXPECTED}"
    with pytest.raises(UsageError) as found:
        read(path, what="any poem", where="$POEM")
    assert str(found.value) == f"$POEM: is larger than any poem; {EXPECTED}"


@contextmanager
def written(path: Path, content: bytes) -> Iterator[None]:
    """A pipe into which somebody writes this."""
    os.mkfifo(path)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):  # the reader had enough
            path.write_bytes(content)

    writer = threading.Thread(target=write)
    writer.start()
    yield
    writer.join()


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    """As a shell makes one: `--ca <(kubectl get ...)`."""
    with written(tmp_path / "pipe", b"12345678"):
        assert read(tmp_path / "pipe") == b"12345678"


def test_a_pipe_that_never_ends_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    with written(pipe, b"x" * 1_000_000), pytest.raises(UsageError, match="is larger than 8 bytes"):
        read(pipe)


@contextmanager
def somebody_without_rights() -> Iterator[None]:
    was = os.geteuid()
    os.seteuid(was or 65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.write_bytes(b"1")
    closed.chmod(0)
    looping = tmp_path / "loop"
    looping.symlink_to(looping)
    for path, why in {
        tmp_path: "Is a directory",
        tmp_path / "none": "No such file or directory",
        looping: "Too many levels of symbolic links",
        closed: "Permission denied",
    }.items():
        with (
            somebody_without_rights() if path == closed else nullcontext(),
            pytest.raises(UsageError) as found,
        ):
            read(path)
        assert str(found.value) == f"{path}: cannot be read: {why}; {EXPECTED}"


def test_a_plan_and_authorities_are_read_so(tmp_path: Path) -> None:
    plan, broken = tmp_path / "plan.json", tmp_path / "broken.json"
    with plan.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    broken.write_bytes(b"{")
    for reader, path, why in (
        (read_plan, plan, f"^{plan}: is larger than any plan; expected a file written by"),
        (read_plan, broken, f"^{broken}: is not a valid plan: .*; expected a file written by"),
        (read_plan, tmp_path, "cannot be read: Is a directory; expected a file written by"),
        (trust_in, tmp_path, "cannot be read: Is a directory; expected PEM or DER"),
        (trust_in, Path("/dev/zero"), "^/dev/zero: is larger than 1048576 bytes; expected PEM"),
    ):
        with pytest.raises(UsageError, match=why):
            reader(path)
