"""The container image's entry point, `python -m kubevouch.cli.container`: the metrics server's flags, or a verb.

A manifest for metrics-server gives its container only flags, no verb: they start the metrics server. Any other words are
an ordinary command line. The image has no shell that could distinguish the two.
"""

from collections.abc import Sequence


def command_line(words: Sequence[str]) -> list[str]:
    """The command line of `kubevouch` for the container's arguments; without any, the help."""
    if not words:
        return ["--help"]
    return ["metrics-server", "run", *words] if words[0].startswith("-") else list(words)


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    import os
    import sys

    from kubevouch.cli.app import run

    sys.exit(run(command_line(sys.argv[1:]), program="kubevouch", environment=os.environ))  # noqa: TID251 - as in cli.main


if __name__ == "__main__":
    main()
