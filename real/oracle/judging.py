"""Asks a judge: a program in Go in a folder beside this file. It reads questions as lines of JSON, and answers each by a line."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def judged(
    judge: Path, questions: Iterable[Any], *, fetch: bool = True, build: tuple[str, ...] = ()
) -> list[Any]:
    """The judge's answers, in the same order. fetch, build: as of `said`."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    answers = said(judge, stdin=lines, fetch=fetch, build=build)
    return [json.loads(line) for line in answers.splitlines()]


def said(
    judge: Path, *words: str, stdin: str = "", fetch: bool = True, build: tuple[str, ...] = ()
) -> str:
    """What the judge prints. fetch: whether Go may get what it has not on this machine. build: flags of Go's build.

    Raises OSError, CalledProcessError; what Go says of an error goes to standard error.
    """
    return subprocess.run(
        ["go", "run", *build, ".", *words],
        cwd=judge,
        env=os.environ | ({} if fetch else {"GOPROXY": "off", "GOTOOLCHAIN": "local"}),
        input=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
