"""The layers' tar archives, the OCI layout, what is left out, and the bill of materials: bytes from values alone."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from image import contents, left_out, oci, wheels
from image.entries import Entry, packed, write_below
from image.errors import ImageError
from image.layers import Facts, Layer
from image.lock import DebianPackage, Lock, LockedWheel
from real.errors import BedError
from real.loading import digest

EPOCH = 1_700_000_000
ENTRIES = (
    Entry("usr/bin/program", b"#!", executable=True),
    Entry("usr/share/doc/text", b"words"),
    Entry("lib", link="usr/lib"),
    Entry("tmp", folder_mode=0o1777),
)


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {each.name: each for each in tar.getmembers()}


def test_a_layer_is_sorted_and_everything_is_roots_and_of_one_time() -> None:
    found = members(packed(ENTRIES, EPOCH))
    assert list(found) == sorted(found)
    folders = {"usr", "usr/bin", "usr/share", "usr/share/doc"}
    assert found.keys() == {each.path for each in ENTRIES} | folders
    for each in found.values():
        assert (each.uid, each.gid, each.uname, each.gname, each.mtime) == (0, 0, "", "", EPOCH)
    assert found["usr/bin/program"].mode == 0o755
    assert found["usr/share/doc/text"].mode == 0o644
    assert found["tmp"].mode == 0o1777
    assert (found["lib"].issym(), found["lib"].linkname) == (True, "usr/lib")
    assert all(found[each].isdir() and found[each].mode == 0o755 for each in folders)


def test_the_order_in_which_files_were_found_does_not_count() -> None:
    assert packed(ENTRIES, EPOCH) == packed(reversed(ENTRIES), EPOCH)


def test_entries_are_written_below_a_folder(tmp_path: Path) -> None:
    write_below(tmp_path, ENTRIES)
    assert (tmp_path / "usr/bin/program").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "lib").readlink() == Path("usr/lib")


def test_a_manifest_of_metrics_servers_finds_its_program(tmp_path: Path) -> None:
    """`command: [/metrics-server, --flags]` is `kubevouch metrics-server run --flags`."""
    write_below(tmp_path, wheels.programs())
    path = tmp_path / "metrics-server"
    assert path.read_bytes().startswith(b"#!/usr/bin/python3.13 -I\n")
    ours = ("-m", "kubevouch", "metrics-server", "run")
    for words in (("--version",), ("--metric-resolution=1s",)):
        said, expected = (
            subprocess.run(
                [sys.executable, *program, *words], capture_output=True, timeout=60, check=False
            )
            for program in ((path,), ours)
        )
        assert (said.returncode, said.stdout, said.stderr) == (
            expected.returncode,
            expected.stdout,
            expected.stderr,
        )
        assert said.stdout or said.stderr


def layer() -> Layer:
    archive = packed(ENTRIES, EPOCH)
    facts = Facts("debian", f"sha256:{hashlib.sha256(archive).hexdigest()}", 4, 7, 0, ())
    return Layer(facts, gzip.compress(archive, mtime=0))


def test_the_layout_holds_what_its_digests_say(tmp_path: Path) -> None:
    made = oci.archive([layer()], "1.2.3", EPOCH, "amd64")
    path = tmp_path / "image.tar"
    path.write_bytes(made.data)
    assert digest(path) == made.digest
    blobs: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for name in tar.getnames():
            file = tar.extractfile(name)
            assert file
            blobs[name] = file.read()
    assert json.loads(blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, blob in blobs.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"

    manifest = json.loads(blobs[f"blobs/{made.digest.replace(':', '/')}"])
    for each in (manifest["config"], *manifest["layers"]):
        assert len(blobs[f"blobs/{each['digest'].replace(':', '/')}"]) == each["size"]
    config = json.loads(blobs[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    plain = gzip.decompress(blobs[f"blobs/{manifest['layers'][0]['digest'].replace(':', '/')}"])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert config["config"]["User"] == "65532:65532"


def test_what_is_no_oci_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(packed(ENTRIES, EPOCH))
    with pytest.raises(BedError, match="is not an OCI archive of one image"):
        digest(path)


def rules(tmp_path: Path, text: str) -> tuple[left_out.Rule, ...]:
    file = tmp_path / "left_out.toml"
    file.write_text(text)
    return left_out.rules("debian", file)


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    text = '[[debian]]\nwhy = "words"\npatterns = ["usr/share/*"]\nkept = ["usr/share/doc/kept"]\n'
    kept = Entry("usr/share/doc/kept", b"licence")
    stays, (gone,) = left_out.apply(rules(tmp_path, text), [*ENTRIES, kept])
    assert [each.path for each in stays] == [
        "usr/bin/program",
        "lib",
        "tmp",
        "usr/share/doc/kept",
    ]
    assert (gone.rule.why, gone.files, gone.size) == ("words", 1, len(b"words"))


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    text = '[[debian]]\nwhy = "words"\npatterns = ["usr/games/*"]\n'
    with pytest.raises(ImageError, match=r"usr/games/\* matches no file"):
        left_out.apply(rules(tmp_path, text), ENTRIES)


def test_the_bill_of_materials_names_each_package_by_its_url_and_hash() -> None:
    locked = Lock(
        EPOCH,
        (DebianPackage("zlib1g", "1:1.3+b1", "main", "pool/z.deb", 1, "a" * 64),),
        (LockedWheel("rich", "15.0.0", "rich-15.0.0-py3-none-any.whl", "b" * 64),),
    )
    read = json.loads(contents.bill_of_materials(locked, "1.2.3", f"sha256:{'c' * 64}"))
    assert (read["bomFormat"], read["specVersion"]) == ("CycloneDX", "1.6")
    assert [each["purl"] for each in read["components"]] == [
        "pkg:deb/debian/zlib1g@1%3A1.3%2Bb1?arch=amd64&distro=debian-13",
        "pkg:pypi/rich@15.0.0",
    ]
    assert read["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert read["metadata"]["component"]["hashes"][0]["content"] == "c" * 64
