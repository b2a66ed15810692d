"""The container image's entry point: flags alone start the metrics server, everything else is a verb."""

import os
import subprocess
import sys

import pytest

from kubevouch.cli.container import command_line


def container(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-m", "kubevouch.cli.container", *words]
    bare = {key: os.environ[key] for key in os.environ if key == "LD_LIBRARY_PATH"}
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env=bare, cwd="/"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["--help"]),
        (["--secure-port=4443", "-v=2"], ["metrics-server", "--secure-port=4443", "-v=2"]),
        (["-v=2"], ["metrics-server", "-v=2"]),
        (["--help"], ["metrics-server", "--help"]),
        (["doctor", "-o", "json"], ["doctor", "-o", "json"]),
        (["metrics-server", "--help"], ["metrics-server", "--help"]),
        ([""], [""]),
    ],
)
def test_flags_go_to_the_metrics_server_and_words_are_verbs(
    given: list[str], expected: list[str]
) -> None:
    assert command_line(given) == expected


def test_without_arguments_it_shows_the_help_of_kubevouch() -> None:
    ran = container()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Usage: kubevouch [OPTIONS] COMMAND")


def test_flags_alone_reach_the_metrics_server() -> None:
    ran = container("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Usage: kubevouch metrics-server [OPTIONS]")
    assert "--metric-resolution" in ran.stdout


def test_a_verb_runs_without_home_and_an_unknown_one_is_a_usage_error() -> None:
    ran = container("explain", "KV304")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("KV304  Expired")
    unknown = container("no-such-verb")
    assert unknown.returncode == 2
    assert "no-such-verb" in unknown.stderr
