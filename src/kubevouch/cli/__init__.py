"""The command line: a file or a folder a verb. click and the terminal live here and nowhere else.

What crosses capabilities is put together here. Importing this package costs click and nothing more: what a verb
needs is imported when it runs, so that `--help` stays within 100 ms of a bare Python.
"""


def main() -> None:
    """The `kubevouch` and `kubectl-vouch` programs."""
    import os
    import sys

    from kubevouch.cli.app import run

    sys.exit(run(sys.argv[1:], program=sys.argv[0], environment=os.environ))  # noqa: TID251 - the one place
