"""The container image's entry point: flags alone start the metrics server, everything else is a verb."""

import os
import subprocess
import sys

import pytest

from kubevouch.cli.container import command_line


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["--help"]),
        (["--secure-port=4443", "-v=2"], ["metrics-server", "run", "--secure-port=4443", "-v=2"]),
        (["-v=2"], ["metrics-server", "run", "-v=2"]),
        (["--help"], ["metrics-server", "run", "--help"]),
        (["doctor", "-o", "json"], ["doctor", "-o", "json"]),
        (["metrics-server", "--help"], ["metrics-server", "--help"]),
        ([""], [""]),
    ],
)
def test_flags_go_to_the_metrics_server_and_words_are_verbs(
    given: list[str], expected: list[str]
) -> None:
    assert command_line(given) == expected


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], "Usage: kubevouch [OPTIONS] COMMAND"),
        (["--help"], "Usage: kubevouch metrics-server run [OPTIONS]"),
        (["explain", "KV304"], "KV304  Expired"),
    ],
)
def test_it_runs_without_home_or_environment(words: list[str], shown: str) -> None:
    argv = [sys.executable, "-I", "-m", "kubevouch.cli.container", *words]
    bare = {key: os.environ[key] for key in os.environ if key == "LD_LIBRARY_PATH"}
    ran = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env=bare, cwd="/"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(shown)
