"""Verbs that other distributions add: found when they are asked for, and by the help; never before."""

import io

import pytest

from kubevouch.cli import added_verbs
from kubevouch.cli.app import program_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import UsageError
from tests.cli.program import Program


def terminal() -> Terminal:
    return Terminal(io.StringIO(), io.StringIO(), io.StringIO(), {})


def distribution(program: Program, name: str, *entries: str) -> None:
    """What pip leaves of a distribution that adds verbs: its metadata, for importlib to find."""
    program.environment["PYTHONPATH"] = str(program.home)
    info = program.home / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join(["[kubevouch.verbs]", *entries, ""]))


def test_without_the_lab_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added_verbs, "added_verbs", dict)
    with pytest.raises(
        UsageError, match=r"lab: this verb is not installed; .*`pip install \./lab` in a checkout"
    ):
        program_of(["lab", "up"], "kubevouch", terminal())


async def test_a_verb_of_another_distribution_runs_and_is_listed(
    started: Program,
) -> None:
    (started.home / "greeting.py").write_text(
        "import click\n@click.command(short_help='Greets.')\n"
        "def greet():\n    print('good morning')\n    return 0\n"
    )
    distribution(started, "kubevouch-greeting", "greet = greeting:greet")
    assert (await started("greet")).out == "good morning\n"
    listed = (await started("--help")).out.splitlines()
    assert listed[-3:-1] == [
        "  greet           Greets.",
        "  lab             Rehearse on a small cluster that runs on this machine.",
    ]


async def test_a_verb_that_does_not_load_is_named_and_hurts_no_other(started: Program) -> None:
    distribution(started, "kubevouch-broken", "broken = nowhere:command")
    ran = await started("broken")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "Error: kubevouch broken: cannot be loaded from nowhere:command: No module named 'nowhere'; "
        "install the version of kubevouch-broken that matches kubevouch\n"
    )
    helped = await started("--help", code=0)
    assert "broken" not in helped.out
    assert "\n  doctor " in helped.out


async def test_nobody_can_take_the_place_of_a_verb_of_ours(started: Program) -> None:
    distribution(started, "kubevouch-false", "explain = nowhere:command")
    ran = await started("explain", "KV304")
    assert (ran.code, ran.err) == (0, "")
    assert (await started("--help")).out.count("\n  explain ") == 1
