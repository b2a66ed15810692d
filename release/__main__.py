"""`python -m release build`: builds dist/ from the tag of this commit."""

import argparse
import sys
from pathlib import Path

from real.errors import BedError
from release import building


def main() -> int:
    """Runs a verb; an error is one line."""
    chosen = _parser().parse_args()
    try:
        for name, digest in building.build(chosen.target).items():
            size = (chosen.target / name).stat().st_size
            print(f"{digest[:12]} {size / 1e6:7.2f} MB  {name}")
    except BedError as failed:
        print(f"Error: {failed}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build all of dist/ twice, and compare")
    build.add_argument("--target", type=Path, default=building.DIST, help="folder to replace")
    return parser


if __name__ == "__main__":
    sys.exit(main())
