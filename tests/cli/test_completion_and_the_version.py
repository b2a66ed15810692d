"""The version, and completion as a shell really does it."""

import sys

from kubevouch import __version__
from tests.cli.program import Program

COMPLETE = """
COMPREPLY=(); COMP_WORDS=(kubevouch %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kubevouch_completion kubevouch
echo "${COMPREPLY[@]}"
"""


async def test_the_version_is_a_line(kubevouch: Program) -> None:
    assert (await kubevouch("--version")).out == f"kubevouch {__version__}\n"


async def test_bash_completes_verbs_flags_and_values(kubevouch: Program) -> None:
    offered = {
        ("ver",): ["verify"],
        ("csr", ""): ["approve", "deny", "explain", "list"],
        ("apply", "--kube"): ["--kubeconfig"],
        ("doctor", "-o", ""): ["table", "short", "json"],
    }
    programs = kubevouch.home / "bin"
    programs.mkdir()
    script = programs / "kubevouch"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m kubevouch "$@"\n')
    script.chmod(0o755)
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
