"""`python -m image build | lock`: builds the container image, or resolves its lock anew."""

import argparse
import os
import sys
from pathlib import Path

from image import building, lock, resolve
from image.folders import Folders
from real import clock
from real.errors import BedError


def main() -> int:
    """Runs a verb; an error is one line."""
    chosen = _parser().parse_args()
    given = {
        name: uri
        for name, uri in (("main", chosen.archive), ("security", chosen.security_archive))
        if uri
    }
    try:
        if chosen.verb == "lock":
            for each in lock.MACHINES:
                lock.write(resolve.resolve(clock.now(), given, each), lock.path_of(each))
        else:
            folders = Folders.of(os.environ)
            built = building.build(folders, chosen.target, given, chosen.architecture)
            print(report(built))
    except BedError as failed:
        print(f"Error: {failed}", file=sys.stderr)
        return 1
    return 0


def report(image: building.Image) -> str:
    """What was built: sizes, what was left out and why, the digest."""
    lines = [f"{'layer':9} {'files':>6} {'MB':>6} {'bytecode':>9} {'gzip':>6}"]
    for facts, compressed in zip(image.layers, image.compressed, strict=True):
        lines.append(
            f"{facts.name:9} {facts.files:6} {_mb(facts.size)} {_mb(facts.bytecode):>9} {_mb(compressed)}"
        )
    size = sum(facts.size for facts in image.layers)
    files = sum(facts.files for facts in image.layers)
    lines += [
        f"{'in all':9} {files:6} {_mb(size)} {'':9} {_mb(sum(image.compressed))}",
        "",
        "left out:",
    ]
    for facts in image.layers:
        for each in facts.left_out:
            lines.append(f"  {facts.name:7} {each.files:5} files {_mb(each.size)} MB  {each.why}")
    lines += ["", f"{image.archive}", f"version {image.version}, digest {image.digest}"]
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:6.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build the OCI archive and its bill of materials")
    build.add_argument("--target", type=Path, default=building.DIST, help="folder to write into")
    build.add_argument("--architecture", choices=lock.MACHINES, default="amd64")
    locked = verbs.add_parser("lock", help="resolve image/lock.json anew")
    for verb in (build, locked):
        verb.add_argument("--archive", help="URI of Debian's archive; else as apt is configured")
        verb.add_argument("--security-archive", help="URI of Debian's security archive; the same")
    return parser


if __name__ == "__main__":
    sys.exit(main())
