"""`python -m release build | check`: builds dist/ from the tag of this commit, or verifies it."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from real.errors import BedError
from release import building, check


def main() -> int:
    """Runs a verb; an error is one line."""
    chosen = _parser().parse_args()
    try:
        if chosen.verb == "check":
            print("\n".join(_checked(chosen.target)))
        else:
            options = building.Options(chosen.downloads, chosen.registry)
            for name, digest in building.build(options, chosen.target).items():
                size = (chosen.target / name).stat().st_size
                print(f"{digest[:12]} {size / 1e6:7.2f} MB  {name}")
    except BedError as failed:
        print(f"Error: {failed}", file=sys.stderr)
        return 1
    return 0


def _checked(dist: Path) -> Iterator[str]:
    checked = check.check(dist)
    yield f"{dist}: all files are as {building.SUMS} says, and agree with one another: {checked.release.version}, "
    yield f"image {checked.address or checked.digest}"
    yield "Left to do by hand:"
    yield from check.left_to_do(checked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build all of dist/ twice, and compare")
    checking = verbs.add_parser(
        "check", help="verify dist/ without a network, and say what is left to do"
    )
    for verb in (build, checking):
        verb.add_argument(
            "--target", type=Path, default=building.DIST, help="the folder, else dist/"
        )
    build.add_argument(
        "--downloads", metavar="URL", default=building.NOWHERE, help="where dist/ will be published"
    )
    build.add_argument(
        "--registry",
        metavar="NAME",
        default="",
        help="where the image will be: registry.example.com/team",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
