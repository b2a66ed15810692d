"""The help of each verb, also of the lab's, in a terminal of 80 columns."""

import sys
from collections.abc import Iterator

import click
import pytest

from kubevouch.cli.app import program


def verbs(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of a command and of each below it."""
    yield path
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below, name
                yield from verbs(below, *path, name)


@pytest.mark.parametrize("verb", list(verbs(program)), ids=" ".join)
def test_no_line_of_the_help_is_wider_than_80_columns(
    verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kubevouch.cli.app import run

    monkeypatch.setenv("COLUMNS", "80")
    assert run((*verb, "--help"), program="kubevouch", environment={"COLUMNS": "80"}) == 0
    sys.stdout.flush()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Usage: kubevouch")
    assert [line for line in lines if len(line) > 80] == []
