"""The certificate of a server: where it comes from, and how it is kept."""

import os
import random
import stat
from pathlib import Path

import pytest

from kubevouch.errors import UsageError
from kubevouch.serve.key_pair import KeyPairSource, key_pair_source
from kubevouch.tls.io.server import server_context
from kubevouch.x509 import read_certificates
from tests.support.apiservers import MOMENT
from tests.support.authority import Authority


def source(cert: str = "", key: str = "", folder: str = "") -> KeyPairSource:
    numbers = random.Random(7)
    return key_pair_source(cert, key, folder, now=MOMENT, random_serial=numbers.getrandbits)


def test_without_files_one_is_made_in_the_folder_and_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    made = source(folder=str(folder)).read()
    assert {path.name for path in folder.iterdir()} == {"apiserver.crt", "apiserver.key"}
    assert stat.S_IMODE((folder / "apiserver.key").stat().st_mode) == 0o600
    assert source(folder=str(folder)).read() == made
    server_context(made, where="made")
    [leaf, ca] = read_certificates(made.chain, "made")
    assert leaf.dns_names == ("localhost",)
    assert [str(each) for each in leaf.ip_addresses] == ["127.0.0.1"]
    assert leaf.issuer == ca.subject
    assert leaf.not_before < MOMENT < leaf.not_after


def test_the_key_is_never_written_where_another_has_put_a_file_or_link(
    tmp_path: Path,
) -> None:
    """Process numbers are small and can be guessed: a file of somebody else's would hold the key, and be his to read."""
    folder, spy = tmp_path / "shared", tmp_path / "spy"
    folder.mkdir()
    spy.touch()
    for name in ("apiserver.key", "apiserver.crt"):
        (folder / f".{name}.{os.getpid()}").symlink_to(spy)
    made = source(folder=str(folder)).read()
    assert spy.read_bytes() == b""
    for name, mode in (("apiserver.key", 0o600), ("apiserver.crt", 0o644)):
        path = folder / name
        assert not path.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert made.key == (folder / "apiserver.key").read_bytes()
    assert len(list(folder.iterdir())) == 4


def test_without_a_folder_it_stays_in_memory(tmp_path: Path) -> None:
    found = source()
    assert found.files is None
    assert found.read() == found.read()


def test_files_are_read_anew_each_time(tmp_path: Path) -> None:
    files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    found = source(str(files[0]), str(files[1]))
    with pytest.raises(UsageError) as missing:
        found.read()
    expected = "expected a certificate in PEM, leaf first"
    assert (
        str(missing.value)
        == f"--tls-cert-file {files[0]}: cannot be read: No such file or directory; {expected}"
    )
    files[0].write_bytes(Authority().serving("a").chain)
    with pytest.raises(
        UsageError, match=f"^--tls-private-key-file {files[1]}: cannot be read: No such"
    ):
        found.read()
    for _ in range(2):
        pair = Authority().serving("a")
        files[0].write_bytes(pair.chain)
        files[1].write_bytes(pair.key)
        assert found.read().chain == pair.chain
    files[0].write_bytes(bytes(2 << 20))
    with pytest.raises(UsageError, match="is larger than"):
        found.read()


def test_one_flag_without_the_other_is_a_mistake() -> None:
    for cert, key in (("a", ""), ("", "b")):
        with pytest.raises(UsageError, match=" together"):
            source(cert, key)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="expected a writable folder"):
        source(folder=str(tmp_path / "file" / "below"))
