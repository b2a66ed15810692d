"""What README, docs and the program advise can be done from a checkout, before anything is released."""

import ast
import re
import subprocess
from collections.abc import Iterator

from tests.house.tracked import ROOT, tracked
from tests.support.command_lines import why_it_cannot_be_typed

PLACES = ("README.md", "CONTRIBUTING.md", "docs", "src", "lab", "charts", "deploy")
TEXTS = (".md", ".py", ".toml", ".yaml", ".tpl", ".sh", "NOTES.txt")


def _texts() -> dict[str, str]:
    """Every text of the project that somebody reads, by its path."""
    found = tracked(*PLACES, suffixes=TEXTS)
    return {str(each.relative_to(ROOT)): each.read_text(encoding="utf-8") for each in found}


INSTALL = re.compile(r"\b(?:pip|pipx|uv tool|uv pip) (?:install|inject|run)\b([^\n`#|]*)")


def test_what_is_installed_lies_in_the_checkout() -> None:
    advised = [
        (path, found[0], found[1].split())
        for path, text in _texts().items()
        for found in INSTALL.finditer(text)
    ]
    assert len(advised) > 6
    for path, line, words in advised:
        targets = [each.strip("'\"") for each in words if not each.startswith("-")]
        if "inject" in line:
            targets = targets[1:]
        for target in targets:
            assert not target.startswith("kubevouch"), f"{path}: `{line}` needs a release"
            # Words after the command in a sentence are no targets.
            if target.startswith((".", "locks/")):
                assert (ROOT / target).exists(), f"{path}: `{line}`"


def test_no_extra_is_advised_that_nobody_can_install() -> None:
    for path, text in _texts().items():
        assert not re.search(r"kubevouch\[\w+\]", text), path


EXIT_CODE = re.compile(r"\b(130|[0-5]) ([a-z][^·;.\d]*)")


MAKE = re.compile(r"^make ([a-z][a-z0-9-]*)|`make ([a-z][a-z0-9-]*)[^`]*`", re.MULTILINE)


def test_make_help_lists_every_target_and_pages_speak_of_these_only() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.findall(r"^  make (\S+) +\S", listed.stdout, re.MULTILINE)
    declared = re.search(
        r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert declared is not None
    assert sorted(targets) == sorted(declared[1].split())
    spoken = {
        found[1] or found[2]: path
        for path, text in _texts().items()
        if path.endswith(".md")
        for found in MAKE.finditer(text)
    }
    assert len(spoken) > 10
    assert {name: path for name, path in spoken.items() if name not in targets} == {}


def test_page_and_help_say_the_same_of_exit_codes() -> None:
    from kubevouch.cli.app import program

    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    told = [_exit_codes(page.partition("`--fail-on`")[0]), _exit_codes(program.help or "")]
    assert told[0] == told[1]
    assert list(told[0]) == ["0", "1", "2", "3", "4", "5", "130"]


def _exit_codes(text: str) -> dict[str, str]:
    codes = text.partition("Exit codes: ")[2] or text
    return {found[1]: " ".join(found[2].split()) for found in EXIT_CODE.finditer(codes)}


COMMENT_GOES_ON = re.compile(r"(?<=\S)\n[ \t]*# (?=\S)")
"""The break of a line within a comment of YAML, which a command may span."""
TEMPLATE = re.compile(r"\{\{[^}]*\}\}")


def _said(path: str, text: str) -> Iterator[str]:
    """What a person reads of a file: a page as it is; of a program its string literals, a variable in them as NAME.

    Of all others the comments, too, which a command may span, and as NAME what Helm or Prometheus puts in place of a template.
    """
    if not path.endswith((".md", ".py")):
        text = TEMPLATE.sub("NAME", COMMENT_GOES_ON.sub(" ", text))
    if not path.endswith(".py"):
        yield text
        return
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.JoinedStr):
            yield "".join(
                str(p.value) if isinstance(p, ast.Constant) else "NAME" for p in each.values
            )
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


FENCED = re.compile(r"^ *```\w*\n(.*?)```", re.MULTILINE | re.DOTALL)
IN_A_BLOCK = re.compile(r"^ *(?:\$ )?kubevouch ([^\s#\\]+(?: {1,2}[^\s#\\]+)*)", re.MULTILINE)
IN_BACKTICKS = re.compile(r"(?<!`)`(?:kubevouch|kubectl vouch)\s([^`]+)`(?!`)")
BEGINNING = re.compile(r"\.\.\.|…|^\S*$|\bVERB\b|\[")
"""Of a line that is not given to its end, or that is one word: it names a verb."""


def test_every_command_line_in_backticks_or_in_a_block_can_be_typed() -> None:
    """By the real command line. What only names a verb stands without the program: `plan`."""
    found = {
        (path, " ".join(line.split()).replace("SHA256", "4f" * 32))
        for path, text in _texts().items()
        if path.endswith(TEXTS)
        for said in _said(path, text)
        for line in (
            *IN_BACKTICKS.findall(said),
            *IN_A_BLOCK.findall("".join(FENCED.findall(said))),
        )
    }
    lines = [each for each in sorted(found) if not BEGINNING.search(each[1])]
    assert len(lines) > 50
    refused = {
        f"{path}: {line}": why for path, line in lines if (why := why_it_cannot_be_typed(line))
    }
    assert not refused, "\n".join(f"{line} -- {why}" for line, why in refused.items())
