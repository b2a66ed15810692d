"""The commands of docs/metrics-server.md, as an operator reads them: the tests run what stands there, and nothing that is like it."""

import os
import re
import subprocess
from pathlib import Path

from real.bed import Bed

from .programs import CHECKOUT

PAGE = CHECKOUT / "docs" / "metrics-server.md"


def block(before: str, **filled_in: str) -> str:
    """The first block of commands behind the line that has this text, with what the operator fills in: REGISTRY, DIGEST, REVISION."""
    _, _, after = PAGE.read_text("utf-8").partition(before)
    found = re.search(r"^( *)```\n(.*?)\n\1```$", after, re.DOTALL | re.MULTILINE)
    assert found, before
    text = re.sub(f"^{found[1]}", "", found[2], flags=re.MULTILINE)
    for name, value in filled_in.items():
        assert name in text, (name, text)
        text = text.replace(name, value)
    return text


def commands(text: str) -> list[str]:
    """Of a block in which none is longer than its lines that end in a backslash."""
    return text.replace("\\\n", " ").splitlines()


def typed(bed: Bed, text: str, where: Path) -> str:
    """What a shell prints that runs them in that folder, one after another, each of which must succeed."""
    path = f"{bed.kubectl_program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text],
        cwd=where,
        env={**os.environ, "PATH": path, "KUBECONFIG": str(bed.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, (text, done.stdout, done.stderr)
    return done.stdout
