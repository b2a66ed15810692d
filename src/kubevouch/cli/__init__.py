"""The command line, with a file or a folder for each verb. click and the terminal are used here only.

The parts of a verb are put together here. Importing this package loads click and nothing else; what a verb needs is
imported when it runs, so that `--help` stays within 100 ms of a bare Python.
"""


def main() -> None:
    """The programs `kubevouch`, `kubectl-vouch` and `kubectl_complete-vouch`."""
    import os
    import sys

    try:
        from kubevouch.cli.app import run
    except KeyboardInterrupt:  # on a busy machine loading takes a second
        os.write(2, b"\nError: interrupted\n")
        sys.exit(130)
    sys.exit(run(sys.argv[1:], program=sys.argv[0], environment=os.environ))  # noqa: TID251 - the one place
