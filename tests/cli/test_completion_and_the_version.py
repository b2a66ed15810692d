"""The version, and completion as a shell really does it."""

import sys

import pytest

from kubevouch import __version__
from kubevouch.cli.app import run
from kubevouch.cli.common.runs import runs_folder
from kubevouch.diagnose.catalogue import CATALOGUE
from tests.cli.program import Program
from tests.support.shells import place
from tests.support.stage import Stage

COMPLETE = """
COMPREPLY=(); COMP_WORDS=(kubevouch %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kubevouch_completion kubevouch
echo "${COMPREPLY[@]}"
"""


async def test_the_version_is_a_line(kubevouch: Program) -> None:
    assert (await kubevouch("--version")).out == f"kubevouch {__version__}\n"


async def test_bash_completes_verbs_flags_and_values(kubevouch: Program, stage: Stage) -> None:
    offered = {
        ("ver",): ["verify"],
        ("csr", ""): ["approve", "deny", "explain", "list"],
        ("apply", "--kube"): ["--kubeconfig"],
        ("--context", "x", "csr", "li"): ["list"],
        ("doctor", "-o", ""): ["table", "json", "yaml", "short"],
        ("explain", "KV11"): [each for each in CATALOGUE if each.startswith("KV11")],
        ("undo", "run-"): ["run-1", "run-2"],
        ("doctor", "--context", "st"): ["story"],
        ("--context", ""): [],
        ("probe", "k8s-m"): ["k8s-master.internal.example.com"],
        ("probe", "--context", "none", "k8s-m"): [],
        ("lab", "break", "clock-s"): ["clock-skew"],
    }
    runs = runs_folder({"HOME": str(kubevouch.home)})
    runs.mkdir(parents=True)
    for name in ("run-1.json", "run-2.json", "run-1.options", "run-$(id).json", "run-*.json"):
        (runs / name).touch()
    programs = kubevouch.home / "bin"
    place(programs, {"kubevouch": f'#!/bin/sh\nexec {sys.executable} -m kubevouch "$@"\n'})
    asked = "".join(COMPLETE % " ".join(f"'{each}'" for each in words) for words in offered)
    ran = await kubevouch.in_shell(
        f"unset -f kubevouch; PATH={programs}:$PATH; source <(kubevouch completion bash){asked}"
    )
    assert (ran.code, ran.err) == (0, ""), ran
    assert [line.split() for line in ran.out.splitlines()] == list(offered.values())


async def test_zsh_and_fish_get_a_script_too(kubevouch: Program) -> None:
    zsh, fish = await kubevouch.several(("completion", "zsh"), ("completion", "fish"))
    assert zsh.out.startswith("#compdef kubevouch")
    assert "complete --no-files --command kubevouch" in fish.out


def test_kubectl_completes_it_as_a_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    """`kubectl vouch csr ap<TAB>`, as cobra asks and reads it."""
    for words, offered in {
        ("csr", "ap"): "approve\n:4\n",
        ("--context", "x", "doctor", "-o", "sh"): "short\n:4\n",
        ("apply", ""): ":0\n",
    }.items():
        run(words, program="/usr/bin/kubectl_complete-vouch", environment={})
        assert capsys.readouterr().out == offered
