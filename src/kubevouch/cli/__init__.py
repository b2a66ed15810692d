"""The command line, with a file or a folder for each verb. Only this package uses click and the terminal.

At its start, the program imports no other distribution than click. A verb imports its dependencies
when it runs, so `--help` takes at most 100 ms longer than starting Python alone.
"""


def main() -> None:
    """The entry point of `kubevouch`, `kubectl-vouch` and `kubectl_complete-vouch`."""
    import os
    import sys

    try:
        from kubevouch.cli.app import run
    except KeyboardInterrupt:  # on a busy machine loading takes a second
        os.write(2, b"\nError: interrupted\n")
        sys.exit(130)
    sys.exit(run(sys.argv[1:], program=sys.argv[0], environment=os.environ))  # noqa: TID251 - the one place
