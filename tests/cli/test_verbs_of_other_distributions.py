"""Verbs that other distributions add: found when they are asked for, and by the help; never before."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from kubevouch.cli import added_verbs
from kubevouch.cli.app import program_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import UsageError
from tests.cli.program import Program


def terminal() -> Terminal:
    return Terminal(io.StringIO(), io.StringIO(), io.StringIO(), {})


def distribution(folder: Path, name: str, *entries: str) -> None:
    """What pip leaves of a distribution that adds verbs: its metadata, for importlib to find."""
    info = folder / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join(["[kubevouch.verbs]", *entries, ""]))


def test_without_the_lab_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added_verbs, "entry_points", lambda **_: ())
    with pytest.raises(
        UsageError, match=r"lab: this verb is not installed; .*`pip install \./lab` in a checkout"
    ):
        program_of(["lab", "up"], "kubevouch", terminal())
    with pytest.raises(UsageError, match=r"labb: there is no such verb; did you mean lab\?"):
        program_of(["labb"], "kubevouch", terminal())


async def test_a_verb_of_another_distribution_runs_and_is_listed_after_ours(
    started: Program, tmp_path: Path
) -> None:
    (tmp_path / "greeting.py").write_text(
        "import click\n@click.command(short_help='Greets.')\n"
        "def greet():\n    print('good morning')\n    return 0\n"
    )
    distribution(tmp_path, "kubevouch-greeting", "greet = greeting:greet")
    started.environment["PYTHONPATH"] = str(tmp_path)
    assert (await started("greet")).out == "good morning\n"
    listed = (await started("--help")).out.splitlines()
    assert listed[-2:] == [
        "  greet           Greets.",
        "  lab             A whole small cluster on this machine, to rehearse on.",
    ]


async def test_a_verb_that_does_not_load_is_named_and_hurts_no_other(
    started: Program, tmp_path: Path
) -> None:
    distribution(tmp_path, "kubevouch-broken", "broken = nowhere:command")
    started.environment["PYTHONPATH"] = str(tmp_path)
    ran = await started("broken")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "Error: kubevouch broken: cannot be loaded from nowhere:command: No module named 'nowhere'; "
        "install kubevouch-broken anew, in the version of kubevouch\n"
    )
    helped = await started("--help", code=0)
    assert "broken" not in helped.out
    assert "\n  doctor " in helped.out


async def test_nobody_can_take_the_place_of_a_verb_of_ours(
    started: Program, tmp_path: Path
) -> None:
    distribution(tmp_path, "kubevouch-false", "explain = nowhere:command")
    started.environment["PYTHONPATH"] = str(tmp_path)
    ran = await started("explain", "KV304")
    assert (ran.code, ran.err) == (0, "")
    assert (await started("--help")).out.count("\n  explain ") == 1


def test_our_own_verbs_read_no_metadata_of_distributions() -> None:
    code = (
        "import sys; from kubevouch.cli.app import run\n"
        "run(['explain', 'KV304'], program='kubevouch', environment={})\n"
        "print('importlib.metadata' in sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stderr == "False\n"
