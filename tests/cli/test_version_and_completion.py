"""`version`, and completion as a shell really does it."""

import json
import platform
import sys

from kubevouch import __version__
from tests.cli.program import Program

COMPLETE = """
source <(kubevouch completion bash)
COMP_WORDS=(kubevouch %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kubevouch_completion kubevouch
printf '%%s\\n' "${COMPREPLY[@]}"
"""


async def test_version_in_both_forms(kubevouch: Program) -> None:
    table, document, flag = await kubevouch.several(
        ("version",), ("version", "-o", "json"), ("--version",)
    )
    assert table.out.startswith(f"kubevouch {__version__}\nPython {platform.python_version()}")
    told = json.loads(document.out)
    assert (told["schemaVersion"], told["kubevouch"]) == ("kubevouch.version/1", __version__)
    assert told["python"] == platform.python_version()
    assert flag.out == f"kubevouch {__version__}\n"


async def _completed(kubevouch: Program, *words: str) -> list[str]:
    """What bash offers for the last word."""
    programs = kubevouch.home / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "kubevouch"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m kubevouch "$@"\n')
    script.chmod(0o755)
    quoted = " ".join(f"'{each}'" for each in words)
    ran = await kubevouch.in_shell(
        f"unset -f kubevouch; PATH={programs}:$PATH; {COMPLETE % quoted}"
    )
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out.split()


async def test_bash_completes_verbs_flags_and_values(kubevouch: Program) -> None:
    assert await _completed(kubevouch, "ver") == ["verify", "version"]
    assert await _completed(kubevouch, "csr", "") == ["approve", "deny", "explain", "list"]
    assert await _completed(kubevouch, "fix", "--kube") == ["--kubeconfig"]
    assert await _completed(kubevouch, "doctor", "-o", "") == ["table", "short", "json", "html"]


async def test_zsh_and_fish_get_a_script_too(kubevouch: Program) -> None:
    zsh, fish = await kubevouch.several(("completion", "zsh"), ("completion", "fish"))
    assert zsh.out.startswith("#compdef kubevouch")
    assert "complete --no-files --command kubevouch" in fish.out
