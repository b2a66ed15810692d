"""A plan may come from somebody else, and ssh runs what its configuration file says: whose file is it?"""

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.runs import read_plan, write_plan
from tests.cli.program import Program
from tests.rollout.test_a_plan_is_a_file import PLAN
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.shells import place
from tests.support.stage import Stage


@pytest.fixture(autouse=True)
def cluster(kubevouch: Program) -> None:
    """At which nobody answers, where a test has none of its own."""
    path = write_kubeconfig(kubevouch.home / "nobody", "https://127.0.0.1:1")
    kubevouch.environment["KUBECONFIG"] = str(path)


@pytest.fixture
def config(kubevouch: Program) -> Path:
    """An ssh configuration that leaves a trace when ssh reads it."""
    path = kubevouch.home / "ssh_config"
    path.write_text(f'Match exec "touch {kubevouch.home}/was-read"\n')
    path.chmod(0o600)
    return path


def _plan(kubevouch: Program, config: Path | str) -> str:
    path = kubevouch.home / "plan.json"
    write_plan(msgspec.structs.replace(PLAN, ssh_config=str(config)), path)
    return str(path)


def _in_a_folder(path: Path, mode: int, group: int = -1) -> Path:
    folder = path.parent / "shared"
    folder.mkdir()
    os.chown(folder, -1, group)
    folder.chmod(mode)
    return path.rename(folder / "ssh_config")


def _changed(path: Path, mode: int) -> Path:
    path.chmod(mode)
    return path


UNSAFE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "all may write it": (partial(_changed, mode=0o666), "others may write it (its mode is 666)"),
    "a group may": (partial(_changed, mode=0o660), "others may write it (its mode is 660)"),
    "it is not there": (lambda path: path.with_name("none"), "it is unreadable (No such file"),
    "another one in its place": (partial(_in_a_folder, mode=0o777), "(its mode is 777)"),
    "by where it runs": (lambda path: Path(path.name), "it is not an absolute path"),
}
if os.geteuid() == 0:  # only root gives a folder to another group
    others = partial(_in_a_folder, mode=0o775, group=65534)
    UNSAFE["a group of others may"] = (others, "(its mode is 775)")


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("verb", ["apply", "undo", "status"])
async def test_a_file_that_a_plan_names_and_others_may_write_is_not_read(
    kubevouch: Program, config: Path, verb: str, name: str
) -> None:
    make, seen = UNSAFE[name]
    inside = make(config)
    ran = await kubevouch(verb, _plan(kubevouch, inside), "--yes", code=2)
    assert f"{inside}: the plan makes ssh use this configuration, but " in ran.err
    assert seen in ran.err
    assert "expected --ssh-config FILE" in ran.err
    assert not (kubevouch.home / "was-read").exists()


def has_a_group_of_its_own() -> bool:
    """Whether this user has."""
    user, group = (subprocess.check_output(["id", flag]) for flag in ("-un", "-gn"))
    return user == group


async def test_a_group_of_one_user_alone_may_write_to_the_folder(
    kubevouch: Program, config: Path
) -> None:
    """As where each user has a group of the same name, and umask 002."""
    folder = kubevouch.home / "shared"
    folder.mkdir()
    folder.chmod(0o775)
    plan = _plan(kubevouch, config.rename(folder / "ssh_config"))
    ran = await kubevouch("apply", plan, "--yes")
    own = has_a_group_of_its_own()
    assert (f"the plan makes ssh read {folder}/ssh_config" in ran.err) == own, ran
    assert (f"others may write to {folder} (its mode is 775)" in ran.err) != own, ran


@pytest.mark.parametrize("verb", ["apply", "undo"])
async def test_ssh_reads_the_file_that_was_looked_at_wherever_a_link_leads_later(
    kubevouch: Program, config: Path, verb: str
) -> None:
    """Whoever owns a link may turn it. Which file it is is said before anything is done."""
    link = kubevouch.home / "link"
    link.symlink_to(config)
    ran = await kubevouch(verb, _plan(kubevouch, link), "--yes")
    assert f"the plan makes ssh read {config}" in ran.err, ran


@pytest.mark.parametrize("verb", [("apply",), ("undo",)])
async def test_the_operators_own_word_wins(
    kubevouch: Program, config: Path, verb: tuple[str, ...]
) -> None:
    config.chmod(0o666)
    words = (_plan(kubevouch, config), "--yes", "--ssh-config", str(config))
    ran = await kubevouch(*verb, *words)
    assert "the plan makes ssh use" not in ran.err


@pytest.mark.parametrize("verb", [("plan", "-o"), ("apply",), ("undo",)])
async def test_a_configuration_that_is_not_there_is_told_once_before_anybody_is_asked(
    kubevouch: Program, stage: Stage, config: Path, verb: tuple[str, ...]
) -> None:
    """Not for each node, in ssh's words, once the cluster has been looked at."""
    plan = _plan(kubevouch, config)
    for given, seen in (("/nofile", "cannot be read"), ("/", "is a folder")):
        ran = await kubevouch(*verb, plan, "--ssh-config", given)
        assert (ran.code, ran.out) == (2, ""), ran
        expected = "expected a file that ssh can read"
        assert ran.err == f"Error: --ssh-config {given}: {seen}; {expected}\n"
    assert stage.server.requests == []


SSH = """#!/bin/sh
echo "$*" >>"$HOME/asked"
exit 255
"""


@pytest.mark.parametrize(
    ("words", "variable", "file"),
    [
        ((), "from the environment", "from the environment"),
        (("--ssh-config", "given"), "from the environment", "given"),
        ((), "", ""),
    ],
)
async def test_a_new_plan_takes_the_file_that_the_environment_names_unless_one_is_given(
    kubevouch: Program, stage: Stage, words: tuple[str, ...], variable: str, file: str
) -> None:
    programs = kubevouch.home / "bin"
    place(programs, {"ssh": SSH})
    for name in ("from the environment", "given"):
        (kubevouch.home / name).touch()
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "KUBEVOUCH_SSH_CONFIG": variable}
    await kubevouch("plan", "-o", "new.json", *words, environment=environment, code=3)
    path = str(kubevouch.home / file) if file else ""
    assert read_plan(kubevouch.home / "new.json").ssh_config == path
    said = (kubevouch.home / "asked").read_text().splitlines()
    # Which settings this ssh knows is asked without any configuration, and of no node.
    asked = [line for line in said if not line.endswith("-- localhost")]
    assert asked
    assert all((f"-F {path}" in line) == bool(file) for line in asked), asked
