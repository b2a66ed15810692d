"""The entry point of the container image, `python -m kubevouch.cli.container`.

If the first argument is a flag, as in metrics-server's manifests, our metrics server starts. Otherwise the arguments
are an ordinary command line.
"""

from collections.abc import Sequence


def command_line(words: Sequence[str]) -> list[str]:
    """The `kubevouch` command line for the container's arguments; without arguments, the help."""
    if not words:
        return ["--help"]
    return ["metrics-server", "run", *words] if words[0].startswith("-") else list(words)


def main() -> None:
    """Runs the command line, and exits with its exit code."""
    import os
    import sys

    from kubevouch.cli.app import run

    sys.exit(run(command_line(sys.argv[1:]), program="kubevouch", environment=os.environ))  # noqa: TID251 - as in cli.main


if __name__ == "__main__":
    main()
